//! A real Apache Kafka for tests: broker and command-line tools, in Java.
//!
//! `kafka_or_skip` gives the [`Distribution`] (jars from Maven Central, kept
//! between runs), [`Broker::start`] a broker of one node on loopback,
//! [`Cluster::start`] several behind a proxy each, and the methods of both do
//! what a user does with Kafka's own tools. Everything
//! blocks: call it from a plain thread or through `spawn_blocking`. What goes
//! wrong panics with the tool's output or the end of the broker's log.
//!
//! No process outlives the test process, however that ends, where `setpriv`
//! exists; elsewhere a killed test process leaves its brokers behind.

mod broker;
mod class_archive;
mod cluster;
mod distribution;
mod node;
pub(crate) mod ports;
pub(crate) mod process;
mod readiness;
mod rough;
mod secured;
mod slot;
mod tools;
mod wire;

use std::io::{self, Write};
use std::sync::Arc;

pub(crate) use broker::{Broker, Setup};
pub(crate) use cluster::{Cluster, OFFSETS_TOPIC};
pub(crate) use distribution::{Distribution, available};
pub(crate) use secured::{CERTIFIED, Login, PLAIN, SCRAM_256, SCRAM_512, SecuredBroker};
pub(crate) use tools::DescribedPartition;

/// Set to `1` where a skipped test would be a lie, as in continuous integration.
const REQUIRE: &str = "TIDEGAUGE_REQUIRE_KAFKA";

/// Kafka, or `None` when this machine cannot run it and the test is to return.
///
/// # Panics
/// When Kafka is unavailable and `TIDEGAUGE_REQUIRE_KAFKA=1`.
pub(crate) fn kafka_or_skip(test_name: &str) -> Option<Arc<Distribution>> {
    let unavailable = match available() {
        Ok(distribution) => return Some(distribution),
        Err(unavailable) => unavailable,
    };
    assert!(
        !kafka_required(),
        "{REQUIRE}=1, but {test_name} cannot run: {unavailable}"
    );
    // Not `eprintln!`: the test harness would keep its text of a test that passes.
    let _ = writeln!(
        io::stderr(),
        "\n!!! SKIPPED {test_name}: {unavailable}\n!!! (set {REQUIRE}=1 to fail instead)\n"
    );
    None
}

/// Is a test that is skipped a failure?
pub(crate) fn kafka_required() -> bool {
    std::env::var(REQUIRE).is_ok_and(|value| value == "1")
}
