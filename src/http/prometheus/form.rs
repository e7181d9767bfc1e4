//! Parameters in Prometheus' formats, from the query and from the body.

use std::time::Duration;

use axum::{extract::Request, http::Method};
use promql_parser::util::parse_duration;
use url::form_urlencoded;

use crate::{
    http::{
        body,
        error::{ApiError, shown},
        query,
    },
    model::TimestampMs,
};

use super::failure::Failure;

const DURATION: &str = "a duration above 0 such as 30s, 1m30s or 60 (seconds)";

/// So many `match[]` at a time.
const MAX_SELECTORS: usize = 64;

/// Names and values; what nobody asks for is passed over, as Prometheus does,
/// since clients send all sorts of things along.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// What is in the body goes before what is in the query.
    pub(super) async fn read(request: Request) -> Result<Self, ApiError> {
        let (head, content) = request.into_parts();
        let mut pairs = Vec::new();
        if head.method == Method::POST {
            let content = body::bytes(content).await?;
            pairs.extend(form_urlencoded::parse(&content).into_owned());
        }
        let query = head.uri.query().unwrap_or_default();
        pairs.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
        Ok(Self(pairs))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let pairs = self.0.iter();
        let mut found = pairs.filter(|(found, value)| found == name && !value.is_empty());
        found.next().map(|(_, value)| value.as_str())
    }

    pub(super) fn required(
        &self,
        parameter: &'static str,
        accepted: &'static str,
    ) -> Result<&str, ApiError> {
        query::required(parameter, self.text(parameter), accepted)
    }

    pub(super) fn time(&self, name: &'static str) -> Result<Option<TimestampMs>, ApiError> {
        query::time(name, self.text(name))
    }

    pub(super) fn required_time(&self, name: &'static str) -> Result<TimestampMs, ApiError> {
        self.required(name, TimestampMs::ACCEPTED)?;
        self.time(name)?.ok_or(ApiError::MissingParameter {
            parameter: name,
            accepted: TimestampMs::ACCEPTED,
        })
    }

    /// Where a list of series is asked for: they are told whenever they were.
    pub(super) fn check_range(&self) -> Result<(), ApiError> {
        let (start, end) = (self.time("start")?, self.time("end")?);
        match start.zip(end) {
            Some((start, end)) if end < start => Err(end_before_start(start, end)),
            _ => Ok(()),
        }
    }

    pub(super) fn duration(&self, name: &'static str) -> Result<Option<Duration>, ApiError> {
        let parse = |text: &str| {
            let duration = match text.parse::<f64>() {
                Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
                Err(_) => parse_duration(text).ok(),
            };
            let duration = duration.filter(|duration| duration.as_millis() > 0);
            duration.ok_or_else(|| ApiError::bad(name, text, DURATION))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn step(&self) -> Result<Duration, ApiError> {
        self.duration("step")?.ok_or(ApiError::MissingParameter {
            parameter: "step",
            accepted: DURATION,
        })
    }

    /// `None` or 0: no limit.
    pub(super) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.text("limit") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(limit) => Ok(Some(limit).filter(|limit| *limit > 0)),
            Err(_) => Err(ApiError::bad(
                "limit",
                text,
                "a number from 0, which is none",
            )),
        }
    }

    pub(super) fn selectors(&self) -> Result<Vec<&str>, Failure> {
        let pairs = self.0.iter().filter(|(name, _)| name == "match[]");
        let selectors: Vec<_> = pairs.map(|(_, value)| value.as_str()).collect();
        if selectors.len() > MAX_SELECTORS {
            return Err(Failure::BadData(format!(
                "invalid parameter \"match[]\": there are {}, accepted are {MAX_SELECTORS} at most",
                selectors.len()
            )));
        }
        Ok(selectors)
    }
}

pub(super) fn end_before_start(start: TimestampMs, end: TimestampMs) -> ApiError {
    let accepted = format!("a time that is not before start, which is {start}");
    ApiError::bad("end", &shown(&end.to_string()), accepted)
}
