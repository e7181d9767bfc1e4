//! KEDA's five calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::debug;

use crate::{
    board::{Board, BoardReader},
    estimator::Parameters,
    model::TimestampMs,
    proto::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse,
        ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
};

use super::{
    judged::{Judged, Missing},
    reply,
    streams::{Listener, Responses, tell_targets},
    watch::Watch,
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

    /// A copy, so that whoever judges by it keeps no publisher waiting.
    fn newest_board(&self) -> Board {
        self.board.borrow().clone()
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
        part: impl Fn(&Judged, &Parameters, TimestampMs) -> Result<T, Missing>,
    ) -> Result<T, Status> {
        let mut rounds = None;
        loop {
            let (parameters, now) = (self.watches.parameters(), TimestampMs::now());
            let judged = match watch.judged() {
                Some(judged) => judged,
                None => watch.judge_first(&self.newest_board(), &parameters),
            };
            let missing = match part(&judged, &parameters, now) {
                Ok(answer) => return Ok(answer),
                Err(missing) => missing,
            };
            let message = watch.reason(missing, &self.newest_board(), &parameters, now);
            if watch.is_sampled(&judged) {
                return Err(Status::unavailable(message));
            }
            // Only who must wait listens; what was judged before it did is
            // looked at once more.
            match &mut rounds {
                None => rounds = Some(self.watches.rounds()),
                Some(rounds) => self.next_round(rounds, deadline, message).await?,
            }
        }
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
        let places = asked.places(&request.metric_name)?;
        let answer = self.answer(&watch, deadline, |judged, parameters, now| {
            reply::metric_values(&asked, judged, places.clone(), parameters, now)
        });
        let answer = answer.await;
        let values = answer.as_ref().ok().map(|(values, _)| values);
        for (index, told) in asked.told[places].iter().enumerate() {
            let value = values.map(|values| values[index].metric_value_float);
            told.metric_value(TimestampMs::now(), value);
        }
        let (metric_values, oldest) = answer?;
        debug!(name = object.name, ?metric_values, "told");
        Ok(reply::with_age(
            GetMetricsResponse { metric_values },
            oldest,
        ))
    }

    async fn is_active_of(
        &self,
        object: &ScaledObjectRef,
        deadline: Instant,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let watch = self.watch(object)?;
        let answer = self.answer(&watch, deadline, Judged::is_active).await;
        let active = answer.as_ref().ok().map(|answer| answer.told);
        for told in &watch.asked().told {
            told.active(TimestampMs::now(), active);
        }
        let answer = answer?;
        let response = IsActiveResponse {
            result: answer.told,
        };
        Ok(reply::with_age(response, answer.age))
    }

    /// Waits until all have been judged once more.
    async fn next_round(
        &self,
        rounds: &mut watch::Receiver<u64>,
        deadline: Instant,
        message: String,
    ) -> Result<(), Status> {
        let judged = timeout_at(deadline, rounds.changed());
        match self.shutdown.run_until_cancelled(judged).await {
            Some(Ok(Ok(()))) => Ok(()),
            None | Some(Ok(Err(_))) => Err(Status::unavailable("the scaler is ending")),
            Some(Err(_)) => {
                let message = format!("{message}; no first sample within the deadline");
                Err(Status::unavailable(message))
            }
        }
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
