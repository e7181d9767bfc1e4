//! A Kafka cluster inside this process: for `demo`, tests and benches.
//!
//! It is librdkafka's mock cluster: real brokers on loopback as far as a client
//! can see, with all data in memory. It can't list or describe groups, answer
//! for all of a group's commits at once, look offsets up by time, or delete
//! topics, and keeps about 5 MB a partition.

use std::{
    ffi::NulError,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer as _},
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use crate::model::{GroupId, Partition, TopicName};

use super::{
    client::Client,
    error::{ConnectError, RequestError},
    native::MockCluster,
    poller::{OFFSETS_TOPIC, offsets_partition},
    settings::ClientSettings,
};

/// How long a group waits for more members before its first assignment. Kafka's
/// own 3 s would be most of a test's time.
const REBALANCE_DELAY: Duration = Duration::from_millis(100);

/// As many as Kafka's own default.
const OFFSETS_PARTITIONS: i32 = 50;

/// How long the cluster's own client and producers wait for an answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A rebalance waits so long for a member that says nothing; the least that
/// Kafka's brokers accept.
const SESSION_TIMEOUT_MS: &str = "6000";

/// How often a member hears of a rebalance.
const HEARTBEAT_INTERVAL_MS: &str = "500";

/// What went wrong with the embedded cluster or one of its clients.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The brokers did not start.
    #[error("the embedded brokers did not start")]
    NoCluster,
    /// A name has a NUL in it.
    #[error("a name has a NUL in it")]
    Name,
    /// A broker or topic of that name is unknown, or something the like.
    #[error("the embedded cluster refused: {0}")]
    Refused(String),
    /// The client for commits failed to start.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A commit failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A producer or consumer failed.
    #[error("embedded kafka client: {0}")]
    Client(String),
}

impl From<KafkaError> for EmbeddedError {
    fn from(error: KafkaError) -> Self {
        Self::Client(error.to_string())
    }
}

impl From<NulError> for EmbeddedError {
    fn from(_: NulError) -> Self {
        Self::Name
    }
}

/// Requests that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Log start and log end offsets.
    ListOffsets,
    /// Topics, partitions, leaders.
    Metadata,
    /// A group's commits.
    OffsetFetch,
    /// Which broker has a group's commits.
    FindCoordinator,
}

impl RequestKind {
    /// Its number in Kafka's protocol.
    fn api_key(self) -> i16 {
        match self {
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::OffsetFetch => 9,
            Self::FindCoordinator => 10,
        }
    }
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedError {
    /// The group's coordinator is gone. Retriable.
    CoordinatorNotAvailable,
    /// The coordinator is another broker. Retriable.
    NotCoordinator,
    /// The group must not be read. Not retriable.
    GroupAuthorizationFailed,
    /// The topic must not be read. Not retriable.
    TopicAuthorizationFailed,
    /// The leader is another broker. Retriable.
    NotLeader,
    /// The connection is closed. Retriable.
    Disconnect,
}

impl InjectedError {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Self::CoordinatorNotAvailable => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
            }
            Self::NotCoordinator => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Self::GroupAuthorizationFailed => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            }
            Self::TopicAuthorizationFailed => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            }
            Self::NotLeader => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Self::Disconnect => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        }
    }
}

/// Brokers 1 to n inside this process. Other processes can reach them too.
pub struct EmbeddedCluster {
    // Dropped before the brokers that it talks to.
    client: Client,
    brokers: MockCluster,
}

impl std::fmt::Debug for EmbeddedCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedCluster")
            .field("bootstrap_servers", &self.bootstrap_servers())
            .finish_non_exhaustive()
    }
}

