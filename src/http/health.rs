//! Does the process live, and does it have something to tell?

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    board::{Board, Snapshot},
    estimator::Parameters,
    jobs::StoreState,
    model::{Gap, TimestampMs},
    reloads::{Refusal, ReloadStatus},
    sources::NamesState,
    store::SetAside,
};

use super::{HttpState, Pages};

/// So many gaps of a cluster are told one by one; of the others, how many.
const SHOWN_GAPS: usize = 10;

/// A tick is sealed at the latest two and a half hours after it was taken, as a
/// rule; after a start it may take a while.
const SEALED_AFTER: Duration = Duration::from_hours(6);

/// The process serves.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// `ok`
    status: &'static str,
}

/// Is there an answer for one cluster, and what is not well?
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    /// Also while it is ready.
    reasons: Vec<Reason>,
}

/// One thing that is not well.
#[derive(Debug, Serialize, ToSchema)]
struct Reason {
    scope: String,
    /// The gap's word, as in the metric `tidegauge_gaps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    message: String,
}

impl Reason {
    fn new(scope: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            scope: scope.into(),
            code: None,
            message: message.into(),
        }
    }

    fn of_gap(scope: impl Into<String>, gap: &Gap) -> Self {
        Self {
            code: Some(gap.reason.code.clone()),
            ..Self::new(scope, gap.to_string())
        }
    }
}

impl Readiness {
    /// The process has not started yet, and this is what it does.
    pub(super) fn starting(doing: String) -> Self {
        let reason = Reason {
            code: Some("starting".to_owned()),
            ..Reason::new("process", doing)
        };
        Self {
            ready: false,
            reasons: vec![reason],
        }
    }
}

/// 200 while the process serves.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Alive)))]
pub(super) async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// 200 while the process serves.
#[utoipa::path(get, path = "/livez", responses((status = 200, body = Alive)))]
pub(super) async fn livez() -> Json<Alive> {
    healthz().await
}

/// Is there something to tell, and what is not well?
///
/// Ready as soon as there is an answer for one cluster, if only from history:
/// how old an answer may be is judged call by call. What is not well is told
/// in any case.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)),
)]
pub(super) async fn ready(State(pages): State<Arc<Pages>>) -> Response {
    let state = pages.state();
    let board = state.newest_board();
    let ready = is_ready(&state);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let reasons = reasons(&state, &board, TimestampMs::now());
    (status, Json(Readiness { ready, reasons })).into_response()
}

/// Is there an answer for one cluster?
pub(super) fn is_ready(state: &HttpState) -> bool {
    let board = state.newest_board();
    let has_read = |cluster| board.cluster(cluster).is_some();
    state.clusters.iter().any(has_read) && !state.shutdown.is_cancelled()
}

fn reasons(state: &HttpState, board: &Board, now: TimestampMs) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if state.shutdown.is_cancelled() {
        reasons.push(Reason::new("process", "it is ending"));
    }
    if let Some(cause) = state.recorder.failure() {
        let message = format!("not recorded, a restart would forget the newest ticks: {cause}");
        reasons.push(Reason::new("history", message));
    }
    let recording_for = state.recorder.recording_for().unwrap_or_default();
    if recording_for > state.parameters.fresh_for {
        let seconds = recording_for.as_secs();
        let message =
            format!("the disk has given no answer for {seconds} s, and polls wait for it");
        reasons.push(Reason::new("history", message));
    }
    reasons.extend(of_upkeep(&state.store_status.state(), now));
    reasons.extend(state.store.set_aside().iter().map(of_set_aside));
    if let Some(cause) = state.backups.failure() {
        reasons.push(Reason::new(
            "backup",
            format!("the newest one failed: {cause}"),
        ));
    }
    reasons.extend(state.reloads.refusal().map(of_refusal));
    reasons.extend(of_files(state, now));
    reasons.extend(of_plugins(&state.names.state()));
    for cluster in &state.clusters {
        let scope = format!("cluster {cluster}");
        match board.cluster(cluster) {
            Some(snapshot) => reasons.extend(of_cluster(&scope, snapshot, &state.parameters, now)),
            None => reasons.push(Reason::new(scope, "never read")),
        }
    }
    reasons
}

fn of_refusal(refusal: Refusal) -> Reason {
    let Refusal { since, cause } = refusal;
    Reason {
        code: Some("refused".to_owned()),
        message: format!("the newest is refused since {since}, the one before stays: {cause}"),
        scope: "configuration".to_owned(),
    }
}

/// Redis that is away, and how many names are used on.
fn of_plugins(names: &NamesState) -> Option<Reason> {
    let away = names.away.as_ref()?;
    let message = format!("can't be looked up, {} are stale: {away}", names.stale);
    Some(Reason {
        code: Some("redis_away".to_owned()),
        ..Reason::new("names of plugins", message)
    })
}

