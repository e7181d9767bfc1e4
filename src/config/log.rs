//! What is logged, and how.

use tracing_subscriber::EnvFilter;

use super::section::Section;

const DEFAULT_FILTER: &str = "info";
const MAX_FILTER_CHARS: usize = 1_000;
const FORMATS: [(&str, LogFormat); 2] = [
    (LogFormat::Text.word(), LogFormat::Text),
    (LogFormat::Json.word(), LogFormat::Json),
];

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Directives of `tracing`'s `EnvFilter`, such as `info,tidegauge=debug`.
    /// Default `info`; `TIDEGAUGE_LOG__FILTER`.
    pub filter: String,
    /// How a line looks. Default `text`; `TIDEGAUGE_LOG__FORMAT`.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `text`: for people.
    Text,
    /// `json`: one object a line.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl LogConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            filter: filter(section),
            format: section
                .choice("format", &FORMATS)
                .unwrap_or(LogFormat::Text),
        }
    }
}

fn filter(section: &mut Section<'_>) -> String {
    let key = "filter";
    let Some(filter) = section.text(key, 1..=MAX_FILTER_CHARS) else {
        return DEFAULT_FILTER.to_owned();
    };
    if let Err(why) = EnvFilter::try_new(&filter) {
        section.refuse_because(key, why, "directives such as \"info,tidegauge=debug\"");
    }
    filter
}
