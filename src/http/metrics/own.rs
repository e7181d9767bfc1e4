//! Tidegauge's metrics about itself.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{
    backups::Backups,
    board::{Board, Snapshot},
    jobs::StoreState,
    kafka::{RequestKind, RequestStats},
    model::{ClusterName, TimestampMs},
    polling::PollStats,
    reloads::ReloadStatus,
    store::{Level, VolumeSize},
    tls::ListenerTls,
};

use super::{
    super::{HttpState, health::is_ready},
    page::{Family, Page, family},
};

const BUILD: Family = family("tidegauge_build", "Version of this process");
const READY: Family = family(
    "tidegauge_ready",
    "Is there something to tell (1), as at /readyz, or not (0)",
);
const POLLS: Family = family("tidegauge_polls", "Poll cycles that came to their end");
const SKIPPED_POLLS: Family = family(
    "tidegauge_skipped_polls",
    "Poll cycles left out since the one before took too long",
);
const INCOMPLETE_POLLS: Family = family(
    "tidegauge_incomplete_polls",
    "Poll cycles in which something could not be read",
);
const POLL_DURATION: Family = family(
    "tidegauge_poll_duration_seconds",
    "How long the newest poll cycle took",
);
const POLL_REQUESTS: Family = family(
    "tidegauge_poll_requests",
    "Requests made to brokers, by kind",
);
const BROKER_REQUESTS: Family = family(
    "tidegauge_broker_requests",
    "Requests that librdkafka sent to brokers, its own and repeated ones too, by Kafka's name",
);
const GAPS: Family = family(
    "tidegauge_gaps",
    "What was missing from the newest tick, by reason",
);
const NEWEST_TICK: Family = family(
    "tidegauge_newest_tick_timestamp_seconds",
    "When the newest tick was taken",
);
const RECORDED_TICKS: Family = family("tidegauge_recorded_ticks", "Ticks made durable");
const FAILED_TICKS: Family = family(
    "tidegauge_failed_ticks",
    "Ticks that could not be made durable",
);
const RECORD_DURATION: Family = family(
    "tidegauge_record_duration_seconds",
    "How long the newest durable transaction took",
);
const TELEMETRY: Family = family(
    "tidegauge_otlp_items",
    "Spans and points of metrics for the collector, by signal and result",
);
const STORE_BYTES: Family = family(
    "tidegauge_store_bytes",
    "What the history takes on the disk",
);
const VOLUME_BYTES: Family = family(
    "tidegauge_store_volume_bytes",
    "The size of the volume that the history is on",
);
const VOLUME_FREE_BYTES: Family = family(
    "tidegauge_store_volume_free_bytes",
    "What is free on the volume that the history is on",
);
const CHUNKS: Family = family("tidegauge_store_chunks", "Sealed chunks, by level");
const LEVEL_BYTES: Family = family(
    "tidegauge_store_level_bytes",
    "What the sealed ticks of a level take",
);
const DROPPED_CHUNKS: Family = family(
    "tidegauge_store_dropped_chunks",
    "Chunks that were deleted, too old or for want of room, by level",
);
const COMPACTIONS: Family = family(
    "tidegauge_store_compactions",
    "Compactions of the store's files",
);
const UNSEALED: Family = family(
    "tidegauge_store_unsealed_seconds",
    "How old the oldest tick is that should be sealed and is not",
);
const RETAINED: Family = family(
    "tidegauge_store_retained_timestamp_seconds",
    "When history was last cut to its limits",
);
const SET_ASIDE: Family = family(
    "tidegauge_store_files_set_aside",
    "Files that were damaged when this process opened them, and are kept under another name",
);
const BACKUPS: Family = family("tidegauge_backups", "Backups, by result");
const NEWEST_BACKUP: Family = family(
    "tidegauge_backup_newest_timestamp_seconds",
    "When the newest backup that is whole was made",
);
const RELOADS: Family = family(
    "tidegauge_config_reloads",
    "Changes of the configuration that were taken up or refused, by result",
);
const RELOADED: Family = family(
    "tidegauge_config_last_reload_success_timestamp_seconds",
    "When a configuration was last taken up, or found to be the one in force",
);
const RELOAD_IS_WELL: Family = family(
    "tidegauge_config_last_reload_successful",
    "Is the newest configuration in force (1), or was it refused (0)",
);
const FILE_RELOADS: Family = family(
    "tidegauge_file_reloads",
    "Changes of the files of certificates and secrets that were taken up or refused, by table of the configuration",
);
const FILES_ARE_WELL: Family = family(
    "tidegauge_file_last_reload_successful",
    "Are the newest files of certificates or secrets in use (1), or were they refused (0)",
);
const EXPIRY: Family = family(
    "tidegauge_tls_certificate_expiry_timestamp_seconds",
    "When the first certificate expires: of the listener's own, or of its clients' authorities",
);
const HANDSHAKES: Family = family("tidegauge_tls_handshakes", "TLS handshakes, by result");
const HTTP_REFUSED: Family = family(
    "tidegauge_http_refused_requests",
    "HTTP requests refused before they were read: of nobody known, of other sites' pages, under other names",
);

