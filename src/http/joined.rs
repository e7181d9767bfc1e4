//! A range read at one level, exact at its ends.
//!
//! A tick of minutes or hours stands for a whole bucket. A bucket that reaches
//! out of the range is read from the finest there is instead, so that nothing
//! from outside counts and nothing inside is left out.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    model::{ClusterName, Frame, TimestampMs},
    store::{Frames, Level, ReadError, Selection, Store},
};

use super::query::Range;

/// Both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    level: Level,
    from: TimestampMs,
    to: TimestampMs,
}

/// Frames, oldest first.
#[derive(Debug)]
pub(super) struct Joined {
    store: Store,
    cluster: ClusterName,
    selection: Selection,
    range: Range,
    pieces: VecDeque<Piece>,
    frames: Option<Frames>,
    told: Level,
}

/// What to read of a cluster's history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) cluster: &'a ClusterName,
    pub(super) level: Level,
    /// Before the range, for what is looked back at.
    pub(super) since: TimestampMs,
    pub(super) range: Range,
    /// After the range, for what comes next.
    pub(super) until: TimestampMs,
}

impl<'a> Span<'a> {
    /// The range and nothing beyond it, from hours where there are any.
    pub(super) fn of_hours(cluster: &'a ClusterName, range: Range) -> Self {
        Self {
            cluster,
            level: Level::Hours,
            since: range.from,
            range,
            until: range.to,
        }
    }
}

impl Joined {
    pub(super) fn open(store: &Store, span: Span<'_>, selection: Selection) -> Self {
        Self {
            store: store.clone(),
            cluster: span.cluster.clone(),
            selection,
            range: span.range,
            pieces: pieces(span),
            frames: None,
            told: span.level,
        }
    }

    /// The levels that what is in the range will be told from.
    pub(super) fn levels(&self) -> Result<BTreeSet<Level>, ReadError> {
        let mut levels = BTreeSet::new();
        for piece in &self.pieces {
            if piece.from >= self.range.from && piece.to <= self.range.to {
                levels.append(&mut self.frames_of(*piece)?.levels()?);
            }
        }
        Ok(levels)
    }

    /// The level of the frame that came last.
    pub(super) fn told_level(&self) -> Level {
        self.told
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(false);
        };
        self.frames = Some(self.frames_of(piece)?);
        Ok(true)
    }

    fn frames_of(&self, Piece { level, from, to }: Piece) -> Result<Frames, ReadError> {
        let selection = self.selection.clone();
        self.store
            .frames_of(&self.cluster, selection, level, from, to)
    }
}

impl Iterator for Joined {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frames) = &mut self.frames
                && let Some(frame) = frames.next()
            {
                self.told = frames.told_level();
                return Some(frame);
            }
            match self.open_next() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}

fn pieces(span: Span<'_>) -> VecDeque<Piece> {
    let (first, last) = (span.range.from.0, span.range.to.0);
    let (begin, end) = match span.level.resolution_ms() {
        0 => (first, last + 1),
        bucket => {
            let begin = first.div_euclid(bucket) * bucket;
            let begin = if begin < first { begin + bucket } else { begin };
            let end = (last + 1).div_euclid(bucket) * bucket;
            // None that is whole: all of it is at an end.
            (begin, end.max(begin.min(last + 1)))
        }
    };
    let begin = begin.min(last + 1);
    let piece = |level, from, to| Piece {
        level,
        from: TimestampMs(from),
        to: TimestampMs(to),
    };
    let pieces = [
        piece(span.level, span.since.0, first - 1),
        piece(Level::Raw, first, begin - 1),
        piece(span.level, begin, end - 1),
        piece(Level::Raw, end, last),
        piece(span.level, last + 1, span.until.0),
    ];
    let pieces = pieces.into_iter().filter(|piece| piece.from <= piece.to);
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(level: Level, from: i64, to: i64) -> Vec<(Level, i64, i64)> {
        let span = Span {
            cluster: &"main".into(),
            level,
            since: TimestampMs(from - 100),
            range: Range {
                from: TimestampMs(from),
                to: TimestampMs(to),
            },
            until: TimestampMs(1_000_000),
        };
        let pieces = pieces(span).into_iter();
        pieces
            .map(|piece| (piece.level, piece.from.0, piece.to.0))
            .collect()
    }

    #[test]
    fn what_is_not_whole_is_read_from_the_finest() {
        let (raw, minutes) = (Level::Raw, Level::Minutes);
        let expected = [
            (minutes, 59_900, 59_999),
            (minutes, 60_000, 179_999),
            (minutes, 180_000, 1_000_000),
        ];
        assert_eq!(of(minutes, 60_000, 179_999), expected, "whole minutes");
        let expected = [
            (minutes, 60_400, 60_499),
            (raw, 60_500, 119_999),
            (minutes, 120_000, 179_999),
            (raw, 180_000, 180_000),
            (minutes, 180_001, 1_000_000),
        ];
        assert_eq!(of(minutes, 60_500, 180_000), expected);
        let expected = [
            (minutes, 60_400, 60_499),
            (raw, 60_500, 60_700),
            (minutes, 60_701, 1_000_000),
        ];
        assert_eq!(of(minutes, 60_500, 60_700), expected, "within a minute");
        let expected = [
            (minutes, 60_400, 60_499),
            (raw, 60_500, 119_999),
            (raw, 120_000, 130_000),
            (minutes, 130_001, 1_000_000),
        ];
        assert_eq!(of(minutes, 60_500, 130_000), expected, "no whole minute");
        let times: Vec<_> = of(raw, 7, 1_234)
            .iter()
            .map(|piece| (piece.1, piece.2))
            .collect();
        assert_eq!(times, [(-93, 6), (7, 1_234), (1_235, 1_000_000)]);
    }
}
