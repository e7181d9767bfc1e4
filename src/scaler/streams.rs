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
    model::TimestampMs,
    proto::{GetMetricSpecResponse, IsActiveResponse},
};

use super::{
    reply,
    trigger::MetricSpec,
    watch::{OpenStream, Watch},
};

/// What a stream sends.
pub(super) type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An open stream: its place among all, and its watch, which it keeps alive.
pub(super) struct Listener {
    open: OpenStream,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    pub(super) fn of(
        watch: &Arc<Watch>,
        shutdown: CancellationToken,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            open: OpenStream::of(watch),
            shutdown,
            _permit: permit,
        }
    }

    /// Sends whether there is anything to do, first as soon as that is known and
    /// then when it changes. What is not known is not told: KEDA keeps what it
    /// was told last.
    pub(super) fn activity(self) -> Responses<IsActiveResponse> {
        let mut activity = self.open.watch().activity();
        activity.mark_changed();
        let specs = self.open.watch().specs();
        let state = (self, activity, specs);
        let told = stream::unfold(state, |(listener, mut activity, mut specs)| async move {
            loop {
                tokio::select! {
                    () = listener.shutdown.cancelled() => return None,
                    () = ended(&mut specs) => return None,
                    changed = activity.changed() => changed.ok()?,
                }
                let Some(active) = *activity.borrow_and_update() else {
                    continue;
                };
                for told in &listener.open.watch().asked().told {
                    told.active(TimestampMs::now(), Some(active));
                }
                let response = IsActiveResponse { result: active };
                return Some((Ok(response), (listener, activity, specs)));
            }
        });
        told.boxed()
    }

    /// Sends the specs at once, and when a reload of the configuration changes
    /// them.
    pub(super) fn specs(self) -> Responses<GetMetricSpecResponse> {
        let mut specs = self.open.watch().specs();
        specs.mark_changed();
        let told = stream::unfold((self, specs), |(listener, mut specs)| async move {
            tokio::select! {
                () = listener.shutdown.cancelled() => return None,
                changed = specs.changed() => changed.ok()?,
            }
            let response = reply::specs(specs.borrow_and_update().as_deref()?);
            tell_targets(listener.open.watch());
            Some((Ok(response), (listener, specs)))
        });
        told.boxed()
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
