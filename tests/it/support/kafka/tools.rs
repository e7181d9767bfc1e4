//! What a user does with Kafka's own command-line tools, through those tools.

use std::fs;
use std::time::Duration;

use super::broker::Broker;
use super::process;

/// A tool takes about a second on an idle machine.
const TOOL_LIMIT: Duration = Duration::from_secs(90);
/// The tools' own limit for an answer is 5 s, which a busy machine can exceed.
const ANSWER_LIMIT_MS: &str = "30000";

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

/// A line of `kafka-consumer-groups --describe`; the tool's `-` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DescribedPartition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) current_offset: Option<i64>,
    pub(crate) log_end_offset: i64,
    pub(crate) lag: Option<i64>,
}

/// Each of these runs for a bounded time and panics with the tool's words when it fails.
impl Broker {
    /// `configs` are of the form `retention.ms=1000`.
    pub(crate) fn create_topic(&self, name: &str, partitions: u32, configs: &[&str]) {
        let partitions = partitions.to_string();
        let mut args = vec!["--create", "--topic", name, "--partitions", &partitions];
        for config in configs {
            args.extend(["--config", config]);
        }
        self.tool(TOPICS, &args);
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

    /// Deletes the records before an offset of each `(topic, partition, offset)`.
    pub(crate) fn delete_records(&self, before: &[(&str, i32, i64)]) {
        let partitions: Vec<String> = before
            .iter()
            .map(|(topic, partition, offset)| {
                format!(r#"{{"topic":"{topic}","partition":{partition},"offset":{offset}}}"#)
            })
            .collect();
        let json = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
        let path = self.file("delete-records.json");
        fs::write(&path, json).expect("the offsets' file can be written");
        let path = path.display().to_string();
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

    fn try_tool(&self, class: &str, args: &[&str]) -> Result<String, String> {
        let mut all = vec!["--bootstrap-server".to_owned(), self.bootstrap().to_owned()];
        all.extend(args.iter().map(|&arg| arg.to_owned()));
        let all = self.distribution.java_args(class, &all);
        let finished =
            process::run(&self.distribution.java, &all, TOOL_LIMIT).expect("java can be run");
        if finished.success && !complains(&finished.output) {
            Ok(finished.output)
        } else {
            Err(finished.output)
        }
    }
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
