//! Why connections fail.
//!
//! A request waits in librdkafka until there is a connection, so a refused
//! password shows only as a request that got no answer. What librdkafka tells of
//! its connections on the side is kept here, by broker, until that broker
//! answers or some time has passed. Its key invariant: what it tells is stable,
//! the same words for as long as the same is wrong.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    error::ErrorCode,
    native::{LogLine, Notice},
};

/// How long a trouble is believed. Librdkafka holds the same words back for 30
/// seconds, and tells them with its next attempt, which is at most a poll
/// interval and 10 seconds away.
const BELIEVED_FOR: Duration = Duration::from_secs(90);

/// So many are remembered; beyond, the oldest goes.
const MAX_TROUBLES: usize = 256;

/// Levels at which librdkafka logs that a broker hung up, of which it makes no
/// event: warning to information.
pub(super) const LEVELS_WITHOUT_EVENT: RangeInclusive<i32> = 4..=6;

/// While librdkafka waits for the answer to its first request.
const FIRST_REQUEST: &str = "in state APIVERSION_QUERY";

/// How far a connection came before it failed. The further, the more it tells:
/// of a host with two addresses, one may refuse connections, and the other the
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// A broker showed a certificate, and OpenSSL said what is wrong with it.
    Certificate,
    /// TLS or login.
    Security,
    /// The host's name.
    Name,
    /// A connection.
    Transport,
}

/// What is wrong with the connection to one broker, the most telling first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trouble {
    stage: Stage,
    /// Librdkafka's name of the broker, such as `ssl://host:9093/1`.
    broker: String,
    /// What went wrong.
    pub(super) code: ErrorCode,
    /// Librdkafka's sentence, which begins with the broker.
    pub(super) message: String,
}

/// The troubles of one client.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<Trouble, Instant>>);

impl Troubles {
    /// Takes note of what librdkafka tells, if it is of a connection.
    pub(super) fn note(&self, notice: &Notice) {
        self.note_at(notice, Instant::now());
    }

    /// What is wrong with the connection to this broker, or to any.
    pub(super) fn of(&self, broker: Option<i32>) -> Option<Trouble> {
        self.of_at(broker, Instant::now())
    }

    /// This broker has answered: its troubles are over, and so are those that
    /// kept the client from finding any broker.
    pub(super) fn answered(&self, broker: i32) {
        let mut known = self.lock();
        if !known.is_empty() {
            known.retain(|trouble, _| trouble.broker_id().is_some_and(|id| id != broker));
        }
    }

    fn note_at(&self, notice: &Notice, now: Instant) {
        let Some(trouble) = Trouble::told_by(notice) else {
            return;
        };
        let mut known = self.lock();
        known.retain(|_, noted| now.duration_since(*noted) < BELIEVED_FOR);
        if known.len() >= MAX_TROUBLES {
            let oldest = known.iter().min_by_key(|(_, noted)| **noted);
            if let Some(oldest) = oldest.map(|(trouble, _)| trouble.clone()) {
                known.remove(&oldest);
            }
        }
        known.insert(trouble, now);
    }

