//! KEDA's five calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    board::BoardReader,
    model::TimestampMs,
    proto::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse,
        ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
};

use super::{
    judged::{Answer, Judged, Missing},
    reply,
    streams::{Listener, Responses, tell_targets},
    watch::{Asked, Watch},
    watches::{AskError, Watches},
};

/// At most so many streams are open at one time.
const MAX_STREAMS: usize = 10_000;

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

/// Answers KEDA with what was judged after the newest tick.
#[derive(Debug, Clone)]
pub struct ScalerService {
    board: BoardReader,
    watches: Arc<Watches>,
    streams: Arc<Semaphore>,
    stats: Arc<ServiceStats>,
    shutdown: CancellationToken,
}

impl ScalerService {
    /// A service whose streams end with OK when `shutdown` is cancelled.
    pub fn new(board: BoardReader, watches: Arc<Watches>, shutdown: CancellationToken) -> Self {
        Self {
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

    fn watch(&self, object: &ScaledObjectRef) -> Result<Arc<Watch>, Status> {
        let watch = self
            .watches
            .ask(&object.scaler_metadata, TimestampMs::now());
        watch.map_err(|cause| match cause {
            AskError::BadMetadata(cause) => Status::invalid_argument(cause.to_string()),
            AskError::TooManyWatches { .. } => Status::resource_exhausted(cause.to_string()),
        })
    }

    /// The one path of IsActive and GetMetrics: `part` of what was judged. A
    /// watch that was never sampled waits for its first sample.
    async fn answer<T>(
        &self,
        watch: &Watch,
        deadline: Instant,
        part: impl Fn(&Judged, TimestampMs) -> Result<T, Missing>,
    ) -> Result<T, Status> {
        let mut rounds = self.watches.rounds();
        loop {
            rounds.mark_unchanged();
            let parameters = self.watches.settings().parameters;
            let now = TimestampMs::now();
            let judged = watch.judged_by(&self.board.borrow(), &parameters);
            let missing = match part(&judged, now) {
                Ok(answer) => return Ok(answer),
                Err(missing) => missing,
            };
            let message = watch.reason(missing, &self.board.borrow(), &parameters, now);
            if watch.is_sampled(&judged) {
                return Err(Status::unavailable(message));
            }
            match timeout_at(deadline, rounds.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Status::unavailable("the scaler is ending")),
                Err(_) => {
                    let message = format!("{message}; no first sample within the deadline");
                    return Err(Status::unavailable(message));
                }
            }
        }
    }

    async fn metrics(
        &self,
        watch: &Watch,
        asked: &Asked,
        places: &[usize],
        deadline: Instant,
    ) -> Result<Vec<Answer<f64>>, Status> {
        let parameters = self.watches.settings().parameters;
        let answers = self.answer(watch, deadline, |judged, now| {
            let metrics = places
                .iter()
                .map(|place| judged.metric(*place, &parameters, now));
            metrics.collect::<Result<Vec<_>, _>>()
        });
        let answers = answers.await;
        for (index, place) in places.iter().enumerate() {
            let value = answers.as_ref().ok().and_then(|answers| answers.get(index));
            asked.told[*place].metric_value(TimestampMs::now(), value.map(|value| value.told));
        }
        answers
    }

    async fn get_metrics_of(
        &self,
        request: &GetMetricsRequest,
        deadline: Instant,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let object = request.scaled_object_ref.as_ref().ok_or_else(|| {
            Status::invalid_argument("scaledObjectRef is missing, accepted is KEDA's reference")
        })?;
        let watch = self.watch(object)?;
        let asked = watch.asked();
        let places = places(&request.metric_name, &asked)?;
        let answers = self.metrics(&watch, &asked, &places, deadline).await?;
        let named = places
            .iter()
            .map(|place| &asked.trigger.metrics[*place].name);
        let values = named.zip(&answers);
        let response = GetMetricsResponse {
            metric_values: values
                .map(|(name, answer)| reply::metric_value(name, answer.told))
                .collect(),
        };
        let oldest = answers
            .into_iter()
            .min_by(|a, b| a.as_of.as_bytes().cmp(b.as_of.as_bytes()));
        Ok(match oldest {
            Some(oldest) => reply::with_age(response, oldest),
            None => Response::new(response),
        })
    }

    async fn is_active_of(
        &self,
        object: &ScaledObjectRef,
        deadline: Instant,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let watch = self.watch(object)?;
        let parameters = self.watches.settings().parameters;
        let answer = self.answer(&watch, deadline, |judged, now| {
            judged.is_active(&parameters, now)
        });
        let answer = answer.await;
        let active = answer.as_ref().ok().map(|answer| answer.told);
        for told in &watch.asked().told {
            told.active(TimestampMs::now(), active);
        }
        let answer = answer?;
        let response = IsActiveResponse {
            result: answer.told,
        };
        Ok(reply::with_age(response, answer))
    }

    fn listener(&self, object: &ScaledObjectRef) -> Result<Listener, Status> {
        let watch = self.watch(object)?;
        Ok(Listener::of(&watch, self.shutdown.clone(), self.permit()?))
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("there are {MAX_STREAMS} streams already"))
        })
    }
}

/// The metrics of `asked` by name; without a name all.
fn places(name: &str, asked: &Asked) -> Result<Vec<usize>, Status> {
    let metrics = &asked.trigger.metrics;
    if name.is_empty() {
        return Ok((0..metrics.len()).collect());
    }
    asked.metric(name).map(|place| vec![place]).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        let names = metrics.iter().map(|metric| format!("{:?}", metric.name));
        let names = names.collect::<Vec<_>>().join(" or ");
        Status::invalid_argument(format!("metricName is {shown:?}, accepted is {names}"))
    })
}

#[tonic::async_trait]
impl ExternalScaler for ScalerService {
    type StreamIsActiveStream = Responses<IsActiveResponse>;
    type StreamMetricSpecStream = Responses<GetMetricSpecResponse>;

    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let deadline = reply::deadline(request.metadata());
        let outcome = self.is_active_of(request.get_ref(), deadline).await;
        self.stats.count(&outcome);
        outcome
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let listener = self.listener(request.get_ref());
        self.stats.count(&listener);
        Ok(Response::new(listener?.activity()))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let outcome = self.watch(request.get_ref());
        self.stats.count(&outcome);
        let watch = outcome?;
        tell_targets(&watch);
        Ok(Response::new(reply::specs(&watch.asked().trigger.specs())))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let deadline = reply::deadline(request.metadata());
        let outcome = self.get_metrics_of(request.get_ref(), deadline).await;
        self.stats.count(&outcome);
        outcome
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let listener = self.listener(request.get_ref());
        self.stats.count(&listener);
        Ok(Response::new(listener?.specs()))
    }
}
