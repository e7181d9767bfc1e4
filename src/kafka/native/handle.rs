//! One librdkafka client, its event queue, and how requests leave through it.

use std::{
    ffi::c_void,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, bindings as k,
    client::Client,
    error::KafkaError,
    types::{RDKafkaAdminOp, RDKafkaType},
};
use tokio::sync::{Notify, oneshot};

use super::{
    super::{
        broker_requests::NewestRequests,
        error::{ConnectError, ErrorCode, RequestError},
        settings::is_secret,
    },
    c_name, certificate, rd_kafka_event_error, rd_kafka_list_groups, rd_kafka_metadata, text,
};
use crate::model::GroupId;

/// How long the event thread sleeps at most when nothing comes.
const QUEUE_WAIT_MS: i32 = 500;

/// The context of a client whose events we take ourselves.
pub(super) struct Silent;

impl ClientContext for Silent {}

/// A client of the consumer type that never subscribes, and the one queue on
/// which all its answers and log lines arrive.
///
/// Of the consumer type, since an OffsetFetch answer of a lost coordinator
/// kills a process that asked through a producer: librdkafka then reaches for
/// the consumer group that only consumers have.
pub(crate) struct Handle {
    // Dropped first: librdkafka wants its queues back before its client.
    queue: Queue,
    client: Client<Silent>,
    in_flight: AtomicUsize,
    broker_requests: NewestRequests,
    stopping: AtomicBool,
    token_wanted: Arc<Notify>,
}

/// What librdkafka tells without being asked.
pub(crate) enum Notice {
    /// A line of its log.
    Log(LogLine),
    /// What is wrong with a connection.
    Error {
        /// librdkafka's code.
        code: ErrorCode,
        /// Its sentence.
        text: String,
    },
}

/// A line of librdkafka's log.
pub(crate) struct LogLine {
    /// syslog's level: 0 to 3 errors, 4 warning, 5 and 6 information, 7 debug.
    pub(crate) level: i32,
    /// What librdkafka files it under, such as `FAIL`.
    pub(crate) facility: String,
    /// The line.
    pub(crate) text: String,
}

impl Handle {
    /// A client with this configuration.
    pub(crate) fn open(config: &ClientConfig) -> Result<Self, ConnectError> {
        let native = config.create_native_config().map_err(refused_property)?;
        // SAFETY: the configuration is live.
        unsafe {
            let events = k::RD_KAFKA_EVENT_ERROR
                | k::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH
                | k::RD_KAFKA_EVENT_STATS;
            k::rd_kafka_conf_set_events(native.ptr(), events);
        }
        certificate::explain_refusals(native.ptr());
        let client = Client::new(config, native, RDKafkaType::RD_KAFKA_CONSUMER, Silent)
            .map_err(|error| ConnectError::Client(error.to_string()))?;
        let queue = Queue::new(&client);
        queue.take_over_main_and_consumer_queue(&client);
        Ok(Self {
            queue,
            client,
            in_flight: AtomicUsize::new(0),
            broker_requests: NewestRequests::default(),
            stopping: AtomicBool::new(false),
            token_wanted: Arc::default(),
        })
    }

    /// Serves the queue until [`Self::stop`] and the last answer.
    pub(crate) fn serve(&self, mut tell: impl FnMut(Notice)) {
        // Asked each time, not only when nothing comes: of brokers that are
        // down, log lines come without end.
        while !(self.stopping.load(Ordering::Acquire) && self.in_flight() == 0) {
            if let Some(event) = self.queue.poll() {
                self.dispatch(event, &mut tell);
            }
        }
    }

