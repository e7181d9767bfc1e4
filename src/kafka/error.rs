//! What can go wrong with a request, in words that stay the same.

use std::fmt;

use crate::model::GapReason;

use super::{native, trouble::Trouble};

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// librdkafka refuses a property. The value is not told: it may be secret.
    #[error("kafka property {key:?} is refused: {reason}")]
    Property {
        /// The property's name.
        key: String,
        /// librdkafka's reason, without the value.
        reason: String,
    },
    /// librdkafka refuses the properties taken together.
    #[error("no kafka client with these properties: {0}")]
    Client(String),
    /// The thread that waits for answers could not be started.
    #[error("no thread for the kafka client")]
    Thread(#[source] std::io::Error),
    /// Tokens are fetched by a task, and there is nothing that runs tasks.
    #[error("a kafka client that logs in with tokens needs a tokio runtime")]
    Runtime,
}

/// Why a whole request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The broker, or librdkafka in its place, said no.
    #[error("{message}")]
    Refused {
        /// Kafka's code.
        code: ErrorCode,
        /// librdkafka's sentence.
        message: String,
    },
    /// A name that no topic or group can have: empty, or with a NUL in it.
    #[error("{0:?} is no name of a topic or a group")]
    Name(String),
    /// No answer, for there is no connection.
    #[error("{message}")]
    Unconnected {
        /// What went wrong with the connection.
        code: ErrorCode,
        /// librdkafka's sentence, which names the broker.
        message: String,
        /// As what it showed in the request.
        silence: ErrorCode,
    },
    /// The answer does not fit the question.
    #[error("the answer does not fit the request: {0}")]
    Mismatch(&'static str),
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The client ended before the answer came.
    #[error("the client was closed")]
    Closed,
}

impl RequestError {
    /// The stable word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } | Self::Unconnected { code, .. } => code.word(),
            Self::Name(_) => "invalid_name",
            Self::Mismatch(_) => "bad_answer",
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
        }
    }

    /// May the same request to the same broker succeed a moment later?
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => code.is_retriable(),
            // A refused password stays refused; a broken connection is made anew.
            Self::Unconnected { code, silence, .. } => {
                *code == ErrorCode::TRANSPORT && silence.is_retriable()
            }
            _ => false,
        }
    }

    /// This, or what is wrong with the connection if that is why.
    pub(super) fn because_of(self, trouble: Option<Trouble>) -> Self {
        let explained = matches!(self, Self::Unconnected { .. });
        match (self.code(), trouble) {
            (Some(silence), Some(Trouble { code, message, .. }))
                if silence.may_be_the_connection() && !explained =>
            {
                Self::Unconnected {
                    code,
                    message,
                    silence,
                }
            }
            _ => self,
        }
    }

    /// May another broker be able to answer?
    pub(super) fn may_be_the_brokers(&self) -> bool {
        self.is_silence() || self.is_retriable()
    }

    /// Did the broker give no answer at all?
    pub(super) fn is_silence(&self) -> bool {
        self.code().is_some_and(ErrorCode::is_silence)
    }

    /// Kafka's code, if it was Kafka that failed.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } | Self::Unconnected { silence: code, .. } => Some(*code),
            Self::TimedOut => Some(ErrorCode::TIMED_OUT),
            _ => None,
        }
    }
}

impl From<ErrorCode> for RequestError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused {
            code,
            message: code.to_string(),
        }
    }
}

impl From<&RequestError> for GapReason {
    fn from(error: &RequestError) -> Self {
        Self {
            code: error.word().to_owned(),
            message: error.to_string(),
        }
    }
}

impl From<ErrorCode> for GapReason {
    fn from(code: ErrorCode) -> Self {
        Self {
            code: code.word().to_owned(),
            message: code.to_string(),
        }
    }
}

/// An error code of Kafka's protocol (positive) or of librdkafka (negative).
///
/// A plain number: brokers may send codes that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    pub(super) const TRANSPORT: Self = Self(-195);
    pub(super) const RESOLVE: Self = Self(-193);
    pub(super) const TLS: Self = Self(-181);
    pub(super) const AUTHENTICATION: Self = Self(-169);
    pub(super) const TIMED_OUT: Self = Self(-185);
    pub(super) const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    pub(super) const NOT_COORDINATOR: Self = Self(16);
    pub(super) const UNKNOWN_TOPIC: Self = Self(3);
    pub(super) const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub(super) const INVALID_TOPIC: Self = Self(17);

    /// The stable word for it.
    pub fn word(self) -> &'static str {
        match self.0 {
            -185 | -192 | 7 => "timed_out",
            -195 | -187 | 8 | 13 => "broker_down",
            -193 => "dns_failed",
            -181 => "tls_failed",
            -169 | 33 | 34 | 58 => "not_authenticated",
            29..=31 => "not_authorized",
            14..=16 => "coordinator_unavailable",
            3 | 100 | -188 => "unknown_topic",
            -190 => "unknown_partition",
            5 | 6 | 9 | 56 | 74 | 75 | 78 | 103 | -156 => "leader_unavailable",
            -165 | 35 => "unsupported",
            17 => "invalid_topic",
            24 => "invalid_group",
            88 => "unstable_offset",
            -197 => "closed",
            _ => "kafka_error",
        }
    }

    /// Does librdkafka say it where a connection is missing?
    fn may_be_the_connection(self) -> bool {
        matches!(self.0, -195 | -193 | -192 | -187 | -185 | -181 | -169)
    }

    /// May the same request to the same broker succeed a moment later?
    pub fn is_retriable(self) -> bool {
        matches!(self.0, -195 | 7 | 8 | 13..=15)
    }

    /// Does it stand for an answer that never came?
    pub(super) fn is_silence(self) -> bool {
        self.may_be_the_connection() || matches!(self.word(), "timed_out" | "broker_down")
    }

    /// Does it say that what is known of a topic is out of date?
    pub(super) fn asks_for_metadata(self) -> bool {
        matches!(
            self.word(),
            "unknown_topic" | "unknown_partition" | "leader_unavailable"
        )
    }

    /// Does it say that brokers of this version can't do it?
    pub(super) fn is_unsupported(self) -> bool {
        self.word() == "unsupported"
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&native::describe(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_have_a_word_and_a_sentence() {
        for code in [i32::MIN, -12345, 4711, i32::MAX] {
            let code = ErrorCode(code);
            assert_eq!(code.word(), "kafka_error");
            assert!(!code.to_string().is_empty());
            assert!(!code.is_retriable());
        }
    }

    #[test]
    fn codes_speak_kafkas_words() {
        assert_eq!(ErrorCode::TIMED_OUT.word(), "timed_out");
        assert_eq!(ErrorCode(30).word(), "not_authorized");
        assert_eq!(
            ErrorCode(30).to_string(),
            "Broker: Group authorization failed"
        );
        assert!(ErrorCode(15).is_retriable());
        assert!(!ErrorCode::NOT_COORDINATOR.is_retriable());
        assert!(ErrorCode::UNKNOWN_TOPIC.asks_for_metadata());
    }
}
