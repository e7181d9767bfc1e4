//! What KEDA asks and is told.
//!
//! Trigger metadata becomes a [`Trigger`]: what to watch, and the policy that
//! turns estimates into a metric. It knows neither Kafka nor the disk: answers
//! come from the [`Board`](crate::board::Board). Its key invariant: what is
//! not known is an error, never 0 and never "inactive".

mod answer;
mod metadata;
mod service;
mod told;
mod trigger;
mod watches;

pub use answer::{Answer, NoAnswer};
pub use metadata::{BadMetadata, Mistake};
pub use service::{ScalerService, ServiceStats};
pub use trigger::{
    AzulNames, BacklogPolicy, LagPolicy, MetricSpec, OffsetResetPolicy, Policy, Selection, Trigger,
    TriggerRules,
};
pub use watches::{Polled, TooManyWatches, Watch, WatchLimits, Watches};
