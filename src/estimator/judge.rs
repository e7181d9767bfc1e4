//! Judges a block of partitions, walking back from the newest tick, tick by
//! tick, only as far as any of them needs.
//!
//! Each estimate has a walk of its own over the few columns that it needs, with
//! a small state for each partition and nothing on the heap.

use std::time::Duration;

use crate::model::{Partition, TimestampMs};

use super::{
    block::{BLOCK, Block},
    epoch::TopicEpoch,
    growth::Growth,
    mean_lag::MeanLag,
    partition::{PartitionEstimate, PartitionStanding, Wanted},
    rate::Rates,
    reading::{Reading, Search},
    sample::Parameters,
    time_lag::{TimeLag, Waiting},
    unmoved::Unmoved,
    window::Window,
};

/// Judges the ticks of one window, as of one time.
pub(super) struct Judge<'a> {
    window: &'a Window,
    wanted: Wanted,
    parameters: &'a Parameters,
    now: TimestampMs,
    /// Place of the first tick in the window of the parameters.
    first: usize,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        window: &'a Window,
        wanted: Wanted,
        parameters: &'a Parameters,
        now: TimestampMs,
    ) -> Self {
        Self {
            window,
            wanted,
            parameters,
            now,
            first: window.place_within(parameters.window, now),
        }
    }

    /// Visits the standings of a block's partitions, but for those that are gone.
    pub(super) fn each_standing(
        &self,
        block: &Block,
        visit: &mut impl FnMut(Partition, PartitionStanding),
    ) {
        let newest = self.newest(block);
        let newest = &newest[..block.len];
        let seen = (self.wanted != Wanted::OFFSETS).then(|| self.look_back(block, newest));
        for (place, (partition, search)) in (block.first..).zip(newest).enumerate() {
            let mut standing = PartitionStanding::of(search, self.parameters, self.now);
            if let (PartitionStanding::Known(estimate), Some(seen)) = (&mut standing, &seen) {
                seen.put_into(estimate, place);
            }
            if !matches!(standing, PartitionStanding::Gone) {
                visit(partition, standing);
            }
        }
    }

    /// As a rule the newest tick has all that is needed.
    fn newest(&self, block: &Block) -> [Search; BLOCK] {
        let mut newest = [Search::Open; BLOCK];
        for frame in self.window.frames().rev() {
            let (starts, ends) = (block.log_start(frame), block.log_end(frame));
            let commits = block.committed(frame);
            let cells = commits.iter().zip(starts.iter().zip(ends.iter()));
            let mut is_needed = false;
            for (search, (committed, (start, end))) in newest.iter_mut().zip(cells) {
                is_needed |= search.add(frame.at, *committed, *start, *end);
            }
            if !is_needed {
                return newest;
            }
        }
        newest.map(Search::ended)
    }

    fn look_back(&self, block: &Block, newest: &[Search]) -> Seen {
        let mut seen = Seen::NOTHING;
        if self.wanted.rates {
            self.see_rates(block, newest, &mut seen);
        }
        if self.wanted.time_lag {
            self.see_time_lag(block, newest, &mut seen);
        }
        if self.wanted.mean_lag {
            self.see_mean_lag(block, &mut seen);
        }
        if self.wanted.unmoved {
            self.see_unmoved(block, newest, &mut seen);
        }
        seen
    }

    fn see_rates(&self, block: &Block, newest: &[Search], seen: &mut Seen) {
        let mut states = self.states(newest, Rates::of);
        let mut topic = TopicEpoch::default();
        let edge = self.now.minus(self.parameters.window);
        let first = self.window.place_within(self.parameters.reach(), self.now);
        for frame in self.window.frames_since(first).rev() {
            if !topic.holds(block.topic_id(frame)) {
                break;
            }
            let (starts, ends) = (block.log_start(frame), block.log_end(frame));
            let commits = block.committed(frame);
            let cells = commits.iter().zip(starts.iter().zip(ends.iter()));
            let mut is_needed = false;
            for (rates, (committed, (start, end))) in states.iter_mut().zip(cells) {
                is_needed |= rates.add(edge, frame.at, *committed, *start, *end);
            }
            if !is_needed {
                break;
            }
        }
        for (place, rates) in states.iter().take(block.len).enumerate() {
            seen.arrival[place] = rates.arrival();
            seen.consumption[place] = rates.consumption();
        }
    }

    fn see_time_lag(&self, block: &Block, newest: &[Search], seen: &mut Seen) {
        let mut states = self.states(newest, Waiting::of);
        let mut open = Open::all(block);
        let mut topic = TopicEpoch::default();
        for frame in self.window.frames().rev() {
            if !topic.holds(block.topic_id(frame)) {
                break;
            }
            let (starts, ends) = (block.log_start(frame), block.log_end(frame));
            open.retain(|place| states[place].add(frame.at, starts[place], ends[place]));
            if open.is_empty() {
                break;
            }
        }
        for (place, waiting) in states.iter().take(block.len).enumerate() {
            seen.time_lag[place] = waiting.time_lag();
        }
    }

    fn see_mean_lag(&self, block: &Block, seen: &mut Seen) {
        let mut states = [MeanLag::default(); BLOCK];
        for frame in self.window.frames_since(self.first) {
            let (starts, ends) = (block.log_start(frame), block.log_end(frame));
            let commits = block.committed(frame);
            let cells = commits.iter().zip(starts.iter().zip(ends.iter()));
            for (mean, (committed, (start, end))) in states.iter_mut().zip(cells) {
                mean.add(frame.at, *committed, *start, *end);
            }
        }
        for (place, mean) in states.iter().take(block.len).enumerate() {
            seen.mean_lag[place] = mean.mean();
        }
    }

    fn see_unmoved(&self, block: &Block, newest: &[Search], seen: &mut Seen) {
        let mut states = self.states(newest, Unmoved::of);
        let mut open = Open::all(block);
        for frame in self.window.frames().rev() {
            let commits = block.committed(frame);
            open.retain(|place| states[place].add(frame.at, commits[place]));
            if open.is_empty() {
                break;
            }
        }
        for (place, unmoved) in states.iter().take(block.len).enumerate() {
            seen.unmoved_for[place] = Some(unmoved.duration());
        }
    }

    /// A state for each partition, of its reading if that is of use.
    fn states<S>(&self, newest: &[Search], of: impl Fn(Option<&Reading>) -> S) -> [S; BLOCK] {
        std::array::from_fn(|place| match newest.get(place) {
            Some(Search::Found(reading)) if reading.is_usable(self.parameters, self.now) => {
                of(Some(reading))
            }
            _ => of(None),
        })
    }
}

