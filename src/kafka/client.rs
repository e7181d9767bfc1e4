//! A safe, asynchronous client of one cluster.
//!
//! It owns one librdkafka handle and the one thread that takes its answers,
//! however many groups and partitions are asked for. It retries nothing and
//! remembers nothing. Its key invariant: a future that is dropped leaves a
//! request behind, never a dangling pointer, since the handle is destroyed only
//! after its last answer.

use std::{
    fmt,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::{
    model::{GroupId, GroupState, Membership, Partition, TopicName},
    telemetry::spans,
};

use super::{
    broker_requests::BrokerRequests,
    brokers::KnownBrokers,
    error::{ConnectError, ErrorCode, RequestError},
    log,
    native::{Event, Handle, Notice, SHORTEST_LOG_OFFSETS_TIMEOUT},
    oauth::TokenSupply,
    settings::ClientSettings,
    stats::{RequestCounts, RequestKind},
    trouble::{Trouble, Troubles},
};

/// So many brokers are asked at most for what any of them knows.
const MAX_BROKERS_ASKED: usize = 5;

/// How long one broker is waited for before the next one is asked as well.
const NEXT_BROKER_AFTER: Duration = Duration::from_millis(300);

/// Which end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Log start offset.
    Earliest,
    /// Log end offset, as the isolation level sees it.
    Latest,
}

/// Which records count as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// Up to the last stable offset: none of open transactions, so that a
    /// group that has read all that it may read has no lag.
    #[default]
    ReadCommitted,
    /// Up to the high watermark.
    ReadUncommitted,
}

/// What a group has committed in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCommits {
    /// The topic.
    pub topic: TopicName,
    /// By partition: an offset, none, or why it can't be told.
    pub commits: Vec<(Partition, Result<Option<i64>, ErrorCode>)>,
}

/// What a broker says of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its id, folded into a number that is not negative; `None` where brokers
    /// are too old to have one.
    pub id: Option<i64>,
    /// Leaders by partition; a partition may have none.
    pub leaders: Vec<Option<i32>>,
}

/// A topic as it is described, or why it isn't.
pub type DescribedTopic = (TopicName, Result<TopicDescription, ErrorCode>);

/// A group's members and state, or why they can't be told.
pub type GroupMembers = (GroupId, Result<Membership, ErrorCode>);

/// One group of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its `group.id`.
    pub group: GroupId,
    /// Its state; unknown where brokers are too old to list it.
    pub state: GroupState,
}

/// All groups of a cluster, as far as its brokers answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupList {
    /// The groups that were found.
    pub groups: Vec<ListedGroup>,
    /// Errors of brokers whose groups are not among them.
    pub errors: Vec<RequestError>,
}

/// A client of one cluster; clones share the connection.
///
/// When the last clone is dropped, its thread is waited for if nothing is in
/// flight; otherwise it ends by itself as soon as the last answer or timeout
/// came, since waiting would block the caller.
#[derive(Clone)]
pub struct Client {
    connection: Arc<Connection>,
    request_timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("in_flight", &self.connection.handle.in_flight())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these settings. Connecting goes on in the background: a
    /// cluster that is down shows in the requests. With OAUTHBEARER it must be
    /// called in a tokio runtime, which then fetches tokens.
    pub fn connect(settings: &ClientSettings) -> Result<Self, ConnectError> {
        Self::connect_counting(settings, Arc::default())
    }

    /// A client that may take the place of this one: it goes on counting.
    pub(super) fn succeeded_by(&self, settings: &ClientSettings) -> Result<Self, ConnectError> {
        Self::connect_counting(settings, Arc::clone(&self.connection.requests))
    }

