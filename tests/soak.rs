//! Thousands of polls with failures of all kinds leave nothing behind.
//!
//! The one test of a program of its own: what it measures (memory, open files,
//! threads) is of the whole process, brokers included.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tidegauge::{
    kafka::{
        Client, ClientSettings, DiscoverySettings, EmbeddedCluster, EmbeddedRequest, InjectedError,
        IsolationLevel, Poller, PollerSettings,
    },
    model::{Commit, GroupId, Interest, Tick, TimestampMs, TopicName, TopicSelection, TopicState},
};

/// That many clients poll side by side, so that one waits while others work.
const POLLERS: usize = 6;
/// Cycles of all pollers together: until then everything has failed some times
/// and memory is what it will be; and after that.
const WARM_UP_CYCLES: usize = 1_000;
const CYCLES: usize = 3_200;
/// Rounds are mostly calm, as a cluster is.
const TROUBLED_CYCLES: usize = 2;
const CALM_CYCLES: usize = 6;

const REQUEST_TIMEOUT: Duration = Duration::from_millis(100);
/// Longer than a request may take.
const DELAY: Duration = Duration::from_millis(150);
/// A cycle that is given up before it can have ended.
const CUT_AFTER: Duration = Duration::from_millis(2);
const BOUND: Duration = Duration::from_secs(30);

const BROKERS: i32 = 3;
const TOPICS: [&str; 2] = ["orders", "payments"];
const PARTITIONS: i32 = 3;
const RECORDS: i64 = 20;
const COMMITTED: i64 = 5;

/// What may be more at the end than after the warm-up.
///
/// Memory: 2,200 cycles that leak 1 KiB each would be 2.2 MB. Threads: none.
/// Files: a client connects to a broker when it first needs it.
const MORE_MEMORY_KB: u64 = 1_536;
const MORE_FILES: u64 = 4;
const MORE_THREADS: u64 = 0;

/// What happens to the cluster, or to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    BrokerStops,
    AllBrokersStop,
    LeadersMove,
    LeadersGo,
    CoordinatorsMove,
    CoordinatorsGo,
    RequestsFail,
    BrokerIsSlow,
    TopicGoes,
    ClientsAreReplaced,
    CyclesAreGivenUp,
}

impl Trouble {
    /// Does a poller get over it within the cycle?
    fn may_pass_unseen(self) -> bool {
        match self {
            Self::LeadersMove
            | Self::CoordinatorsMove
            | Self::ClientsAreReplaced
            | Self::CyclesAreGivenUp => true,
            Self::BrokerStops
            | Self::AllBrokersStop
            | Self::LeadersGo
            | Self::CoordinatorsGo
            | Self::RequestsFail
            | Self::BrokerIsSlow
            | Self::TopicGoes => false,
        }
    }
}

const TROUBLES: [Trouble; 11] = [
    Trouble::BrokerStops,
    Trouble::LeadersMove,
    Trouble::RequestsFail,
    Trouble::CoordinatorsMove,
    Trouble::AllBrokersStop,
    Trouble::LeadersGo,
    Trouble::BrokerIsSlow,
    Trouble::CoordinatorsGo,
    Trouble::TopicGoes,
    Trouble::ClientsAreReplaced,
    Trouble::CyclesAreGivenUp,
];

const FAILURES: [(EmbeddedRequest, InjectedError); 8] = [
    (EmbeddedRequest::ListOffsets, InjectedError::NotLeader),
    (EmbeddedRequest::ListOffsets, InjectedError::Disconnect),
    (
        EmbeddedRequest::ListOffsets,
        InjectedError::TopicAuthorizationFailed,
    ),
    (EmbeddedRequest::Metadata, InjectedError::Disconnect),
    (EmbeddedRequest::OffsetFetch, InjectedError::NotCoordinator),
    (
        EmbeddedRequest::OffsetFetch,
        InjectedError::CoordinatorNotAvailable,
    ),
    (
        EmbeddedRequest::OffsetFetch,
        InjectedError::GroupAuthorizationFailed,
    ),
    (EmbeddedRequest::OffsetFetch, InjectedError::Disconnect),
];