pub(super) fn encode(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    page.info(BUILD, &[("version", env!("CARGO_PKG_VERSION"))])?;
    page.gauge(READY, u64::from(is_ready(state)))?;
    encode_polls(page, &state.polls)?;
    encode_requests(page, &state.requests)?;
    encode_board(page, &state.newest_board())?;
    encode_recorder(page, state)?;
    encode_backups(page, &state.backups)?;
    encode_upkeep(page, &state.store_status.state())?;
    encode_reloads(page, &state.reloads)?;
    encode_files(page, state)?;
    encode_tls(page, &state.tls)?;
    let refused = state.guard.refused();
    page.counters(
        HTTP_REFUSED,
        refused.map(|(reason, refused)| ([("reason", reason)], refused)),
    )?;
    let items = state.telemetry.items();
    page.counters(
        TELEMETRY,
        items.map(|(signal, result, items)| ([("signal", signal), ("result", result)], items)),
    )
}

fn encode_polls(page: &mut Page<'_>, polls: &BTreeMap<ClusterName, Arc<PollStats>>) -> fmt::Result {
    let by_cluster = || polls.iter().map(|(name, stats)| (labels(name), stats));
    page.counters(
        POLLS,
        by_cluster().map(|(labels, stats)| (labels, stats.cycles())),
    )?;
    page.counters(
        SKIPPED_POLLS,
        by_cluster().map(|(labels, stats)| (labels, stats.skipped_cycles())),
    )?;
    page.counters(
        INCOMPLETE_POLLS,
        by_cluster().map(|(labels, stats)| (labels, stats.incomplete_cycles())),
    )?;
    page.gauges(
        POLL_DURATION,
        by_cluster()
            .filter(|(_, stats)| stats.cycles() > 0)
            .map(|(labels, stats)| (labels, stats.last_cycle().as_secs_f64())),
    )
}

fn encode_requests(
    page: &mut Page<'_>,
    requests: &BTreeMap<ClusterName, Arc<RequestStats>>,
) -> fmt::Result {
    page.counters(
        POLL_REQUESTS,
        requests.iter().flat_map(|(name, stats)| {
            RequestKind::ALL.map(|kind| {
                let labels = [cluster(name), ("kind", kind.as_str())];
                (labels, stats.requests().of(kind))
            })
        }),
    )?;
    let counted = requests
        .iter()
        .filter_map(|(name, stats)| Some((cluster(name), stats.broker_requests()?)));
    let counted: Vec<_> = counted.collect();
    page.counters(
        BROKER_REQUESTS,
        counted.iter().flat_map(|(cluster, requests)| {
            let by_name = requests.by_name();
            by_name.map(|(request, sent)| ([*cluster, ("request", request)], sent))
        }),
    )
}

fn encode_board(page: &mut Page<'_>, board: &Board) -> fmt::Result {
    let newest = board.clusters().iter().filter_map(|(name, snapshot)| {
        let newest = snapshot.as_of()?;
        Some((labels(name), newest.seconds_since(TimestampMs(0))))
    });
    page.gauges(NEWEST_TICK, newest)?;
    let gaps = board.clusters().iter().flat_map(|(name, snapshot)| {
        let by_reason = gaps_by_reason(snapshot).into_iter();
        by_reason.map(|(reason, gaps)| ([cluster(name), ("reason", reason)], gaps))
    });
    page.gauges(GAPS, gaps)
}

fn gaps_by_reason(snapshot: &Snapshot) -> BTreeMap<&str, u64> {
    let mut by_reason = BTreeMap::new();
    for gap in snapshot.gaps.iter() {
        *by_reason.entry(gap.reason.code.as_str()).or_default() += 1;
    }
    by_reason
}

fn encode_recorder(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    let recorder = &state.recorder;
    page.counter(RECORDED_TICKS, recorder.recorded_ticks())?;
    page.counter(FAILED_TICKS, recorder.failed_ticks())?;
    if recorder.recorded_ticks() > 0 {
        page.gauge(RECORD_DURATION, recorder.last_record().as_secs_f64())?;
    }
    page.counter(SET_ASIDE, state.store.set_aside().len() as u64)?;
    encode_disk(page, state)
}

