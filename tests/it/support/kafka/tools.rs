//! What a user does with Kafka's own command-line tools, through those tools.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::distribution::Distribution;
use super::process::{self, Process};

/// A tool takes about a second on an idle machine.
const TOOL_LIMIT: Duration = Duration::from_secs(90);
/// The tools' own limit for an answer is 5 s, which a busy machine can exceed.
const ANSWER_LIMIT_MS: &str = "30000";

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const ELECT: &str = "org.apache.kafka.tools.LeaderElectionCommand";

/// A line of `kafka-consumer-groups --describe`; the tool's `-` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) current_offset: Option<i64>,
    pub(crate) log_end_offset: i64,
    pub(crate) lag: Option<i64>,
}

/// A tool of Kafka's that goes on until it is dropped, which kills it.
#[derive(Debug)]
pub(crate) struct RunningTool {
    _process: Process,
}

/// Kafka's own command-line tools, for one cluster.
#[derive(Debug)]
pub(crate) struct Tools {
    distribution: Distribution,
    bootstrap: String,
    /// For the files that tools read.
    folder: TempDir,
}

/// Each of these runs for a bounded time and panics with the tool's words when it fails.
impl Tools {
    pub(super) fn new(distribution: &Distribution, bootstrap: String) -> Tools {
        Tools {
            distribution: distribution.clone(),
            bootstrap,
            folder: TempDir::with_prefix("tidegauge-tools-").expect("a temp folder can be made"),
        }
    }

    /// The brokers that the tools are told, comma-separated.
    pub(super) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// `configs` are of the form `retention.ms=1000`.
    pub(crate) fn create_topic(&self, name: &str, partitions: u32, configs: &[&str]) {
        let partitions = partitions.to_string();
        let mut args = vec!["--create", "--topic", name, "--partitions", &partitions];
        for config in configs {
            args.extend(["--config", config]);
        }
        self.tool(TOPICS, &args);
    }

    /// By partition the brokers that hold it, its preferred leader first.
    pub(crate) fn create_topic_on(&self, name: &str, replicas: &[&[i32]]) {
        let of_partition = |brokers: &&[i32]| joined(brokers, ":");
        let assignment: Vec<String> = replicas.iter().map(of_partition).collect();
        let assignment = assignment.join(",");
        let args = ["--create", "--topic", name, "--replica-assignment"];
        self.tool(TOPICS, &[&args[..], &[&assignment]].concat());
    }

