//! In which format the page is written.

use axum::http::{HeaderMap, header};

/// A format that scrapers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    /// Prometheus' own, version 0.0.4.
    Text,
}

impl Format {
    /// OpenMetrics if it is asked for, and not less than plain text is.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let (mut open_metrics, mut text) = (0.0_f64, 0.0_f64);
        let ranges = values.flat_map(|value| value.split(','));
        for range in ranges.filter_map(Range::read) {
            match (range.kind.as_str(), range.version) {
                ("application/openmetrics-text", None | Some("0.0.1" | "1.0.0")) => {
                    open_metrics = open_metrics.max(range.quality);
                }
                ("text/plain", _) => text = text.max(range.quality),
                _ => {}
            }
        }
        match open_metrics > 0.0 && open_metrics >= text {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The page in this format, of what it is in OpenMetrics.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text(&open_metrics),
        }
    }
}

/// A part of an `Accept` header.
struct Range<'a> {
    kind: String,
    version: Option<&'a str>,
    /// Above 0 if it is accepted.
    quality: f64,
}

impl<'a> Range<'a> {
    /// `None`: its quality is no number, so that nobody knows what is meant.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let parameter = |name: &str| {
            let mut found = parameters.iter().filter(|(key, _)| key.trim() == name);
            found
                .next()
                .map(|(_, value)| value.trim().trim_matches('"'))
        };
        Some(Self {
            kind,
            version: parameter("version"),
            quality: parameter("q").map_or(Ok(1.0), str::parse).ok()?,
        })
    }
}

/// Samples are written alike. Prometheus' format has no units, no end and no type
/// `info`, and calls a counter as its sample is called.
fn text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            let help = help.split_once(' ').map_or("", |(_, help)| help);
            let lines = [
                "# HELP ",
                name,
                suffix,
                " ",
                help,
                "\n# TYPE ",
                name,
                suffix,
                " ",
                kind,
            ];
            lines.iter().for_each(|part| text.push_str(part));
            text.push('\n');
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=\"1.0.0\"",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            (
                "application/openmetrics-text;q=0.3,text/plain;q=0.5",
                Format::Text,
            ),
            ("application/openmetrics-text;q=x", Format::Text),
            ("text/plain", Format::Text),
            ("text/html,*/*;q=0.8", Format::Text),
            ("", Format::Text),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            assert_eq!(Format::accepted(&headers), expected, "{accept}");
        }
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn what_text_has_no_word_for_is_said_otherwise() {
        let open_metrics = "\
# HELP a_seconds One.
# TYPE a_seconds gauge
# UNIT a_seconds seconds
a_seconds{b=\"c\"} 1.5
# HELP polls Two.
# TYPE polls counter
polls_total 3
# HELP build Three.
# TYPE build info
build_info{version=\"1\"} 1
# EOF
";
        let expected = "\
# HELP a_seconds One.
# TYPE a_seconds gauge
a_seconds{b=\"c\"} 1.5
# HELP polls_total Two.
# TYPE polls_total counter
polls_total 3
# HELP build_info Three.
# TYPE build_info gauge
build_info{version=\"1\"} 1
";
        assert_eq!(Format::Text.of(open_metrics.to_owned()), expected);
    }
}
