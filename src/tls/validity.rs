//! Until when a certificate is valid.
//!
//! RFC 5280, 4.1: a certificate is a sequence whose first part is a sequence of
//! an optional version `[0]`, serial number, algorithm, issuer, and validity, which
//! is a sequence of two times. Nothing else is read, and nothing is believed: who
//! verifies certificates is rustls.

use chrono::{DateTime, NaiveDateTime};

use crate::model::TimestampMs;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
/// More bytes of a length than any certificate has.
const MAX_LENGTH_BYTES: usize = 4;

/// Until when the certificate in DER is valid; `None` if it is none.
pub(super) fn not_after(certificate: &[u8]) -> Option<TimestampMs> {
    let certificate = Der(certificate).inside(SEQUENCE)?.0;
    let mut fields = certificate.inside(SEQUENCE)?.0;
    if fields.0.first() == Some(&VERSION) {
        fields = fields.inside(VERSION)?.1;
    }
    for kind in [INTEGER, SEQUENCE, SEQUENCE] {
        fields = fields.inside(kind)?.1;
    }
    let validity = fields.inside(SEQUENCE)?.0;
    let (_, not_after) = validity.value()?;
    not_after.time()
}

/// DER that was not read yet.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// What is in the first value, which must be of this kind, and what follows.
    fn inside(self, kind: u8) -> Option<(Self, Self)> {
        (self.0.first() == Some(&kind)).then(|| self.value())?
    }

    /// What is in the first value, and what follows.
    fn value(self) -> Option<(Self, Self)> {
        let (first, rest) = self.0.get(1..)?.split_first()?;
        let (length, rest) = match *first {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let bytes = usize::from(long & 0x7f);
                let (length, rest) = rest.split_at_checked(bytes)?;
                let is_sane = (1..=MAX_LENGTH_BYTES).contains(&bytes);
                let whole = |whole, byte: &u8| (whole << 8) | usize::from(*byte);
                (is_sane.then(|| length.iter().fold(0, whole))?, rest)
            }
        };
        let (inside, rest) = rest.split_at_checked(length)?;
        Some((Self(inside), Self(rest)))
    }

    /// The time that comes first: of two digits, a year is one from 1950 to 2049.
    fn time(self) -> Option<TimestampMs> {
        let kind = *self.0.first()?;
        let text = std::str::from_utf8(self.value()?.0.0).ok()?;
        let text = match kind {
            UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            GENERALIZED_TIME => text.to_owned(),
            _ => return None,
        };
        let time = NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?;
        Some(TimestampMs(DateTime::timestamp_millis(&time.and_utc())))
    }
}

#[cfg(test)]
mod tests {
    use openssl::asn1::Asn1Time;
    use proptest::prelude::*;

    use super::{
        super::testing::{certificate_until, der},
        *,
    };

    #[test]
    fn the_end_is_told_as_openssl_wrote_it() {
        for seconds in [
            1_767_225_600,
            // The last second that is written with two digits, and the next.
            2_524_607_999,
            2_524_608_000,
            253_402_300_799,
        ] {
            let end = Asn1Time::from_unix(seconds).expect("a time");
            let found = not_after(&der(&certificate_until(&end)));
            assert_eq!(found, Some(TimestampMs(seconds * 1_000)));
        }
    }

    #[test]
    fn what_is_cut_off_has_no_end() {
        let end = Asn1Time::from_unix(1_767_225_600).expect("a time");
        let der = der(&certificate_until(&end));
        for length in 0..der.len() {
            assert_eq!(not_after(&der[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            not_after(&bytes);
            bytes = der(&certificate_until(&Asn1Time::from_unix(0).expect("a time")));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            not_after(&bytes);
        }
    }
}