    fn of_at(&self, broker: Option<i32>, now: Instant) -> Option<Trouble> {
        let known = self.lock();
        let mut believed = known
            .iter()
            .filter(|(_, noted)| now.duration_since(**noted) < BELIEVED_FOR)
            .map(|(trouble, _)| trouble);
        let found = match broker {
            Some(_) => believed.find(|trouble| trouble.broker_id() == broker),
            None => believed.next(),
        };
        found.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Trouble, Instant>> {
        // Nothing in a map of owned texts is left half changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// No connection can be made to any broker, since there is no token to log
    /// in with.
    pub(super) fn no_token(why: String) -> Self {
        Self {
            stage: Stage::Security,
            broker: String::new(),
            code: ErrorCode::AUTHENTICATION,
            message: why,
        }
    }

    fn told_by(notice: &Notice) -> Option<Self> {
        match notice {
            Notice::Error { code, text } => Self::of_code(*code, text),
            Notice::Log(line) => Self::of_line(line),
        }
    }

    fn of_code(code: ErrorCode, text: &str) -> Option<Self> {
        let code = match code {
            // With TLS 1.3 it is only after the handshake that a client reads
            // why its certificate is refused.
            ErrorCode::TRANSPORT if text.contains(":SSL routines:") => ErrorCode::TLS,
            code => code,
        };
        // Librdkafka repeats what it was told itself. It is true only while
        // there is no token, and `TokenSupply` knows that.
        if text.starts_with("Failed to acquire SASL OAUTHBEARER token") {
            return None;
        }
        let stage = match code {
            ErrorCode::TLS | ErrorCode::AUTHENTICATION => Stage::Security,
            ErrorCode::RESOLVE => Stage::Name,
            ErrorCode::TRANSPORT => Stage::Transport,
            // "All brokers are down" says no more than that nobody answers;
            // other codes are not of a connection.
            _ => return None,
        };
        Some(Self::new(stage, code, text))
    }

    fn of_line(line: &LogLine) -> Option<Self> {
        let text = without_thread(&line.text);
        match line.facility.as_str() {
            "SSLCERTVRFY" => {
                let text = text.replace("verification callback failed", "is refused");
                Some(Self::new(Stage::Certificate, ErrorCode::TLS, &text))
            }
            "FAIL" if LEVELS_WITHOUT_EVENT.contains(&line.level) => {
                let mut trouble = Self::of_code(ErrorCode::TRANSPORT, text)?;
                if text.contains(FIRST_REQUEST) {
                    trouble.message += ": is its listener of this security_protocol?";
                }
                Some(trouble)
            }
            _ => None,
        }
    }

    fn new(stage: Stage, code: ErrorCode, text: &str) -> Self {
        let message = without_duration(text);
        let broker = message.split_once(": ").map_or("", |(broker, _)| broker);
        Self {
            stage,
            broker: broker.to_owned(),
            code,
            message: message.to_owned(),
        }
    }

    /// `None` while librdkafka only knows the address that it was given.
    fn broker_id(&self) -> Option<i32> {
        let (_, id) = self.broker.rsplit_once('/')?;
        id.parse().ok()
    }
}

/// Log lines begin with the thread that wrote them.
fn without_thread(line: &str) -> &str {
    let rest = line.strip_prefix("[thrd:");
    rest.and_then(|rest| rest.split_once("]: "))
        .map_or(line, |(_, text)| text)
}

/// Sentences end with how long the connection had been there, and how often
/// the same was not told: different each time.
fn without_duration(text: &str) -> &str {
    text.rfind(" (after ")
        .filter(|_| text.ends_with(')'))
        .map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const REFUSED_PASSWORD: &str = "sasl_ssl://b:9093/bootstrap: SASL authentication error: \
        Authentication failed (after 312ms in state AUTH_REQ, 2 identical error(s) suppressed)";

    fn error(code: i32, text: &str) -> Notice {
        Notice::Error {
            code: ErrorCode(code),
            text: text.to_owned(),
        }
    }

    fn line(level: i32, facility: &str, text: &str) -> Notice {
        Notice::Log(LogLine {
            level,
            facility: facility.to_owned(),
            text: text.to_owned(),
        })
    }

    fn message(trouble: Option<Trouble>) -> String {
        trouble.expect("a trouble").message
    }

    #[test]
    fn each_notice_has_its_word() {
        for (notice, word, told) in [
            (
                error(-169, REFUSED_PASSWORD),
                "not_authenticated",
                "sasl_ssl://b:9093/bootstrap: SASL authentication error: Authentication failed",
            ),
            (
                error(
                    -193,
                    "ssl://b:9093/1: Failed to resolve 'b:9093': no (after 1ms in state INIT)",
                ),
                "dns_failed",
                "ssl://b:9093/1: Failed to resolve 'b:9093': no",
            ),
            (
                error(
                    -195,
                    "ssl://b:9093/1: Receive failed: error:0A000412:SSL routines::x",
                ),
                "tls_failed",
                "ssl://b:9093/1: Receive failed: error:0A000412:SSL routines::x",
            ),
            (
                line(
                    3,
                    "SSLCERTVRFY",
                    "[thrd:ssl://b:9093/1]: ssl://b:9093/1: Certificate (subject=/CN=b, \
                     issuer=/CN=a) verification callback failed: certificate has expired",
                ),
                "tls_failed",
                "ssl://b:9093/1: Certificate (subject=/CN=b, issuer=/CN=a) is refused: \
                 certificate has expired",
            ),
            (
                line(
                    6,
                    "FAIL",
                    "[thrd:b:9092/1]: b:9092/1: Disconnected (after 3ms in state UP)",
                ),
                "broker_down",
                "b:9092/1: Disconnected",
            ),
            (
                line(
                    6,
                    "FAIL",
                    "b:9092/1: Disconnected (after 3ms in state APIVERSION_QUERY)",
                ),
                "broker_down",
                "b:9092/1: Disconnected: is its listener of this security_protocol?",
            ),
        ] {
            let troubles = Troubles::default();
            troubles.note(&notice);
            let trouble = troubles.of(None).expect(told);
            assert_eq!(trouble.code.word(), word, "{told}");
            assert_eq!(trouble.message, told);
        }
    }

    #[test]
    fn what_is_of_no_connection_is_no_trouble() {
        let troubles = Troubles::default();
        troubles.note(&error(-187, "1/1 brokers are down"));
        troubles.note(&error(
            30,
            "FindCoordinator response error: Group authorization failed",
        ));
        troubles.note(&line(3, "FAIL", "its event tells it"));
        troubles.note(&line(5, "CONFWARN", "no connection"));
        assert_eq!(troubles.of(None), None);
    }

    #[test]
    fn the_most_telling_is_told_whatever_comes_after_it() {
        let troubles = Troubles::default();
        for _ in 0..3 {
            troubles.note(&error(
                -195,
                "ssl://b:9093/bootstrap: Connect to ::1 failed",
            ));
            troubles.note(&error(-169, REFUSED_PASSWORD));
            assert!(message(troubles.of(None)).contains("SASL"));
        }
    }

    #[test]
    fn a_broker_has_its_own_troubles_until_it_answers() {
        let troubles = Troubles::default();
        troubles.note(&error(-195, "b:9092/1: refused"));
        troubles.note(&error(-195, "b:9092/12: also refused"));
        troubles.note(&error(-193, "b:9092/bootstrap: no such host"));
        assert_eq!(message(troubles.of(Some(1))), "b:9092/1: refused");
        assert_eq!(troubles.of(Some(2)), None, "that of others says nothing");

        troubles.answered(1);
        assert_eq!(troubles.of(Some(1)), None);
        assert_eq!(message(troubles.of(None)), "b:9092/12: also refused");
    }

    #[test]
    fn a_trouble_that_is_not_told_again_ends() {
        let (troubles, start) = (Troubles::default(), Instant::now());
        let refused = error(-195, "b:9092/1: refused");
        troubles.note_at(&refused, start);
        troubles.note_at(&refused, start + 80 * SECOND);
        assert!(troubles.of_at(Some(1), start + 160 * SECOND).is_some());
        assert_eq!(troubles.of_at(Some(1), start + 171 * SECOND), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (troubles, start) = (Troubles::default(), Instant::now());
        for broker in 0..1_000 {
            let refused = error(-195, &format!("b:9092/{broker}: refused"));
            troubles.note_at(&refused, start + Duration::from_millis(broker));
        }
        assert_eq!(troubles.lock().len(), MAX_TROUBLES);
        assert!(
            troubles.of_at(Some(999), start + SECOND).is_some(),
            "the newest stay"
        );
    }
}