const TEST: &str = "thousands_of_polls_with_failures_leave_nothing_behind";
/// glibc's malloc has an arena a thread, and what is free in one is not used by
/// others: memory would grow by that for long, without a leak.
const ONE_ARENA: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

#[test]
fn thousands_of_polls_with_failures_leave_nothing_behind() {
    let (key, value) = ONE_ARENA;
    if env::var(key).is_ok_and(|set| set == value) {
        return tokio::runtime::Runtime::new().unwrap().block_on(soak());
    }
    // It is read before `main`.
    let itself = env::current_exe().unwrap();
    let ended = Command::new(itself)
        .args([TEST, "--exact", "--nocapture"])
        .env(key, value)
        .status();
    assert!(ended.unwrap().success(), "see above");
}

async fn soak() {
    let started = Instant::now();
    let mut soak = Soak::begin().await;
    soak.run_until(WARM_UP_CYCLES).await;
    soak.is_right().await;
    let before = Usage::now();
    soak.run_until(CYCLES).await;
    soak.is_right().await;
    let after = before.settled();
    println!(
        "cycles={} gaps={:?} wall_s={:.1} before={before:?} after={after:?}",
        soak.cycles,
        soak.gaps,
        started.elapsed().as_secs_f64()
    );
    for trouble in TROUBLES {
        let failed = soak.gaps.get(&trouble).is_some_and(|gaps| *gaps > 0);
        assert!(
            failed || trouble.may_pass_unseen(),
            "{trouble:?} did nothing"
        );
    }
    assert!(after.is_within(&before), "{before:?} became {after:?}");
}

struct Soak {
    cluster: EmbeddedCluster,
    pollers: Vec<Poller>,
    round: usize,
    cycles: usize,
    /// By what was wrong.
    gaps: BTreeMap<Trouble, usize>,
}

impl Soak {
    async fn begin() -> Self {
        let cluster = EmbeddedCluster::start(BROKERS).unwrap();
        let producer = cluster.producer().unwrap();
        for topic in TOPICS {
            cluster.create_topic(topic, PARTITIONS).unwrap();
            for partition in 0..PARTITIONS {
                let records = RECORDS.unsigned_abs() as usize;
                producer.send(topic, Some(partition), records).unwrap();
            }
        }
        producer.flush().unwrap();
        for topic in TOPICS {
            let commits: Vec<_> = (0..PARTITIONS).map(|p| (topic, p, COMMITTED)).collect();
            cluster.commit_offsets("lasting", &commits).await.unwrap();
        }
        let pollers = (0..POLLERS).map(|_| poller(&cluster)).collect();
        Self {
            cluster,
            pollers,
            round: 0,
            cycles: 0,
            gaps: BTreeMap::new(),
        }
    }

    async fn run_until(&mut self, cycles: usize) {
        while self.cycles < cycles {
            let trouble = TROUBLES[self.round % TROUBLES.len()];
            // Each kind meets each broker.
            let victim = 1 + (self.round / TROUBLES.len()) as i32 % BROKERS;
            self.round += 1;
            self.begin_trouble(trouble, victim);
            for _ in 0..TROUBLED_CYCLES {
                match trouble {
                    Trouble::CyclesAreGivenUp => self.give_up_cycle().await,
                    _ => {
                        let ticks = self.poll().await;
                        let gaps = ticks.iter().map(|tick| tick.gaps.len()).sum::<usize>();
                        *self.gaps.entry(trouble).or_default() += gaps;
                    }
                }
            }
            self.end_trouble(trouble, victim);
            // Half of them ask again at once; the others keep to their pauses.
            for poller in &mut self.pollers[POLLERS / 2..] {
                *poller = new_memory(poller.client().clone());
            }
            for _ in 0..CALM_CYCLES {
                self.poll().await;
            }
        }
    }