    /// Lets [`Self::serve`] end once nothing is in flight.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        // SAFETY: the queue lives as long as `self`.
        unsafe { k::rd_kafka_queue_yield(self.queue.0.as_ptr()) };
    }

    /// Is told when librdkafka wants a token of SASL/OAUTHBEARER.
    pub(crate) fn token_wanted(&self) -> Arc<Notify> {
        Arc::clone(&self.token_wanted)
    }

    /// How many requests have no answer yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// What was sent to brokers, as librdkafka last counted it.
    pub(crate) fn broker_requests(&self) -> &NewestRequests {
        &self.broker_requests
    }

    fn dispatch(&self, event: Event, tell: &mut impl FnMut(Notice)) {
        match event.kind() {
            k::RD_KAFKA_EVENT_LOG => tell(Notice::Log(event.log_line())),
            k::RD_KAFKA_EVENT_ERROR => {
                if let Some((code, text)) = event.error() {
                    tell(Notice::Error { code, text });
                }
            }
            k::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH => self.token_wanted.notify_one(),
            k::RD_KAFKA_EVENT_STATS => self.broker_requests.learn(&event.statistics()),
            k::RD_KAFKA_EVENT_LISTOFFSETS_RESULT
            | k::RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT
            | k::RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT
            | k::RD_KAFKA_EVENT_LISTCONSUMERGROUPS_RESULT
            | k::RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT
            | k::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT => self.answer(event),
            _ => {}
        }
    }

    pub(super) fn client(&self) -> &Client<Silent> {
        &self.client
    }

    fn answer(&self, event: Event) {
        // SAFETY: the opaque of an admin result is the box that `submit` gave
        // away, and each request has exactly one result.
        let asker = unsafe {
            let opaque = k::rd_kafka_event_opaque(event.0.as_ptr());
            Box::from_raw(opaque.cast::<oneshot::Sender<Event>>())
        };
        // Nobody waits any more: the event comes back and is dropped here.
        let _ = asker.send(event);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// The brokers that are up, asked of any of them. Blocks, and reads the
    /// metadata of all topics: asked for none, librdkafka asks for those in its
    /// cache and lets brokers create the ones that were deleted.
    pub(crate) fn brokers(&self, within: Duration) -> Result<Vec<i32>, ErrorCode> {
        let mut metadata = std::ptr::null();
        // SAFETY: the client is live; on success the metadata is ours until it
        // is given back, and has `broker_cnt` brokers.
        unsafe {
            let client = self.client.native_ptr();
            let (all_topics, no_topic) = (1, std::ptr::null_mut());
            let timeout_ms = timeout_ms(within);
            let code = rd_kafka_metadata(client, all_topics, no_topic, &mut metadata, timeout_ms);
            if code != 0 {
                return Err(ErrorCode(code));
            }
            let count = usize::try_from((*metadata).broker_cnt).unwrap_or(0);
            let ids = (0..count).map(|index| (*(*metadata).brokers.add(index)).id);
            let ids = ids.collect();
            k::rd_kafka_metadata_destroy(metadata);
            Ok(ids)
        }
    }

    /// Does any broker list a group of this name, of whatever kind? Blocks.
    pub(crate) fn lists_group(
        &self,
        group: &GroupId,
        within: Duration,
    ) -> Result<bool, RequestError> {
        let name = c_name(group.as_str())?;
        let mut list = std::ptr::null();
        // SAFETY: the client is live; on success, whole or in part, the list is
        // ours until it is given back.
        unsafe {
            let client = self.client.native_ptr();
            let code = rd_kafka_list_groups(client, name.as_ptr(), &mut list, timeout_ms(within));
            if list.is_null() {
                return Err(ErrorCode(code).into());
            }
            let is_listed = (*list).group_cnt > 0;
            k::rd_kafka_group_list_destroy(list);
            Ok(is_listed)
        }
    }

    /// Sends a request and hands back where its answer will arrive.
    ///
    /// # Safety
    /// `send` enqueues exactly one request of kind `operation` with the given
    /// options and queue, and keeps none of the pointers.
    pub(super) unsafe fn submit(
        &self,
        operation: RDKafkaAdminOp,
        within: Duration,
        send: impl FnOnce(*mut k::rd_kafka_t, *mut k::rd_kafka_AdminOptions_t, *mut k::rd_kafka_queue_t),
    ) -> oneshot::Receiver<Event> {
        let (asker, answer) = oneshot::channel::<Event>();
        let client = self.client.native_ptr();
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        // SAFETY: client and queue live as long as `self`; librdkafka copies
        // the options; the box is taken back in `answer`.
        unsafe {
            let options = k::rd_kafka_AdminOptions_new(client, operation);
            k::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout_ms(within),
                std::ptr::null_mut(),
                0,
            );
            let opaque = Box::into_raw(Box::new(asker)).cast::<c_void>();
            k::rd_kafka_AdminOptions_set_opaque(options, opaque);
            send(client, options, self.queue.0.as_ptr());
            k::rd_kafka_AdminOptions_destroy(options);
        }
        answer
    }
}

