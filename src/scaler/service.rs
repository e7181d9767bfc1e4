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
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};
use tracing::{Instrument as _, debug};

use crate::{
    board::{Board, BoardReader},
    config::cut_at,
    estimator::Parameters,
    model::TimestampMs,
    proto::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse,
        ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
    sources::NoName,
    telemetry::spans,
};

use super::{
    access::Denied,
    judged::{Judged, Missing},
    reply,
    streams::{Listener, Responses, tell_targets},
    watch::{OpenStream, Watch},
    watches::{AskError, Watches},
};

/// At most so many streams are open at one time.
const MAX_STREAMS: usize = 10_000;

/// So often a plugin is looked up for one call: what is found can change before it
/// is taken up.
const LOOKS: usize = 3;
/// So much of a plugin's name is repeated in an error.
const SHOWN_CHARS: usize = 80;

/// How many calls were answered, and how many streams are open; read by metrics.
#[derive(Debug)]
pub struct ServiceStats {
    answered: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
    denied: AtomicU64,
    streams: Arc<Semaphore>,
}

impl Default for ServiceStats {
    fn default() -> Self {
        Self {
            answered: AtomicU64::default(),
            unavailable: AtomicU64::default(),
            refused: AtomicU64::default(),
            denied: AtomicU64::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}

impl ServiceStats {
    /// Calls answered, by result: `ok`, `unavailable`, `refused`, `denied`.
    pub fn calls(&self) -> [(&'static str, u64); 4] {
        [
            ("ok", self.answered.load(Ordering::Relaxed)),
            ("unavailable", self.unavailable.load(Ordering::Relaxed)),
            ("refused", self.refused.load(Ordering::Relaxed)),
            ("denied", self.denied.load(Ordering::Relaxed)),
        ]
    }

    /// A stream that was open is refused.
    pub(super) fn count_denied(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }

    /// Streams that are open.
    pub fn open_streams(&self) -> usize {
        MAX_STREAMS - self.streams.available_permits()
    }

    /// How many streams may be open.
    pub fn streams_limit(&self) -> usize {
        MAX_STREAMS
    }

    fn count<T>(&self, outcome: &Result<T, Status>) {
        let counter = match outcome {
            Ok(_) => &self.answered,
            Err(status) => match status.code() {
                Code::Unavailable => &self.unavailable,
                Code::PermissionDenied => &self.denied,
                _ => &self.refused,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers KEDA with what was judged after the newest tick.
#[derive(Debug, Clone)]
pub struct ScalerService {
    board: BoardReader,
    watches: Arc<Watches>,
    stats: Arc<ServiceStats>,
    shutdown: CancellationToken,
}

impl ScalerService {
    /// A service whose streams end with OK when `shutdown` is cancelled.
    pub fn new(board: BoardReader, watches: Arc<Watches>, shutdown: CancellationToken) -> Self {
        Self {
            board,
            watches,
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

    /// The watch of a ScaledObject. Only a plugin that is not known yet is waited for.
    async fn watch(
        &self,
        object: &ScaledObjectRef,
        deadline: Instant,
    ) -> Result<Arc<Watch>, Status> {
        let (namespace, metadata) = (&object.namespace, &object.scaler_metadata);
        for _ in 0..LOOKS {
            match self.watches.ask(namespace, metadata, TimestampMs::now()) {
                Err(AskError::Unnamed { plugin }) => self.look_up(&plugin, deadline).await?,
                asked => return self.judged_watch(namespace, asked),
            }
        }
        Err(Status::unavailable("the plugin's name comes and goes"))
    }

    async fn look_up(&self, plugin: &str, deadline: Instant) -> Result<(), Status> {
        let Some(names) = self.watches.names_of(plugin) else {
            // A reload has just changed where names come from.
            return Ok(());
        };
        let looked = names.look_up(plugin, deadline);
        let outcome = match self.shutdown.run_until_cancelled(looked).await {
            Some(outcome) => outcome,
            None => return Err(Status::unavailable("the scaler is ending")),
        };
        outcome.map_err(|cause| no_name(plugin, &cause))
    }

    fn judged_watch(
        &self,
        namespace: &str,
        asked: Result<Arc<Watch>, AskError>,
    ) -> Result<Arc<Watch>, Status> {
        let watch = asked.map_err(|cause| match cause {
            AskError::BadMetadata(cause) => Status::invalid_argument(cause.to_string()),
            AskError::Denied(cause) => denied(cause),
            AskError::TooManyWatches { .. } => Status::resource_exhausted(cause.to_string()),
            AskError::Unnamed { .. } => Status::unavailable(cause.to_string()),
        })?;
        if watch.picks_groups() {
            let access = &self.watches.settings().access;
            let trigger = &watch.asked().trigger;
            let judged = access.judge_picked(namespace, trigger, &self.newest_board());
            judged.map_err(denied)?;
        }
        Ok(watch)
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
            let looked_for = watch.looked_for_its_groups(&judged);
            let missing = match part(&judged, &parameters, now) {
                Ok(answer) if looked_for => return Ok(answer),
                Ok(_) => Missing::Expired,
                Err(missing) => missing,
            };
            let message = watch.reason(missing, &self.newest_board(), &parameters, now);
            if watch.is_sampled(&judged) && looked_for {
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
        let watch = self.watch(object, deadline).await?;
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
        let response = reply::with_age(GetMetricsResponse { metric_values }, oldest);
        Ok(reply::flagged(response, &watch))
    }

    async fn is_active_of(
        &self,
        object: &ScaledObjectRef,
        deadline: Instant,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let watch = self.watch(object, deadline).await?;
        let answer = self.answer(&watch, deadline, Judged::is_active).await;
        let active = answer.as_ref().ok().map(|answer| answer.told);
        for told in &watch.asked().told {
            told.active(TimestampMs::now(), active);
        }
        let answer = answer?;
        let response = IsActiveResponse {
            result: answer.told,
        };
        Ok(reply::flagged(
            reply::with_age(response, answer.age),
            &watch,
        ))
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

    async fn listener(
        &self,
        object: &ScaledObjectRef,
        deadline: Instant,
    ) -> Result<Listener, Status> {
        // Before it is judged, so that no change is missed.
        let access = self.watches.access();
        let watch = self.watch(object, deadline).await?;
        Ok(Listener {
            open: OpenStream::of(&watch),
            namespace: object.namespace.clone(),
            access,
            board: self.board.clone(),
            shutdown: self.shutdown.clone(),
            stats: self.stats(),
            _permit: self.permit()?,
        })
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let streams = Arc::clone(&self.stats.streams);
        streams.try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("there are {MAX_STREAMS} streams already"))
        })
    }
}

pub(super) fn denied(cause: Denied) -> Status {
    Status::permission_denied(cause.to_string())
}

fn no_name(plugin: &str, cause: &NoName) -> Status {
    let message = format!("pluginName is {:?}: {cause}", cut_at(plugin, SHOWN_CHARS));
    match cause {
        NoName::Unknown { .. } => Status::not_found(message),
        NoName::Unusable { .. } => Status::failed_precondition(message),
        NoName::TooLong => Status::invalid_argument(message),
        NoName::Away { .. } | NoName::TooLate { .. } => Status::unavailable(message),
        NoName::TooManyLookups | NoName::TooManyNames => Status::resource_exhausted(message),
    }
}

/// A call in its span. Of a stream it is only how that was opened.
async fn traced<T>(
    method: &'static str,
    metadata: &MetadataMap,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let span = spans::call(method, metadata.as_ref());
    if span.is_disabled() {
        return call.await;
    }
    let outcome = call.instrument(span.clone()).await;
    let code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
    span.record("rpc.grpc.status_code", code as i32);
    outcome
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
        let outcome = self.is_active_of(request.get_ref(), deadline);
        let outcome = traced("IsActive", request.metadata(), outcome).await;
        self.stats.count(&outcome);
        outcome
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let deadline = reply::longest_wait();
        let listener = self.listener(request.get_ref(), deadline);
        let listener = traced("StreamIsActive", request.metadata(), listener).await;
        self.stats.count(&listener);
        Ok(Response::new(listener?.activity()))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let deadline = reply::deadline(request.metadata());
        let outcome = self.watch(request.get_ref(), deadline);
        let outcome = traced("GetMetricSpec", request.metadata(), outcome).await;
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
        let outcome = self.get_metrics_of(request.get_ref(), deadline);
        let outcome = traced("GetMetrics", request.metadata(), outcome).await;
        self.stats.count(&outcome);
        outcome
    }

    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let deadline = reply::longest_wait();
        let listener = self.listener(request.get_ref(), deadline);
        let listener = traced("StreamMetricSpec", request.metadata(), listener).await;
        self.stats.count(&listener);
        Ok(Response::new(listener?.specs()))
    }
}
