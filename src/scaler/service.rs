//! KEDA's five calls.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, metadata::MetadataMap};
use tracing::debug;

use crate::{
    board::BoardReader,
    estimator::{Freshness, Parameters},
    model::TimestampMs,
    proto::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
        MetricValue, ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
};

use super::{
    answer::{Answer, NoAnswer},
    trigger::{Trigger, TriggerRules},
    watches::{Watch, Watches},
};

/// KEDA's metrics adapter gives up after 3 s: an answer that must wait for a
/// first reading waits no longer than this.
const LONGEST_WAIT: Duration = Duration::from_millis(2_500);
/// Left of a caller's deadline for the answer's way back.
const WAY_BACK: Duration = Duration::from_millis(50);
/// At most so many streams are open at one time.
const MAX_STREAMS: usize = 10_000;

/// Response headers that make the age of an answer visible.
const AS_OF_HEADER: &str = "tidegauge-as-of";
const FRESHNESS_HEADER: &str = "tidegauge-freshness";

/// How many calls were answered; read by metrics.
#[derive(Debug, Default)]
pub struct ServiceStats {
    answered: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
}

impl ServiceStats {
    /// Calls answered, by result: `ok`, `unavailable`, `refused`.
    pub fn calls(&self) -> [(&'static str, u64); 3] {
        [
            ("ok", self.answered.load(Ordering::Relaxed)),
            ("unavailable", self.unavailable.load(Ordering::Relaxed)),
            ("refused", self.refused.load(Ordering::Relaxed)),
        ]
    }

    fn count<T>(&self, outcome: &Result<T, Status>) {
        let counter = match outcome {
            Ok(_) => &self.answered,
            Err(status) if status.code() == tonic::Code::Unavailable => &self.unavailable,
            Err(_) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers KEDA from the newest board.
#[derive(Debug, Clone)]
pub struct ScalerService {
    rules: Arc<TriggerRules>,
    parameters: Parameters,
    board: BoardReader,
    watches: Arc<Watches>,
    streams: Arc<Semaphore>,
    stats: Arc<ServiceStats>,
    shutdown: CancellationToken,
}

impl ScalerService {
    /// A service whose streams end with OK when `shutdown` is cancelled.
    pub fn new(
        rules: Arc<TriggerRules>,
        parameters: Parameters,
        board: BoardReader,
        watches: Arc<Watches>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            rules,
            parameters,
            board,
            watches,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            stats: Arc::default(),
            shutdown,
        }
    }

    /// How many calls were answered.
    pub fn stats(&self) -> Arc<ServiceStats> {
        Arc::clone(&self.stats)
    }

    fn trigger(&self, object: &ScaledObjectRef) -> Result<Trigger, Status> {
        Trigger::parse(&object.scaler_metadata, &self.rules)
            .map_err(|cause| Status::invalid_argument(cause.to_string()))
    }

    fn watch(&self, object: &ScaledObjectRef) -> Result<Arc<Watch>, Status> {
        let trigger = self.trigger(object)?;
        self.watches
            .ask(trigger, TimestampMs::now())
            .map_err(|cause| Status::resource_exhausted(cause.to_string()))
    }

    /// The one path of IsActive, GetMetrics and StreamIsActive's first word: a
    /// watch that was never sampled waits for its first sample.
    async fn answer(&self, watch: &Watch, deadline: Instant) -> Result<Answer, Status> {
        let mut board = self.board.clone();
        loop {
            let answer = self.newest_answer(watch, &mut board);
            match answer {
                Ok(answer) => return Ok(answer),
                Err((cause, Sampled(true))) => return Err(Status::unavailable(cause.to_string())),
                Err((cause, Sampled(false))) => match timeout_at(deadline, board.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Status::unavailable("the scaler is ending")),
                    Err(_) => {
                        let message = format!("{cause}; no first sample within the deadline");
                        return Err(Status::unavailable(message));
                    }
                },
            }
        }
    }

    fn newest_answer(
        &self,
        watch: &Watch,
        board: &mut BoardReader,
    ) -> Result<Answer, (NoAnswer, Sampled)> {
        let board = board.borrow_and_update().clone();
        let trigger = &watch.trigger;
        trigger
            .answer(&board, &self.parameters, TimestampMs::now())
            .map_err(|cause| {
                let newest = board
                    .cluster(&trigger.cluster)
                    .and_then(|cluster| cluster.as_of());
                (
                    cause,
                    Sampled(newest.is_some_and(|newest| newest >= watch.since)),
                )
            })
    }

    fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("there are {MAX_STREAMS} streams already"))
        })
    }

    /// The next change of activity; `None` at shutdown.
    async fn next_activity(&self, stream: &mut ActivityStream) -> Option<bool> {
        loop {
            stream.watch.touch(TimestampMs::now());
            // What is not known is not told: KEDA keeps what it was told last.
            if let Ok(answer) = self.newest_answer(&stream.watch, &mut stream.board)
                && stream.told != Some(answer.active)
            {
                stream.told = Some(answer.active);
                let told = &stream.watch.told;
                told.active(TimestampMs::now(), Some(answer.active));
                return Some(answer.active);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                changed = stream.board.changed() => changed.ok()?,
            }
        }
    }
}

/// Has the watch been sampled since it is one?
struct Sampled(bool);

