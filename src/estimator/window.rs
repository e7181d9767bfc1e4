//! The newest ticks of one cluster, held in memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::model::{Cell, Columns, Frame, SeriesIndex, TimestampMs, TopicName, TopicSeries};

use super::sample::Sample;

/// At most this many ticks are held: a day of them at the default interval.
/// With shorter intervals a window holds less than its span.
const MAX_FRAMES: usize = 8_640;

/// The newest ticks of one cluster. Cheap to clone; a clone never changes.
#[derive(Debug, Clone)]
pub struct Window {
    span: Duration,
    index: Arc<SeriesIndex>,
    frames: VecDeque<Arc<Frame>>,
}

impl Window {
    /// An empty window that will hold ticks as far back as `span`, and one
    /// beyond it, so that a rate can reach over a gap.
    pub fn new(span: Duration) -> Self {
        Self {
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
        let edge = frame.at.minus(self.span);
        self.index = index;
        self.frames.push_back(frame);
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

    /// The window as it was at the newest tick that is not later than `at`.
    #[must_use]
    pub fn until(&self, at: TimestampMs) -> Self {
        let held = self.frames.partition_point(|frame| frame.at <= at);
        Self {
            span: self.span,
            index: Arc::clone(&self.index),
            frames: self.frames.range(..held).cloned().collect(),
        }
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

    /// Walks the partitions of one group's topic: for each, by number, its
    /// samples, oldest first.
    pub(super) fn each_partition(
        &self,
        topic: &TopicName,
        commits: &Columns,
        visit: impl FnMut(i32, &[Sample]),
    ) {
        self.each_partition_since(0, topic, commits, visit);
    }

    /// The same with the samples of the tick at place `first` and later.
    pub(super) fn each_partition_since(
        &self,
        first: usize,
        topic: &TopicName,
        commits: &Columns,
        mut visit: impl FnMut(i32, &[Sample]),
    ) {
        let unread = TopicSeries::default();
        let logs = self.index.topics().get(topic).unwrap_or(&unread);
        let topic_id = logs.id.single();
        let mut samples = Vec::with_capacity(self.frames.len());
        for (partition, commit) in (0..).zip(commits.iter()) {
            samples.clear();
            let (start, end) = (logs.log_start.of(partition), logs.log_end.of(partition));
            samples.extend(self.frames.range(first..).map(|frame| Sample {
                at: frame.at,
                committed: frame.cell(commit),
                log_start: frame.optional_cell(start),
                log_end: frame.optional_cell(end),
                topic_id: frame.optional_cell(topic_id),
            }));
            visit(partition, &samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(window: &mut Window, seconds: i64) {
        let frame = Frame::new(TimestampMs(seconds * 1000), vec![Cell::of(seconds)]);
        window.push(Arc::default(), Arc::new(frame));
    }

    #[test]
    fn a_window_keeps_its_span_and_one_tick_beyond() {
        let mut window = Window::new(Duration::from_secs(60));
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
        let mut window = Window::new(Duration::from_secs(60));
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
        let mut window = Window::new(Duration::from_secs(60));
        push(&mut window, 0);
        let snapshot = window.clone();
        push(&mut window, 10);
        assert_eq!(snapshot.len(), 1);
    }
}
