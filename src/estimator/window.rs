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

/// The newest ticks of one cluster. Cheap to clone; a clone never changes.
///
/// It holds each tick of the newest time, and of what is older the fewer the
/// older it is, so that a day takes hundreds of ticks and not thousands.
#[derive(Debug, Clone)]
pub struct Window {
    dense: Duration,
    span: Duration,
    index: Arc<SeriesIndex>,
    frames: VecDeque<Arc<Frame>>,
}

impl Window {
    /// An empty window that will hold ticks as far back as `span`, and one
    /// beyond it, so that a rate can reach over a gap. It thins out those that
    /// are older than `dense`, and holds all if `span` is no longer.
    pub fn new(dense: Duration, span: Duration) -> Self {
        Self {
            dense,
            span,
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

    /// Will hold ticks as far back as `span` from now on, if that is further
    /// than before. For those that are gone see [`with_older`](Self::with_older).
    pub fn extend(&mut self, span: Duration) {
        self.span = self.span.max(span);
    }

    /// The same window with `older` ticks, oldest first, before its own: as if
    /// it had held them all the time. Those that are not older than its oldest
    /// are left out. Takes them one by one and holds no more than it keeps.
    #[must_use]
    pub fn with_older(mut self, older: impl IntoIterator<Item = Arc<Frame>>) -> Self {
        let (Some(newest), Some(oldest)) = (self.as_of(), self.frames.front()) else {
            return self;
        };
        let (oldest, thinning) = (oldest.at, self.thinning());
        let mut held: VecDeque<Arc<Frame>> = VecDeque::new();
        for frame in older.into_iter().take_while(|frame| frame.at < oldest) {
            let last = held.back();
            if last.is_some_and(|last| !thinning.keeps(last.at, frame.at, newest)) {
                held.pop_back();
            }
            held.push_back(frame);
        }
        held.append(&mut self.frames);
        self.frames = held;
        self.thin_out();
        self.drop_oldest();
        self
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
        Thinning::new(self.dense, self.span)
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
        let edge = newest.minus(self.span);
        while self.frames.len() > MAX_FRAMES
            || self.frames.get(1).is_some_and(|second| second.at < edge)
        {
            self.frames.pop_front();
        }
    }

    /// How far back it holds ticks.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// The catalogue of the window's series.
    pub fn index(&self) -> &SeriesIndex {
        &self.index
    }

    /// The newest tick.
    pub fn newest(&self) -> Option<&Frame> {
        self.frames.back().map(Arc::as_ref)
    }

    /// The ticks that are held, oldest first.
    pub(super) fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> + Clone {
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
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn push(window: &mut Window, seconds: i64) {
        let frame = Frame::new(TimestampMs(seconds * 1000), vec![Cell::of(seconds)]);
        window.push(Arc::default(), Arc::new(frame));
    }

    #[test]
    fn a_window_keeps_its_span_and_one_tick_beyond() {
        let mut window = Window::new(SPAN, SPAN);
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
        let mut window = Window::new(SPAN, SPAN);
        push(&mut window, 100);
        push(&mut window, 110);
        push(&mut window, 50);
        assert_eq!(
            (window.len(), window.as_of()),
            (1, Some(TimestampMs(50_000)))
        );
    }

    #[test]
    fn a_clone_does_not_change() {
        let mut window = Window::new(SPAN, SPAN);
        push(&mut window, 0);
        let snapshot = window.clone();
        push(&mut window, 10);
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn a_day_takes_some_hundred_ticks() {
        let mut window = Window::new(Duration::from_secs(900), Duration::from_secs(86_400));
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
}
