//! What no tool and no client library does: commits of any number, and topics
//! that go and come within milliseconds.

use std::io;
use std::time::Duration;

use super::broker::Broker;
use super::wire::{Answer, Api, Body, ask};
use crate::support::wait::wait_until;

const OFFSET_COMMIT: Api = Api { key: 8, version: 2 };
const FIND_COORDINATOR: Api = Api {
    key: 10,
    version: 0,
};
const CREATE_TOPICS: Api = Api {
    key: 19,
    version: 2,
};
const DELETE_TOPICS: Api = Api {
    key: 20,
    version: 1,
};

/// A broker that has just started may need it to load the groups.
const RETRY_LIMIT: Duration = Duration::from_secs(30);
const TOPIC_LIMIT_MS: i32 = 10_000;

/// Coordinator loading, not available, another one; topic still being deleted.
const PASSING_ERRORS: [i16; 4] = [14, 15, 16, 36];

/// Each panics with Kafka's error code when it fails.
impl Broker {
    /// Commits any offset as a consumer does that belongs to no group.
    pub(crate) fn commit_roughly(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let find = Body::default().string(group);
        let commit = Body::default()
            .string(group)
            .int32(-1) // no generation
            .string("") // no member
            .int64(-1) // the broker's own retention
            .int32(1)
            .string(topic)
            .int32(1)
            .int32(partition)
            .int64(offset)
            .string(""); // no metadata
        self.insist("commit", || {
            // The first who looks for a coordinator has the offsets' topic made.
            ask(self.port(), FIND_COORDINATOR, &find)?;
            let mut answer = ask(self.port(), OFFSET_COMMIT, &commit)?;
            answer.int32()?; // one topic
            answer.string()?;
            answer.int32()?; // one partition
            answer.int32()?;
            answer.int16()
        });
    }

    /// Creates a topic within milliseconds.
    pub(crate) fn create_topic_at_once(&self, name: &str, partitions: i32) {
        let create = Body::default()
            .int32(1)
            .string(name)
            .int32(partitions)
            .int16(1) // replication factor
            .int32(0) // no assignment
            .int32(0) // no configuration
            .int32(TOPIC_LIMIT_MS)
            .int8(0); // not only validated
        self.insist("create", || {
            topic_error(ask(self.port(), CREATE_TOPICS, &create)?)
        });
    }

    /// Deletes a topic within milliseconds.
    pub(crate) fn delete_topic_at_once(&self, name: &str) {
        let delete = Body::default().int32(1).string(name).int32(TOPIC_LIMIT_MS);
        self.insist("delete", || {
            topic_error(ask(self.port(), DELETE_TOPICS, &delete)?)
        });
    }

    /// Asks until the answer's error code is not one that passes.
    fn insist(&self, what: &str, attempt: impl Fn() -> io::Result<i16>) {
        let code = wait_until(RETRY_LIMIT, || {
            attempt().ok().filter(|code| !PASSING_ERRORS.contains(code))
        });
        assert_eq!(code, Some(0), "cannot {what}: Kafka's error code");
    }
}

/// The error code of the one topic in an answer about topics.
fn topic_error(mut answer: Answer) -> io::Result<i16> {
    answer.int32()?; // throttle time
    answer.int32()?; // one topic
    answer.string()?;
    answer.int16()
}
