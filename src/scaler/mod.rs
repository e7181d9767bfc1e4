//! What KEDA asks and is told.
//!
//! Trigger metadata becomes a [`Trigger`]: what to watch, and the policy that
//! turns estimates into a metric. It knows neither Kafka nor the disk: answers
//! come from the [`Board`](crate::board::Board). Its key invariant: what is
//! not known is an error, never 0 and never "inactive".

mod access;
mod answer;
mod codec;
mod judge;
mod judged;
mod metadata;
mod reply;
mod requests;
mod service;
mod settings;
mod starting;
mod steady;
mod streams;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod told;
mod trigger;
mod watch;
mod watches;

pub use access::{Access, AccessRule, Denied};
pub use answer::NoAnswer;
pub use codec::Codec;
pub use judge::judge_until_cancelled;
pub use metadata::{BadMetadata, Mistake};
pub use service::{ScalerService, ServiceStats};
pub use settings::{Settings, WatchLimits};
pub use starting::StartingService;
pub use trigger::{
    Activation, AzulNames, Bound, KnownCluster, LagPolicy, Measure, Metric, MetricSpec, NoTrigger,
    OffsetResetPolicy, OtherPlugins, PartitionSet, Selection, Service, Steadiness, Trigger,
    TriggerRules,
};
pub use watch::{Asked, Watch};
pub use watches::{AskError, Polled, Watches};
