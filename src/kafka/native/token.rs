//! Hands a token of SASL/OAUTHBEARER to librdkafka, or the reason why there is
//! none.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_char},
    time::{SystemTime, UNIX_EPOCH},
};

use rdkafka::bindings as k;

use super::{
    super::error::ErrorCode, Handle, describe, rd_kafka_oauthbearer_set_token,
    rd_kafka_oauthbearer_set_token_failure,
};

/// Librdkafka wants a place for its sentence, and cuts it to fit.
const REASON_BYTES: usize = 64;

impl Handle {
    /// From now on connections are made with this token, until it `expires`.
    /// `Err` is librdkafka's sentence for its code, since the one for the case may
    /// quote the token. It asks for the next token when four
    /// fifths of the time are over.
    pub(crate) fn set_token(
        &self,
        token: &str,
        expires: SystemTime,
        principal: &str,
        extensions: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let (token, principal) = (c_text(token)?, c_text(principal)?);
        let texts = extensions.iter().flat_map(|(name, value)| [name, value]);
        let texts: Vec<CString> = texts.map(|text| c_text(text)).collect::<Result<_, _>>()?;
        let mut extensions: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
        let mut reason = [0; REASON_BYTES];
        // SAFETY: client and texts are live, and all of them are copied; the
        // reason has the length that is told.
        let code = unsafe {
            rd_kafka_oauthbearer_set_token(
                self.native_ptr(),
                token.as_ptr(),
                epoch_ms(expires),
                principal.as_ptr(),
                extensions.as_mut_ptr(),
                extensions.len(),
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        match code {
            0 => Ok(()),
            code => Err(describe(ErrorCode(code))),
        }
    }

    /// There is no token. Librdkafka asks again in 10 seconds.
    pub(crate) fn set_token_failure(&self, reason: &str) {
        let reason = reason.replace('\0', "");
        let Ok(reason) = c_text(&reason) else { return };
        // SAFETY: client and text are live, and the text is copied. It fails
        // only for another mechanism or without a reason.
        unsafe { rd_kafka_oauthbearer_set_token_failure(self.native_ptr(), reason.as_ptr()) };
    }

    fn native_ptr(&self) -> *mut k::rd_kafka_t {
        self.client().native_ptr()
    }
}

/// The text is not told: it may be the token.
fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a NUL is in it".to_owned())
}

fn epoch_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