impl EmbeddedCluster {
    /// Starts brokers 1 to `brokers`.
    pub fn start(brokers: i32) -> Result<Self, EmbeddedError> {
        let brokers = MockCluster::start(brokers)?;
        brokers.set_rebalance_delay(REBALANCE_DELAY);
        let client = Client::connect(&ClientSettings {
            bootstrap_servers: vec![brokers.bootstrap_servers()],
            properties: Default::default(),
            request_timeout: REQUEST_TIMEOUT,
            oauthbearer: None,
        })?;
        // Kafka's own topic of commits, by which coordinators are found.
        brokers.create_topic(OFFSETS_TOPIC, OFFSETS_PARTITIONS)?;
        Ok(Self { client, brokers })
    }

    /// Where the brokers listen, comma-separated.
    pub fn bootstrap_servers(&self) -> String {
        self.brokers.bootstrap_servers()
    }

    /// Creates a topic; it takes about a third of a second.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), EmbeddedError> {
        self.brokers.create_topic(name, partitions)
    }

    /// From now on the brokers say that they don't know the topic.
    pub fn hide_topic(&self, name: &str) -> Result<(), EmbeddedError> {
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        self.brokers.set_topic_error(name, Some(error))
    }

    /// They know it again.
    pub fn show_topic(&self, name: &str) -> Result<(), EmbeddedError> {
        self.brokers.set_topic_error(name, None)
    }

    /// Gives a partition to a broker, or to none.
    pub fn set_leader(
        &self,
        topic: &str,
        partition: Partition,
        broker: Option<i32>,
    ) -> Result<(), EmbeddedError> {
        self.brokers
            .set_leader(topic, partition, broker.unwrap_or(-1))
    }

    /// Makes a broker the coordinator of a group, and of the few others whose
    /// commits Kafka would keep in the same partition.
    pub fn set_coordinator(&self, group: &str, broker: i32) -> Result<(), EmbeddedError> {
        self.lead_commits_of(group, Some(broker))?;
        self.brokers.set_coordinator(group, broker)
    }

    /// Takes the leader of a group's commits away.
    pub fn leave_uncoordinated(&self, group: &str) -> Result<(), EmbeddedError> {
        self.lead_commits_of(group, None)
    }

    fn lead_commits_of(&self, group: &str, broker: Option<i32>) -> Result<(), EmbeddedError> {
        let partitions = OFFSETS_PARTITIONS.unsigned_abs() as usize;
        match offsets_partition(group, partitions) {
            Some(partition) => self.set_leader(OFFSETS_TOPIC, partition, broker),
            None => Ok(()),
        }
    }

    /// Closes a broker's connections and lets no new one in. Its partitions
    /// and groups move nowhere.
    pub fn stop_broker(&self, broker: i32) -> Result<(), EmbeddedError> {
        self.brokers.stop_broker(broker)
    }

    /// Lets connections in again.
    pub fn start_broker(&self, broker: i32) -> Result<(), EmbeddedError> {
        self.brokers.start_broker(broker)
    }

    /// Delays each answer of a broker.
    pub fn delay_broker(&self, broker: i32, delay: Duration) -> Result<(), EmbeddedError> {
        self.brokers.delay_broker(broker, delay)
    }

    /// Lets the next `times` requests of a kind to a broker fail.
    pub fn fail_next(
        &self,
        broker: i32,
        request: RequestKind,
        error: InjectedError,
        times: usize,
    ) -> Result<(), EmbeddedError> {
        (0..times).try_for_each(|_| {
            self.brokers
                .fail_next(broker, request.api_key(), error.code())
        })
    }

    /// Sets commits of a group that has no members.
    pub async fn commit_offsets(
        &self,
        group: &str,
        commits: &[(&str, Partition, i64)],
    ) -> Result<(), EmbeddedError> {
        let commits: Vec<_> = commits
            .iter()
            .map(|(topic, partition, offset)| (TopicName::from(*topic), *partition, *offset))
            .collect();
        // Any embedded broker takes any group's commits.
        let broker = self.client.brokers(REQUEST_TIMEOUT).await?[0];
        Ok(self
            .client
            .commit(broker, &GroupId::from(group), &commits)
            .await?)
    }

    /// A group's lag in a topic as a consumer finds it: its commits, and the
    /// watermarks of one partition after the other. Slow, and another way than
    /// the poller's, to compare with. Without a commit the whole log counts.
    pub fn lag_by_consumer(
        &self,
        group: &str,
        topic: &str,
        partitions: i32,
    ) -> Result<i64, EmbeddedError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("group.id", group)
            .create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, partitions - 1);
        let committed = consumer.committed_offsets(asked, REQUEST_TIMEOUT)?;
        let mut lag = 0;
        for element in committed.elements() {
            let partition = element.partition();
            let (low, high) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT)?;
            let next = element.offset().to_raw().filter(|offset| *offset >= low);
            lag += (high - next.unwrap_or(low)).max(0);
        }
        Ok(lag)
    }

    /// A producer for this cluster.
    pub fn producer(&self) -> Result<Producer, EmbeddedError> {
        Producer::connect(&self.bootstrap_servers())
    }

    /// A member of `group` that reads `topics`.
    pub fn consumer(&self, group: &str, topics: &[&str]) -> Result<Consumer, EmbeddedError> {
        Consumer::join(&self.bootstrap_servers(), group, topics)
    }
}

