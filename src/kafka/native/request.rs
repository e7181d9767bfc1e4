//! The requests that are sent through a handle.

use std::{ffi::CString, time::Duration};

use rdkafka::{bindings as k, types::RDKafkaAdminOp as Op};
use tokio::sync::oneshot;

use super::{
    super::{
        client::{IsolationLevel, OffsetSpec},
        error::RequestError,
    },
    c_name,
    handle::{Event, Handle},
    list::PartitionList,
};
use crate::model::Partition;

/// A partition by its topic's name.
pub(crate) type ListedPartition<'a> = (&'a str, Partition);

type Answer = Result<oneshot::Receiver<Event>, RequestError>;

/// The shortest timeout that librdkafka is given for log offsets; who asks may
/// stop to wait before.
///
/// It looks for the leaders on the caller's thread, and a timeout that ends
/// meanwhile lets its main thread do the same with the same request: both free
/// it, and the process aborts (`rd_kafka_topic_partition_list_query_leaders_async`
/// in 2.12.1). The caller's part takes far less than a millisecond; that a thread
/// gets no time for longer than this in the middle of it is not to be expected.
///
/// An answer about topics that comes in that very moment does the same, if
/// librdkafka knows no leader of one of the partitions. So the poller describes
/// topics before it asks, waits for that answer, and asks for none that has no
/// leader; and librdkafka asks about topics at no times of its own.
pub(crate) const SHORTEST_LOG_OFFSETS_TIMEOUT: Duration = Duration::from_secs(1);

/// What librdkafka reads as "no offset here".
const NO_OFFSET: i64 = -1001;

impl Handle {
    /// Asks for log start or log end offsets. No partition twice.
    pub(crate) fn ask_log_offsets<'a>(
        &self,
        partitions: impl ExactSizeIterator<Item = ListedPartition<'a>>,
        spec: OffsetSpec,
        isolation: IsolationLevel,
        within: Duration,
    ) -> Answer {
        let spec = match spec {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
        };
        let list =
            PartitionList::new(partitions.map(|(topic, partition)| (topic, partition, spec)))?;
        let within = within.max(SHORTEST_LOG_OFFSETS_TIMEOUT);
        // SAFETY: one request; list and options are copied.
        Ok(unsafe {
            self.submit(
                Op::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
                within,
                |client, options, queue| {
                    isolate(options, isolation);
                    k::rd_kafka_ListOffsets(client, list.as_ptr(), options, queue);
                },
            )
        })
    }

    /// Asks for a group's commits in these partitions, or in all.
    pub(crate) fn ask_group_offsets<'a>(
        &self,
        group: &str,
        coordinator: i32,
        partitions: Option<impl ExactSizeIterator<Item = ListedPartition<'a>>>,
        within: Duration,
    ) -> Answer {
        let group = c_name(group)?;
        let list = partitions
            .map(|all| {
                PartitionList::new(all.map(|(topic, partition)| (topic, partition, NO_OFFSET)))
            })
            .transpose()?;
        let list = list
            .as_ref()
            .map_or(std::ptr::null_mut(), PartitionList::as_ptr);
        let operation = Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        // SAFETY: one request; name, list and options are copied.
        Ok(unsafe {
            self.submit(operation, within, |client, options, queue| {
                ask_broker(options, coordinator);
                let mut request = k::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), list);
                k::rd_kafka_ListConsumerGroupOffsets(client, &mut request, 1, options, queue);
                k::rd_kafka_ListConsumerGroupOffsets_destroy(request);
            })
        })
    }

    /// Sets a group's commits without joining it.
    pub(crate) fn ask_to_commit<'a>(
        &self,
        group: &str,
        coordinator: i32,
        commits: impl ExactSizeIterator<Item = (&'a str, Partition, i64)>,
        within: Duration,
    ) -> Answer {
        let group = c_name(group)?;
        let list = PartitionList::new(commits)?;
        let operation = Op::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
        // SAFETY: one request; name, list and options are copied.
        Ok(unsafe {
            self.submit(operation, within, |client, options, queue| {
                ask_broker(options, coordinator);
                let mut request =
                    k::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.as_ptr());
                k::rd_kafka_AlterConsumerGroupOffsets(client, &mut request, 1, options, queue);
                k::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            })
        })
    }

    /// Asks for the names of all groups.
    pub(crate) fn ask_groups(&self, within: Duration) -> Answer {
        let operation = Op::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS;
        // SAFETY: one request; options are copied.
        Ok(unsafe {
            self.submit(operation, within, |client, options, queue| {
                k::rd_kafka_ListConsumerGroups(client, options, queue);
            })
        })
    }

    /// Asks for members and state of groups. No group twice.
    pub(crate) fn ask_members<'a>(
        &self,
        groups: impl Iterator<Item = &'a str>,
        coordinator: i32,
        within: Duration,
    ) -> Answer {
        let names = groups.map(c_name).collect::<Result<Vec<CString>, _>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let operation = Op::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        // SAFETY: one request; names and options are copied.
        Ok(unsafe {
            self.submit(operation, within, |client, options, queue| {
                ask_broker(options, coordinator);
                let (first, count) = (pointers.as_mut_ptr(), pointers.len());
                k::rd_kafka_DescribeConsumerGroups(client, first, count, options, queue);
            })
        })
    }

    /// Asks `broker` for partitions and leaders of topics. No topic twice. As a
    /// side effect librdkafka's own cache of leaders is refreshed.
    ///
    /// Without a broker, librdkafka would ask the controller alone, which may
    /// be the one that is down.
    pub(crate) fn ask_topics<'a>(
        &self,
        topics: impl Iterator<Item = &'a str>,
        broker: i32,
        within: Duration,
    ) -> Answer {
        let names = topics.map(c_name).collect::<Result<Vec<CString>, _>>()?;
        let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let operation = Op::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        // SAFETY: one request; names and options are copied.
        Ok(unsafe {
            self.submit(operation, within, |client, options, queue| {
                let (first, count) = (pointers.as_mut_ptr(), pointers.len());
                ask_broker(options, broker);
                let topics = k::rd_kafka_TopicCollection_of_topic_names(first, count);
                k::rd_kafka_DescribeTopics(client, topics, options, queue);
                k::rd_kafka_TopicCollection_destroy(topics);
            })
        })
    }
}

/// Sends the request to this broker, not to the one that librdkafka would find.
///
/// # Safety
/// `options` are live.
unsafe fn ask_broker(options: *mut k::rd_kafka_AdminOptions_t, broker: i32) {
    // SAFETY: live by the caller's promise; no text of an error is wanted.
    unsafe { k::rd_kafka_AdminOptions_set_broker(options, broker, std::ptr::null_mut(), 0) };
}

/// # Safety
/// `options` are live and for ListOffsets.
unsafe fn isolate(options: *mut k::rd_kafka_AdminOptions_t, isolation: IsolationLevel) {
    use k::rd_kafka_IsolationLevel_t as Level;
    let level = match isolation {
        IsolationLevel::ReadCommitted => Level::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        IsolationLevel::ReadUncommitted => Level::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
    };
    // SAFETY: live by the caller's promise; an error that comes back is ours.
    unsafe {
        let error = k::rd_kafka_AdminOptions_set_isolation_level(options, level);
        if !error.is_null() {
            k::rd_kafka_error_destroy(error);
        }
    }
}
