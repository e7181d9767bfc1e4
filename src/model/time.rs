//! Points in time.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat, Utc};

/// From here on a plain number is milliseconds: as seconds it would be the
/// year 5138, and as milliseconds it is 1973.
const FIRST_MILLISECONDS: f64 = 1e11;
/// The last moment of the year 9999, beyond which RFC 3339 has no time.
const LATEST_MS: i64 = 253_402_300_799_999;

/// Milliseconds since 1970-01-01 UTC. The only form in which time is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimestampMs(pub i64);

impl TimestampMs {
    /// The wall clock's time. Neither the estimator nor the store calls it:
    /// they are told the time.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(duration_ms(since_epoch))
    }

    /// The last moment that [`parse`](Self::parse) reads.
    pub const LATEST: Self = Self(LATEST_MS);

    /// What [`parse`](Self::parse) reads, for a message.
    pub const ACCEPTED: &str = "RFC 3339, epoch seconds or epoch milliseconds, from 1970 to 9999";

    /// A time as people and dashboards write it; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let ms = match text.parse::<f64>() {
            Ok(number) => epoch_ms(number)?,
            Err(_) => DateTime::parse_from_rfc3339(&with_plus(text))
                .ok()?
                .timestamp_millis(),
        };
        (0..=LATEST_MS).contains(&ms).then_some(Self(ms))
    }

    /// How long after `earlier` this is; zero if it isn't after.
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_millis(ms.unsigned_abs())
    }

    /// Seconds from `earlier` to this; negative if it is before.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1000.0
    }

    /// The point `duration` before this.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration_ms(duration)))
    }

    /// The point `duration` after this.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration_ms(duration)))
    }
}

fn epoch_ms(number: f64) -> Option<i64> {
    let ms = if number.abs() >= FIRST_MILLISECONDS {
        number
    } else {
        number * 1000.0
    };
    // What is beyond by less than a millisecond is beyond.
    (0.0..=LATEST_MS as f64)
        .contains(&ms)
        .then_some(ms.round() as i64)
}

/// `+02:00` sent without escaping arrives with a space in place of the plus.
fn with_plus(text: &str) -> String {
    let zone = text.len().saturating_sub("+00:00".len());
    match text.split_at_checked(zone) {
        Some((time, zone)) if zone.starts_with(' ') => format!("{time}+{}", &zone[1..]),
        _ => text.to_owned(),
    }
}

fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, to the millisecond.
impl fmt::Display for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for TimestampMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_each_form() {
        let expected = Some(TimestampMs(1_767_225_600_000));
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T02:00:00+02:00",
            "2026-01-01T02:00:00 02:00",
            "2026-01-01T00:00:00.000Z",
            "1767225600",
            "1767225600.0",
            "1767225600000",
        ] {
            assert_eq!(TimestampMs::parse(text), expected, "{text}");
        }
        assert_eq!(TimestampMs::parse("1.5"), Some(TimestampMs(1_500)));
        for text in [
            "",
            "now",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "-0.0001",
            "253402300799999.1",
            "2026-01-01",
            "99999-01-01T00:00:00Z",
            "é é é",
        ] {
            assert_eq!(TimestampMs::parse(text), None, "{text}");
        }
    }

    #[test]
    fn prints_rfc_3339_and_survives_extremes() {
        assert_eq!(TimestampMs(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(TimestampMs(i64::MAX).to_string(), "9223372036854775807 ms");
        assert_eq!(
            TimestampMs(i64::MIN).minus(Duration::MAX),
            TimestampMs(i64::MIN)
        );
        assert_eq!(
            TimestampMs(i64::MIN).since(TimestampMs(i64::MAX)),
            Duration::ZERO
        );
    }
}
