//! Reading ticks back, whichever level and file they are in.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    ops::Range,
    sync::Arc,
    vec,
};

use super::{
    error::{Fault, ReadError},
    files::Files,
    head::{Decoder, StoredTick, StreamId, read_segment},
    history::{BLOCKS, ChunkReader, Header, Level, Plane, chunk_at},
    lags::{LagSelection, LagWork},
    recent::{self, PackedSegment},
    sealer::CHUNK_MS,
};
use crate::model::{Cell, Frame, TimestampMs};

/// Cells that are decoded at a time: 64 MB of them.
const BATCH_CELLS: usize = 8 << 20;

/// Which columns a frame is to have.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All, as they were recorded.
    All,
    /// These, ascending, as far as the tick had them.
    Columns(Arc<[u32]>),
    /// Lags with their extremes instead of columns, read with
    /// [`Lags::of`](super::Lags::of).
    Lags(Arc<LagSelection>),
}

/// One stream's frames in a span of time, oldest first, each tick once.
///
/// Where the level that was asked for has no ticks (yet, or any more), those of
/// a finer one are told, and where there are none either, of a coarser one.
///
/// Ticks are read piece by piece as they are asked for, each in a transaction
/// of its own: a slow reader holds up nothing. What retention deletes meanwhile
/// is left out. After an error the iterator ends.
pub struct Frames {
    files: Arc<Files>,
    stream: StreamId,
    selection: Selection,
    level: Level,
    /// Where to look for more; `None` at the end.
    next: Option<i64>,
    to: i64,
    batch: Batch,
    lags: LagWork,
    /// The level of the frame that was told last.
    told: Level,
}

/// What was read and is not told yet.
enum Batch {
    Frames(Level, vec::IntoIter<Frame>),
    /// A segment as it is on the disk. What is before `from` is decoded only
    /// for the sake of what follows.
    Ticks {
        from: i64,
        decoder: Decoder,
        ticks: VecDeque<StoredTick>,
    },
}

/// A run of ticks that could be read next.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// `None`: a segment of the head.
    chunk: Option<Level>,
    first: i64,
    last: i64,
}

impl Frames {
    pub(super) fn new(
        files: Arc<Files>,
        stream: StreamId,
        selection: Selection,
        level: Level,
        from: TimestampMs,
        to: TimestampMs,
    ) -> Self {
        Self {
            files,
            stream,
            selection,
            level,
            next: Some(from.0),
            to: to.0,
            batch: Batch::Frames(level, Vec::new().into_iter()),
            lags: LagWork::default(),
            told: level,
        }
    }

    /// No frames at all.
    pub(super) fn none(files: Arc<Files>) -> Self {
        let nowhere = TimestampMs(0);
        let mut none = Self::new(files, 0, Selection::All, Level::Raw, nowhere, nowhere);
        none.next = None;
        none
    }

    /// The level of the frame that came last.
    pub fn told_level(&self) -> Level {
        self.told
    }

    fn advance(&mut self) -> Result<Option<Frame>, Fault> {
        loop {
            if let Some((level, frame)) = self.batch.next(&self.selection)? {
                self.told = level;
                return Ok(Some(frame));
            }
            match self.next.take().filter(|next| *next <= self.to) {
                Some(next) => self.fetch(next)?,
                None => return Ok(None),
            }
        }
    }

    /// Reads the ticks at `next`, or else the first ones after it.
    fn fetch(&mut self, next: i64) -> Result<(), Fault> {
        match self.choose(next)? {
            Some((chosen, start, end)) => self.read(chosen, start, end),
            None => Ok(()),
        }
    }

    /// The run that the ticks at `next` are to be read from, or else the first
    /// ones after it, from when and until when.
    fn choose(&self, next: i64) -> Result<Option<(Candidate, i64, i64)>, Fault> {
        // The head first: what is cut there meanwhile is in history by then.
        let segment = self.files.head_segment(self.stream, next)?;
        let mut candidates = self.chunks_at(next)?;
        candidates.extend(segment.map(|segment| Candidate {
            chunk: None,
            first: segment.first,
            last: segment.last,
        }));
        candidates.sort_by_key(|candidate| (candidate.first.max(next), self.rank(candidate)));
        let Some((&chosen, rest)) = candidates.split_first() else {
            return Ok(None);
        };
        let start = chosen.first.max(next);
        // Where a better one begins, this one ends.
        let better = rest
            .iter()
            .filter(|other| self.rank(other) < self.rank(&chosen));
        let end = better
            .map(|other| other.first - 1)
            .fold(chosen.last, i64::min);
        Ok((start <= self.to).then_some((chosen, start, end.min(self.to))))
    }

