//! Windows against the plainest way to say what they are, and any text as a query.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};
use tokio::runtime::Runtime;
use url::form_urlencoded::byte_serialize;

use super::windows::{of_window, windowed};
use crate::http::{
    prometheus::{
        labels::Labels,
        sinks::{Loaded, Sample, Windows},
        value::Series,
    },
    testing::{Answer, Setting, T0_MS, t0_plus, tick},
};

/// Samples that rise and fall, some seconds apart.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    vec((1..40_000_i64, 0..1_000_i32), 0..60).prop_map(|steps| {
        let mut at = 0;
        let mut sample = |(apart, value): (i64, i32)| {
            at += apart;
            (at, f64::from(value))
        };
        steps.into_iter().map(&mut sample).collect()
    })
}

fn evaluated(name: &str, samples: &[Sample], ends: &[i64], length: i64) -> Vec<Option<f64>> {
    let loaded = Loaded {
        labels: Labels::none(),
        samples: samples.to_vec(),
    };
    let of_window = of_window(name).expect("a function");
    let windows = Windows::exact(length);
    let series = windowed(loaded, ends, &windows, |_, window| of_window(window));
    let value = |step| {
        series
            .as_ref()
            .and_then(|series: &Series| series.value(step))
    };
    (0..ends.len()).map(value).collect()
}

/// What a function is, said as plainly as it can be, of the samples of a window
/// whose ends are included.
fn reference(name: &str, samples: &[Sample], from: i64, to: i64) -> Option<f64> {
    let inside = samples.iter().filter(|(at, _)| (from..=to).contains(at));
    let inside: Vec<_> = inside.copied().collect();
    let values: Vec<_> = inside.iter().map(|sample| sample.1).collect();
    let pairs = values.iter().zip(values.iter().skip(1));
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    if values.is_empty() {
        return None;
    }
    Some(match name {
        "count_over_time" => count,
        "sum_over_time" => sum,
        "avg_over_time" => sum / count,
        "min_over_time" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "max_over_time" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "last_over_time" => values[values.len() - 1],
        "changes" => pairs.filter(|(a, b)| a != b).count() as f64,
        "resets" => pairs.filter(|(a, b)| b < a).count() as f64,
        "stdvar_over_time" => {
            let mean = sum / count;
            values
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / count
        }
        "increase" | "rate" => {
            let increase = increase(&inside, from, to)?;
            match name {
                "rate" => increase / ((to - from) as f64 / 1000.0),
                _ => increase,
            }
        }
        _ => unreachable!("no reference for {name}"),
    })
}

/// Each growth by itself, what fell began at 0; then stretched to the window's
/// ends, or by half a gap where they are far, and never to below 0.
fn increase(inside: &[Sample], from: i64, to: i64) -> Option<f64> {
    let (first, last) = (inside.first()?, inside.last()?);
    if inside.len() < 2 {
        return None;
    }
    let grown = |pair: &[Sample]| match pair[1].1 >= pair[0].1 {
        true => pair[1].1 - pair[0].1,
        false => pair[1].1,
    };
    let increase: f64 = inside.windows(2).map(grown).sum();
    let span = (last.0 - first.0) as f64;
    let gap = span / (inside.len() as f64 - 1.0);
    let mut before = (first.0 - from) as f64;
    if increase > 0.0 {
        before = before.min(span * first.1 / increase);
    }
    let after = (to - last.0) as f64;
    let stretch = |distance: f64| {
        if distance < gap * 1.1 {
            distance
        } else {
            gap / 2.0
        }
    };
    Some(increase * (span + stretch(before) + stretch(after)) / span)
}

const FUNCTIONS: [&str; 11] = [
    "count_over_time",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "last_over_time",
    "changes",
    "resets",
    "stdvar_over_time",
    "increase",
    "rate",
];

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let at = |step: i64| tick(t0_plus(step * 10), &[(step * 9, step * 10), (5, 7)]);
    Setting::recorded((0..=60).map(at).collect())
});

fn ask(path: &str) -> Answer {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
    RUNTIME.block_on(SETTING.get(&format!("/prometheus/api/v1/{path}")))
}

/// Pieces that queries are made of, right or wrong.
const PIECES: [&str; 60] = [
    "kafka_consumergroup_group_lag",
    "kafka_consumergroup_group_sum_lag",
    "tidegauge_group_status",
    "{group=\"g\"}",
    "{partition=~\"[0-9]+\"}",
    "{topic!~\"(\"}",
    "{__name__=~\".+\"}",
    "[1m]",
    "[1m:10s]",
    "[0s]",
    "[9999999y]",
    " offset ",
    "5m",
    "-5m",
    " @ ",
    "start()",
    "end()",
    "1767225700",
    "-1e308",
    "sum(",
    "topk(2, ",
    "quantile(0.5, ",
    "count_values(\"a\", ",
    "rate(",
    "irate(",
    "deriv(",
    "avg_over_time(",
    "quantile_over_time(0.9, ",
    "predict_linear(",
    "absent(",
    "absent_over_time(",
    "label_replace(",
    "label_join(",
    "clamp(",
    "round(",
    "scalar(",
    "vector(",
    "sort(",
    "time()",
    "histogram_quantile(0.9, ",
    ")",
    "(",
    ", ",
    " + ",
    " - ",
    " / ",
    " % ",
    " ^ ",
    " == bool ",
    " > ",
    " and ",
    " or ",
    " unless ",
    " on (group) ",
    " ignoring (partition) ",
    " group_left ",
    " by (group) ",
    " without (topic) ",
    "\"é\\u00e9\"",
    "NaN",
];

proptest! {
    #[test]
    fn windows_are_what_the_plainest_way_says(
        samples in samples(),
        ends in vec(0..1_500_000_i64, 1..20),
        length in 1..400_000_i64,
        name in select(&FUNCTIONS[..]),
    ) {
        let evaluated = evaluated(name, &samples, &ends, length);
        for (end, value) in ends.iter().zip(evaluated) {
            let expected = reference(name, &samples, end - length, *end);
            let same = match (value, expected) {
                (Some(value), Some(expected)) => is_near(value, expected),
                (value, expected) => value.is_none() && expected.is_none(),
            };
            prop_assert!(same, "{name} at {end}: {value:?}, not {expected:?}");
        }
    }

    #[test]
    fn any_query_is_answered_or_refused(pieces in vec(select(&PIECES[..]), 1..12)) {
        let query: String = pieces.concat();
        let text: String = byte_serialize(query.as_bytes()).collect();
        let (start, end) = (T0_MS / 1000, T0_MS / 1000 + 600);
        for path in [
            format!("query?query={text}&time={end}"),
            format!("query_range?query={text}&start={start}&end={end}&step=60"),
            format!("series?match[]={text}"),
        ] {
            let answer = ask(&path);
            let status = answer.status.as_u16();
            prop_assert!([200, 400, 422].contains(&status), "{query}: {} {}", status, answer.body);
            let is_success = answer.json()["status"] == "success";
            prop_assert_eq!(is_success, status == 200);
        }
    }

    #[test]
    fn any_text_is_answered_or_refused(query in "\\PC{0,60}|[-+*/%^(){}\\[\\]\"'`=~!<>@a-z0-9 ,.:\\\\]{0,80}") {
        let text: String = byte_serialize(query.as_bytes()).collect();
        let answer = ask(&format!("query?query={text}&time=1767225700"));
        let status = answer.status.as_u16();
        prop_assert!([200, 400, 422].contains(&status), "{query}: {} {}", status, answer.body);
    }
}