    fn connect_counting(
        settings: &ClientSettings,
        requests: Arc<RequestCounts>,
    ) -> Result<Self, ConnectError> {
        let handle = Arc::new(Handle::open(&settings.librdkafka_config())?);
        let oauthbearer = settings.oauthbearer.as_ref();
        let tokens = oauthbearer
            .map(|config| TokenSupply::start(&handle, config))
            .transpose()?;
        let troubles = Arc::new(Troubles::default());
        let (served, noted) = (Arc::clone(&handle), Arc::clone(&troubles));
        let thread = std::thread::Builder::new()
            .name("kafka-answers".to_owned())
            .spawn(move || {
                served.serve(|notice| {
                    noted.note(&notice);
                    if let Notice::Log(line) = notice {
                        log::log(&line);
                    }
                });
            })
            .map_err(ConnectError::Thread)?;
        Ok(Self {
            connection: Arc::new(Connection {
                handle,
                tokens,
                thread: Some(thread),
                requests,
                brokers: KnownBrokers::default(),
                troubles,
            }),
            request_timeout: settings.request_timeout,
        })
    }

    /// How long one request may take.
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// How many requests were made, by kind.
    pub fn requests(&self) -> &RequestCounts {
        &self.connection.requests
    }

    /// What was really sent to brokers; librdkafka counts every
    /// `statistics.interval.ms`, `None` before the first time.
    pub fn broker_requests(&self) -> Option<BrokerRequests> {
        self.handle().broker_requests().get()
    }

    /// How many requests wait for their answer.
    pub fn in_flight(&self) -> usize {
        self.connection.handle.in_flight()
    }