    /// One cycle of each poller.
    async fn poll(&mut self) -> Vec<Tick> {
        let interest = interest(self.cycles);
        let polls = self.pollers.iter_mut();
        let ticks = join_all(polls.map(|poller| poller.poll(&interest, TimestampMs::now()))).await;
        self.cycles += ticks.len();
        ticks
    }

    async fn give_up_cycle(&mut self) {
        let _ = tokio::time::timeout(CUT_AFTER, self.poll()).await;
    }

    fn begin_trouble(&mut self, trouble: Trouble, victim: i32) {
        let cluster = &self.cluster;
        match trouble {
            Trouble::BrokerStops => cluster.stop_broker(victim).unwrap(),
            Trouble::AllBrokersStop => all_brokers(|broker| cluster.stop_broker(broker).unwrap()),
            Trouble::LeadersMove => self.set_leaders(Some(victim)),
            Trouble::LeadersGo => self.set_leaders(None),
            Trouble::CoordinatorsMove => cluster.set_coordinator("lasting", victim).unwrap(),
            Trouble::CoordinatorsGo => {
                cluster.leave_uncoordinated("lasting").unwrap();
                self.fail_requests(EmbeddedRequest::OffsetFetch, InjectedError::NotCoordinator);
            }
            Trouble::RequestsFail => all_brokers(|broker| {
                let (request, error) = FAILURES[self.round / TROUBLES.len() % FAILURES.len()];
                cluster.fail_next(broker, request, error, POLLERS).unwrap();
            }),
            Trouble::BrokerIsSlow => cluster.delay_broker(victim, DELAY).unwrap(),
            Trouble::TopicGoes => {
                cluster.hide_topic(TOPICS[0]).unwrap();
                // Only an error tells that something has changed.
                self.fail_requests(EmbeddedRequest::ListOffsets, InjectedError::NotLeader);
            }
            // With what they have in flight.
            Trouble::ClientsAreReplaced => {
                for place in 0..POLLERS / 2 {
                    self.pollers[place] = poller(cluster);
                }
            }
            Trouble::CyclesAreGivenUp => cluster.delay_broker(victim, DELAY).unwrap(),
        }
    }

    fn end_trouble(&self, trouble: Trouble, victim: i32) {
        let cluster = &self.cluster;
        match trouble {
            Trouble::BrokerStops => cluster.start_broker(victim).unwrap(),
            Trouble::AllBrokersStop => all_brokers(|broker| cluster.start_broker(broker).unwrap()),
            Trouble::LeadersGo => self.set_leaders(Some(victim)),
            Trouble::CoordinatorsGo => cluster.set_coordinator("lasting", victim).unwrap(),
            Trouble::BrokerIsSlow | Trouble::CyclesAreGivenUp => {
                cluster.delay_broker(victim, Duration::ZERO).unwrap();
            }
            Trouble::TopicGoes => cluster.show_topic(TOPICS[0]).unwrap(),
            Trouble::LeadersMove
            | Trouble::CoordinatorsMove
            | Trouble::RequestsFail
            | Trouble::ClientsAreReplaced => {}
        }
    }

    /// Some of each broker's next requests; what is left of them falls into the
    /// calm cycles.
    fn fail_requests(&self, request: EmbeddedRequest, error: InjectedError) {
        all_brokers(|broker| {
            let failed = self.cluster.fail_next(broker, request, error, POLLERS);
            failed.unwrap();
        });
    }

    fn set_leaders(&self, broker: Option<i32>) {
        for partition in 0..PARTITIONS {
            self.cluster
                .set_leader(TOPICS[0], partition, broker)
                .unwrap();
        }
    }

