//! `/prometheus/api/v1`: Prometheus' query API over what was recorded.
//!
//! So that Grafana's own data source for Prometheus shows months with nothing
//! installed. PromQL is parsed by a crate and evaluated here, on the series of
//! [`recorded`](super::recorded). It knows nothing of how they are stored. Key
//! invariant: what is answered is what Prometheus 2 would answer, had it scraped
//! `/metrics` at each recorded tick; what is not supported is an error that names
//! it.

mod answer;
mod eval;
mod failure;
mod form;
mod guard;
mod labels;
mod lists;
mod load;
mod select;
mod sinks;
#[cfg(test)]
mod tests;
mod value;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::Uri,
    response::{IntoResponse, Response},
    routing::get,
};
use promql_parser::parser::{Expr, value::ValueType};
use tokio::time::Instant;

use crate::model::TimestampMs;

use super::{
    HttpState, Pages,
    error::{ApiError, shown},
    gate::Allowance,
    json,
    query::MAX_RANGE,
};
use answer::{Answer, Limit};
use eval::{Evaluator, is_steppable};
use failure::Failure;
use form::{Form, end_before_start};
pub use guard::check_promql;
use value::Steps;

/// As many as Prometheus tells of a series.
const MAX_STEPS: usize = 11_000;

pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/query", get(query).post(query))
        .route("/query_range", get(query_range).post(query_range))
        .route("/labels", get(lists::labels).post(lists::labels))
        .route("/label/{name}/values", get(lists::values))
        .route("/series", get(lists::series).post(lists::series))
        .route("/metadata", get(lists::metadata))
        .route("/status/buildinfo", get(lists::build_info))
        .fallback(no_such_path)
}

async fn no_such_path(uri: Uri) -> Failure {
    let path = shown(uri.path());
    Failure::Api(ApiError::NoSuchPath { path })
}

/// `query`
async fn query(State(pages): State<Arc<Pages>>, request: Request) -> Result<Response, Failure> {
    let form = Form::read(request).await?;
    let at = form.time("time")?.unwrap_or(TimestampMs::now());
    let steps = Steps {
        start: at.0,
        step: 1,
        count: 1,
    };
    answer(&pages, &form, steps, instant).await
}

/// `query_range`
async fn query_range(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Failure> {
    let form = Form::read(request).await?;
    let steps = steps(&form)?;
    answer(&pages, &form, steps, range).await
}

type Work = fn(&Expr, Steps, Limit, &HttpState, &Allowance) -> Result<Vec<u8>, Failure>;

async fn answer(pages: &Pages, form: &Form, steps: Steps, work: Work) -> Result<Response, Failure> {
    let text = form
        .required("query", "an expression of PromQL")?
        .to_owned();
    let (limit, timeout) = (Limit(form.limit()?), form.duration("timeout")?);
    let state = pages.state();
    let run = move |allowance: &Allowance| {
        let allowance = shorter(allowance, timeout);
        let expr = guard::parse("query", &text);
        // A failure of Prometheus' kind is an outcome too.
        Ok(expr.and_then(|expr| work(&expr, steps, limit, &state, &allowance)))
    };
    Ok(json(pages.queries.run(run).await??).into_response())
}

fn shorter(allowance: &Allowance, timeout: Option<Duration>) -> Allowance {
    let asked = timeout.map(|timeout| (Instant::now() + timeout, timeout));
    let (deadline, limit) = asked
        .filter(|(deadline, _)| *deadline < allowance.deadline)
        .unwrap_or((allowance.deadline, allowance.limit));
    Allowance {
        stop: allowance.stop.clone(),
        deadline,
        limit,
    }
}

fn instant(
    expr: &Expr,
    steps: Steps,
    limit: Limit,
    state: &HttpState,
    allowance: &Allowance,
) -> Result<Vec<u8>, Failure> {
    let mut evaluator = Evaluator::new(state, steps, allowance);
    match unwrapped(expr) {
        Expr::MatrixSelector(matrix) => {
            let samples = evaluator.samples(&matrix.vs, matrix.range)?;
            Answer::samples(&samples, limit)
        }
        expr => Answer::instant(&evaluator.evaluate(expr)?, steps.start, limit),
    }
}

fn range(
    expr: &Expr,
    steps: Steps,
    limit: Limit,
    state: &HttpState,
    allowance: &Allowance,
) -> Result<Vec<u8>, Failure> {
    if !is_steppable(expr) {
        let kind = match expr.value_type() {
            ValueType::Matrix => "range vector",
            _ => "string",
        };
        return Err(Failure::BadData(format!(
            "invalid parameter \"query\": invalid expression type \"{kind}\" for range query, \
             must be Scalar or instant Vector"
        )));
    }
    let mut evaluator = Evaluator::new(state, steps, allowance);
    Answer::range(evaluator.evaluate(expr)?, steps, limit)
}

fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => unwrapped(&inner.expr),
        expr => expr,
    }
}

fn steps(form: &Form) -> Result<Steps, Failure> {
    let (start, end) = (form.required_time("start")?, form.required_time("end")?);
    if end < start {
        return Err(end_before_start(start, end).into());
    }
    let span = end.since(start);
    if span > MAX_RANGE {
        let days = |duration: Duration| format!("{} days", duration.as_secs() / 86_400);
        return Err(Failure::too_large(
            days(span),
            format!("at most {}", days(MAX_RANGE)),
            "ask for a shorter range",
        ));
    }
    let step = form.step()?;
    let intervals = usize::try_from(span.as_millis() / step.as_millis()).unwrap_or(usize::MAX);
    if intervals > MAX_STEPS {
        return Err(Failure::BadData(format!(
            "exceeded maximum resolution of {MAX_STEPS} points per timeseries. Try decreasing \
             the query resolution (?step=XX)"
        )));
    }
    Ok(Steps {
        start: start.0,
        step: i64::try_from(step.as_millis()).unwrap_or(i64::MAX),
        count: intervals + 1,
    })
}
