//! Tidegauge: a KEDA external scaler for Kafka consumer groups, with a memory.
//!
//! The modules, in the order in which a reading flows through them.

pub mod board;
pub mod estimator;
pub mod http;
pub mod kafka;
pub mod model;
pub mod recorder;
pub mod scaler;
pub mod store;

/// KEDA's protocol, generated from `proto/externalscaler.proto`.
#[allow(missing_debug_implementations, unreachable_pub)]
pub mod proto {
    tonic::include_proto!("externalscaler");

    /// The protocol's encoded file descriptors, for the reflection service.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
}
