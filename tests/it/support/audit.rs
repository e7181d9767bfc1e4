//! A scaler that is asked while its cluster fails, and what it may answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegauge::kafka::Producer;
use tonic::Code;

use super::kafka::{Cluster, DescribedPartition, Distribution, OFFSETS_TOPIC};
use super::scaler::Scaler;

/// How long anything may take to show, be it a failure or that it is over.
const BOUND: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
const RECORDS: usize = 100;

/// A group that reads one topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) group: &'static str,
    pub(crate) topic: &'static str,
}

/// Topic and coordinator are on the brokers 1 and 3.
pub(crate) const STEADY: Subject = Subject {
    group: "search",
    topic: "steady",
};
/// Each broker leads a partition of the topic, and holds the others; broker 2
/// has the group's commits.
pub(crate) const SPREAD: Subject = Subject {
    group: "billing",
    topic: "orders",
};
/// Broker 2 alone has the topic, broker 3 the group's commits.
pub(crate) const ALONE: Subject = Subject {
    group: "shipping",
    topic: "alone",
};
pub(crate) const SUBJECTS: [Subject; 3] = [STEADY, SPREAD, ALONE];

/// What has to become of what is told of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// It is always there, and in the end the newest.
    Hold,
    /// It may be unknown for a while, and is the newest in the end.
    Return,
    /// It stays the last one, and then it is unknown.
    Vanish,
}

/// Three brokers with the [`SUBJECTS`], and one record after the other.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) cluster: Cluster,
    producer: Producer,
}

impl Shop {
    pub(crate) fn open(kafka: &Distribution) -> Shop {
        Shop::with(Cluster::start(kafka, 3))
    }

    /// On brokers under names, see [`Cluster::start_under_names`].
    pub(crate) fn open_under_names(kafka: &Distribution) -> Shop {
        Shop::with(Cluster::start_under_names(kafka, 3))
    }

    fn with(cluster: Cluster) -> Shop {
        cluster.create_topic_on(STEADY.topic, &[&[1, 2, 3], &[3, 1, 2]]);
        cluster.create_topic_on(SPREAD.topic, &[&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]]);
        cluster.create_topic_on(ALONE.topic, &[&[2]]);
        let producer = Producer::connect(cluster.bootstrap_past_proxies()).unwrap();
        for (topic, partitions) in [(STEADY.topic, 2), (SPREAD.topic, 3), (ALONE.topic, 1)] {
            for partition in 0..partitions {
                producer.send(topic, Some(partition), RECORDS).unwrap();
            }
        }
        producer.flush().unwrap();
        for (subject, commit) in [(STEADY, "90"), (SPREAD, "60"), (ALONE, "30")] {
            cluster.reset_offsets(subject.group, subject.topic, &["--to-offset", commit]);
        }
        let shop = Shop { cluster, producer };
        shop.restore_places();
        shop
    }

    /// Brings leaders and coordinators to where [`SUBJECTS`] says.
    pub(crate) fn restore_places(&self) {
        self.cluster.move_leaders(&[
            (STEADY.topic, &[1, 3]),
            (SPREAD.topic, &[1, 2, 3]),
            // The names of the groups fall into partitions 0, 1 and 2.
            (OFFSETS_TOPIC, &[1, 2, 3, 1]),
        ]);
        let groups = SUBJECTS.map(|subject| subject.group);
        assert_eq!(self.cluster.coordinators(&groups), [1, 2, 3]);
    }

    /// One record more, so that there is never a number between two right ones.
    fn produce(&self, subject: Subject) {
        self.producer.send(subject.topic, Some(0), 1).unwrap();
        self.producer.flush().unwrap();
    }
}

/// One scaler, and all that was ever right to tell since it started.
pub(crate) struct Audit<'a> {
    shop: &'a Shop,
    scaler: &'a Scaler,
    right: BTreeMap<&'static str, Vec<i64>>,
}