/// Writes small records.
pub struct Producer(BaseProducer);

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Producer").finish()
    }
}

impl Producer {
    /// A producer for these brokers.
    pub fn connect(bootstrap_servers: &str) -> Result<Self, EmbeddedError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("linger.ms", "1")
            .create()?;
        Ok(Self(producer))
    }

    /// Queues `records` records: to one partition, or to each in turn as
    /// librdkafka deals them out. Waits while the queue is full.
    pub fn send(
        &self,
        topic: &str,
        partition: Option<Partition>,
        records: usize,
    ) -> Result<(), EmbeddedError> {
        for _ in 0..records {
            self.send_one(topic, partition)?;
        }
        Ok(())
    }

    fn send_one(&self, topic: &str, partition: Option<Partition>) -> Result<(), EmbeddedError> {
        let mut record = BaseRecord::<(), [u8]>::to(topic).payload(b"tide".as_slice());
        record.partition = partition;
        loop {
            match self.0.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.0.poll(Duration::from_millis(10));
                    record = again;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Waits until all records have reached the brokers.
    pub fn flush(&self) -> Result<(), EmbeddedError> {
        Ok(self.0.flush(REQUEST_TIMEOUT)?)
    }
}

/// A member of a consumer group; leaves it when dropped. Blocks: give it a
/// thread.
pub struct Consumer(BaseConsumer);

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Consumer").finish()
    }
}

impl Consumer {
    /// Joins `group` and reads `topics`, from their start where the group has
    /// no commit.
    pub fn join(
        bootstrap_servers: &str,
        group: &str,
        topics: &[&str],
    ) -> Result<Self, EmbeddedError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS)
            .set("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS)
            .create()?;
        consumer.subscribe(topics)?;
        Ok(Self(consumer))
    }

    /// Reads up to `max` records, and says how many came within `timeout`.
    pub fn poll_records(&self, max: usize, timeout: Duration) -> Result<usize, EmbeddedError> {
        let end = Instant::now() + timeout;
        let mut records = 0;
        while records < max {
            let left = end.saturating_duration_since(Instant::now());
            match self.0.poll(left) {
                Some(Ok(record)) => records += usize::from(record.partition() >= 0),
                Some(Err(error)) => return Err(error.into()),
                None if left.is_zero() => break,
                None => {}
            }
        }
        Ok(records)
    }

    /// Commits what was read so far. Nothing read, or a rebalance under way:
    /// nothing done.
    pub fn commit(&self) -> Result<(), EmbeddedError> {
        match self.0.commit_consumer_state(CommitMode::Sync) {
            Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
            // The members are being dealt new partitions; what was read goes
            // with the next commit, or to the partition's next owner again.
            Err(KafkaError::ConsumerCommit(
                RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::AssignmentLost,
            )) => Ok(()),
            result => Ok(result?),
        }
    }
}