    /// Log start or log end offsets, in the order of `partitions`, none of
    /// which may come twice. 200 at a time is a good batch: librdkafka takes
    /// time that grows with the square.
    pub async fn list_offsets(
        &self,
        partitions: &[(&TopicName, Partition)],
        spec: OffsetSpec,
        isolation: IsolationLevel,
        within: Duration,
    ) -> Result<Vec<Result<i64, ErrorCode>>, RequestError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let asked = || {
            partitions
                .iter()
                .map(|(topic, partition)| (topic.as_str(), *partition))
        };
        let within = within.min(self.request_timeout);
        let sent = Instant::now();
        let span = self.count(RequestKind::LogOffsets);
        let answer = self
            .handle()
            .ask_log_offsets(asked(), spec, isolation, within)?;
        let event = match within < SHORTEST_LOG_OFFSETS_TIMEOUT {
            // Librdkafka's own timeout comes too late to be waited for.
            true => received_until(answer, within).instrument(span).await?,
            false => received(answer, within).instrument(span).await?,
        };
        // Librdkafka swallows the reason; the time tells which it was.
        let silent = match sent.elapsed() + Duration::from_millis(50) >= within {
            true => ErrorCode::TIMED_OUT,
            false => ErrorCode::TRANSPORT,
        };
        event.log_offsets(asked(), silent)
    }

    /// A group's commits, asked of its coordinator: in these partitions, or in
    /// all that it has commits in. A group that doesn't exist has none.
    pub async fn group_offsets(
        &self,
        group: &GroupId,
        coordinator: i32,
        partitions: Option<&[(&TopicName, Partition)]>,
        within: Duration,
    ) -> Result<Vec<TopicCommits>, RequestError> {
        let asked = partitions.map(|all| {
            all.iter()
                .map(|(topic, partition)| (topic.as_str(), *partition))
        });
        let within = within.min(self.request_timeout);
        let span = self.count(RequestKind::GroupOffsets);
        let answer = self
            .handle()
            .ask_group_offsets(group.as_str(), coordinator, asked, within)?;
        let answer = received(answer, within).instrument(span).await?;
        answer.group_offsets()
    }

    /// All groups of the cluster.
    pub async fn list_groups(&self, within: Duration) -> Result<GroupList, RequestError> {
        let within = within.min(self.request_timeout);
        let span = self.count(RequestKind::ListGroups);
        let answer = self.handle().ask_groups(within)?;
        let answer = received(answer, within).instrument(span).await;
        let list = answer.and_then(|event| event.groups());
        let explained = |error| self.explained(None, error);
        list.map_err(explained).map(|list| GroupList {
            errors: list.errors.into_iter().map(explained).collect(),
            ..list
        })
    }

    /// Is the group in the oldest form of the list of groups, which names every
    /// kind of group? Asks each broker, and blocks a thread of its own.
    pub async fn lists_group(
        &self,
        group: &GroupId,
        within: Duration,
    ) -> Result<bool, RequestError> {
        let (handle, group) = (Arc::clone(&self.connection.handle), group.clone());
        let span = self.count(RequestKind::ListGroups);
        let listed = tokio::task::spawn_blocking(move || handle.lists_group(&group, within));
        listed
            .instrument(span)
            .await
            .map_err(|_| RequestError::Closed)?
    }

    /// Members and state of groups of one coordinator, none of which may come
    /// twice. Names that no group can have are left out.
    pub async fn describe_groups(
        &self,
        coordinator: i32,
        groups: &[GroupId],
        within: Duration,
    ) -> Result<Vec<GroupMembers>, RequestError> {
        let names: Vec<&str> = groups
            .iter()
            .map(GroupId::as_str)
            .filter(|name| is_name(name))
            .collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let within = within.min(self.request_timeout);
        let span = self.count(RequestKind::DescribeGroups);
        let answer = self
            .handle()
            .ask_members(names.into_iter(), coordinator, within)?;
        received(answer, within).instrument(span).await?.members()
    }

    /// Partitions and leaders of topics, none of which may come twice. The
    /// answer has no order of its own and may lack topics.
    pub async fn describe_topics(
        &self,
        topics: &[TopicName],
        within: Duration,
    ) -> Result<Vec<DescribedTopic>, RequestError> {
        let (asked, refused): (Vec<&TopicName>, Vec<_>) =
            topics.iter().partition(|name| is_name(name.as_str()));
        let mut found = Vec::new();
        if !asked.is_empty() {
            let within = within.min(self.request_timeout);
            found = self.describe_by_any_broker(&asked, within).await?;
        }
        let invalid = |topic: &TopicName| (topic.clone(), Err(ErrorCode::INVALID_TOPIC));
        found.extend(refused.into_iter().map(invalid));
        Ok(found)
    }

    /// Asks one broker; if it doesn't answer soon, or fails, the next one too.
    async fn describe_by_any_broker(
        &self,
        topics: &[&TopicName],
        within: Duration,
    ) -> Result<Vec<DescribedTopic>, RequestError> {
        let end = Instant::now() + within;
        let mut brokers = self
            .brokers(within)
            .await?
            .into_iter()
            .take(MAX_BROKERS_ASKED);
        let mut asked = FuturesUnordered::new();
        let mut failure = RequestError::TimedOut;
        loop {
            let more = brokers.next();
            if let Some(broker) = more {
                let left = end.saturating_duration_since(Instant::now());
                asked.push(self.describe_by(broker, topics, left));
            }
            let patience = if more.is_some() {
                NEXT_BROKER_AFTER
            } else {
                within
            };
            match tokio::time::timeout(patience, asked.next()).await {
                Ok(Some((broker, Ok(found)))) => {
                    self.connection.brokers.answered(broker, &found);
                    return Ok(found);
                }
                Ok(Some((_, Err(error)))) => failure = error,
                Err(_) if more.is_some() => {}
                Ok(None) | Err(_) => {
                    // They may have been replaced by others.
                    self.connection.brokers.forget();
                    return Err(failure);
                }
            }
        }
    }

    async fn describe_by(
        &self,
        broker: i32,
        topics: &[&TopicName],
        within: Duration,
    ) -> (i32, Result<Vec<DescribedTopic>, RequestError>) {
        let span = self.count(RequestKind::DescribeTopics);
        let names = topics.iter().map(|topic| topic.as_str());
        let found = match self.handle().ask_topics(names, broker, within) {
            Ok(answer) => received(answer, within)
                .instrument(span)
                .await
                .and_then(|event| event.topics()),
            Err(error) => Err(error),
        };
        (broker, self.judged(broker, found))
    }

    /// All brokers that are known, by id, the one that answered last first.
    pub async fn brokers(&self, within: Duration) -> Result<Vec<i32>, RequestError> {
        let known = self.connection.brokers.best_first();
        if !known.is_empty() {
            return Ok(known);
        }
        let handle = Arc::clone(&self.connection.handle);
        let within = within.min(self.request_timeout);
        let listed = tokio::task::spawn_blocking(move || handle.brokers(within)).await;
        let brokers = listed.map_err(|_| RequestError::Closed)?;
        let brokers = brokers.map_err(|code| self.explained(None, code.into()))?;
        self.connection.brokers.learn(brokers);
        Ok(self.connection.brokers.best_first())
    }

    /// The answer of a broker that was asked by its id. One that failed for want
    /// of a connection says what is wrong with that.
    pub(super) fn judged<T>(
        &self,
        broker: i32,
        answer: Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        if answer.is_ok() {
            self.connection.troubles.answered(broker);
        }
        answer.map_err(|error| self.explained(Some(broker), error))
    }

    /// The error, or what is wrong with the connection to `broker` if that is
    /// why; without a broker, with the connection to any. Without a token there
    /// is none at all.
    fn explained(&self, broker: Option<i32>, error: RequestError) -> RequestError {
        let no_token = self.connection.tokens.as_ref().and_then(TokenSupply::lack);
        let trouble = no_token.map(Trouble::no_token);
        error.because_of(trouble.or_else(|| self.connection.troubles.of(broker)))
    }

    /// Lets [`Self::brokers`] list them anew.
    pub(super) fn forget_brokers(&self) {
        self.connection.brokers.forget();
    }

    /// Sets a group's commits without joining it; only for groups without
    /// members.
    pub(super) async fn commit(
        &self,
        coordinator: i32,
        group: &GroupId,
        commits: &[(TopicName, Partition, i64)],
    ) -> Result<(), RequestError> {
        let listed = commits
            .iter()
            .map(|(topic, partition, at)| (topic.as_str(), *partition, *at));
        let answer = self.handle().ask_to_commit(
            group.as_str(),
            coordinator,
            listed,
            self.request_timeout,
        )?;
        received(answer, self.request_timeout).await?.committed()
    }

    /// Gone once the thread has ended and the handle is destroyed.
    #[cfg(test)]
    pub(super) fn watch_end(&self) -> std::sync::Weak<Handle> {
        Arc::downgrade(&self.connection.handle)
    }

    fn handle(&self) -> &Handle {
        &self.connection.handle
    }

    /// Counts a request; its span.
    fn count(&self, kind: RequestKind) -> Span {
        self.connection.requests.add(kind);
        spans::request(kind.as_str())
    }
}

struct Connection {
    handle: Arc<Handle>,
    tokens: Option<TokenSupply>,
    thread: Option<JoinHandle<()>>,
    requests: Arc<RequestCounts>,
    brokers: KnownBrokers,
    troubles: Arc<Troubles>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.handle.stop();
        let idle = self.handle.in_flight() == 0;
        if let Some(thread) = self.thread.take().filter(|_| idle)
            && thread.join().is_err()
        {
            tracing::error!("the thread that takes kafka's answers has panicked");
        }
    }
}

/// Librdkafka bounds each request by itself; this is for the case that it
/// does not.
const ANSWER_GRACE: Duration = Duration::from_millis(500);

async fn received(
    answer: oneshot::Receiver<Event>,
    within: Duration,
) -> Result<Event, RequestError> {
    received_until(answer, within + ANSWER_GRACE).await
}

async fn received_until(
    answer: oneshot::Receiver<Event>,
    limit: Duration,
) -> Result<Event, RequestError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(event)) => Ok(event),
        Ok(Err(_)) => Err(RequestError::Closed),
        Err(_) => Err(RequestError::TimedOut),
    }
}

/// Can a topic or a group have this name, as far as librdkafka can carry it?
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}
