//! Tidegauge: a KEDA external scaler for Kafka consumer groups, with a memory.
//!
//! The modules, in the order in which a reading flows through them.

pub mod model;

pub mod config;
pub mod files;
pub mod kafka;
pub mod polling;
pub mod sources;
pub mod store;
pub mod tls;

pub mod estimator;
pub mod recorder;
pub mod reloads;
pub mod start;

pub mod backups;
pub mod board;
pub mod scaler;

pub mod http;
pub mod jobs;

pub mod app;
pub mod cli;
pub mod demo;
pub mod logging;
pub mod telemetry;

/// KEDA's protocol, generated from `proto/externalscaler.proto`.
#[allow(missing_debug_implementations, unreachable_pub)]
pub mod proto {
    tonic::include_proto!("externalscaler");

    /// The protocol's encoded file descriptors, for the reflection service.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
}
