//! Growth between steps, from all readings of a counter in a row.

use crate::{estimator::growth::Growth, model::TimestampMs};

/// A counter's value at one time.
pub(super) type Point = (TimestampMs, i64);

/// Of a counter that never falls, by its readings, oldest first. They may
/// begin before `edge`. `None`: they don't span any time after it.
pub(super) fn growth_since(edge: TimestampMs, points: &[Point]) -> Option<Growth> {
    let walked = Walk::back(points, edge)?;
    let observed_s = walked.newest.0.seconds_since(walked.edge.0);
    if observed_s <= 0.0 {
        return None;
    }
    let Some(changes) = &walked.changes else {
        return Some(Growth {
            per_s: 0.0,
            step_s: 0.0,
            silence_s: observed_s,
            between_readings_s: 0.0,
        });
    };
    let last = changes.newest;
    let (begin, step_s) = walked.begin(changes);
    let silence_s = walked.newest.0.seconds_since(last.0);
    let idle_s = (silence_s - step_s).max(0.0);
    let records = last.1.saturating_sub(begin.1);
    Some(Growth {
        per_s: records as f64 / (last.0.seconds_since(begin.0) + idle_s),
        step_s,
        silence_s,
        between_readings_s: last.0.seconds_since(changes.before_newest),
    })
}

/// What there is to know of the readings, found from the newest one back.
struct Walk {
    newest: Point,
    /// The newest reading at or before the edge; else the oldest of all.
    edge: Point,
    /// How many readings there are from the newest change back to the edge.
    readings: u32,
    /// After the reading at the edge.
    changes: Option<Changes>,
    /// The newest change up to the reading at the edge.
    before_edge: Option<Point>,
}

struct Changes {
    newest: Point,
    /// When there was a reading before the one that saw the newest.
    before_newest: TimestampMs,
    oldest: Point,
    count: u32,
}

impl Walk {
    fn back(points: &[Point], edge: TimestampMs) -> Option<Self> {
        let (&newest, older) = points.split_last()?;
        let mut walk = Self {
            newest,
            edge: *points.first()?,
            readings: 0,
            changes: None,
            before_edge: None,
        };
        let mut is_before_edge = false;
        let mut newer = newest;
        for &point in older.iter().rev() {
            if !is_before_edge && newer.0 <= edge {
                walk.edge = newer;
                is_before_edge = true;
            }
            if point.1 != newer.1 {
                if is_before_edge {
                    walk.before_edge = Some(newer);
                    break;
                }
                walk.add(newer, point.0);
            }
            walk.readings += u32::from(!is_before_edge && walk.changes.is_some());
            newer = point;
        }
        Some(walk)
    }

    fn add(&mut self, change: Point, before: TimestampMs) {
        let changes = self.changes.get_or_insert(Changes {
            newest: change,
            before_newest: before,
            oldest: change,
            count: 0,
        });
        changes.oldest = change;
        changes.count += 1;
    }

    /// From where growth is measured, and the mean step from there on.
    fn begin(&self, changes: &Changes) -> (Point, f64) {
        let since = |begin: Point| changes.newest.0.seconds_since(begin.0);
        if changes.count == self.readings && changes.count > 1 {
            return (self.edge, since(self.edge) / f64::from(changes.count));
        }
        if let Some(begin) = self.before_edge {
            let step_s = since(begin) / f64::from(changes.count);
            if self.edge.0.seconds_since(begin.0) <= step_s {
                return (begin, step_s);
            }
        }
        if changes.count == 1 {
            return (self.edge, 0.0);
        }
        let step_s = since(changes.oldest) / f64::from(changes.count - 1);
        let silence_s = changes.oldest.0.seconds_since(self.edge.0);
        let is_idle = silence_s > step_s;
        (if is_idle { self.edge } else { changes.oldest }, step_s)
    }
}