impl<'a> Audit<'a> {
    /// Begins as soon as the scaler tells what Kafka's own tools say.
    pub(crate) async fn begin(shop: &'a Shop, scaler: &'a Scaler) -> Audit<'a> {
        let groups = SUBJECTS.map(|subject| subject.group);
        let described = shop.cluster.consumer_groups_describe(&groups);
        let right = SUBJECTS.map(|subject| (subject.group, vec![lag(&described[subject.group])]));
        let audit = Audit {
            shop,
            scaler,
            right: right.into(),
        };
        let all = SUBJECTS.map(|subject| (subject, Must::Return));
        audit.becomes("the beginning", &all).await;
        audit
    }

    /// One more record for each of them, which the scaler is to find.
    pub(crate) fn produce(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            self.shop.produce(*subject);
            self.lag_grows(*subject, 1);
        }
    }

    /// The group was given other commits, which leave it so much more behind.
    pub(crate) fn lag_grows(&mut self, subject: Subject, more: i64) {
        let right = self.right.get_mut(subject.group).unwrap();
        right.push(right.last().unwrap() + more);
    }

    /// KEDA asks again and again, until all is as it must become. Until then it
    /// is told the number of now, or the one before, or that there is none; of
    /// what must hold, always a number.
    pub(crate) async fn becomes(&self, what: &str, all: &[(Subject, Must)]) {
        let deadline = Instant::now() + BOUND;
        loop {
            let mut done = true;
            let mut told = Vec::new();
            for (subject, must) in all {
                let answer = self.told(*subject).await;
                done &= self.judge(what, *subject, *must, &answer);
                told.push((subject.group, answer));
            }
            if done {
                return;
            }
            if Instant::now() >= deadline {
                let reasons = self.reasons().await;
                panic!(
                    "{what}: not within {BOUND:?}, told {told:?}, right {:?}, {reasons:?}",
                    self.right
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Is it as it must become? Panics if it may not be told.
    fn judge(
        &self,
        what: &str,
        subject: Subject,
        must: Must,
        answer: &Result<f64, (Code, String)>,
    ) -> bool {
        let right = &self.right[subject.group];
        let now = *right.last().unwrap() as f64;
        match answer {
            Ok(value) => {
                let before = right.iter().nth_back(1).map(|lag| *lag as f64);
                assert!(
                    *value == now || Some(*value) == before,
                    "{what}: {} was told {value}, right was {right:?}",
                    subject.group
                );
                must != Must::Vanish && *value == now
            }
            Err((code, message)) => {
                assert_eq!(*code, Code::Unavailable, "{what}: {message}");
                assert_ne!(must, Must::Hold, "{what}: {} {message}", subject.group);
                assert!(message.contains(subject.group), "{what}: {message}");
                must == Must::Vanish
            }
        }
    }

    async fn told(&self, subject: Subject) -> Result<f64, (Code, String)> {
        let metadata = [
            ("consumerGroup", subject.group),
            ("topic", subject.topic),
            ("lagThreshold", "1000"),
        ];
        let told = self.scaler.told(&metadata).await;
        told.map(|told| told.value)
            .map_err(|status| (status.code(), status.message().to_owned()))
    }

    /// `/readyz` names the gap, and the metric one by one of these reasons.
    pub(crate) async fn gap_shows(&self, what: &str, scope: &str, codes: &[&str]) {
        let deadline = Instant::now() + BOUND;
        loop {
            let reasons = self.reasons().await;
            let gaps = self.gaps().await;
            let told = reasons.iter().any(|reason| reason.starts_with(scope));
            if told && codes.iter().any(|code| gaps.contains_key(*code)) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: no gap of {scope} by {codes:?} in {reasons:?} {gaps:?} {}",
                self.scaler.log()
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What `/readyz` tells.
    async fn reasons(&self) -> Vec<String> {
        let (_, text) = self.scaler.get("/readyz").await;
        let page: Value = serde_json::from_str(&text).unwrap();
        let reasons = page["reasons"].as_array().unwrap().iter();
        let message = |reason: &Value| reason["message"].as_str().unwrap().to_owned();
        reasons.map(message).collect()
    }

    /// Nothing is missing any more, and each number is Kafka's own.
    pub(crate) async fn is_all_well(&self, what: &str) {
        self.becomes(what, &SUBJECTS.map(|subject| (subject, Must::Return)))
            .await;
        let deadline = Instant::now() + BOUND;
        while let gaps = self.gaps().await
            && !gaps.is_empty()
        {
            let reasons = self.reasons().await;
            assert!(Instant::now() < deadline, "{what}: {gaps:?} {reasons:?}");
            tokio::time::sleep(PAUSE).await;
        }
        self.agrees_with_kafka(what, &SUBJECTS, &[]).await;
    }

    /// Each partition becomes as Kafka's own tool describes it, past the
    /// proxies; those that are excepted are unknown.
    pub(crate) async fn agrees_with_kafka(
        &self,
        what: &str,
        subjects: &[Subject],
        unknown: &[(Subject, i32)],
    ) {
        let groups: Vec<&str> = subjects.iter().map(|subject| subject.group).collect();
        let described = self.shop.cluster.consumer_groups_describe(&groups);
        let deadline = Instant::now() + BOUND;
        loop {
            let differences = self.differences(&described, unknown).await;
            if differences.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {differences:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What Kafka says, and what we say.
    async fn differences(
        &self,
        described: &BTreeMap<String, Vec<DescribedPartition>>,
        unknown: &[(Subject, i32)],
    ) -> Vec<(DescribedPartition, Value)> {
        let mut differences = Vec::new();
        for (group, partitions) in described {
            let group = self.scaler.json(&format!("/api/v1/groups/{group}")).await;
            for kafkas in partitions {
                let ours = partition(&group, kafkas);
                let is_unknown = unknown.iter().any(|(except, partition)| {
                    except.topic == kafkas.topic && *partition == kafkas.partition
                });
                let expected = match is_unknown {
                    true => (None, None),
                    false => (kafkas.lag, Some(kafkas.log_end_offset)),
                };
                if (ours["lag"].as_i64(), ours["log_end_offset"].as_i64()) != expected {
                    differences.push((kafkas.clone(), ours));
                }
            }
        }
        differences
    }

    /// History has the right numbers, and nulls in place of others; one at
    /// least where the reading failed.
    pub(crate) async fn history_is_right(&self, what: &str, failed: &[Subject]) {
        for subject in SUBJECTS {
            let Subject { group, topic } = subject;
            let path = format!("/api/v1/history?group={group}&topic={topic}&step=raw&metric=lag");
            let history = self.scaler.json(&path).await;
            let rows = history.as_array().unwrap();
            assert!(!rows.is_empty(), "{what}");
            let lags = rows.iter().map(|row| &row["lag"]);
            let wrong = lags.clone().find(|lag| match lag.as_i64() {
                Some(lag) => !self.right[group].contains(&lag),
                None => !lag.is_null(),
            });
            assert_eq!(wrong, None, "{what}: {group}, right {:?}", self.right);
            let has_gap = lags.clone().any(Value::is_null);
            let may_have = failed.iter().any(|failed| failed.group == group);
            assert!(has_gap || !may_have, "{what}: {group} was never unknown");
        }
    }

    /// What was missing from the newest tick: how many by reason.
    pub(crate) async fn gaps(&self) -> BTreeMap<String, u64> {
        let reason = |labels: &str| {
            let (_, rest) = labels.split_once("reason=\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let gaps = self.metric("tidegauge_gaps").await;
        let by_reason = gaps.into_iter();
        by_reason
            .map(|(labels, gaps)| (reason(&labels).unwrap(), gaps))
            .filter(|(_, gaps)| *gaps > 0)
            .collect()
    }

    /// Begins to count poll cycles.
    pub(crate) async fn watch_time(&self) -> Polls {
        Polls {
            since: Instant::now(),
            polls: self.sum("tidegauge_polls_total").await,
            skipped: self.sum("tidegauge_skipped_polls_total").await,
        }
    }

    /// As many cycles as there were intervals came or were counted as skipped;
    /// `longest` is how long one cycle may be under way.
    pub(crate) async fn kept_time(
        &self,
        what: &str,
        since: &Polls,
        interval: Duration,
        longest: Duration,
    ) {
        let now = self.watch_time().await;
        let (polls, skipped) = (now.polls - since.polls, now.skipped - since.skipped);
        let elapsed = now.since - since.since;
        let due = elapsed.as_secs_f64() / interval.as_secs_f64();
        let under_way = longest.as_secs_f64() / interval.as_secs_f64() + 1.0;
        let accounted = (polls + skipped) as f64;
        assert!(
            (due - under_way..due + under_way).contains(&accounted),
            "{what}: {polls} polls and {skipped} skipped in {elapsed:?}, at {interval:?} each"
        );
        assert!(polls > 0, "{what}: no cycle in {elapsed:?}");
    }

    async fn sum(&self, name: &str) -> u64 {
        let samples = self.metric(name).await;
        samples.into_iter().map(|(_, value)| value).sum()
    }

    async fn metric(&self, name: &str) -> Vec<(String, u64)> {
        let (_, text) = self.scaler.get("/metrics").await;
        let samples = text.lines().filter_map(|line| {
            let (labels, value) = line
                .strip_prefix(name)?
                .strip_prefix('{')?
                .rsplit_once("} ")?;
            Some((labels.to_owned(), value.parse().ok()?))
        });
        samples.collect()
    }
}

/// Poll cycles up to a time.
#[derive(Debug)]
pub(crate) struct Polls {
    since: Instant,
    polls: u64,
    skipped: u64,
}

fn lag(described: &[DescribedPartition]) -> i64 {
    let lags = described.iter().map(|partition| partition.lag);
    lags.sum::<Option<i64>>().expect("each has a commit")
}

fn partition(group: &Value, described: &DescribedPartition) -> Value {
    let topics = group["topics"].as_array().unwrap();
    let topic = topics
        .iter()
        .find(|topic| topic["topic"] == described.topic.as_str());
    let number = usize::try_from(described.partition).unwrap();
    topic.unwrap_or_else(|| panic!("{described:?} is not in {group}"))["partitions"][number].clone()
}
