//! librdkafka's list of partitions.

use std::{
    ffi::{CStr, CString},
    ptr::NonNull,
};

use rdkafka::bindings as k;

use super::{super::error::RequestError, c_name};
use crate::model::Partition;

/// A list of partitions that we own.
pub(super) struct PartitionList(NonNull<k::rd_kafka_topic_partition_list_t>);

impl PartitionList {
    /// A list of these partitions, each with an offset or what stands for one.
    pub(super) fn new<'a>(
        partitions: impl ExactSizeIterator<Item = (&'a str, Partition, i64)>,
    ) -> Result<Self, RequestError> {
        let capacity = i32::try_from(partitions.len()).unwrap_or(0);
        // SAFETY: only allocates.
        let list = unsafe { k::rd_kafka_topic_partition_list_new(capacity) };
        let list = Self(NonNull::new(list).expect("librdkafka aborts rather than return no list"));
        // Neighbours are usually of one topic: its name is converted once.
        let mut topic: Option<(&str, CString)> = None;
        for (name, partition, offset) in partitions {
            let c_topic = match &topic {
                Some((last, c_topic)) if *last == name => c_topic,
                _ => &topic.insert((name, c_name(name)?)).1,
            };
            // SAFETY: the list is live; the name is copied; the entry that
            // comes back is in the list.
            unsafe {
                let entry = k::rd_kafka_topic_partition_list_add(
                    list.as_ptr(),
                    c_topic.as_ptr(),
                    partition,
                );
                (*entry).offset = offset;
            }
        }
        Ok(list)
    }

    pub(super) fn as_ptr(&self) -> *mut k::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once.
        unsafe { k::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) };
    }
}

/// One entry of a list that librdkafka owns.
pub(super) struct Entry<'a> {
    pub(super) topic: &'a CStr,
    pub(super) partition: Partition,
    pub(super) offset: i64,
    pub(super) error: i32,
}

/// Reads an entry.
///
/// # Safety
/// `entry` is live for `'a` and has a topic.
pub(super) unsafe fn read<'a>(entry: *const k::rd_kafka_topic_partition_t) -> Entry<'a> {
    // SAFETY: live by the caller's promise. The error is read as the number it
    // is, through a pointer: a reference would vouch for a valid enum.
    unsafe {
        Entry {
            topic: CStr::from_ptr((*entry).topic),
            partition: (*entry).partition,
            offset: (*entry).offset,
            error: std::ptr::addr_of!((*entry).err).cast::<i32>().read(),
        }
    }
}

/// The entries of a list.
///
/// # Safety
/// `list` is null or live for `'a`.
pub(super) unsafe fn entries<'a>(
    list: *const k::rd_kafka_topic_partition_list_t,
) -> impl Iterator<Item = Entry<'a>> {
    let (first, count) = if list.is_null() {
        (std::ptr::null_mut(), 0)
    } else {
        // SAFETY: not null, and live by the caller's promise.
        unsafe { ((*list).elems, usize::try_from((*list).cnt).unwrap_or(0)) }
    };
    // SAFETY: the list has `count` entries from `first` on.
    (0..count).map(move |index| unsafe { read(first.add(index)) })
}