/// Files that are refused, and certificates that have expired.
fn of_files(state: &HttpState, now: TimestampMs) -> Vec<Reason> {
    let reason = |scope: &str, code: &str, message: String| Reason {
        code: Some(code.to_owned()),
        ..Reason::new(scope, message)
    };
    let refused = |name: &str, status: &ReloadStatus| {
        let Refusal { since, cause } = status.refusal()?;
        let message =
            format!("changed files are refused since {since}, those before stay: {cause}");
        Some(reason(name, "refused", message))
    };
    let expired = state.tls.iter().flat_map(|tls| {
        let files = tls.files();
        let newest = files.newest();
        let expired = newest
            .certificates()
            .iter()
            .filter(|one| one.has_expired(now));
        let told = expired.map(|one| {
            let message = format!(
                "a {} certificate expired at {}",
                one.role.as_str(),
                one.not_after
            );
            reason(files.name(), "expired", message)
        });
        told.collect::<Vec<_>>()
    });
    let of_tls = state.tls.iter().map(|tls| tls.files());
    let of_tls = of_tls.filter_map(|files| refused(files.name(), files.status()));
    let secrets = state.guard.credentials();
    let secrets = secrets.and_then(|secrets| refused(secrets.name(), secrets.status()));
    of_tls.chain(secrets).chain(expired).collect()
}

fn of_upkeep(state: &StoreState, now: TimestampMs) -> Vec<Reason> {
    let reason = |code: &str, message: String| Reason {
        code: Some(code.to_owned()),
        ..Reason::new("history", message)
    };
    let not_sealed = state.sealing_failure.as_ref();
    let not_sealed = not_sealed.map(|cause| format!("ticks stay unsealed: {cause}"));
    let late = state.unsealed.filter(|unsealed| *unsealed > SEALED_AFTER);
    let late = late.map(|late| format!("sealing is {} h behind", late.as_secs() / 3_600));
    let not_cut = state.retention_failure.as_ref();
    let not_cut = not_cut.map(|cause| format!("what is too old stays: {cause}"));
    let crowded = state
        .is_crowded(now)
        .then(|| "the oldest ticks had to go, store.max_size_mib is reached".to_owned());
    let excess = (state.excess_bytes > 0).then(|| {
        let mib = state.excess_bytes.div_ceil(1 << 20);
        format!("one day takes {mib} MiB more than store.max_size_mib")
    });
    let all = [
        ("not_sealed", not_sealed),
        ("not_sealed", late),
        ("not_cut", not_cut),
        ("crowded_out", crowded),
        ("crowded_out", excess),
    ];
    let told = all.into_iter();
    told.filter_map(|(code, message)| Some(reason(code, message?)))
        .collect()
}

fn of_set_aside(set_aside: &SetAside) -> Reason {
    let SetAside {
        path,
        kept_as,
        at,
        reason,
    } = set_aside;
    let (path, kept_as) = (path.display(), kept_as.display());
    let message =
        format!("begun anew at {at}: {path} was damaged ({reason}) and is set aside as {kept_as}");
    Reason {
        code: Some("set_aside".to_owned()),
        ..Reason::new("history", message)
    }
}

fn of_cluster(
    scope: &str,
    snapshot: &Snapshot,
    parameters: &Parameters,
    now: TimestampMs,
) -> Vec<Reason> {
    let plain = |message: String| Reason::new(scope, message);
    let age = age(snapshot, parameters, now);
    let gaps = snapshot.gaps.iter().take(SHOWN_GAPS);
    let more = snapshot.gaps.len().saturating_sub(SHOWN_GAPS);
    let more = (more > 0).then(|| format!("and {more} more gaps"));
    age.into_iter()
        .map(plain)
        .chain(gaps.map(|gap| Reason::of_gap(scope, gap)))
        .chain(more.map(plain))
        .collect()
}