    /// Once no injected error is left, each poller reads everything.
    async fn is_right(&mut self) {
        let deadline = Instant::now() + BOUND;
        loop {
            let ticks = self.poll().await;
            if ticks.iter().all(|tick| tick.gaps.is_empty()) {
                ticks.iter().for_each(is_whole);
                break;
            }
            assert!(Instant::now() < deadline, "{ticks:?}");
        }
        let in_flight = |poller: &Poller| poller.client().in_flight() > 0;
        while self.pollers.iter().any(in_flight) {
            assert!(Instant::now() < deadline, "answers never came");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn all_brokers(act: impl Fn(i32)) {
    (1..=BROKERS).for_each(act);
}

fn poller(cluster: &EmbeddedCluster) -> Poller {
    let quick = [
        ("reconnect.backoff.ms", "10"),
        ("reconnect.backoff.max.ms", "50"),
    ];
    let client = Client::connect(&ClientSettings {
        bootstrap_servers: vec![cluster.bootstrap_servers()],
        properties: quick
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        request_timeout: REQUEST_TIMEOUT,
        oauthbearer: None,
    });
    new_memory(client.unwrap())
}

/// Nothing is remembered, such as that a broker kept silent and has a pause.
fn new_memory(client: Client) -> Poller {
    let settings = PollerSettings {
        cluster: "soak".into(),
        discovery: DiscoverySettings {
            enabled: true,
            interval: Duration::from_secs(1),
            include_empty: true,
            silent_after: Duration::from_secs(3_600),
        },
        metadata_interval: Duration::from_secs(1),
        isolation: IsolationLevel::ReadCommitted,
        cycle_limit: Duration::from_secs(1),
    };
    Poller::new(client, settings)
}

/// One group that is always there, and some that were never there before.
fn interest(cycle: usize) -> Interest {
    let mut interest = Interest::default();
    let names = (0..5).map(|n| format!("passing-{}", cycle + n));
    for group in ["lasting".to_owned()].into_iter().chain(names) {
        let topics = TOPICS.map(TopicName::from);
        interest.add_group(GroupId::from(group.as_str()), TopicSelection::only(topics));
    }
    interest
}

/// All logs, and the commits of the group that has some.
fn is_whole(tick: &Tick) {
    let logs: BTreeMap<_, _> = tick
        .topics
        .iter()
        .map(|reading| match &reading.state {
            TopicState::Present(partitions) => (reading.topic.as_str(), partitions),
            TopicState::Missing => panic!("{} is missing", reading.topic),
        })
        .collect();
    assert_eq!(logs.len(), TOPICS.len());
    for partition in logs.into_values().flatten() {
        let offsets = (partition.log_start_offset, partition.log_end_offset);
        assert_eq!(offsets, (Some(0), Some(RECORDS)), "{tick:?}");
    }
    for reading in &tick.groups {
        let expected = match reading.group.as_str() {
            "lasting" => Commit::At(COMMITTED),
            _ => Commit::None,
        };
        assert_eq!(reading.topics.len(), TOPICS.len());
        for topic in &reading.topics {
            assert_eq!(topic.commits, [expected; PARTITIONS as usize], "{tick:?}");
        }
    }
}

/// What the process takes.
#[derive(Clone, Copy, Debug)]
struct Usage {
    memory_kb: u64,
    files: u64,
    threads: u64,
}

impl Usage {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.unwrap().split_whitespace().next().unwrap();
            value.parse().unwrap()
        };
        Self {
            memory_kb: field("VmRSS:"),
            files: fs::read_dir("/proc/self/fd").unwrap().count() as u64,
            threads: field("Threads:"),
        }
    }

    /// Clients that were dropped while busy take a moment to end.
    fn settled(&self) -> Self {
        let deadline = Instant::now() + BOUND;
        loop {
            let now = Self::now();
            if now.is_within(self) || Instant::now() >= deadline {
                return now;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_within(&self, before: &Self) -> bool {
        self.memory_kb <= before.memory_kb + MORE_MEMORY_KB
            && self.files <= before.files + MORE_FILES
            && self.threads <= before.threads + MORE_THREADS
    }
}
