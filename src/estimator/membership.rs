//! What is known of a group's members, and when they last changed.

use crate::model::{Cell, Frame, GroupSeries, GroupState, TimestampMs};

use super::{sample::Parameters, window::Window};

/// What is known of a group's members. `None` where the broker can't tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipEstimate {
    /// The group's state.
    pub state: Option<GroupState>,
    /// How many members it has. Unknown also of consumers that commit without
    /// joining.
    pub members: Option<u32>,
    /// How many partitions each member has, most first; 0 for an idle one.
    pub partitions_by_member: Option<Vec<u32>>,
    /// Rebalances in the window: how often members came, went or were dealt
    /// other partitions.
    pub rebalances: Option<u32>,
    /// When the newest rebalance was seen, as far back as ticks are held.
    pub last_rebalance: Option<TimestampMs>,
}

/// Judges the ticks that are held of a group, oldest first, as of `now`.
pub(super) fn membership<'a>(
    series: &GroupSeries,
    frames: impl DoubleEndedIterator<Item = &'a Frame> + Clone,
    parameters: &Parameters,
    now: TimestampMs,
) -> MembershipEstimate {
    let Some(newest) = frames.clone().next_back() else {
        return MembershipEstimate::default();
    };
    let value = |column| newest.optional_cell(column).value();
    let assignment_is_known = value(series.assignment()).is_some();
    let seen = rebalances(series, frames);
    let edge = now.minus(parameters.window);
    let in_window = seen.times.iter().filter(|at| **at >= edge).count();
    MembershipEstimate {
        state: value(series.state()).and_then(GroupState::from_number),
        members: value(series.members()).and_then(|members| u32::try_from(members).ok()),
        partitions_by_member: assignment_is_known.then(|| by_member(series, newest)),
        rebalances: seen
            .is_known
            .then(|| u32::try_from(in_window).unwrap_or(u32::MAX)),
        last_rebalance: seen.times.last().copied(),
    }
}

impl Window {
    /// When rebalances of `group` were first seen in the ticks that are held,
    /// oldest first.
    pub fn rebalances(&self, group: &str) -> Vec<TimestampMs> {
        let series = self.index().groups().get(group);
        series.map_or_else(Vec::new, |series| rebalances(series, self.frames()).times)
    }
}

fn by_member(series: &GroupSeries, newest: &Frame) -> Vec<u32> {
    let columns = series.assigned_partitions.iter();
    let cells = columns.map(|column| newest.cell(column).value());
    cells
        .map_while(|partitions| u32::try_from(partitions?).ok())
        .collect()
}

#[derive(Default)]
struct Rebalances {
    /// Was an assignment ever read?
    is_known: bool,
    /// When each was first seen, oldest first.
    times: Vec<TimestampMs>,
}

/// A rebalance shows as a state in which partitions are dealt out, or, where
/// that fell between two ticks, as another assignment. Seen both ways, it is
/// one.
fn rebalances<'a>(series: &GroupSeries, frames: impl Iterator<Item = &'a Frame>) -> Rebalances {
    let mut seen = Rebalances::default();
    let mut settled: Option<Cell> = None;
    let mut under_way = false;
    for frame in frames {
        let state = frame.optional_cell(series.state()).value();
        let state = state.and_then(GroupState::from_number);
        let assignment = frame.optional_cell(series.assignment());
        if state.is_some_and(GroupState::is_rebalancing) {
            if !under_way {
                seen.times.push(frame.at);
            }
            (seen.is_known, under_way) = (true, true);
        } else if assignment.value().is_some() {
            if !under_way && settled.is_some_and(|settled| settled != assignment) {
                seen.times.push(frame.at);
            }
            (seen.is_known, under_way) = (true, false);
            settled = Some(assignment);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{super::sample::testing::*, *};
    use crate::model::{
        Assignment, GroupReading, Members, Membership, SeriesIndex, Tick, TopicName,
    };

    fn tick(seconds: i64, membership: Option<Membership>) -> Tick {
        Tick {
            cluster: "c".into(),
            at: at(seconds),
            topics: Vec::new(),
            groups: vec![GroupReading {
                group: "g".into(),
                membership,
                topics: Vec::new(),
            }],
            gaps: Vec::new(),
        }
    }

    /// Members `a`, `b`, ... with so many partitions each.
    fn stable(partitions: &[i32]) -> Option<Membership> {
        let ids = ('a'..).map(String::from);
        let dealt = partitions
            .iter()
            .map(|count| (0..*count).map(|at| (TopicName::from("t"), at)).collect());
        Some(Membership {
            state: GroupState::Stable,
            members: Some(Members {
                count: u32::try_from(partitions.len()).expect("few"),
                assignment: Some(Assignment::of(ids.zip(dealt).collect())),
            }),
        })
    }

    fn rebalancing(members: u32) -> Option<Membership> {
        Some(Membership {
            state: GroupState::PreparingRebalance,
            members: Some(Members {
                count: members,
                assignment: None,
            }),
        })
    }

    fn judged(ticks: &[Tick], now: i64) -> MembershipEstimate {
        let mut index = SeriesIndex::default();
        for tick in ticks {
            for run in index.missing_runs(tick) {
                index.restore(&run).expect("a run just made fits");
            }
        }
        let frames: Vec<Frame> = ticks.iter().map(|tick| index.place(tick)).collect();
        let series = index.groups().get("g").cloned().unwrap_or_default();
        membership(&series, frames.iter(), &PARAMETERS, at(now))
    }

    #[test]
    fn a_rebalance_is_seen_once_however_it_shows() {
        let ticks = [
            tick(0, stable(&[3])),
            tick(10, stable(&[3])),
            // Between two ticks.
            tick(20, stable(&[2, 1])),
            tick(30, None),
            tick(40, stable(&[2, 1])),
            // Caught in the act, with another assignment afterwards.
            tick(50, rebalancing(3)),
            tick(60, rebalancing(3)),
            tick(70, stable(&[1, 1, 1])),
            // And with the same one.
            tick(80, rebalancing(3)),
            tick(90, stable(&[1, 1, 1])),
        ];
        let estimate = judged(&ticks, 90);
        assert_eq!(estimate.rebalances, Some(3));
        assert_eq!(estimate.last_rebalance, Some(at(80)));
        assert_eq!(estimate.partitions_by_member, Some(vec![1, 1, 1]));
        assert_eq!(judged(&ticks[..6], 50).partitions_by_member, None);
        assert_eq!(judged(&ticks[..6], 50).members, Some(3));
        // The first two are before the window now, the last one is not.
        assert_eq!(judged(&ticks, 370).rebalances, Some(1));
    }

    #[test]
    fn what_no_broker_told_is_unknown() {
        let unknown = judged(&[tick(0, None)], 0);
        assert_eq!(unknown, MembershipEstimate::default());
        let simple = Membership {
            state: GroupState::Empty,
            members: None,
        };
        let estimate = judged(&[tick(0, Some(simple))], 0);
        assert_eq!(estimate.state, Some(GroupState::Empty));
        assert_eq!((estimate.members, estimate.rebalances), (None, None));
    }
}
