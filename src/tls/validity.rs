//! Until when a certificate is valid.
//!
//! Nothing is believed here: who verifies certificates is rustls.

use x509_parser::parse_x509_certificate;

use crate::model::TimestampMs;

/// Until when the certificate in DER is valid; `None` if it is none.
pub(super) fn not_after(certificate: &[u8]) -> Option<TimestampMs> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(TimestampMs(seconds.saturating_mul(1_000)))
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
