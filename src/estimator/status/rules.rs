//! Burrow's rules, each a predicate, and the order in which they are asked.
//!
//! After `core/internal/evaluator/caching.go` of linkedin/Burrow; the numbers
//! are its own. The lag that Burrow can be told to allow is 0.

use std::time::Duration;

use super::{
    commits::{Commit, Commits, MAX_COMMITS},
    finding::Finding,
};

/// Which rule holds of a partition with this lag. `window`: after so long
/// without a commit a consumer has stopped, however slow it is.
pub(super) fn judge(commits: &Commits, current_lag: u64, window: Duration) -> Finding {
    let list = &commits.list[..];
    let (Some(last), Some(read_at)) = (list.last(), commits.read_at) else {
        return Finding::NothingCommitted;
    };
    if current_lag == 0 {
        return Finding::CaughtUp;
    }
    let silence = read_at.since(last.observed_at);
    if has_stopped(list, silence, window) && !was_caught_up_lately(last, &commits.log_ends) {
        let usual = usual_length(list, window);
        return Finding::Stopped { silence, usual };
    }
    if let Some(reached) = rewound_from(list) {
        let now_at = last.offset;
        return Finding::Rewound { reached, now_at };
    }
    if was_caught_up(list) {
        return Finding::WasCaughtUp;
    }
    if has_stalled(list, commits.readings_of_last) {
        let offset = last.offset;
        return Finding::Stalled { offset };
    }
    match lag_never_shrinks(list) {
        Some(true) => Finding::LagNeverShrinks,
        Some(false) => Finding::LagShrinks,
        None => Finding::TooFewCommits,
    }
}

/// Rule 1: was there no lag at one of the commits?
fn was_caught_up(commits: &[Commit]) -> bool {
    let mut lags = commits.iter().filter_map(|commit| commit.lag);
    lags.any(|lag| lag == 0)
}

/// Rule 2: did an offset go back, and was not regained? The offset that had
/// been reached then. Burrow looks at the first that went back only.
fn rewound_from(commits: &[Commit]) -> Option<i64> {
    let last = commits.last()?.offset;
    let reached = commits.iter().map(|commit| commit.offset).max()?;
    (last < reached).then_some(reached)
}

/// Rule 3: is the time since the last commit longer than that from the first
/// to the last?
fn has_stopped(commits: &[Commit], silence: Duration, window: Duration) -> bool {
    match commits {
        [_, _, ..] => silence > usual_length(commits, window),
        // None was seen to be made in all that time.
        _ => silence >= window,
    }
}

/// How long ten commits take: from the first to the last, where there are ten.
/// Fewer are extrapolated, so that neither a consumer that has just begun nor
/// one of which the window holds few commits is taken for one that stopped;
/// but to no more than the window.
fn usual_length(commits: &[Commit], window: Duration) -> Duration {
    let from_first_to_last = length(commits);
    let timed = match commits {
        // The step from one that was there before is cut by the window's edge.
        [first, rest @ ..] if first.made_after.is_none() && rest.len() > 1 => rest,
        all => all,
    };
    match timed.len().saturating_sub(1) {
        0 => window,
        steps => {
            let ten = length(timed).mul_f64((MAX_COMMITS - 1) as f64 / steps as f64);
            from_first_to_last.max(ten.min(window))
        }
    }
}

fn length(commits: &[Commit]) -> Duration {
    match commits {
        [first, .., last] => last.observed_at.since(first.observed_at),
        _ => Duration::ZERO,
    }
}

/// Rule 3, the exception: was the newest commit at the log's end a short while
/// ago, so that the consumer may just have had nothing to do?
fn was_caught_up_lately(last: &Commit, log_ends: &[i64]) -> bool {
    log_ends.iter().any(|end| *end <= last.offset)
}

/// Rule 4: are all offsets equal? Of equal commits only the first shows, so
/// that as many readings of it have to be there.
fn has_stalled(commits: &[Commit], readings: usize) -> bool {
    commits.len() == 1 && readings >= MAX_COMMITS
}

/// Rule 5: does the lag never shrink from one commit to the next? `None`: no
/// two lags are known.
fn lag_never_shrinks(commits: &[Commit]) -> Option<bool> {
    let lags: Vec<_> = commits.iter().filter_map(|commit| commit.lag).collect();
    let known = lags.len() > 1;
    known.then(|| lags.windows(2).all(|pair| pair[1] >= pair[0]))
}
