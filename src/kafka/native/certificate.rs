//! Says why a broker's certificate is refused.

use std::ffi::{c_char, c_int, c_long, c_void};

use rdkafka::bindings as k;

unsafe extern "C" {
    fn X509_verify_cert_error_string(code: c_long) -> *const c_char;
}

/// What OpenSSL says of a certificate of no fault.
const X509_OK: c_int = 0;

/// Has OpenSSL's reason written into the log line, under `SSLCERTVRFY`, that
/// librdkafka has for each certificate that is refused. By itself it only tells
/// that one was.
pub(super) fn explain_refusals(config: *mut k::rd_kafka_conf_t) {
    // SAFETY: the configuration is live; the function is of the type that is
    // asked for and uses nothing of ours.
    unsafe { k::rd_kafka_conf_set_ssl_cert_verify_cb(config, Some(judge)) };
}

/// Agrees with OpenSSL, whatever it found.
///
/// # Safety
/// As librdkafka calls it: `found` is a number, `reason` has room for
/// `reason_size` bytes.
unsafe extern "C" fn judge(
    _client: *mut k::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    found: *mut c_int,
    _depth: c_int,
    _certificate: *const c_char,
    _certificate_size: usize,
    reason: *mut c_char,
    reason_size: usize,
    _opaque: *mut c_void,
) -> c_int {
    // SAFETY: live by the caller's promise. OpenSSL's sentence is static.
    unsafe {
        if *found == X509_OK {
            return 1;
        }
        let sentence = super::text(X509_verify_cert_error_string(c_long::from(*found)));
        let length = sentence.len().min(reason_size.saturating_sub(1));
        if reason_size > 0 {
            std::ptr::copy_nonoverlapping(sentence.as_ptr().cast(), reason, length);
            *reason.add(length) = 0;
        }
    }
    0
}