/// Places of the partitions that need an older sample. Most of a block are done
/// with long before the last one is.
struct Open {
    places: [u8; BLOCK],
    count: usize,
}

impl Open {
    fn all(block: &Block) -> Self {
        // A block's places fit into a byte.
        Self {
            places: std::array::from_fn(|place| place as u8),
            count: block.len,
        }
    }

    #[inline]
    fn retain(&mut self, mut is_needed: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for index in 0..self.count {
            let place = self.places[index];
            self.places[kept] = place;
            kept += usize::from(is_needed(usize::from(place)));
        }
        self.count = kept;
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What looking back told of each partition, by its place in the block.
struct Seen {
    arrival: [Option<Growth>; BLOCK],
    consumption: [Option<Growth>; BLOCK],
    time_lag: [Option<TimeLag>; BLOCK],
    mean_lag: [Option<f64>; BLOCK],
    unmoved_for: [Option<Duration>; BLOCK],
}

impl Seen {
    const NOTHING: Self = Self {
        arrival: [None; BLOCK],
        consumption: [None; BLOCK],
        time_lag: [None; BLOCK],
        mean_lag: [None; BLOCK],
        unmoved_for: [None; BLOCK],
    };

    fn put_into(&self, estimate: &mut PartitionEstimate, place: usize) {
        estimate.arrival_rate = self.arrival[place].map(|growth| growth.per_s);
        if let Some(lag) = estimate.lag {
            let consumption = self.consumption[place];
            estimate.consumption_rate = consumption.map(|growth| growth.per_s);
            estimate.uncommitted_records = consumption.map(|growth| growth.uncommitted(lag));
            estimate.time_lag = self.time_lag[place];
            estimate.mean_lag = self.mean_lag[place];
            estimate.unmoved_for = self.unmoved_for[place];
        }
    }
}