/// What can't be read is not told.
fn encode_disk(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    if let Ok(sizes) = state.store.size_bytes() {
        let by_file = [("head", sizes.head), ("history", sizes.history)];
        let by_file = by_file.map(|(file, bytes)| ([("file", file)], bytes));
        page.gauges(STORE_BYTES, by_file)?;
    }
    if let Ok(volume) = VolumeSize::of(&state.data_dir) {
        page.gauge(VOLUME_BYTES, volume.size)?;
        page.gauge(VOLUME_FREE_BYTES, volume.free)?;
    }
    Ok(())
}

fn encode_backups(page: &mut Page<'_>, backups: &Backups) -> fmt::Result {
    let results = [("ok", backups.made()), ("failed", backups.failed())];
    let by_result = results.map(|(result, count)| ([("result", result)], count));
    page.counters(BACKUPS, by_result)?;
    match backups.newest() {
        Some(newest) => page.gauge(NEWEST_BACKUP, newest.seconds_since(TimestampMs(0))),
        None => Ok(()),
    }
}

fn encode_reloads(page: &mut Page<'_>, reloads: &ReloadStatus) -> fmt::Result {
    let by_result = reloads.results();
    page.counters(
        RELOADS,
        by_result.map(|(result, count)| ([("result", result)], count)),
    )?;
    page.gauge(
        RELOADED,
        reloads.succeeded_at().seconds_since(TimestampMs(0)),
    )?;
    page.gauge(RELOAD_IS_WELL, u64::from(reloads.refusal().is_none()))
}

fn encode_files(page: &mut Page<'_>, state: &HttpState) -> fmt::Result {
    let of_tls = state.tls.iter().map(|tls| tls.files());
    let mut all: Vec<_> = of_tls.map(|files| (files.name(), files.status())).collect();
    let secrets = state.guard.credentials();
    all.extend(secrets.map(|secrets| (secrets.name(), secrets.status())));
    page.counters(
        FILE_RELOADS,
        all.iter().flat_map(|(name, status)| {
            // What has changed twice in a row is never what is in use.
            let results = status.results().into_iter();
            let results = results.filter(|(result, _)| *result != "unchanged");
            results.map(|(result, count)| ([("files", *name), ("result", result)], count))
        }),
    )?;
    page.gauges(
        FILES_ARE_WELL,
        all.iter()
            .map(|(name, status)| ([("files", *name)], u64::from(status.refusal().is_none()))),
    )
}

fn encode_tls(page: &mut Page<'_>, listeners: &[Arc<ListenerTls>]) -> fmt::Result {
    page.counters(
        HANDSHAKES,
        listeners.iter().flat_map(|tls| {
            let listener = ("listener", tls.listener().name());
            let by_outcome = tls.handshakes().by_outcome();
            by_outcome.map(move |(result, count)| ([listener, ("result", result)], count))
        }),
    )?;
    page.gauges(
        EXPIRY,
        listeners.iter().flat_map(|tls| {
            let listener = ("listener", tls.listener().name());
            let newest = tls.files().newest();
            let ends = newest.certificates().iter().map(|certificate| {
                let labels = [listener, ("certificate", certificate.role.as_str())];
                (labels, certificate.not_after.seconds_since(TimestampMs(0)))
            });
            ends.collect::<Vec<_>>()
        }),
    )
}

/// The levels' sizes are unknown until the first retention run.
fn encode_upkeep(page: &mut Page<'_>, state: &StoreState) -> fmt::Result {
    let unsealed = state.unsealed.unwrap_or(Duration::ZERO);
    page.gauge(UNSEALED, unsealed.as_secs_f64())?;
    page.counter(COMPACTIONS, state.compactions)?;
    let dropped = [
        ("age", state.expired_chunks),
        ("size", state.crowded_out_chunks),
    ];
    page.counters(
        DROPPED_CHUNKS,
        dropped.iter().flat_map(|(reason, chunks)| {
            let labels = |level: Level| [("level", level.name()), ("reason", *reason)];
            let by_level = Level::ALL.into_iter().zip(chunks);
            by_level.map(move |(level, chunks)| (labels(level), *chunks))
        }),
    )?;
    let Some(retained_at) = state.retained_at else {
        return Ok(());
    };
    page.gauge(RETAINED, retained_at.seconds_since(TimestampMs(0)))?;
    let by_level = || {
        let levels = Level::ALL.into_iter().zip(&state.levels);
        levels.map(|(level, size)| ([("level", level.name())], size))
    };
    page.gauges(
        CHUNKS,
        by_level().map(|(labels, size)| (labels, size.chunks)),
    )?;
    page.gauges(
        LEVEL_BYTES,
        by_level().map(|(labels, size)| (labels, size.bytes)),
    )
}

fn cluster(name: &ClusterName) -> (&'static str, &str) {
    ("cluster_name", name.as_str())
}

pub(super) fn labels(name: &ClusterName) -> [(&'static str, &str); 1] {
    [cluster(name)]
}