    /// The levels that what is yet to be told will be of, unless it is sealed
    /// or deleted before. Nothing is read but where the ticks are.
    pub fn levels(&self) -> Result<BTreeSet<Level>, ReadError> {
        let (mut levels, mut next) = (BTreeSet::new(), self.next);
        while let Some(at) = next.take().filter(|next| *next <= self.to) {
            let Some((chosen, start, end)) = self.choose(at)? else {
                break;
            };
            let level = chosen.chunk.unwrap_or(Level::Raw);
            if chosen.chunk.is_none() || self.has_tick(level, start, end)? {
                levels.insert(level);
            }
            next = end.checked_add(1);
        }
        Ok(levels)
    }

    fn has_tick(&self, level: Level, from: i64, to: i64) -> Result<bool, Fault> {
        self.files.history.read(|transaction| {
            let chunk = chunk_at(transaction, level, self.stream, from)?;
            let ticks = chunk.map(|(_, header)| header.times).unwrap_or_default();
            let next = ticks.iter().find(|at| **at >= from);
            Ok(next.is_some_and(|at| *at <= to))
        })
    }

    /// Which of two that begin together is taken: the lower.
    fn rank(&self, candidate: &Candidate) -> u8 {
        let wanted = self.level.number();
        match candidate.chunk.map(Level::number) {
            Some(level) if level <= wanted => 2 * (wanted - level),
            // The head's ticks are those of raw chunks.
            None => 2 * wanted + 1,
            Some(coarser) => 2 * coarser + 2,
        }
    }

    fn chunks_at(&self, at: i64) -> Result<Vec<Candidate>, Fault> {
        self.files.history.read(|transaction| {
            let mut candidates = Vec::new();
            for level in Level::ALL {
                if let Some((first, header)) = chunk_at(transaction, level, self.stream, at)? {
                    candidates.push(Candidate {
                        chunk: Some(level),
                        first,
                        last: header.last(),
                    });
                }
            }
            Ok(candidates)
        })
    }

    fn read(&mut self, candidate: Candidate, from: i64, to: i64) -> Result<(), Fault> {
        match candidate.chunk {
            Some(level) => self.read_chunk(level, candidate.first, from, to),
            None => self.read_head(candidate, from, to),
        }
    }

    fn read_chunk(&mut self, level: Level, first: i64, from: i64, to: i64) -> Result<(), Fault> {
        self.next = to.checked_add(1);
        let (stream, selection, lags) = (self.stream, self.selection.clone(), &mut self.lags);
        let frames = self.files.history.read(|transaction| {
            let Some((found, header)) = chunk_at(transaction, level, stream, from)? else {
                return Ok(Vec::new());
            };
            if found != first {
                return Ok(Vec::new());
            }
            let width = header.width() as usize;
            let (start, end) = span(&header.times, from, to, selection.len(width));
            if let Some(at) = header.times.get(end).filter(|at| **at <= to) {
                self.next = Some(*at);
            }
            // Between two chunks of the level a coarser one may have no tick.
            if start == end {
                return Ok(Vec::new());
            }
            let table = transaction.open_table(BLOCKS)?;
            let ticks = header.times.len();
            let mut chunk = ChunkReader::new(&table, level, first, stream, ticks);
            if let Selection::Lags(of) = &selection {
                return lags_of_chunk(lags, of, level, &mut chunk, &header, start..end);
            }
            let mut rows = Rows::new(&header.times[start..end], &header.widths[start..end]);
            let mut cells = Vec::new();
            for column in selection.columns(header.width()) {
                chunk.column(Plane::Newest, column, &mut cells)?;
                rows.push(column, &cells[start..end]);
            }
            Ok(rows.into_frames())
        })?;
        self.batch = Batch::Frames(level, frames.into_iter());
        Ok(())
    }

    fn read_head(&mut self, segment: Candidate, from: i64, to: i64) -> Result<(), Fault> {
        self.next = to.checked_add(1);
        match self.files.recent.get(self.stream, segment.first) {
            Some(recent::Segment::Packed(packed)) => {
                let frames = self.unpack(&packed, from, to)?;
                self.batch = Batch::Frames(Level::Raw, frames.into_iter());
            }
            Some(recent::Segment::Frames(frames))
                if frames
                    .last()
                    .is_some_and(|frame| frame.at.0 >= segment.last) =>
            {
                self.read_frames(&frames, from, to)?;
            }
            _ => {
                let ticks = self.files.head.read(|transaction| {
                    read_segment(transaction, self.stream, segment.first, to)
                })?;
                if ticks.is_empty() {
                    // It was sealed and cut since it was found: once more.
                    self.next = Some(from);
                    return Ok(());
                }
                self.read_ticks(ticks, from, to)?;
            }
        }
        Ok(())
    }

