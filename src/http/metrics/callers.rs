//! Metrics of who asks: watches, calls and streams, each with its limit.

use std::fmt;

use crate::{model::TimestampMs, scaler::ServiceStats};

use super::{
    super::HttpState,
    page::{Family, Page, family},
};

const WATCHES: Family = family("tidegauge_watches", "What KEDA has asked for lately");
const WATCHES_LIMIT: Family = family("tidegauge_watches_limit", "How many watches there may be");
const WITHOUT_COMMITS: Family = family(
    "tidegauge_watches_without_commits",
    "Watches of groups that have committed nothing: is the name right?",
);
const UNKNOWN_WATCHES: Family = family(
    "tidegauge_watches_unknown",
    "Watches of which KEDA is told UNAVAILABLE, since a reading is missing or too old",
);
const GRPC_CALLS: Family = family("tidegauge_grpc_calls", "Calls by KEDA, by result");
const WAITING_CALLS: Family = family(
    "tidegauge_grpc_waiting_calls",
    "Calls that wait for the first sample of what they ask for",
);
const STREAMS: Family = family("tidegauge_grpc_streams", "Streams that KEDA has open");
const STREAMS_LIMIT: Family = family(
    "tidegauge_grpc_streams_limit",
    "How many streams may be open",
);

pub(super) fn encode(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    let watches = &state.watches;
    page.gauge(WATCHES, watches.len())?;
    page.gauge(WATCHES_LIMIT, watches.limit())?;
    page.gauge(WITHOUT_COMMITS, watches.without_commits())?;
    page.gauge(UNKNOWN_WATCHES, watches.unknown(TimestampMs::now()))?;
    page.gauge(WAITING_CALLS, watches.waiting_calls())?;
    encode_calls(page, &state.calls)
}

fn encode_calls(page: &mut Page<'_>, calls: &ServiceStats) -> fmt::Result {
    let by_result = calls.calls();
    page.counters(
        GRPC_CALLS,
        by_result.map(|(result, calls)| ([("result", result)], calls)),
    )?;
    page.gauge(STREAMS, calls.open_streams())?;
    page.gauge(STREAMS_LIMIT, calls.streams_limit())
}