    /// The topic's leaders by partition; `None` where there is none.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<Option<i32>> {
        let described = self.tool(TOPICS, &["--describe", "--topic", topic]);
        let partitions = described
            .lines()
            .filter(|line| line.contains("Partition: "));
        partitions
            .map(|line| parse_leader(line).flatten())
            .collect()
    }

    /// Gives each partition of these topics its leader, all of `brokers`
    /// holding it.
    pub(crate) fn move_leaders(&self, topics: &[(&str, &[i32])], brokers: &[i32]) {
        let (mut reassigned, mut elected) = (Vec::new(), Vec::new());
        for (topic, leaders) in topics {
            for (partition, leader) in leaders.iter().enumerate() {
                let others = brokers.iter().filter(|broker| *broker != leader);
                let replicas: Vec<i32> = [leader].into_iter().chain(others).copied().collect();
                let replicas = joined(&replicas, ",");
                let place = format!(r#""topic":"{topic}","partition":{partition}"#);
                reassigned.push(format!(r#"{{{place},"replicas":[{replicas}]}}"#));
                elected.push(format!("{{{place}}}"));
            }
        }
        let reassigned = reassigned.join(",");
        let json = format!(r#"{{"version":1,"partitions":[{reassigned}]}}"#);
        let path = self.file("reassignment.json", &json);
        self.tool(REASSIGN, &["--execute", "--reassignment-json-file", &path]);
        let json = format!(r#"{{"partitions":[{}]}}"#, elected.join(","));
        let path = self.file("election.json", &json);
        let args = ["--election-type", "preferred", "--path-to-json-file", &path];
        self.tool(ELECT, &args);
    }

    /// The brokers that have the commits of these groups, in their order.
    pub(crate) fn coordinators(&self, groups: &[&str]) -> Vec<i32> {
        let mut args = vec!["--describe", "--state", "--timeout", ANSWER_LIMIT_MS];
        groups
            .iter()
            .for_each(|group| args.extend(["--group", group]));
        let described = self.tool(GROUPS, &args);
        let coordinator = |group: &&str| {
            parse_coordinator(&described, group)
                .unwrap_or_else(|| panic!("no coordinator of {group} in:\n{described}"))
        };
        groups.iter().map(coordinator).collect()
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        self.tool(TOPICS, &["--delete", "--topic", name]);
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        let listed = self.tool(TOPICS, &["--list"]);
        let names = listed.lines().filter(|line| !line.is_empty());
        names.map(str::to_owned).collect()
    }

    /// Brings the topic up to `total` partitions.
    pub(crate) fn add_partitions(&self, topic: &str, total: u32) {
        let total = total.to_string();
        self.tool(
            TOPICS,
            &["--alter", "--topic", topic, "--partitions", &total],
        );
    }

    /// What Kafka itself says of the group; empty when there is no such group.
    pub(crate) fn consumer_group_describe(&self, group: &str) -> Vec<DescribedPartition> {
        let args = ["--describe", "--group", group, "--timeout", ANSWER_LIMIT_MS];
        let described = self
            .try_tool(GROUPS, &args)
            .or_else(|output| {
                let unknown = output.contains("GroupIdNotFoundException");
                if unknown {
                    Ok(String::new())
                } else {
                    Err(output)
                }
            })
            .unwrap_or_else(|output| panic!("cannot describe group {group}:\n{output}"));
        parse_described(&described)
    }

    /// What Kafka itself says of each of these groups, in one run.
    pub(crate) fn consumer_groups_describe(
        &self,
        groups: &[&str],
    ) -> BTreeMap<String, Vec<DescribedPartition>> {
        let mut args = vec!["--describe", "--timeout", ANSWER_LIMIT_MS];
        groups
            .iter()
            .for_each(|group| args.extend(["--group", group]));
        let described = self.tool(GROUPS, &args);
        // A table for each group, all with the same header.
        let header = described.lines().find(|line| line.starts_with("GROUP "));
        let table = |group: &str| {
            let begins = format!("{group} ");
            let of_group = described.lines().filter(|line| line.starts_with(&begins));
            let lines: Vec<&str> = header.into_iter().chain(of_group).collect();
            parse_described(&lines.join("\n"))
        };
        let tables = groups
            .iter()
            .map(|group| (String::from(*group), table(group)));
        tables.collect()
    }

    /// Deletes the records before an offset of each `(topic, partition, offset)`.
    pub(crate) fn delete_records(&self, before: &[(&str, i32, i64)]) {
        let partitions: Vec<String> = before
            .iter()
            .map(|(topic, partition, offset)| {
                format!(r#"{{"topic":"{topic}","partition":{partition},"offset":{offset}}}"#)
            })
            .collect();
        let json = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
        let path = self.file("delete-records.json", &json);
        self.tool(DELETE_RECORDS, &["--offset-json-file", &path]);
    }

    /// Moves a group that has no members; `to` is the tool's own words, such as
    /// `["--to-offset", "5"]` or `["--to-earliest"]`, `topic` may be `name:0,1`.
    pub(crate) fn reset_offsets(&self, group: &str, topic: &str, to: &[&str]) {
        let mut args = vec!["--reset-offsets", "--execute", "--group", group];
        args.extend(["--topic", topic, "--timeout", ANSWER_LIMIT_MS]);
        args.extend(to);
        self.tool(GROUPS, &args);
    }

    /// Runs any tool of Kafka's that takes `--bootstrap-server`; returns what it wrote.
    pub(crate) fn tool(&self, class: &str, args: &[&str]) -> String {
        self.try_tool(class, args)
            .unwrap_or_else(|output| panic!("{class} {} failed:\n{output}", args.join(" ")))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a tool's file can be written");
        path.display().to_string()
    }

    /// Starts a tool of Kafka's that runs until it is ended.
    pub(crate) fn start_tool(&self, class: &str, args: &[&str]) -> RunningTool {
        let args = self.tool_args(class, args);
        let output = tempfile::tempfile().expect("a temp file can be made");
        RunningTool {
            _process: Process::spawn(&self.distribution.java, &args, &output)
                .expect("java can be run"),
        }
    }

    fn tool_args(&self, class: &str, args: &[&str]) -> Vec<String> {
        let mut all = vec!["--bootstrap-server".to_owned(), self.bootstrap().to_owned()];
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        self.distribution.java_args(class, &all)
    }

    fn try_tool(&self, class: &str, args: &[&str]) -> Result<String, String> {
        let all = self.tool_args(class, args);
        let finished =
            process::run(&self.distribution.java, &all, TOOL_LIMIT).expect("java can be run");
        if finished.success && !complains(&finished.output) {
            Ok(finished.output)
        } else {
            Err(finished.output)
        }
    }
}

fn joined(numbers: &[i32], separator: &str) -> String {
    let texts: Vec<String> = numbers.iter().map(i32::to_string).collect();
    texts.join(separator)
}

/// From `... Partition: 0  Leader: 1  Replicas: ...`; the tool writes `none`.
fn parse_leader(line: &str) -> Option<Option<i32>> {
    let (_, rest) = line.split_once("Leader: ")?;
    let leader = rest.split_whitespace().next()?;
    Some(leader.parse().ok())
}

/// The number in `127.0.0.1:9092 (1)` behind the group's name.
fn parse_coordinator(output: &str, group: &str) -> Option<i32> {
    let begins = format!("{group} ");
    let line = output.lines().find(|line| line.starts_with(&begins))?;
    let (_, rest) = line.split_once('(')?;
    let (id, _) = rest.split_once(')')?;
    id.parse().ok()
}

/// Some tools end with status 0 after an error.
fn complains(output: &str) -> bool {
    output
        .lines()
        .any(|line| line.starts_with("Error:") || line.contains("\terror: "))
}

/// Reads the table by its header, whose columns differ between versions.
fn parse_described(output: &str) -> Vec<DescribedPartition> {
    let mut lines = output
        .lines()
        .skip_while(|line| !line.starts_with("GROUP "));
    let Some(header) = lines.next() else {
        return Vec::new();
    };
    let columns: Vec<&str> = header.split_whitespace().collect();
    lines
        .take_while(|line| !line.trim().is_empty())
        .map(|line| {
            parse_line(&columns, line)
                .unwrap_or_else(|| panic!("cannot read `{line}` under `{header}`"))
        })
        .collect()
}

fn parse_line(columns: &[&str], line: &str) -> Option<DescribedPartition> {
    let values: Vec<&str> = line.split_whitespace().collect();
    let value = |name: &str| {
        let column = columns.iter().position(|column| *column == name)?;
        values.get(column).copied()
    };
    Some(DescribedPartition {
        topic: value("TOPIC")?.to_owned(),
        partition: value("PARTITION")?.parse().ok()?,
        current_offset: number_or_dash(value("CURRENT-OFFSET")?)?,
        log_end_offset: value("LOG-END-OFFSET")?.parse().ok()?,
        lag: number_or_dash(value("LAG")?)?,
    })
}

/// `None` is unreadable, `Some(None)` the tool's "unknown".
fn number_or_dash(text: &str) -> Option<Option<i64>> {
    match text {
        "-" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[test]
fn describe_is_read_by_its_header() {
    let output = "\n\
        Consumer group 'g' has no active members.\n\
        \n\
        GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\n\
        g     t     0         4              10             6   -           -    -\n\
        g     t     1         -              10             -   c-1         /::1 c\n";
    let partition = |partition, current_offset, lag| DescribedPartition {
        topic: "t".to_owned(),
        partition,
        current_offset,
        log_end_offset: 10,
        lag,
    };
    let expected = [partition(0, Some(4), Some(6)), partition(1, None, None)];
    assert_eq!(parse_described(output), expected);
}

#[test]
fn leaders_and_coordinators_are_read() {
    let line = "\tTopic: t\tPartition: 1\tLeader: 2\tReplicas: 2,3\tIsr: 2\tElr: \tLastKnownElr: ";
    assert_eq!(parse_leader(line), Some(Some(2)));
    assert_eq!(parse_leader(&line.replace("2\tR", "none\tR")), Some(None));
    let output = "\nGROUP COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE  #MEMBERS\n\
        g     127.0.0.1:20010 (3)                                Empty  0\n";
    assert_eq!(parse_coordinator(output, "g"), Some(3));
}