    fn unpack(&mut self, packed: &PackedSegment, from: i64, to: i64) -> Result<Vec<Frame>, Fault> {
        let (times, widths) = (packed.times(), packed.widths());
        let width = widths.iter().copied().max().unwrap_or_default();
        let (start, end) = span(times, from, to, self.selection.len(width as usize));
        if let Some(at) = times.get(end).filter(|at| **at <= to) {
            self.next = Some(*at);
        }
        let mut rows = Rows::new(&times[start..end], &widths[start..end]);
        let append = |column, cells: &mut Vec<Cell>| {
            cells.clear();
            packed.append(column, cells);
            Ok(())
        };
        if let Selection::Lags(of) = &self.selection {
            self.lags.begin(times.first().map(chunk_span));
            self.lags.of_ticks(of, &widths[..end], append, |lags| {
                rows.push_lags(lags, start);
            })?;
            return Ok(rows.into_frames());
        }
        let mut cells = Vec::new();
        for column in self.selection.columns(width) {
            append(column, &mut cells)?;
            rows.push(column, &cells[start..end]);
        }
        Ok(rows.into_frames())
    }

    fn read_frames(&mut self, frames: &[Arc<Frame>], from: i64, to: i64) -> Result<(), Fault> {
        let until = frames.iter().take_while(|frame| frame.at.0 <= to);
        if let Selection::Lags(of) = self.selection.clone() {
            let rows = until.map(|frame| Sources::of(frame, &of));
            return self.read_lags(&of, rows.collect(), from, to);
        }
        let wanted = until.filter(|frame| frame.at.0 >= from);
        let frames: Vec<_> = wanted.map(|frame| self.selection.of(frame)).collect();
        self.batch = Batch::Frames(Level::Raw, frames.into_iter());
        Ok(())
    }

    fn read_ticks(&mut self, ticks: VecDeque<StoredTick>, from: i64, to: i64) -> Result<(), Fault> {
        let mut decoder = Decoder::new();
        if let Selection::Lags(of) = self.selection.clone() {
            let rows = ticks.iter().map(|tick| {
                let cells = tick.decode(&mut decoder)?;
                let frame = Frame::new(TimestampMs(tick.at), cells);
                Ok(Sources::of(&frame, &of))
            });
            let rows = rows.collect::<Result<_, Fault>>()?;
            return self.read_lags(&of, rows, from, to);
        }
        self.batch = Batch::Ticks {
            from,
            decoder,
            ticks,
        };
        Ok(())
    }

    /// The lags of a segment's first ticks.
    fn read_lags(
        &mut self,
        of: &LagSelection,
        ticks: Vec<Sources>,
        from: i64,
        to: i64,
    ) -> Result<(), Fault> {
        let times: Vec<_> = ticks.iter().map(|tick| tick.at).collect();
        let widths: Vec<_> = ticks.iter().map(|tick| tick.width).collect();
        let (start, end) = span(&times, from, to, of.len());
        if let Some(at) = times.get(end) {
            self.next = Some(*at);
        }
        let mut rows = Rows::new(&times[start..end], &widths[start..end]);
        let read = |column, cells: &mut Vec<Cell>| {
            let place = of.place(column).expect("a source of what is asked for");
            cells.clear();
            cells.extend(ticks.iter().map(|tick| tick.cells[place]));
            Ok(())
        };
        self.lags.begin(times.first().map(chunk_span));
        self.lags.of_ticks(of, &widths[..end], read, |lags| {
            rows.push_lags(lags, start);
        })?;
        self.batch = Batch::Frames(Level::Raw, rows.into_frames().into_iter());
        Ok(())
    }
}

/// Of one tick what lags are computed from.
struct Sources {
    at: i64,
    /// How many columns the tick had.
    width: u32,
    cells: Vec<Cell>,
}

impl Sources {
    fn of(frame: &Frame, of: &LagSelection) -> Self {
        let width = u32::try_from(frame.cells().len());
        let sources = of.sources().iter();
        Self {
            at: frame.at.0,
            width: width.expect("the writer bounds a width"),
            cells: sources.map(|column| frame.cell(*column)).collect(),
        }
    }
}

