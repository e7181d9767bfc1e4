//! How a counter that is read now and then has grown, if it grows in steps.

use crate::model::TimestampMs;

/// A counter's value at one time.
pub(super) type Point = (TimestampMs, i64);

/// Steps of so many times between readings are told apart from growth that
/// every reading sees.
const COARSE: f64 = 1.5;

/// How a counter has grown since the window's edge.
///
/// It is measured from one change to another, so that a window's edge, which
/// falls anywhere between two steps, does not bias it. A change has the time and
/// the value of the reading that saw it: of a step that is up to a reading too
/// late, at both ends alike, and of steady growth it is right, also over a gap.
///
/// To the newest change; from the newest one at or before the edge, or, if that
/// is more than a mean step before the edge, from the oldest one after it. Where
/// every reading saw a change, there are no steps to see: from the edge.
/// Silences of more than a mean step count, because nothing grew then: after the
/// newest change the time beyond one step, before the oldest one all since the
/// edge. One change alone is spread over the time observed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    /// In records/s.
    pub(super) per_s: f64,
    /// Mean time between two changes; 0: there is no step to measure.
    pub(super) step_s: f64,
    /// Since the newest change was seen.
    pub(super) silence_s: f64,
    /// From the reading before the newest change to the one that saw it.
    pub(super) between_readings_s: f64,
}

impl Growth {
    /// How many of `lag` records are read already and not committed yet, as far
    /// as the readings tell: what is read at the rate in the time since the
    /// newest commit, one step at most. All of them if the commit can be so old.
    /// Where steps are so long that some readings see none, the commit is taken
    /// to have come in the middle between two readings.
    pub(super) fn uncommitted(&self, lag: u64) -> f64 {
        let read_in = |seconds: f64| self.per_s * seconds.min(self.step_s);
        let between_s = self.between_readings_s;
        if lag as f64 <= read_in(self.silence_s + between_s) {
            return lag as f64;
        }
        let is_coarse = self.step_s > COARSE * between_s;
        let unseen_s = if is_coarse { between_s / 2.0 } else { 0.0 };
        read_in(self.silence_s + unseen_s)
    }
}

/// How far a walk back has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No reading yet.
    Begun,
    /// All readings so far are after the edge.
    Within,
    /// The newest reading at or before the edge is found.
    Beyond,
    /// So is the step that had begun there: older readings tell nothing.
    Done,
}

/// The readings of a counter that never falls, walked from the newest one back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    stage: Stage,
    /// How many changes there are after the edge.
    changes: u32,
    /// How many readings there are from the newest change back to the edge.
    readings: u32,
    newest: Point,
    /// The oldest reading so far.
    oldest: Point,
    /// The newest reading at or before the edge, once it is found.
    edge: Point,
    newest_change: Point,
    /// When there was a reading before the one that saw the newest change.
    before_newest_change: TimestampMs,
    oldest_change: Point,
    /// The newest change up to the reading at the edge, once it is found.
    change_beyond: Point,
}

const NOWHERE: Point = (TimestampMs(0), 0);

impl Walk {
    /// Before the newest reading.
    pub(super) const BEGUN: Self = Self {
        stage: Stage::Begun,
        changes: 0,
        readings: 0,
        newest: NOWHERE,
        oldest: NOWHERE,
        edge: NOWHERE,
        newest_change: NOWHERE,
        before_newest_change: TimestampMs(0),
        oldest_change: NOWHERE,
        change_beyond: NOWHERE,
    };

    /// Does an older reading tell nothing any more?
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Looks at the next older reading.
    #[inline]
    pub(super) fn add(&mut self, edge: TimestampMs, point: Point) {
        match self.stage {
            Stage::Done => return,
            Stage::Begun => {
                (self.newest, self.stage) = (point, Stage::Within);
                self.oldest = point;
                return;
            }
            Stage::Within if self.oldest.0 <= edge => {
                (self.edge, self.stage) = (self.oldest, Stage::Beyond);
            }
            Stage::Within | Stage::Beyond => {}
        }
        let newer = self.oldest;
        if point.1 != newer.1 {
            if self.stage == Stage::Beyond {
                (self.change_beyond, self.stage) = (newer, Stage::Done);
                return;
            }
            self.add_change(newer, point.0);
        }
        self.readings += u32::from(self.stage == Stage::Within && self.changes > 0);
        self.oldest = point;
    }

    #[inline]
    fn add_change(&mut self, change: Point, before: TimestampMs) {
        if self.changes == 0 {
            (self.newest_change, self.before_newest_change) = (change, before);
        }
        self.oldest_change = change;
        self.changes += 1;
    }

    /// What the readings tell. `None`: they don't span any time after the edge.
    pub(super) fn growth(&self) -> Option<Growth> {
        let edge = match self.stage {
            Stage::Begun => return None,
            Stage::Within => self.oldest,
            Stage::Beyond | Stage::Done => self.edge,
        };
        let observed_s = self.newest.0.seconds_since(edge.0);
        if observed_s <= 0.0 {
            return None;
        }
        if self.changes == 0 {
            return Some(Growth {
                per_s: 0.0,
                step_s: 0.0,
                silence_s: observed_s,
                between_readings_s: 0.0,
            });
        }
        let last = self.newest_change;
        let (begin, step_s) = self.begin(edge);
        let silence_s = self.newest.0.seconds_since(last.0);
        let idle_s = (silence_s - step_s).max(0.0);
        let records = last.1.saturating_sub(begin.1);
        Some(Growth {
            per_s: records as f64 / (last.0.seconds_since(begin.0) + idle_s),
            step_s,
            silence_s,
            between_readings_s: last.0.seconds_since(self.before_newest_change),
        })
    }

    /// From where growth is measured, and the mean step from there on.
    fn begin(&self, edge: Point) -> (Point, f64) {
        let since = |begin: Point| self.newest_change.0.seconds_since(begin.0);
        if self.changes == self.readings && self.changes > 1 {
            return (edge, since(edge) / f64::from(self.changes));
        }
        if self.stage == Stage::Done {
            let begin = self.change_beyond;
            let step_s = since(begin) / f64::from(self.changes);
            if edge.0.seconds_since(begin.0) <= step_s {
                return (begin, step_s);
            }
        }
        if self.changes == 1 {
            return (edge, 0.0);
        }
        let step_s = since(self.oldest_change) / f64::from(self.changes - 1);
        let silence_s = self.oldest_change.0.seconds_since(edge.0);
        let is_idle = silence_s > step_s;
        (if is_idle { edge } else { self.oldest_change }, step_s)
    }
}
