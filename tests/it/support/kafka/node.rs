//! One JVM that is broker and controller at once (KRaft), with its own data.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::distribution::Distribution;
use super::ports::Ports;
use super::process::{self, Process, tail};
use super::readiness::serves;
use crate::support::wait::wait_until;

/// The broker's class.
pub(super) const SERVER: &str = "kafka.Kafka";
/// Two to four seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const FORMAT_LIMIT: Duration = Duration::from_secs(60);
/// A start finds its ports taken only when another process took them just before.
const MAX_STARTS: usize = 5;
/// Kafka's own default, where there are as many nodes.
const REPLICATION: usize = 3;

/// Server properties beyond the usual ones.
pub(super) type Properties = Vec<(String, String)>;

/// A node's place in its cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) id: i32,
    pub(super) ports: Ports,
}

impl Seat {
    /// Nodes 1 to `nodes`.
    pub(super) fn free(nodes: i32) -> Vec<Seat> {
        let seat = |id| Seat {
            id,
            ports: Ports::free(),
        };
        (1..=nodes).map(seat).collect()
    }
}

/// A node; dropping it kills it and removes its data.
#[derive(Debug)]
pub(super) struct Node {
    seat: Seat,
    distribution: Distribution,
    cluster_id: String,
    process: Mutex<Option<Process>>,
    // Dropped after the process that writes to it.
    folder: TempDir,
}

/// Starts once more, on other ports, while a start finds its ports taken.
///
/// # Panics
/// With the end of the node's log when it does not start for another reason.
pub(super) fn on_free_ports<T>(mut start: impl FnMut() -> Result<T, String>) -> T {
    for _ in 0..MAX_STARTS {
        match start() {
            Ok(started) => return started,
            Err(failure) if failure.contains("Address already in use") => {}
            Err(failure) => panic!("{failure}"),
        }
    }
    panic!("found no free ports for Kafka in {MAX_STARTS} starts");
}

impl Node {
    /// Starts all nodes of a cluster, `extra` winning over the usual properties.
    pub(super) fn start_all(
        distribution: &Distribution,
        seats: &[Seat],
        scram_users: &[&str],
        extra: impl Fn(&Seat) -> Properties,
    ) -> Result<Vec<Node>, String> {
        let nodes: Vec<Node> = seats
            .iter()
            .map(|seat| Node::new(distribution, *seat, seats, &extra(seat)))
            .collect();
        thread::scope(|scope| {
            for node in &nodes {
                scope.spawn(|| node.format(scram_users));
            }
        });
        Node::launch_all(&nodes)?;
        Ok(nodes)
    }

    /// Runs the nodes until each lets clients know of all of them; else says
    /// why not.
    pub(super) fn launch_all<'a>(
        nodes: impl IntoIterator<Item = &'a Node> + Clone,
    ) -> Result<(), String> {
        // One of several alone would wait for a quorum.
        nodes.clone().into_iter().for_each(Node::spawn);
        let ids: Vec<i32> = nodes.clone().into_iter().map(|node| node.seat.id).collect();
        let outcome = nodes
            .clone()
            .into_iter()
            .try_for_each(|node| node.await_serving(&ids));
        if outcome.is_err() {
            nodes.into_iter().for_each(Node::kill);
        }
        outcome
    }

    pub(super) fn port(&self) -> u16 {
        self.seat.ports.broker
    }

    /// The id of its process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Ends the node as a crash would (SIGKILL), and waits.
    pub(super) fn kill(&self) {
        self.process().take();
    }

    /// Ends the node in good order (SIGTERM) and waits.
    pub(super) fn stop(&self) {
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

    fn new(
        distribution: &Distribution,
        seat: Seat,
        seats: &[Seat],
        extra: &[(String, String)],
    ) -> Node {
        let first = seats.first().expect("a cluster has a node");
        let node = Node {
            seat,
            distribution: distribution.clone(),
            cluster_id: format!("tidegauge-{}-{}", std::process::id(), first.ports.broker),
            process: Mutex::new(None),
            folder: TempDir::with_prefix("tidegauge-kafka-").expect("a temp folder can be made"),
        };
        fs::write(node.properties(), node.server_properties(seats, extra))
            .expect("server.properties can be written");
        node
    }

    fn server_properties(&self, seats: &[Seat], extra: &[(String, String)]) -> String {
        let id = self.seat.id;
        let Ports {
            broker, controller, ..
        } = self.seat.ports;
        let data = self.file("data").display().to_string();
        let voter = |seat: &Seat| format!("{}@127.0.0.1:{}", seat.id, seat.ports.controller);
        let voters = seats.iter().map(voter).collect::<Vec<_>>().join(",");
        let replicas = seats.len().min(REPLICATION);
        // The session is short because a killed broker is let in again only when
        // its former session has ended; shorter still, and a busy machine could
        // miss heartbeats.
        let usual = format!(
            "process.roles=broker,controller\n\
             node.id={id}\n\
             controller.quorum.voters={voters}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             log.dirs={data}\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor={replicas}\n\
             transaction.state.log.num.partitions=1\n\
             transaction.state.log.replication.factor={replicas}\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.num.partitions=1\n\
             share.coordinator.state.topic.replication.factor={replicas}\n\
             share.coordinator.state.topic.min.isr=1\n\
             broker.heartbeat.interval.ms=500\n\
             broker.session.timeout.ms=4000\n\
             group.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\n\
             auto.leader.rebalance.enable=false\n"
        );
        // Of a key that comes twice Java keeps the last.
        let extra = extra.iter().map(|(key, value)| format!("{key}={value}\n"));
        usual + extra.collect::<String>().as_str()
    }

    fn format(&self, scram_users: &[&str]) {
        let mut args = vec![
            "format".to_owned(),
            "--cluster-id".to_owned(),
            self.cluster_id.clone(),
            "--config".to_owned(),
            self.properties().display().to_string(),
        ];
        for user in scram_users {
            args.extend(["--add-scram".to_owned(), (*user).to_owned()]);
        }
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

    fn spawn(&self) {
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.expect("the broker's log can be opened");
        let properties = self.properties().display().to_string();
        let args = self.distribution.java_args(SERVER, &[properties]);
        let process =
            Process::spawn(&self.distribution.java, &args, &log).expect("java can be run");
        *self.process() = Some(process);
    }

    /// Until it tells clients of these brokers.
    fn await_serving(&self, ids: &[i32]) -> Result<(), String> {
        let outcome = wait_until(START_LIMIT, || match self.exit_status() {
            Some(status) => Some(Err(format!("Kafka ended at its start ({status})"))),
            None => serves(self.seat.ports.broker, &self.cluster_id, ids).then_some(Ok(())),
        });
        let never = || Err(format!("Kafka did not answer within {START_LIMIT:?}"));
        outcome
            .unwrap_or_else(never)
            .map_err(|failure| format!("{failure}:\n{}", tail(&self.log())))
    }

    fn exit_status(&self) -> Option<std::process::ExitStatus> {
        self.process()
            .as_mut()
            .expect("it was started")
            .exit_status()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
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