struct ActivityStream {
    watch: Arc<Watch>,
    board: BoardReader,
    told: Option<bool>,
    _permit: OwnedSemaphorePermit,
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalScaler for ScalerService {
    type StreamIsActiveStream = Responses<IsActiveResponse>;
    type StreamMetricSpecStream = Responses<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let deadline = deadline(request.metadata());
        let outcome = async {
            let watch = self.watch(request.get_ref())?;
            let answer = self.answer(&watch, deadline).await;
            let active = answer.as_ref().ok().map(|answer| answer.active);
            watch.told.active(TimestampMs::now(), active);
            answer
        };
        let outcome = outcome.await;
        self.stats.count(&outcome);
        let answer = outcome?;
        Ok(with_age(
            IsActiveResponse {
                result: answer.active,
            },
            &answer,
        ))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let watch = self.watch(request.get_ref());
        self.stats.count(&watch);
        let stream = ActivityStream {
            watch: watch?,
            board: self.board.clone(),
            told: None,
            _permit: self.stream_permit()?,
        };
        let service = self.clone();
        let changes = stream::unfold((service, stream), |(service, mut stream)| async {
            let result = service.next_activity(&mut stream).await?;
            Some((Ok(IsActiveResponse { result }), (service, stream)))
        });
        Ok(Response::new(changes.boxed()))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let outcome = self.watch(request.get_ref());
        self.stats.count(&outcome);
        Ok(Response::new(spec(&*outcome?)))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let deadline = deadline(request.metadata());
        let outcome = async {
            let object = request
                .get_ref()
                .scaled_object_ref
                .as_ref()
                .ok_or_else(|| {
                    Status::invalid_argument(
                        "scaledObjectRef is missing, accepted is KEDA's reference",
                    )
                })?;
            let watch = self.watch(object)?;
            check_metric_name(&request.get_ref().metric_name, &watch.trigger)?;
            let answer = self.answer(&watch, deadline).await;
            let value = answer.as_ref().ok().map(|answer| answer.value);
            watch.told.metric_value(TimestampMs::now(), value);
            Ok((watch, answer?))
        };
        let outcome = outcome.await;
        self.stats.count(&outcome);
        let (watch, answer) = outcome?;
        debug!(
            metric = watch.trigger.metric_name,
            value = answer.value,
            "told"
        );
        let response = GetMetricsResponse {
            metric_values: vec![metric_value(&watch.trigger, &answer)],
        };
        Ok(with_age(response, &answer))
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let outcome = self.watch(request.get_ref());
        self.stats.count(&outcome);
        let permit = self.stream_permit()?;
        let first = stream::iter([Ok(spec(&*outcome?))]);
        // A spec follows from the metadata alone, so it never changes; the
        // stream stays open until the end, as KEDA expects.
        let shutdown = self.shutdown.clone();
        let rest = stream::once(async move {
            shutdown.cancelled_owned().await;
            drop(permit);
        });
        Ok(Response::new(
            first.chain(rest.filter_map(|()| async { None })).boxed(),
        ))
    }
}

#[expect(deprecated, reason = "older clients know only the integer fields")]
fn spec(watch: &Watch) -> GetMetricSpecResponse {
    let spec = watch.trigger.spec();
    watch.told.target(TimestampMs::now(), spec.target);
    GetMetricSpecResponse {
        metric_specs: vec![MetricSpec {
            metric_name: spec.name,
            // Never 0, which would divide by it.
            target_size: (spec.target.round() as i64).max(1),
            target_size_float: spec.target,
        }],
    }
}

#[expect(deprecated, reason = "older clients know only the integer fields")]
fn metric_value(trigger: &Trigger, answer: &Answer) -> MetricValue {
    MetricValue {
        metric_name: trigger.metric_name.clone(),
        metric_value: answer.value.ceil() as i64,
        metric_value_float: answer.value,
    }
}

fn check_metric_name(asked: &str, trigger: &Trigger) -> Result<(), Status> {
    if asked.is_empty() || asked == trigger.metric_name {
        return Ok(());
    }
    let shown: String = asked.chars().take(80).collect();
    Err(Status::invalid_argument(format!(
        "metricName is {shown:?}, accepted is {:?}",
        trigger.metric_name
    )))
}

fn with_age<T>(message: T, answer: &Answer) -> Response<T> {
    let mut response = Response::new(message);
    let freshness = match answer.freshness {
        Freshness::Fresh => "fresh",
        Freshness::Stale => "stale",
    };
    let headers = response.metadata_mut();
    if let Ok(as_of) = answer.as_of.to_string().parse() {
        headers.insert(AS_OF_HEADER, as_of);
    }
    headers.insert(
        FRESHNESS_HEADER,
        tonic::metadata::MetadataValue::from_static(freshness),
    );
    response
}

/// Until when an answer may wait: the caller's `grpc-timeout`, if it sent one,
/// and never longer than [`LONGEST_WAIT`].
fn deadline(metadata: &MetadataMap) -> Instant {
    let asked = metadata
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
        .and_then(parse_timeout)
        .map_or(LONGEST_WAIT, |asked| asked.saturating_sub(WAY_BACK));
    Instant::now() + asked.min(LONGEST_WAIT)
}

/// gRPC's `TimeoutValue TimeoutUnit`: at most eight digits and a letter.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_in_each_unit() {
        for (text, expected) in [
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("1u", Some(Duration::from_micros(1))),
            ("", None),
            ("S", None),
            ("3", None),
            ("123456789S", None),
            ("-1S", None),
            ("3é", None),
        ] {
            assert_eq!(parse_timeout(text), expected, "{text}");
        }
    }
}
