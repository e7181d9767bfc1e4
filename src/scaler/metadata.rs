//! Reads trigger metadata, which anybody who may write a ScaledObject writes.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use humantime::format_duration;

/// At most this many keys: KEDA's own triggers have some thirty.
const MAX_KEYS: usize = 128;
/// At most this long: names in Kafka end at 249 characters.
const MAX_VALUE_BYTES: usize = 1_024;
/// So much of a value is repeated in an error.
const SHOWN_CHARS: usize = 80;

/// What a target may be.
pub(super) const ABOVE_ZERO: &str = "a number above 0";

/// One thing that is wrong with trigger metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key.
    pub key: String,
    /// Its value, cut; `None` if the key is missing.
    pub value: Option<String>,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(
                f,
                "{} is {value:?}, accepted is {}",
                self.key, self.accepted
            ),
            None => write!(f, "{} is missing, accepted is {}", self.key, self.accepted),
        }
    }
}

/// All that is wrong with one trigger's metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad trigger metadata: {}", .0.iter().map(Mistake::to_string).collect::<Vec<_>>().join("; "))]
pub struct BadMetadata(pub Vec<Mistake>);

/// Reads keys one by one, remembers which were read, and collects mistakes.
pub(super) struct Reader<'a> {
    metadata: &'a HashMap<String, String>,
    read: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
    /// A plugin whose name is still to be looked up.
    unnamed: Option<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(metadata: &'a HashMap<String, String>) -> Self {
        let mut reader = Self {
            metadata,
            read: BTreeMap::new(),
            mistakes: Vec::new(),
            unnamed: None,
        };
        if metadata.len() > MAX_KEYS {
            let value = Some(format!("{} keys", metadata.len()));
            reader.mistake("metadata", value, format!("at most {MAX_KEYS} keys"));
        }
        reader
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The value of `key`, trimmed; `None` if it is missing, empty or too long.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.value(key)?.trim();
        if value.len() > MAX_VALUE_BYTES {
            self.mistake(
                key,
                Some(shown(value)),
                format!("at most {MAX_VALUE_BYTES} bytes"),
            );
            return None;
        }
        if value.is_empty() {
            return None;
        }
        self.read.insert(key.to_owned(), value.to_owned());
        Some(value)
    }

    /// What KEDA takes from the workload's environment it sends under the key
    /// with `FromEnv` behind it; what is written out wins.
    fn value(&self, key: &str) -> Option<&'a str> {
        let is_set = |value: &&String| !value.trim().is_empty();
        let written = self.metadata.get(key);
        let resolved = || {
            let resolved = self.metadata.get(&format!("{key}FromEnv"));
            resolved.filter(is_set)
        };
        let found = written.filter(is_set).or_else(resolved).or(written);
        found.map(String::as_str)
    }

    pub(super) fn required(&mut self, key: &str, accepted: &str) -> Option<&'a str> {
        let before = self.mistakes.len();
        let value = self.text(key);
        if value.is_none() && self.mistakes.len() == before {
            let found = self.value(key).map(shown);
            self.mistake(key, found, accepted.to_owned());
        }
        value
    }

    /// `true` or `false`, in any case, and the short forms that KEDA takes.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.text(key) else {
            return default;
        };
        match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => true,
            "false" | "f" | "0" => false,
            _ => {
                self.refuse(key, value, "\"true\" or \"false\"");
                default
            }
        }
    }

    /// A finite number for which `holds`.
    pub(super) fn number(
        &mut self,
        key: &str,
        default: f64,
        holds: impl Fn(f64) -> bool,
        accepted: &str,
    ) -> f64 {
        let Some(value) = self.text(key) else {
            return default;
        };
        match f64::from_str(value) {
            Ok(number) if number.is_finite() && holds(number) => number,
            _ => {
                self.refuse(key, value, accepted);
                default
            }
        }
    }

    /// A duration with its unit, or a number of seconds.
    pub(super) fn duration(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(value) = self.text(key) else {
            return default;
        };
        let seconds = || Some(Duration::from_secs(value.parse().ok()?));
        let duration = humantime::parse_duration(value).ok().or_else(seconds);
        if let Some(duration) = duration.filter(|duration| range.contains(duration)) {
            return duration;
        }
        let (least, most) = range.into_inner();
        let accepted = format!(
            "a duration of {} to {}, such as \"90s\" or \"5m\"",
            format_duration(least),
            format_duration(most)
        );
        self.refuse(key, value, &accepted);
        default
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(value) = self.text(key) else {
            return default;
        };
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == value) {
            return *choice;
        }
        let words: Vec<_> = choices
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect();
        self.refuse(key, value, &words.join(" or "));
        default
    }

    pub(super) fn refuse(&mut self, key: &str, value: &str, accepted: &str) {
        self.mistake(key, Some(shown(value)), accepted.to_owned());
    }

    /// The one of `keys` that is set, if any is; the others say the same.
    pub(super) fn one_of<'k>(&mut self, keys: &[&'k str]) -> Option<&'k str> {
        let set = keys.iter().filter(|key| self.text(key).is_some());
        let set: Vec<_> = set.copied().collect();
        if let [first, second, ..] = set[..] {
            self.refuse_beside(second, first);
        }
        set.first().copied()
    }

    /// What `key` says can't be said beside what `other` says.
    pub(super) fn refuse_beside(&mut self, key: &str, other: &str) {
        let value = self.value(key).map(shown);
        self.mistake(key, value, format!("nothing beside {other}"));
    }

    /// The name of this plugin is still to be looked up.
    pub(super) fn lacks_name_of(&mut self, plugin: &str) {
        self.unnamed = Some(plugin.to_owned());
    }

    /// A plugin whose name is still to be looked up.
    pub(super) fn unnamed(&mut self) -> Option<String> {
        self.unnamed.take()
    }

    fn mistake(&mut self, key: &str, value: Option<String>, accepted: String) {
        let mistake = Mistake {
            key: shown(key),
            value,
            accepted,
        };
        // A key that is read twice is one mistake.
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// The keys that were read with their values, or all mistakes.
    pub(super) fn finish(self) -> Result<BTreeMap<String, String>, BadMetadata> {
        if self.mistakes.is_empty() {
            Ok(self.read)
        } else {
            Err(BadMetadata(self.mistakes))
        }
    }
}

fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
