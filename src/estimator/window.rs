//! The newest ticks of one cluster, held in memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::model::{Cell, Columns, Frame, SeriesIndex, TimestampMs, TopicName};

use super::{
    block::{Block, blocks},
    thinning::Thinning,
};

/// At most this many ticks are held: a day of them at the default interval.
/// With shorter intervals a window holds less than its span.
const MAX_FRAMES: usize = 8_640;

/// How far back a window holds ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Each tick up to this age.
    pub dense: Duration,
    /// Beyond it the fewer the older they are, up to this age, and one more, so
    /// that a rate can reach over a gap.
    pub span: Duration,
}

impl Reach {
    /// Each tick up to the age of `span`.
    pub fn all(span: Duration) -> Self {
        Self { dense: span, span }
    }
}

/// The newest ticks of one cluster. Cheap to clone; a clone never changes.
///
/// It holds each tick of the newest time, and of what is older the fewer the
/// older it is, so that a day takes hundreds of ticks and not thousands.
#[derive(Debug, Clone)]
pub struct Window {
    reach: Reach,
    index: Arc<SeriesIndex>,
    frames: VecDeque<Arc<Frame>>,
}

impl Window {
    /// An empty window that will hold ticks as far back as `reach` says.
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            index: Arc::default(),
            frames: VecDeque::new(),
        }
    }

    /// Takes in the next tick, with an index that knows all its series.
    ///
    /// A tick that is not later than the newest one means that the clock was
    /// put back: what is held is of another time, and goes.
    pub fn push(&mut self, index: Arc<SeriesIndex>, frame: Arc<Frame>) {
        if self.as_of().is_some_and(|newest| frame.at <= newest) {
            self.frames.clear();
        }
        self.index = index;
        self.frames.push_back(frame);
        self.thin_out();
        self.drop_oldest();
    }

    /// The window as it was at the newest tick that is not later than `at`, as
    /// far as its ticks are still held.
    #[must_use]
    pub fn until(&self, at: TimestampMs) -> Self {
        let count = self.frames.partition_point(|frame| frame.at <= at);
        Self {
            index: Arc::clone(&self.index),
            frames: self.frames.range(..count).cloned().collect(),
            ..*self
        }
    }

    fn thinning(&self) -> Thinning {
        Thinning::new(self.reach.dense, self.reach.span)
    }

    fn thin_out(&mut self) {
        let thinning = self.thinning();
        let Some(newest) = self.as_of().filter(|_| !thinning.is_idle()) else {
            return;
        };
        let nexts: Vec<_> = self.frames.iter().skip(1).map(|frame| frame.at).collect();
        let mut nexts = nexts.into_iter();
        self.frames.retain(|frame| {
            let next = nexts.next();
            next.is_none_or(|next| thinning.keeps(frame.at, next, newest))
        });
    }

    fn drop_oldest(&mut self) {
        let Some(newest) = self.as_of() else { return };
        let edge = newest.minus(self.reach.span);
        while self.frames.len() > MAX_FRAMES
            || self.frames.get(1).is_some_and(|second| second.at < edge)
        {
            self.frames.pop_front();
        }
    }

    /// These ticks after those of `earlier`, as far back as `earlier` reaches; of
    /// a tick that both hold there is one.
    pub fn after(&self, mut earlier: Self) -> Self {
        let held = earlier.as_of();
        let later = self
            .frames
            .iter()
            .filter(|frame| held.is_none_or(|held| frame.at > held));
        for frame in later {
            earlier.push(Arc::clone(&self.index), Arc::clone(frame));
        }
        earlier
    }

    /// How far back it holds ticks.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The catalogue of the window's series; another one when series have come.
    pub fn index(&self) -> &Arc<SeriesIndex> {
        &self.index
    }

    /// The newest tick.
    pub fn newest(&self) -> Option<&Frame> {
        self.frames.back().map(Arc::as_ref)
    }

    /// The ticks that are held, oldest first.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + Clone {
        self.frames.iter().map(Arc::as_ref)
    }

    /// When the ticks that are held were taken, oldest first.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = TimestampMs> {
        self.frames.iter().map(|frame| frame.at)
    }

    /// How many ticks are held.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// No tick is held.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When the newest tick was taken.
    pub fn as_of(&self) -> Option<TimestampMs> {
        self.newest().map(|frame| frame.at)
    }

    /// What the ticks since `oldest` said last in this column.
    pub fn newest_cell(&self, column: u32, oldest: TimestampMs) -> Cell {
        let newest_first = self.frames.iter().rev();
        let lately = newest_first.take_while(|frame| frame.at >= oldest);
        let mut cells = lately.map(|frame| frame.cell(column));
        let told = cells.find(|cell| *cell != Cell::ABSENT);
        told.unwrap_or(Cell::ABSENT)
    }

    /// Does the newest tick say anything of `group`, be it that it has left?
    pub fn newest_tells_of(&self, group: &str) -> bool {
        let newest = self.frames.len().saturating_sub(1);
        self.tells_since(newest, group)
    }

    /// Does any tick that is held?
    pub fn tells_of(&self, group: &str) -> bool {
        self.tells_since(0, group)
    }

    fn tells_since(&self, first: usize, group: &str) -> bool {
        let Some(series) = self.index.groups().get(group) else {
            return false;
        };
        let told = |frame: &Arc<Frame>| {
            let mut columns = series.columns();
            columns.any(|column| frame.cell(column) != Cell::ABSENT)
        };
        self.frames.iter().skip(first).any(told)
    }

    /// The ticks at place `first` and later, oldest first.
    pub(super) fn frames_since(
        &self,
        first: usize,
    ) -> impl DoubleEndedIterator<Item = &Frame> + Clone {
        self.frames.range(first..).map(Arc::as_ref)
    }

    /// Place of the first tick that is not before `at`.
    pub(super) fn place_of(&self, at: TimestampMs) -> usize {
        self.frames.partition_point(|frame| frame.at < at)
    }

    /// Place of the first tick that a window of `span` before `now` holds. When
    /// it holds fewer than two, the newest one before it is taken in: offsets
    /// are counters, so a rate over a gap or a restart is still right.
    pub(super) fn place_within(&self, span: Duration, now: TimestampMs) -> usize {
        let first = self.place_of(now.minus(span));
        if self.frames.len() - first < 2 {
            first.saturating_sub(1)
        } else {
            first
        }
    }

    /// The partitions of one group's topic, in blocks.
    pub(super) fn blocks<'a>(
        &'a self,
        topic: &TopicName,
        commits: &'a Columns,
    ) -> impl Iterator<Item = Block> + 'a {
        blocks(commits, self.index.topics().get(topic))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn push(window: &mut Window, seconds: i64) {
        let frame = Frame::new(TimestampMs(seconds * 1000), vec![Cell::of(seconds)]);
        window.push(Arc::default(), Arc::new(frame));
    }

    #[test]
    fn a_window_keeps_its_span_and_one_tick_beyond() {
        let mut window = Window::new(Reach::all(SPAN));
        for seconds in (0..=200).step_by(10) {
            push(&mut window, seconds);
        }
        assert_eq!(window.len(), 8, "130 to 200");
        assert_eq!(window.as_of(), Some(TimestampMs(200_000)));
        push(&mut window, 1000);
        assert_eq!(window.len(), 2, "the newest before the gap is kept");
    }

    #[test]
    fn a_clock_that_is_put_back_empties_the_window() {
        let mut window = Window::new(Reach::all(SPAN));
        push(&mut window, 100);
        push(&mut window, 110);
        push(&mut window, 50);
        assert_eq!(
            (window.len(), window.as_of()),
            (1, Some(TimestampMs(50_000)))
        );
    }

    #[test]
    fn a_window_goes_on_after_an_earlier_one() {
        let window = |span, seconds: std::ops::Range<i64>| {
            let mut window = Window::new(Reach::all(Duration::from_secs(span)));
            seconds
                .step_by(10)
                .for_each(|seconds| push(&mut window, seconds));
            window
        };
        let newest = window(60, 100..200);
        let longer = newest.after(window(600, 0..150));
        assert_eq!(
            (longer.len(), longer.reach().span),
            (20, Duration::from_secs(600))
        );
        assert_eq!(longer.as_of(), newest.as_of());
        let shorter = newest.after(Window::new(Reach::all(Duration::from_secs(20))));
        assert_eq!(shorter.len(), 4, "160 to 190");
        let alone = window(600, 0..0).after(window(600, 0..150));
        assert_eq!(alone.len(), 15);
    }

    #[test]
    fn a_clone_does_not_change() {
        let mut window = Window::new(Reach::all(SPAN));
        push(&mut window, 0);
        let snapshot = window.clone();
        push(&mut window, 10);
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn a_day_takes_some_hundred_ticks() {
        let mut window = Window::new(Reach {
            dense: Duration::from_secs(900),
            span: Duration::from_secs(86_400),
        });
        for seconds in (0..200_000).step_by(10) {
            push(&mut window, seconds);
        }
        assert_eq!(window.len(), 377);
        let oldest = window.frames().next().expect("a tick").at;
        assert!(oldest <= TimestampMs((199_990 - 86_400) * 1000), "{oldest}");
        let sparse = Duration::from_secs(2 * 1_920);
        let places = window.frames().zip(window.frames().skip(1));
        for (tick, next) in places {
            assert!(next.at.since(tick.at) < sparse);
        }
    }

    proptest! {
        #[test]
        fn what_it_holds_depends_on_the_ticks_alone(
            steps_ms in vec(1..6_000_i64, 1..300),
            dense_s in 1..20_u64,
            tiers in 0..4_u32,
            less_ms in 0..6_000_u64,
        ) {
            // Near where slots begin to grow.
            let dense = Duration::from_secs(dense_s);
            let span = (dense * 4_u32.pow(tiers)).saturating_sub(Duration::from_millis(less_ms));
            let mut window = Window::new(Reach { dense, span });
            let mut ticks = vec![TimestampMs(0)];
            for step_ms in steps_ms {
                let at = TimestampMs(ticks[ticks.len() - 1].0 + step_ms);
                window.push(Arc::default(), Arc::new(Frame::new(at, Vec::new())));
                ticks.push(at);
            }
            let ticks = &ticks[1..];
            let newest = ticks[ticks.len() - 1];
            let is_kept = |(place, at): (usize, &TimestampMs)| {
                let next = ticks.get(place + 1);
                let kept = next.is_none_or(|next| window.thinning().keeps(*at, *next, newest));
                kept.then_some(*at)
            };
            let kept: Vec<_> = ticks.iter().enumerate().filter_map(is_kept).collect();
            let first = kept.partition_point(|at| *at < newest.minus(span));
            let held: Vec<_> = window.frames().map(|frame| frame.at).collect();
            prop_assert_eq!(&held[..], &kept[first.saturating_sub(1)..]);
        }
    }
}
