//! librdkafka's C interface behind safe types: the only unsafe code.
//!
//! It owns raw pointers, and copies what they point to before it lets go of
//! them. It knows nothing of ticks. Its key invariants: error codes and states
//! are read as numbers, never as Rust enums, since a broker may send one that
//! the enum lacks; and a handle outlives every request made through it.
#![allow(unsafe_code)]

mod certificate;
mod handle;
mod list;
mod mock;
mod reply;
mod request;
mod token;

pub(super) use handle::{Event, Handle, LogLine, Notice};
pub(super) use mock::MockCluster;
pub(super) use request::SHORTEST_LOG_OFFSETS_TIMEOUT;

use std::ffi::{CStr, CString, c_char, c_int};

use rdkafka::bindings as k;

use super::error::{ErrorCode, RequestError};

// The bindings declare these as returning Rust enums; a number outside of the
// enum would be undefined behaviour. The same functions, returning numbers:
#[allow(clashing_extern_declarations)]
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut k::rd_kafka_event_t) -> i32;
    fn rd_kafka_error_code(error: *const k::rd_kafka_error_t) -> i32;
    fn rd_kafka_metadata(
        client: *mut k::rd_kafka_t,
        all_topics: c_int,
        topic: *mut k::rd_kafka_topic_t,
        metadata: *mut *const k::rd_kafka_metadata_t,
        timeout_ms: c_int,
    ) -> i32;
    fn rd_kafka_list_groups(
        client: *mut k::rd_kafka_t,
        group: *const c_char,
        list: *mut *const k::rd_kafka_group_list,
        timeout_ms: c_int,
    ) -> i32;
    fn rd_kafka_err2str(code: i32) -> *const c_char;
    fn rd_kafka_ConsumerGroupDescription_state(
        group: *const k::rd_kafka_ConsumerGroupDescription_t,
    ) -> i32;
    fn rd_kafka_ConsumerGroupDescription_type(
        group: *const k::rd_kafka_ConsumerGroupDescription_t,
    ) -> i32;
    fn rd_kafka_ConsumerGroupListing_state(
        listing: *const k::rd_kafka_ConsumerGroupListing_t,
    ) -> i32;
    fn rd_kafka_ConsumerGroupListing_type(
        listing: *const k::rd_kafka_ConsumerGroupListing_t,
    ) -> i32;
    fn rd_kafka_oauthbearer_set_token(
        client: *mut k::rd_kafka_t,
        token: *const c_char,
        expires_ms: i64,
        principal: *const c_char,
        extensions: *mut *const c_char,
        extensions_len: usize,
        reason: *mut c_char,
        reason_len: usize,
    ) -> i32;
    fn rd_kafka_oauthbearer_set_token_failure(
        client: *mut k::rd_kafka_t,
        reason: *const c_char,
    ) -> i32;
}

/// librdkafka's sentence for a code.
pub(super) fn describe(code: ErrorCode) -> String {
    // SAFETY: any number is accepted; the text is static or thread-local, and
    // copied before another call on this thread can change it.
    unsafe { text(rd_kafka_err2str(code.0)) }
}

/// A C string, copied; empty if there is none.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned()
}

/// An error object's code and sentence; `None` if there is none.
///
/// # Safety
/// `error` is null or a live error object.
unsafe fn refusal(error: *const k::rd_kafka_error_t) -> Option<RequestError> {
    if error.is_null() {
        return None;
    }
    // SAFETY: not null, and live by the caller's promise.
    let (code, message) = unsafe {
        let message = text(k::rd_kafka_error_string(error));
        (rd_kafka_error_code(error), message)
    };
    (code != 0).then_some(RequestError::Refused {
        code: ErrorCode(code),
        message,
    })
}

/// A name as C takes it.
fn c_name(name: &str) -> Result<CString, RequestError> {
    match CString::new(name) {
        Ok(c_name) if !name.is_empty() => Ok(c_name),
        _ => Err(RequestError::Name(name.to_owned())),
    }
}
