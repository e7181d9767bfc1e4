//! One Kafka node, broker and controller at once (KRaft), with its own data and ports.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::distribution::Distribution;
use super::ports::Ports;
use super::process::{self, Process, tail};
use super::readiness::serves;
use super::slot::Slot;
use crate::support::wait::wait_until;

/// The broker's class.
pub(super) const SERVER: &str = "kafka.Kafka";
/// Two to four seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
/// A start finds its ports taken only when another process took them just before.
const MAX_STARTS: usize = 5;

/// A running broker; dropping it kills it and removes its data.
///
/// At most two exist at one time, a third start waits. A test that needs two
/// can wait for ever beside another such test.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(super) distribution: Distribution,
    bootstrap: String,
    ports: Ports,
    process: Mutex<Option<Process>>,
    // Dropped after the process that writes to it.
    folder: TempDir,
    // Dropped last: the next broker starts when this one is gone.
    slot: Slot,
}

impl Broker {
    pub(crate) fn start(distribution: &Distribution) -> Broker {
        Broker::start_with(distribution, &[])
    }

    /// Starts with more server properties, which win over the usual ones.
    ///
    /// # Panics
    /// With the end of the broker's log when it does not start.
    pub(crate) fn start_with(distribution: &Distribution, extra: &[(&str, &str)]) -> Broker {
        let mut slot = Slot::take();
        for _ in 0..MAX_STARTS {
            let broker = Broker::formatted(distribution, extra, slot);
            match broker.launch() {
                Ok(()) => return broker,
                Err(failure) if failure.contains("Address already in use") => slot = broker.slot,
                Err(failure) => panic!("{failure}"),
            }
        }
        panic!("found no free ports for Kafka in {MAX_STARTS} starts");
    }

    /// The address for clients, `127.0.0.1:port`; a restart keeps it.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Ends the broker as a crash would (SIGKILL), and waits.
    pub(crate) fn kill(&self) {
        self.process().take();
    }

    /// Ends the broker in good order (SIGTERM) and waits.
    pub(crate) fn stop(&self) {
        let Some(mut process) = self.process().take() else {
            return;
        };
        process.terminate();
        let ended = process.wait(STOP_LIMIT);
        assert!(
            ended.is_some(),
            "Kafka had not stopped after {STOP_LIMIT:?}:\n{}",
            tail(&self.log())
        );
    }

    /// Starts the broker again with its data and ports; stops it first if it runs.
    pub(crate) fn restart(&self) {
        self.stop();
        if let Err(failure) = self.launch() {
            panic!("{failure}");
        }
    }

    /// A place for files that live as long as the broker.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn formatted(distribution: &Distribution, extra: &[(&str, &str)], slot: Slot) -> Broker {
        let ports = Ports::free();
        let broker = Broker {
            distribution: distribution.clone(),
            bootstrap: format!("127.0.0.1:{}", ports.broker),
            ports,
            process: Mutex::new(None),
            folder: TempDir::with_prefix("tidegauge-kafka-").expect("a temp folder can be made"),
            slot,
        };
        fs::write(broker.properties(), broker.server_properties(extra))
            .expect("server.properties can be written");
        broker.format();
        broker
    }

    fn server_properties(&self, extra: &[(&str, &str)]) -> String {
        let Ports { broker, controller } = self.ports;
        let data = self.file("data").display().to_string();
        // The session is short because a killed broker is let in again only when
        // its former session has ended; shorter still, and a busy machine could
        // miss heartbeats.
        let usual = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             log.dirs={data}\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             broker.heartbeat.interval.ms=500\n\
             broker.session.timeout.ms=4000\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n"
        );
        // Of a key that comes twice Java keeps the last.
        let extra = extra.iter().map(|(key, value)| format!("{key}={value}\n"));
        usual + &extra.collect::<String>()
    }

    fn format(&self) {
        let args = [
            "format".to_owned(),
            "--cluster-id".to_owned(),
            self.cluster_id(),
            "--config".to_owned(),
            self.properties().display().to_string(),
        ];
        let Distribution { java, .. } = &self.distribution;
        let args = self
            .distribution
            .java_args("kafka.tools.StorageTool", &args);
        let finished = process::run(java, &args, FORMAT_LIMIT).expect("java can be run");
        assert!(
            finished.success,
            "cannot format Kafka's storage:\n{}",
            finished.output
        );
    }

    /// Runs the broker until it answers; else says why not.
    fn launch(&self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.expect("the broker's log can be opened");
        let properties = self.properties().display().to_string();
        let args = self.distribution.java_args(SERVER, &[properties]);
        let mut process =
            Process::spawn(&self.distribution.java, &args, &log).expect("java can be run");

        let outcome = wait_until(START_LIMIT, || match process.exit_status() {
            Some(status) => Some(Err(format!("Kafka ended at its start ({status})"))),
            None => serves(self.ports.broker, &self.cluster_id()).then_some(Ok(())),
        });
        let never = || Err(format!("Kafka did not answer within {START_LIMIT:?}"));
        outcome
            .unwrap_or_else(never)
            .map_err(|failure| format!("{failure}:\n{}", tail(&self.log())))?;
        *self.process() = Some(process);
        Ok(())
    }

    fn cluster_id(&self) -> String {
        format!("tidegauge-{}-{}", std::process::id(), self.ports.broker)
    }

    fn properties(&self) -> PathBuf {
        self.file("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.file("broker.log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