/// The span of time whose ticks are sealed into one chunk.
fn chunk_span(at: &i64) -> i64 {
    at.div_euclid(CHUNK_MS)
}

/// The lags of the ticks in these places.
fn lags_of_chunk(
    work: &mut LagWork,
    of: &LagSelection,
    level: Level,
    chunk: &mut ChunkReader<'_>,
    header: &Header,
    places: Range<usize>,
) -> Result<Vec<Frame>, Fault> {
    let (start, widths) = (places.start, &header.widths[..places.end]);
    let mut rows = Rows::new(&header.times[places], &widths[start..]);
    let take = |lags: [&[Cell]; 4]| rows.push_lags(lags, start);
    if level == Level::Raw {
        work.begin(None);
        let read = |column, cells: &mut Vec<Cell>| chunk.column(Plane::Newest, column, cells);
        work.of_ticks(of, widths, read, take)?;
    } else {
        LagWork::of_buckets(of, widths, chunk, take)?;
    }
    Ok(rows.into_frames())
}

/// The places of the ticks from `from` to `to`, as far as one batch goes.
fn span(times: &[i64], from: i64, to: i64, columns: usize) -> (usize, usize) {
    let start = times.partition_point(|at| *at < from);
    let end = times.partition_point(|at| *at <= to);
    let most = (BATCH_CELLS / columns.max(1)).max(1);
    (start, end.max(start).min(start + most))
}

impl Selection {
    /// The frame with these columns only.
    fn of(&self, frame: &Frame) -> Frame {
        if let Self::All = self {
            return frame.clone();
        }
        let width = u32::try_from(frame.cells().len()).expect("the writer bounds a width");
        let columns = self.columns(width).into_iter();
        Frame::new(frame.at, columns.map(|column| frame.cell(column)).collect())
    }

    /// How many cells a frame has, of a chunk that has `width`.
    fn len(&self, width: usize) -> usize {
        match self {
            Self::All => width,
            Self::Columns(columns) => columns.len(),
            Self::Lags(lags) => lags.len(),
        }
    }

    /// Those that are read of a tick that has `width`.
    fn columns(&self, width: u32) -> Vec<u32> {
        let columns = match self {
            Self::All => return (0..width).collect(),
            Self::Columns(columns) => &columns[..],
            Self::Lags(lags) => lags.sources(),
        };
        let had = columns.iter().copied();
        had.take_while(|column| *column < width).collect()
    }
}

/// Turns columns into frames.
struct Rows<'a> {
    times: &'a [i64],
    widths: &'a [u32],
    rows: Vec<Vec<Cell>>,
}

impl<'a> Rows<'a> {
    fn new(times: &'a [i64], widths: &'a [u32]) -> Self {
        Self {
            times,
            widths,
            rows: vec![Vec::new(); times.len()],
        }
    }

    /// Takes in the next column; a tick that did not have it goes without.
    fn push(&mut self, column: u32, cells: &[Cell]) {
        for ((row, width), cell) in self.rows.iter_mut().zip(self.widths).zip(cells) {
            if column < *width {
                row.push(*cell);
            }
        }
    }

    /// Takes in the lags of the next item; its ticks begin at `start`.
    fn push_lags(&mut self, lags: [&[Cell]; 4], start: usize) {
        for cells in lags {
            for (row, cell) in self.rows.iter_mut().zip(&cells[start..]) {
                row.push(*cell);
            }
        }
    }

    fn into_frames(self) -> Vec<Frame> {
        let rows = self.times.iter().zip(self.rows);
        rows.map(|(at, cells)| Frame::new(TimestampMs(*at), cells))
            .collect()
    }
}

impl Batch {
    fn next(&mut self, selection: &Selection) -> Result<Option<(Level, Frame)>, Fault> {
        match self {
            Self::Frames(level, frames) => Ok(frames.next().map(|frame| (*level, frame))),
            Self::Ticks {
                from,
                decoder,
                ticks,
            } => {
                while let Some(tick) = ticks.pop_front() {
                    let cells = tick.decode(decoder)?;
                    if tick.at >= *from {
                        let frame = Frame::new(TimestampMs(tick.at), cells);
                        let frame = match selection {
                            Selection::All => frame,
                            _ => selection.of(&frame),
                        };
                        return Ok(Some((Level::Raw, frame)));
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.next = None;
            self.batch = Batch::Frames(self.level, Vec::new().into_iter());
        }
        next.map_err(ReadError::from).transpose()
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("stream", &self.stream)
            .field("level", &self.level)
            .field("next", &self.next)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
