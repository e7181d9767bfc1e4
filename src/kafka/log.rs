//! Librdkafka's log lines, thinned.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{native::LogLine, trouble::LEVELS_WITHOUT_EVENT};

/// The same line is logged once in this time: a broker that is down says so
/// several times a second.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// How many different lines are remembered; beyond, all are forgotten.
const REMEMBERED_LINES: usize = 256;

/// Passes librdkafka's log lines on to `tracing`, each at most once a minute.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    seen: HashMap<String, Repeats>,
}

#[derive(Debug)]
struct Repeats {
    logged: Instant,
    held_back: u64,
}

impl LogThrottle {
    /// Logs `line` unless the same was logged a moment ago.
    pub(super) fn log(&mut self, line: &LogLine) {
        let Some(held_back) = self.admit(line, Instant::now()) else {
            return;
        };
        let LogLine {
            level,
            facility,
            text,
        } = line;
        // A broker that ends a connection; the next request makes a new one.
        let is_hang_up = facility == "FAIL" && LEVELS_WITHOUT_EVENT.contains(level);
        match level {
            _ if is_hang_up => {
                tracing::debug!(target: "librdkafka", facility, held_back, "{text}");
            }
            // Librdkafka calls a lost connection an error; it heals by itself,
            // and what could not be read is in the tick's gaps.
            0..=4 => tracing::warn!(target: "librdkafka", facility, held_back, "{text}"),
            5 | 6 => tracing::info!(target: "librdkafka", facility, held_back, "{text}"),
            _ => tracing::debug!(target: "librdkafka", facility, held_back, "{text}"),
        }
    }

    /// How many lines like it were held back since the last one that was
    /// logged; `None`: this one is held back as well.
    fn admit(&mut self, line: &LogLine, now: Instant) -> Option<u64> {
        let key = what_stays(&line.text);
        if let Some(repeats) = self.seen.get_mut(key) {
            if now.duration_since(repeats.logged) < REPEAT_AFTER {
                repeats.held_back += 1;
                return None;
            }
            repeats.logged = now;
            return Some(std::mem::take(&mut repeats.held_back));
        }
        if self.seen.len() >= REMEMBERED_LINES {
            self.seen.clear();
        }
        let first = Repeats {
            logged: now,
            held_back: 0,
        };
        self.seen.insert(key.to_owned(), first);
        Some(0)
    }
}

/// The line without the bracket at its end, in which librdkafka counts
/// milliseconds and repetitions.
fn what_stays(text: &str) -> &str {
    text.split_once(" (").map_or(text, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            level: 3,
            facility: "FAIL".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_broker_that_stays_down_is_told_once_a_minute() {
        let mut throttle = LogThrottle::default();
        let start = Instant::now();
        let mut logged = 0;
        for second in 0..120 {
            let text = format!("a:9092/1: Connect failed (after {second}ms, 30 suppressed)");
            let now = start + Duration::from_secs(second);
            logged += u32::from(throttle.admit(&line(&text), now).is_some());
        }
        assert_eq!(logged, 2);
        let later = start + Duration::from_secs(120);
        assert_eq!(
            throttle.admit(&line("a:9092/1: Connect failed"), later),
            Some(59)
        );
        assert_eq!(
            throttle.admit(&line("b:9092/2: Connect failed"), later),
            Some(0)
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = LogThrottle::default();
        for number in 0..10 * REMEMBERED_LINES {
            throttle.admit(&line(&format!("line {number}")), Instant::now());
        }
        assert!(throttle.seen.len() <= REMEMBERED_LINES);
    }
}
