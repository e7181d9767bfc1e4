//! Collects what could not be read.

use crate::model::{Gap, GapReason, GapScope};

/// A tick has at most so many gaps: with a cluster of 10,000 partitions gone,
/// more would only repeat the same reason.
const MAX_GAPS: usize = 1_000;

/// Reasons that leave no doubt that no broker has answered.
const UNREACHABLE: [&str; 5] = [
    "timed_out",
    "broker_down",
    "dns_failed",
    "tls_failed",
    "not_authenticated",
];

/// The gaps of one tick.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub(super) fn push(&mut self, scope: GapScope, reason: GapReason) {
        self.0.push(Gap { scope, reason });
    }

    /// Sorted, each scope once. If there are too many, the last one says so.
    /// If nothing at all was read because no broker answered, that is one gap.
    pub(super) fn into_sorted(mut self, nothing_read: bool) -> Vec<Gap> {
        if nothing_read && let Some(reason) = self.unreachable() {
            return vec![Gap {
                scope: GapScope::Cluster,
                reason,
            }];
        }
        self.0.sort_unstable();
        self.0.dedup_by(|later, first| later.scope == first.scope);
        let more = self.0.len().saturating_sub(MAX_GAPS);
        self.0.truncate(MAX_GAPS);
        if let Some(last) = self.0.last_mut().filter(|_| more > 0) {
            last.reason.message += &format!(" (and {more} more gaps, which are not listed)");
        }
        self.0
    }

    fn unreachable(&self) -> Option<GapReason> {
        let reasons = || self.0.iter().map(|gap| &gap.reason);
        if !reasons().all(|reason| UNREACHABLE.contains(&&*reason.code)) {
            return None;
        }
        // That nothing came in time tells least.
        let telling = reasons().find(|reason| reason.code != "timed_out");
        let reason = telling.or_else(|| reasons().next())?;
        Some(GapReason {
            code: reason.code.clone(),
            message: format!("no broker answers: {}", reason.message),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str) -> GapReason {
        GapReason {
            code: code.to_owned(),
            message: "m".to_owned(),
        }
    }

    #[test]
    fn the_last_gap_tells_how_many_more() {
        let mut gaps = Gaps::default();
        for partition in (0..3_000).rev() {
            let scope = || GapScope::Partition("t".into(), partition);
            gaps.push(scope(), reason("timed_out"));
            gaps.push(scope(), reason("timed_out"));
        }
        let gaps = gaps.into_sorted(false);
        assert_eq!(gaps.len(), MAX_GAPS);
        assert!(gaps.is_sorted());
        assert_eq!(gaps[999].scope, GapScope::Partition("t".into(), 999));
        assert!(
            gaps[999].reason.message.contains("2000 more"),
            "{}",
            gaps[999]
        );
    }

    #[test]
    fn a_cluster_that_is_gone_is_one_gap() {
        let fill = |code| {
            let mut gaps = Gaps::default();
            gaps.push(GapScope::Group("g".into()), reason("timed_out"));
            gaps.push(GapScope::Topic("t".into()), reason(code));
            gaps
        };
        let gone = fill("broker_down").into_sorted(true);
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].scope, GapScope::Cluster);
        assert_eq!(
            gone[0].reason.code, "broker_down",
            "the one that tells most"
        );
        for code in UNREACHABLE {
            assert_eq!(fill(code).into_sorted(true)[0].reason.code, code);
        }
        assert_eq!(fill("not_authorized").into_sorted(true).len(), 2);
        assert_eq!(fill("broker_down").into_sorted(false).len(), 2);
    }
}
