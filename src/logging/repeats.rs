//! The same line again: logged once, then counted.
//!
//! A failure that lasts says the same each tick, request or handshake. The first
//! line is logged at once. Those like it are held back and counted, and told as
//! one line after a minute and then each ten, as long as they go on. Two lines
//! are the same if they come from one place in the code and say the same, but for
//! what they have measured. Its key invariant: whatever is logged, memory and
//! lines have a bound.

use std::{
    collections::HashMap,
    fmt::{self, Debug, Write as _},
    hash::{DefaultHasher, Hasher as _},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    error,
    field::{Field, Visit},
    info, warn,
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// How long lines are held back before they are told, the first time and then.
const FIRST_TOLD_AFTER: Duration = Duration::from_mins(1);
const TOLD_AFTER: Duration = Duration::from_mins(10);
/// What has not been said for this time is news when it is said again. Sweeps
/// and upkeep, which try again each minute, are within it.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(2);
/// Of one place in the code so many lines are told apart, as many as a wrong
/// configuration may have mistakes; others are only counted.
const MAX_LINES: usize = 100;
/// How much of a line is repeated when it is told how often it was held back.
const MAX_SHOWN_CHARS: usize = 300;

/// Fields that say how much or when this time, which makes it no other failure.
const MEASURED: [&str; 4] = ["at", "count", "detail", "elapsed"];
/// What is told each time: what somebody has just asked for, and how often lines
/// were held back.
const ALWAYS: [&str; 3] = [
    "tidegauge::app::follow",
    "tidegauge::app::reloader",
    "tidegauge::logging::repeats",
];

/// What was logged lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<HashMap<Identifier, Place>>);

/// Lines without those that are held back. A filter would be the place, were it
/// not that one which decides by event leaves its decision to the next event.
#[derive(Debug)]
pub(super) struct Thinned<F> {
    pub(super) lines: F,
    pub(super) repeats: Arc<Repeats>,
}

/// A place in the code that logs. There are as many as the code has.
#[derive(Debug)]
struct Place {
    level: Level,
    target: &'static str,
    lines: HashMap<u64, Line>,
    /// Lines beyond those that are told apart.
    others: Times,
}

#[derive(Debug)]
struct Line {
    text: String,
    times: Times,
}

/// How often something was held back since it was told.
#[derive(Debug)]
struct Times {
    held_back: u64,
    told: Instant,
    told_after: Duration,
    seen: Instant,
}

/// One line that tells of those that were held back.
#[derive(Debug, PartialEq)]
struct Summary {
    level: Level,
    target: &'static str,
    text: String,
    repeated: u64,
    within: Duration,
}

impl Repeats {
    /// Is it to be logged? If not, it is counted.
    fn admits(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || ALWAYS.contains(&metadata.target()) {
            return true;
        }
        let mut places = self.0.lock();
        let place = places.entry(metadata.callsite());
        place.or_insert_with(|| Place::new(metadata, now)).admits(
            hash_of(event),
            || text_of(event),
            now,
        )
    }

    /// Tells what is due.
    pub(super) fn tell(&self, now: Instant) {
        for summary in self.due(now) {
            summary.log();
        }
    }

    /// Tells what has been held back so far.
    pub(super) fn tell_all(&self) {
        let mut places = mem::take(&mut *self.0.lock());
        for place in places.values_mut() {
            for summary in place.summaries(|_| true) {
                summary.log();
            }
        }
    }

    /// What is to be told by now. Nothing is logged while the lock is held.
    fn due(&self, now: Instant) -> Vec<Summary> {
        let mut places = self.0.lock();
        let due = places.values_mut();
        let due = due.flat_map(|place| place.summaries(|times| times.is_due(now)));
        let due = due.collect();
        places.retain(|_, place| !place.forget(now));
        due
    }
}

impl Place {
    fn new(metadata: &'static Metadata<'static>, now: Instant) -> Self {
        Self {
            level: *metadata.level(),
            target: metadata.target(),
            lines: HashMap::new(),
            others: Times::new(now),
        }
    }

    fn admits(&mut self, hash: u64, text: impl FnOnce() -> String, now: Instant) -> bool {
        if let Some(line) = self.lines.get_mut(&hash) {
            return line.times.admits(now);
        }
        if self.lines.len() >= MAX_LINES {
            self.others.hold_back(now);
            return false;
        }
        let (text, times) = (text(), Times::new(now));
        self.lines.insert(hash, Line { text, times });
        true
    }

    fn summaries(&mut self, is_due: impl Fn(&Times) -> bool) -> Vec<Summary> {
        let (level, target) = (self.level, self.target);
        let lines = self.lines.values_mut();
        let lines = lines.map(|line| (line.text.as_str(), &mut line.times));
        let others = ("others from there", &mut self.others);
        let all = lines.chain([others]);
        let due = all.filter(|(_, times)| times.held_back > 0 && is_due(times));
        let summary = |(text, times): (&str, &mut Times)| Summary {
            level,
            target,
            text: text.to_owned(),
            repeated: times.held_back,
            within: times.tell(),
        };
        due.map(summary).collect()
    }

    /// Forgets what has not been said lately; is it all?
    fn forget(&mut self, now: Instant) -> bool {
        self.lines.retain(|_, line| !line.times.is_over(now));
        self.lines.is_empty() && self.others.is_over(now)
    }
}

impl Times {
    fn new(now: Instant) -> Self {
        Self {
            held_back: 0,
            told: now,
            told_after: FIRST_TOLD_AFTER,
            seen: now,
        }
    }

    fn admits(&mut self, now: Instant) -> bool {
        if self.is_over(now) {
            *self = Self::new(now);
            return true;
        }
        self.hold_back(now);
        false
    }

    fn hold_back(&mut self, now: Instant) {
        self.held_back += 1;
        self.seen = now;
    }

    fn is_due(&self, now: Instant) -> bool {
        now.duration_since(self.told) >= self.told_after
    }

    /// It was told, and was not said again since long before.
    fn is_over(&self, now: Instant) -> bool {
        self.held_back == 0 && now.duration_since(self.seen) >= FORGOTTEN_AFTER
    }

    /// It is told now; of which time.
    fn tell(&mut self) -> Duration {
        let within = self.seen.duration_since(self.told);
        self.held_back = 0;
        self.told = self.seen;
        self.told_after = TOLD_AFTER;
        within
    }
}

impl Summary {
    fn log(self) {
        let Self {
            level,
            target,
            text,
            repeated,
            within,
        } = self;
        let within = humantime::format_duration(Duration::from_secs(within.as_secs()));
        match level {
            Level::ERROR => error!(from = target, line = text, repeated, %within, "said again"),
            Level::WARN => warn!(from = target, line = text, repeated, %within, "said again"),
            _ => info!(from = target, line = text, repeated, %within, "said again"),
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for Thinned<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.repeats.admits(event, Instant::now()) {
            self.lines.format_event(context, writer, event)
        } else {
            Ok(())
        }
    }
}

fn hash_of(event: &Event<'_>) -> u64 {
    let mut hash = Hash(DefaultHasher::new());
    event.record(&mut hash);
    hash.0.finish()
}

fn text_of(event: &Event<'_>) -> String {
    let mut text = Text(String::new());
    event.record(&mut text);
    text.0.chars().take(MAX_SHOWN_CHARS).collect()
}

/// Of what an event says, without what it has measured.
struct Hash(DefaultHasher);

impl Visit for Hash {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !MEASURED.contains(&field.name()) {
            self.0.write(field.name().as_bytes());
            // Writing to a hash does not fail.
            let _ = write!(self, "={value:?};");
        }
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What an event says, as text.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests;