fn age(snapshot: &Snapshot, parameters: &Parameters, now: TimestampMs) -> Option<String> {
    let newest = snapshot.as_of()?;
    let age = now.since(newest);
    if age > parameters.max_staleness {
        Some(format!("unknown: not read since {newest}"))
    } else if age > parameters.fresh_for {
        Some(format!("stale: not read since {newest}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::testing::{Answer, Setting, gap, tick};
    use super::*;
    use crate::model::{GapScope, Tick};

    fn ago(seconds: u64) -> TimestampMs {
        TimestampMs::now().minus(Duration::from_secs(seconds))
    }

    async fn ready_with(ticks: Vec<Tick>) -> Answer {
        Setting::recorded(ticks).get("/readyz").await
    }

    fn other_is_unread() -> Value {
        json!({"scope": "cluster other", "message": "never read"})
    }

    #[tokio::test]
    async fn the_process_lives_whatever_it_knows() {
        let setting = Setting::recorded(Vec::new());
        for path in ["/healthz", "/livez"] {
            let answer = setting.get(path).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json(), json!({"status": "ok"}));
        }
    }

    #[tokio::test]
    async fn it_is_ready_with_the_first_cluster_that_was_read() {
        let answer = ready_with(Vec::new()).await;
        assert_eq!(answer.status, 503);
        let main_is_unread = json!({"scope": "cluster main", "message": "never read"});
        assert_eq!(
            answer.json(),
            json!({"ready": false, "reasons": [main_is_unread, other_is_unread()]})
        );

        let answer = ready_with(vec![tick(ago(1), &[(0, 1)])]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.json(),
            json!({"ready": true, "reasons": [other_is_unread()]})
        );
    }

    #[tokio::test]
    async fn it_says_since_when_nothing_was_read() {
        for (age, word) in [(100, "stale"), (4_000, "unknown")] {
            let at = ago(age);
            let answer = ready_with(vec![tick(at, &[(0, 1)])]).await;
            assert_eq!(answer.status, 200);
            let message = format!("{word}: not read since {at}");
            assert_eq!(answer.json()["reasons"][0]["message"], message);
        }
    }

    #[tokio::test]
    async fn gaps_are_told_and_bounded() {
        let mut tick = tick(ago(1), &[(0, 1)]);
        tick.gaps = (0..25)
            .map(|n| gap(GapScope::Partition("t".into(), n), "leader not available"))
            .collect();
        let json = ready_with(vec![tick]).await.json();
        let reasons = json["reasons"].as_array().expect("an array");
        assert_eq!(reasons.len(), 10 + 1 + 1);
        assert_eq!(reasons[0]["message"], "partition t-0: leader not available");
        assert_eq!(reasons[0]["code"], "timed_out");
        assert_eq!(reasons[10]["message"], "and 15 more gaps");
    }

    #[tokio::test]
    async fn history_that_is_not_recorded_is_told() {
        // The store refuses a tick that is not after the one before.
        let at = ago(1);
        let answer = ready_with(vec![tick(at, &[(0, 1)]), tick(at, &[(0, 1)])]).await;
        let reason = &answer.json()["reasons"][0];
        assert_eq!(reason["scope"], "history");
        let message = reason["message"].as_str().expect("a text");
        assert!(message.contains("is not after"), "{message}");
    }

    #[tokio::test]
    async fn a_refused_configuration_is_told_and_it_stays_ready() {
        let setting = Setting::recorded(vec![tick(ago(1), &[(0, 1)])]);
        let at = ago(0);
        setting
            .state
            .reloads
            .refused(at, "a.toml:1: grpc.listen".to_owned());
        let answer = setting.get("/readyz").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["ready"]),
            (200, &json!(true))
        );
        let message = format!(
            "the newest is refused since {at}, the one before stays: a.toml:1: grpc.listen"
        );
        let reason = json!({"scope": "configuration", "code": "refused", "message": message});
        assert_eq!(answer.json()["reasons"][0], reason);
        setting.state.reloads.unchanged(at);
        let reasons = setting.get("/readyz").await.json();
        assert_eq!(reasons["reasons"][0], other_is_unread());
    }

    #[test]
    fn what_is_not_well_with_upkeep_is_told() {
        let now = TimestampMs(0);
        let told = |state: StoreState| {
            let reasons = of_upkeep(&state, now).into_iter();
            let told = reasons.map(|reason| (reason.code.expect("a code"), reason.message));
            told.collect::<Vec<_>>()
        };
        let hours = |hours| Some(Duration::from_hours(hours));
        let well = StoreState {
            unsealed: hours(6),
            ..StoreState::default()
        };
        assert_eq!(told(well), []);
        let ill = StoreState {
            sealing_failure: Some("full".to_owned()),
            unsealed: hours(30),
            retention_failure: Some("gone".to_owned()),
            crowded_out_at: Some(now),
            excess_bytes: 1,
            ..StoreState::default()
        };
        let expected = [
            ("not_sealed", "ticks stay unsealed: full"),
            ("not_sealed", "sealing is 30 h behind"),
            ("not_cut", "what is too old stays: gone"),
            (
                "crowded_out",
                "the oldest ticks had to go, store.max_size_mib is reached",
            ),
            (
                "crowded_out",
                "one day takes 1 MiB more than store.max_size_mib",
            ),
        ];
        let expected = expected.map(|(code, message)| (code.to_owned(), message.to_owned()));
        assert_eq!(told(ill), expected);
    }

    #[tokio::test]
    async fn at_the_end_it_is_not_ready() {
        let setting = Setting::recorded(vec![tick(ago(1), &[(0, 1)])]);
        setting.state.shutdown.cancel();
        let answer = setting.get("/readyz").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["reasons"][0]["scope"], "process");
    }
}
