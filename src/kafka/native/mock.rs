//! librdkafka's built-in cluster of mock brokers.

use std::{
    ffi::{CString, c_int},
    ptr::NonNull,
    time::Duration,
};

use rdkafka::{
    ClientConfig, bindings as k,
    client::Client,
    config::RDKafkaLogLevel,
    types::{RDKafkaRespErr, RDKafkaType},
};

use super::{
    super::{embedded::EmbeddedError, error::ErrorCode},
    describe,
    handle::Silent,
    text,
};

/// Mock brokers on loopback. They live in the threads of a client of their own.
pub(crate) struct MockCluster {
    cluster: NonNull<k::rd_kafka_mock_cluster_t>,
    // Dropped after the cluster, see `drop`.
    _client: Client<Silent>,
}

// SAFETY: the cluster's functions lock it or send it a message; any thread may
// call them.
unsafe impl Send for MockCluster {}
// SAFETY: as above.
unsafe impl Sync for MockCluster {}

impl MockCluster {
    /// Starts brokers 1 to `brokers`.
    pub(crate) fn start(brokers: i32) -> Result<Self, EmbeddedError> {
        let mut config = ClientConfig::new();
        // Nobody reads this client's log queue.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let native = config.create_native_config()?;
        let client = Client::new(&config, native, RDKafkaType::RD_KAFKA_PRODUCER, Silent)?;
        // SAFETY: the client is live and outlives the cluster.
        let cluster = unsafe { k::rd_kafka_mock_cluster_new(client.native_ptr(), brokers) };
        let cluster = NonNull::new(cluster).ok_or(EmbeddedError::NoCluster)?;
        Ok(Self {
            cluster,
            _client: client,
        })
    }

    /// Where the brokers listen, comma-separated.
    pub(crate) fn bootstrap_servers(&self) -> String {
        // SAFETY: the text lives as long as the cluster and is copied.
        unsafe { text(k::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) }
    }

    /// Creates a topic.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), EmbeddedError> {
        let topic = CString::new(topic).map_err(|_| EmbeddedError::Name)?;
        // SAFETY: the cluster is live; the name is copied.
        told(unsafe {
            k::rd_kafka_mock_topic_create(self.cluster.as_ptr(), topic.as_ptr(), partitions, 1)
        })
    }

    /// Makes metadata requests fail for a topic; `None`: succeed again.
    pub(crate) fn set_topic_error(
        &self,
        topic: &str,
        error: Option<RDKafkaRespErr>,
    ) -> Result<(), EmbeddedError> {
        let topic = CString::new(topic).map_err(|_| EmbeddedError::Name)?;
        let error = error.unwrap_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
        // SAFETY: the cluster is live; the name is copied.
        unsafe { k::rd_kafka_mock_topic_set_error(self.cluster.as_ptr(), topic.as_ptr(), error) };
        Ok(())
    }

    /// Gives a partition to a broker; -1: to none.
    pub(crate) fn set_leader(
        &self,
        topic: &str,
        partition: i32,
        broker: i32,
    ) -> Result<(), EmbeddedError> {
        let topic = CString::new(topic).map_err(|_| EmbeddedError::Name)?;
        let cluster = self.cluster.as_ptr();
        // SAFETY: the cluster is live; the name is copied.
        told(unsafe {
            k::rd_kafka_mock_partition_set_leader(cluster, topic.as_ptr(), partition, broker)
        })
    }

    /// Makes `broker` the coordinator of `group`. It must exist: the mock
    /// aborts the process when asked for a coordinator that doesn't.
    pub(crate) fn set_coordinator(&self, group: &str, broker: i32) -> Result<(), EmbeddedError> {
        let group = CString::new(group).map_err(|_| EmbeddedError::Name)?;
        let cluster = self.cluster.as_ptr();
        // SAFETY: the cluster is live; names are copied.
        told(unsafe {
            k::rd_kafka_mock_coordinator_set(cluster, c"group".as_ptr(), group.as_ptr(), broker)
        })
    }

    /// Closes a broker's connections and lets no new one in.
    pub(crate) fn stop_broker(&self, broker: i32) -> Result<(), EmbeddedError> {
        // SAFETY: the cluster is live.
        told(unsafe { k::rd_kafka_mock_broker_set_down(self.cluster.as_ptr(), broker) })
    }

    /// Lets connections in again.
    pub(crate) fn start_broker(&self, broker: i32) -> Result<(), EmbeddedError> {
        // SAFETY: the cluster is live.
        told(unsafe { k::rd_kafka_mock_broker_set_up(self.cluster.as_ptr(), broker) })
    }

    /// Delays each answer of a broker.
    pub(crate) fn delay_broker(&self, broker: i32, delay: Duration) -> Result<(), EmbeddedError> {
        let delay_ms = c_int::try_from(delay.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the cluster is live.
        told(unsafe { k::rd_kafka_mock_broker_set_rtt(self.cluster.as_ptr(), broker, delay_ms) })
    }

    /// How long a group waits for more members before its first assignment.
    pub(crate) fn set_rebalance_delay(&self, delay: Duration) {
        let delay_ms = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
        let cluster = self.cluster.as_ptr();
        // SAFETY: the cluster is live.
        unsafe { k::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, delay_ms) };
    }

    /// Lets one broker's next request of kind `api_key` fail.
    pub(crate) fn fail_next(
        &self,
        broker: i32,
        api_key: i16,
        error: RDKafkaRespErr,
    ) -> Result<(), EmbeddedError> {
        let (count, delay_ms): (usize, c_int) = (1, 0);
        let cluster = self.cluster.as_ptr();
        // SAFETY: the cluster is live; after the count come so many pairs of
        // error and delay, both of C's int.
        told(unsafe {
            k::rd_kafka_mock_broker_push_request_error_rtts(
                cluster,
                broker,
                api_key,
                count,
                error as c_int,
                delay_ms,
            )
        })
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        // SAFETY: created by `start`, destroyed once, before its client.
        unsafe { k::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr()) };
    }
}

/// The mock's own functions return codes that the bindings know.
fn told(error: RDKafkaRespErr) -> Result<(), EmbeddedError> {
    match error as i32 {
        0 => Ok(()),
        code => Err(EmbeddedError::Refused(describe(ErrorCode(code)))),
    }
}
