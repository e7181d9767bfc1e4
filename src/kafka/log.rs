//! Librdkafka's log lines.

use super::{native::LogLine, trouble::LEVELS_WITHOUT_EVENT};

/// Passes a line on to `tracing`. A broker that is down says the same several
/// times a second; what differs then is a detail, so that the log can hold back
/// the rest.
pub(super) fn log(line: &LogLine) {
    let LogLine {
        level,
        facility,
        text,
    } = line;
    let (text, detail) = parts(text);
    // A broker that ends a connection; the next request makes a new one.
    let is_hang_up = facility == "FAIL" && LEVELS_WITHOUT_EVENT.contains(level);
    match level {
        _ if is_hang_up => tracing::debug!(target: "librdkafka", facility, detail, "{text}"),
        // Librdkafka calls a lost connection an error; it heals by itself,
        // and what could not be read is in the tick's gaps.
        0..=4 => tracing::warn!(target: "librdkafka", facility, detail, "{text}"),
        5 | 6 => tracing::info!(target: "librdkafka", facility, detail, "{text}"),
        _ => tracing::debug!(target: "librdkafka", facility, detail, "{text}"),
    }
}

/// The line, and the bracket at its end, in which librdkafka counts milliseconds
/// and repetitions.
fn parts(text: &str) -> (&str, Option<&str>) {
    match text.split_once(" (") {
        Some((text, detail)) => (text, Some(detail.trim_end_matches(')'))),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_apart_from_what_stays() {
        for (text, expected) in [
            (
                "a:9092/1: Connect failed (after 3ms, 30 suppressed)",
                ("a:9092/1: Connect failed", Some("after 3ms, 30 suppressed")),
            ),
            ("b:9092/2: Disconnected", ("b:9092/2: Disconnected", None)),
        ] {
            assert_eq!(parts(text), expected);
        }
    }
}