/// As librdkafka takes it: not zero, and an hour at most.
fn timeout_ms(within: Duration) -> i32 {
    const LONGEST_MS: i32 = 3_600_000;
    i32::try_from(within.as_millis()).map_or(LONGEST_MS, |ms| ms.clamp(1, LONGEST_MS))
}

/// The property's name and librdkafka's reason, which quotes the value: left
/// out where that is a secret.
fn refused_property(error: KafkaError) -> ConnectError {
    match error {
        KafkaError::ClientConfig(_, _, key, _) if is_secret(&key) => ConnectError::Property {
            key,
            reason: "its value is not accepted".to_owned(),
        },
        KafkaError::ClientConfig(_, reason, key, _) => ConnectError::Property { key, reason },
        other => ConnectError::Client(other.to_string()),
    }
}

struct Queue(NonNull<k::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are locked inside; any thread may use them.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    fn new(client: &Client<Silent>) -> Self {
        // SAFETY: the client is live.
        let queue = unsafe { k::rd_kafka_queue_new(client.native_ptr()) };
        Self(NonNull::new(queue).expect("librdkafka aborts rather than return no queue"))
    }

    /// Log lines and the consumer group's errors would otherwise pile up for
    /// the life of the client.
    fn take_over_main_and_consumer_queue(&self, client: &Client<Silent>) {
        // SAFETY: the client is live; a reference got is a reference given
        // back; forwarding counts its own.
        unsafe {
            for queue in [
                k::rd_kafka_queue_get_main(client.native_ptr()),
                k::rd_kafka_queue_get_consumer(client.native_ptr()),
            ] {
                if !queue.is_null() {
                    k::rd_kafka_queue_forward(queue, self.0.as_ptr());
                    k::rd_kafka_queue_destroy(queue);
                }
            }
        }
    }

    fn poll(&self) -> Option<Event> {
        // SAFETY: the queue is live; an event got is ours.
        let event = unsafe { k::rd_kafka_queue_poll(self.0.as_ptr(), QUEUE_WAIT_MS) };
        NonNull::new(event).map(Event)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once.
        unsafe { k::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// An answer; what it holds lives as long as it does.
pub(crate) struct Event(pub(super) NonNull<k::rd_kafka_event_t>);

// SAFETY: an event belongs to whoever holds it; librdkafka ties it to no thread.
unsafe impl Send for Event {}

impl Event {
    fn kind(&self) -> i32 {
        // SAFETY: the event is live.
        unsafe { k::rd_kafka_event_type(self.0.as_ptr()) }
    }

    /// Did the request fail as a whole?
    pub(super) fn check(&self) -> Result<(), RequestError> {
        match self.error() {
            None => Ok(()),
            Some((code, text)) => {
                // Where librdkafka was when it read a broker's error is of no use.
                let (_, message) = text
                    .rsplit_once("response failure: ")
                    .unwrap_or(("", &text));
                let message = message.to_owned();
                Err(RequestError::Refused { code, message })
            }
        }
    }

    fn error(&self) -> Option<(ErrorCode, String)> {
        // SAFETY: the event is live; the text lives in it and is copied.
        unsafe {
            let code = rd_kafka_event_error(self.0.as_ptr());
            let sentence = || text(k::rd_kafka_event_error_string(self.0.as_ptr()));
            (code != 0).then(|| (ErrorCode(code), sentence()))
        }
    }

    /// librdkafka's statistics as JSON.
    fn statistics(&self) -> String {
        // SAFETY: the event is live; the text lives in it and is copied.
        unsafe { text(k::rd_kafka_event_stats(self.0.as_ptr())) }
    }

    fn log_line(&self) -> LogLine {
        let (mut facility, mut line) = (std::ptr::null(), std::ptr::null());
        let mut level = 0;
        // SAFETY: the event is live; the texts live in it and are copied.
        unsafe {
            k::rd_kafka_event_log(self.0.as_ptr(), &mut facility, &mut line, &mut level);
            LogLine {
                level,
                facility: text(facility),
                text: text(line),
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned by us, destroyed once.
        unsafe { k::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}
