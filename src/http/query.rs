//! Reads the parameters of a request, which anybody may send.

use std::{collections::BTreeMap, time::Duration};

use axum::{extract::Query, http::Uri};

use crate::model::{Partition, TimestampMs};

use super::error::{ApiError, shown};

const DURATION: &str =
    "a duration above 0 and up to 400 days, such as 30s, 1m or 60 (seconds), or raw";

/// A year and a month: longer than anybody keeps history so far.
pub(super) const MAX_RANGE: Duration = Duration::from_hours(400 * 24);

/// A span of time, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) from: TimestampMs,
    pub(super) to: TimestampMs,
}

impl Range {
    /// An error if it ends before it begins, or is too long.
    pub(super) fn between(from: TimestampMs, to: TimestampMs) -> Result<Self, ApiError> {
        if from >= to {
            return Err(ApiError::bad(
                "from",
                &from.to_string(),
                format!("a time before to, which is {to}"),
            ));
        }
        let days = |duration: Duration| format!("{} days", duration.as_secs() / 86_400);
        if to.since(from) > MAX_RANGE {
            return Err(ApiError::TooLarge {
                found: days(to.since(from)),
                limit: format!("at most {}", days(MAX_RANGE)),
                remedy: "ask for a shorter range",
            });
        }
        Ok(Self { from, to })
    }
}

/// A request's parameters. An empty one counts as not given, since that is
/// what a dashboard sends for a variable without a value.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The parameters in `uri`; an error if one is not in `accepted`.
    pub(super) fn read(uri: &Uri, accepted: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs): Query<Vec<(String, String)>> =
            Query::try_from_uri(uri).map_err(|cause| ApiError::BadQuery {
                reason: cause.to_string(),
            })?;
        let mut read = BTreeMap::new();
        for (name, value) in pairs {
            if !accepted.contains(&name.as_str()) {
                return Err(unknown(&name, accepted));
            }
            if read.contains_key(&name) {
                return Err(ApiError::RepeatedParameter { parameter: name });
            }
            read.insert(name, value);
        }
        Ok(Self(read))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn required(
        &self,
        parameter: &'static str,
        accepted: &'static str,
    ) -> Result<&str, ApiError> {
        required(parameter, self.text(parameter), accepted)
    }

    pub(super) fn time(&self, name: &'static str) -> Result<Option<TimestampMs>, ApiError> {
        time(name, self.text(name))
    }

    /// `from` and `to`. Where they are not given, until `now`, and for as long
    /// as `default`.
    pub(super) fn range(&self, now: TimestampMs, default: Duration) -> Result<Range, ApiError> {
        let to = self.time("to")?.unwrap_or(now);
        let from = self.time("from")?.unwrap_or(to.minus(default));
        Range::between(from, to)
    }

    /// How many of something, at least one.
    pub(super) fn count(
        &self,
        name: &'static str,
        default: usize,
        most: usize,
    ) -> Result<usize, ApiError> {
        count(name, self.text(name), default, most)
    }

    /// One partition's number.
    pub(super) fn partition(&self, accepted: &str) -> Result<Option<Partition>, ApiError> {
        let Some(text) = self.text("partition") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(partition) if partition >= 0 => Ok(Some(partition)),
            _ => Err(ApiError::bad("partition", text, accepted)),
        }
    }

    pub(super) fn duration(&self, name: &'static str) -> Result<Option<Duration>, ApiError> {
        let parse = |text| parse_duration(text).ok_or_else(|| ApiError::bad(name, text, DURATION));
        self.text(name).map(parse).transpose()
    }
}

/// The value of a parameter that can't be done without.
pub(super) fn required<'a>(
    parameter: &'static str,
    text: Option<&'a str>,
    accepted: &'static str,
) -> Result<&'a str, ApiError> {
    text.ok_or(ApiError::MissingParameter {
        parameter,
        accepted,
    })
}

/// A time, if one is given.
pub(super) fn time(
    name: &'static str,
    text: Option<&str>,
) -> Result<Option<TimestampMs>, ApiError> {
    let parse = |text| {
        TimestampMs::parse(text).ok_or_else(|| ApiError::bad(name, text, TimestampMs::ACCEPTED))
    };
    text.map(parse).transpose()
}

/// How many of something, at least one.
pub(super) fn count(
    name: &'static str,
    text: Option<&str>,
    default: usize,
    most: usize,
) -> Result<usize, ApiError> {
    let Some(text) = text else {
        return Ok(default);
    };
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        _ => {
            let accepted = format!("a number from 1 to {most}");
            Err(ApiError::bad(name, text, accepted))
        }
    }
}

fn unknown(name: &str, accepted: &[&str]) -> ApiError {
    let accepted = match accepted {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    ApiError::UnknownParameter {
        parameter: shown(name),
        accepted,
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    // Steps are counted in whole milliseconds, and none is longer than a range.
    (duration.as_millis() > 0 && duration <= MAX_RANGE).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_a_unit() {
        for (text, expected) in [
            ("30s", Some(Duration::from_secs(30))),
            ("1m", Some(Duration::from_secs(60))),
            ("1m 30s", Some(Duration::from_secs(90))),
            ("60", Some(Duration::from_secs(60))),
            ("0.5", Some(Duration::from_millis(500))),
            ("200ms", Some(Duration::from_millis(200))),
            ("0", None),
            ("0s", None),
            ("10us", None),
            ("-5", None),
            ("NaN", None),
            ("1e300", None),
            ("400d", Some(MAX_RANGE)),
            ("34560001", None),
            ("soon", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
