//! The two calls that KEDA keeps open.
//!
//! Whoever listens sleeps until something else is to be told of its watch: a
//! tick that changes nothing wakes nobody.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    board::BoardReader,
    model::TimestampMs,
    proto::{GetMetricSpecResponse, IsActiveResponse},
};

use super::{
    access::{Access, Denied},
    reply,
    service::{ServiceStats, denied},
    trigger::MetricSpec,
    watch::{OpenStream, Watch},
};

/// What a stream sends.
pub(super) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An open stream: its place among all, and its watch, which it keeps alive.
pub(super) struct Listener {
    pub(super) open: OpenStream,
    pub(super) namespace: String,
    /// Subscribed to before it was judged that the namespace may ask.
    pub(super) access: watch::Receiver<Arc<Access>>,
    pub(super) board: BoardReader,
    pub(super) shutdown: CancellationToken,
    pub(super) stats: Arc<ServiceStats>,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What is to be done about a stream.
enum Step<T> {
    Tell(T),
    Wait,
    End,
}

impl Listener {
    /// Sends whether there is anything to do, first as soon as that is known and
    /// then when it changes. What is not known is not told: KEDA keeps what it
    /// was told last.
    pub(super) fn activity(self) -> Responses<IsActiveResponse> {
        let mut activity = self.open.watch().activity();
        activity.mark_changed();
        self.told(activity, |watch, active| {
            let Some(active) = *active else {
                return Step::Wait;
            };
            for told in &watch.asked().told {
                told.active(TimestampMs::now(), Some(active));
            }
            Step::Tell(IsActiveResponse { result: active })
        })
    }

    /// Sends the specs at once, and when a reload of the configuration changes
    /// them.
    pub(super) fn specs(self) -> Responses<GetMetricSpecResponse> {
        let mut specs = self.open.watch().specs();
        specs.mark_changed();
        self.told(specs, |watch, specs| {
            let Some(specs) = specs else {
                return Step::End;
            };
            tell_targets(watch);
            Step::Tell(reply::specs(specs))
        })
    }

    /// What `tell` makes of each new value, until the end of the process or of
    /// the watch, or until the namespace may not ask for it any more.
    fn told<V, T>(self, values: watch::Receiver<V>, tell: fn(&Watch, &V) -> Step<T>) -> Responses<T>
    where
        V: Send + Sync + 'static,
        T: Send + 'static,
    {
        let specs = self.open.watch().specs();
        let state = Some((self, values, specs));
        let told = stream::unfold(state, move |state| async move {
            let (mut listener, mut values, mut specs) = state?;
            loop {
                let is_new = tokio::select! {
                    () = listener.shutdown.cancelled() => return None,
                    () = ended(&mut specs) => return None,
                    Ok(()) = listener.access.changed() => false,
                    changed = values.changed() => changed.map(|()| true).ok()?,
                };
                if let Err(cause) = listener.judge() {
                    listener.stats.count_denied();
                    return Some((Err(denied(cause)), None));
                }
                if !is_new {
                    continue;
                }
                let step = tell(listener.open.watch(), &values.borrow_and_update());
                match step {
                    Step::Tell(told) => return Some((Ok(told), Some((listener, values, specs)))),
                    Step::Wait => {}
                    Step::End => return None,
                }
            }
        });
        told.boxed()
    }

    /// May the namespace still ask for what is told?
    fn judge(&self) -> Result<(), Denied> {
        let access = Arc::clone(&self.access.borrow());
        let trigger = &self.open.watch().asked().trigger;
        access.judge(&self.namespace, trigger)?;
        access.judge_picked(&self.namespace, trigger, &self.board.borrow().clone())
    }
}

/// Notes the targets of `watch` as told.
pub(super) fn tell_targets(watch: &Watch) {
    let asked = watch.asked();
    for (told, metric) in asked.told.iter().zip(&asked.trigger.metrics) {
        told.target(TimestampMs::now(), metric.target);
    }
}

/// Until the watch does not fit the configuration any more.
async fn ended(specs: &mut watch::Receiver<Option<Vec<MetricSpec>>>) {
    if specs.wait_for(Option::is_none).await.is_err() {
        std::future::pending().await
    }
}
