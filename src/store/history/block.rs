//! Columns of a chunk, packed into values that fill their pages.
//!
//! ```text
//! +--------------+-----------------------------------------------+----------+- - -
//! | runs: varint | gap, count, log end, log start: varint each   | column   |
//! +--------------+-----------------------------------------------+----------+- - -
//!                  for each run                                    for each column
//! ```
//! - A run is neighbouring columns; `gap` is from the end of the run before, of
//!   the first one from the block's key.
//! - `log end` and `log start` say for runs of commits which columns hold the
//!   same partitions' log offsets, from the first on; plus one, 0 if there are
//!   none.
//! - Each column is as [`codec`](crate::store::codec) writes it. One that is
//!   absent throughout is left out.

use std::cmp::min;

use super::tables::{BlockKey, Level, Plane};
use crate::{
    model::Cell,
    store::{
        codec::{
            self, Encoder,
            varint::{put_varint, take_varint},
        },
        error::Fault,
        head::StreamId,
    },
};

/// What fills four pages of 4,096 bytes beside its key: a larger value takes
/// eight. In smaller ones more would be left empty at the end.
const MAX_BYTES: usize = 16_352;
/// A run's numbers at their longest, with room to spare.
const RUN_BYTES: usize = 24;

/// Columns of the same partition's log, for a column of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct Links {
    pub(in crate::store) log_end: Option<u32>,
    pub(in crate::store) log_start: Option<u32>,
}

impl Links {
    fn plus(self, offset: u32) -> Self {
        let plus = |column: Option<u32>| column.map(|column| column.wrapping_add(offset));
        Self {
            log_end: plus(self.log_end),
            log_start: plus(self.log_start),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Run {
    first: u32,
    count: u32,
    links: Links,
}

/// Which chunk, and which of its planes.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Place {
    pub(in crate::store) level: Level,
    pub(in crate::store) first: i64,
    pub(in crate::store) stream: StreamId,
    pub(in crate::store) plane: Plane,
}

impl Place {
    pub(in crate::store) fn key(self, column: u32) -> BlockKey {
        let (level, plane) = (self.level.number(), self.plane.number());
        (level, self.first, self.stream, plane, column)
    }
}

/// A finished block under its key.
pub(in crate::store) type Block = (BlockKey, Vec<u8>);

/// Packs the columns of one plane, which come in ascending order.
pub(in crate::store) struct BlockWriter {
    place: Place,
    encoder: Encoder,
    runs: Vec<Run>,
    columns: Vec<u8>,
    column: Vec<u8>,
}

impl BlockWriter {
    pub(in crate::store) fn new(place: Place) -> Self {
        Self {
            place,
            encoder: Encoder::new(),
            runs: Vec::new(),
            columns: Vec::new(),
            column: Vec::new(),
        }
    }

    /// Takes in a column; a block that is full goes to `blocks`.
    pub(in crate::store) fn push(
        &mut self,
        column: u32,
        links: Links,
        cells: &[Cell],
        reference: Option<&[Cell]>,
        blocks: &mut Vec<Block>,
    ) {
        if cells.iter().all(|cell| *cell == Cell::ABSENT) {
            return;
        }
        let after = self.runs.last().map_or(0, |run| run.first + run.count);
        assert!(column >= after, "the columns of a plane ascend");
        self.column.clear();
        self.encoder.encode(cells, reference, &mut self.column);
        let runs = (self.runs.len() + 2) * RUN_BYTES;
        if runs + self.columns.len() + self.column.len() > MAX_BYTES {
            self.finish(blocks);
        }
        self.columns.append(&mut self.column);
        match self.runs.last_mut() {
            Some(run) if run.first + run.count == column && run.links.plus(run.count) == links => {
                run.count += 1;
            }
            _ => self.runs.push(Run {
                first: column,
                count: 1,
                links,
            }),
        }
    }

    /// Ends the open block.
    pub(in crate::store) fn finish(&mut self, blocks: &mut Vec<Block>) {
        let Some(first) = self.runs.first().map(|run| run.first) else {
            return;
        };
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        put_varint(&mut bytes, self.runs.len() as u64);
        let mut end = first;
        for run in self.runs.drain(..) {
            let link = |column: Option<u32>| column.map_or(0, |column| u64::from(column) + 1);
            for number in [
                u64::from(run.first - end),
                u64::from(run.count),
                link(run.links.log_end),
                link(run.links.log_start),
            ] {
                put_varint(&mut bytes, number);
            }
            end = run.first + run.count;
        }
        bytes.append(&mut self.columns);
        blocks.push((self.place.key(first), bytes));
    }
}

/// A block that was read, with where each of its columns begins.
#[derive(Debug)]
pub(in crate::store) struct OpenBlock {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    /// By column, ascending: where it begins.
    directory: Vec<(u32, u32)>,
}

impl OpenBlock {
    pub(in crate::store) fn open(first: u32, bytes: Vec<u8>) -> Result<Self, Fault> {
        let mut rest = &bytes[..];
        let runs = read_runs(first, &mut rest).ok_or_else(|| damaged("its runs are cut off"))?;
        let mut directory = Vec::new();
        for run in &runs {
            for column in run.first..run.first + run.count {
                let offset = (bytes.len() - rest.len()) as u32;
                codec::skip(&mut rest).map_err(damaged)?;
                directory.push((column, offset));
            }
        }
        if !rest.is_empty() {
            return Err(damaged("bytes follow its end"));
        }
        Ok(Self {
            bytes,
            runs,
            directory,
        })
    }

    /// The column's bytes, and those after it.
    pub(in crate::store) fn column(&self, column: u32) -> Option<&[u8]> {
        let place = self
            .directory
            .binary_search_by_key(&column, |entry| entry.0);
        place
            .ok()
            .map(|place| &self.bytes[self.directory[place].1 as usize..])
    }

    /// Its columns, ascending.
    pub(in crate::store) fn columns(&self) -> impl Iterator<Item = u32> + '_ {
        self.directory.iter().map(|(column, _)| *column)
    }

    /// The columns of the same partition's log.
    pub(in crate::store) fn links(&self, column: u32) -> Links {
        let run = self.runs.partition_point(|run| run.first <= column);
        match run.checked_sub(1).map(|run| self.runs[run]) {
            Some(run) => run.links.plus(column - run.first),
            None => Links::default(),
        }
    }
}

fn read_runs(first: u32, bytes: &mut &[u8]) -> Option<Vec<Run>> {
    let count = take_varint(bytes).ok()?;
    let mut end = first;
    let mut runs = Vec::with_capacity(min(count as usize, bytes.len()));
    for _ in 0..count {
        let mut number = || u32::try_from(take_varint(bytes).ok()?).ok();
        let (gap, count, log_end, log_start) = (number()?, number()?, number()?, number()?);
        let run = Run {
            first: end.checked_add(gap)?,
            count,
            links: Links {
                log_end: log_end.checked_sub(1),
                log_start: log_start.checked_sub(1),
            },
        };
        // Each column takes at least a byte.
        if count as usize > bytes.len() {
            return None;
        }
        end = run.first.checked_add(count)?;
        runs.push(run);
    }
    Some(runs)
}

fn damaged(reason: impl ToString) -> Fault {
    Fault::damaged("block of a chunk", reason)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::store::codec::Decoder;

    const PLACE: Place = Place {
        level: Level::Raw,
        first: 5,
        stream: 2,
        plane: Plane::Newest,
    };

    fn links(log_end: u32) -> Links {
        Links {
            log_end: Some(log_end),
            log_start: None,
        }
    }

    fn blocks_of(columns: &[(u32, Links, Vec<Cell>)]) -> Vec<Block> {
        let (mut writer, mut blocks) = (BlockWriter::new(PLACE), Vec::new());
        for (column, links, cells) in columns {
            writer.push(*column, *links, cells, None, &mut blocks);
        }
        writer.finish(&mut blocks);
        blocks
    }

    #[test]
    fn bytes_on_disk_stay_what_they_are() {
        let seven = vec![Cell::of(7); 3];
        let absent = vec![Cell::ABSENT; 3];
        let none = Links::default();
        let blocks = blocks_of(&[
            (3, none, seven.clone()),
            (4, none, absent),
            (10, links(40), seven.clone()),
            (11, links(41), seven),
        ]);
        let expected = [
            2, // runs
            0, 1, 0, 0, // column 3, one, without links
            6, 2, 41, 0, // after six others two, log end in column 40 and so on
            1, 14, 1, 14, 1, 14, // three constant columns
        ];
        assert_eq!(blocks, [((0, 5, 2, 0, 3), expected.to_vec())]);
        let block = OpenBlock::open(3, blocks[0].1.clone()).expect("own block");
        assert_eq!(block.links(11), links(41));
        assert_eq!(block.links(3), none);
        assert!(block.column(4).is_none() && block.column(10).is_some());
    }

    proptest! {
        #[test]
        fn every_column_is_found_again(
            columns in vec((1_u32..4, prop::option::of(0_u32..9), vec(any::<i64>(), 40)), 1..200),
        ) {
            let mut column = 0;
            let columns: Vec<_> = columns
                .into_iter()
                .map(|(after, link, values)| {
                    column += after;
                    let links = link.map_or(Links::default(), links);
                    (column, links, values.into_iter().map(Cell::of).collect::<Vec<_>>())
                })
                .collect();
            let blocks = blocks_of(&columns);
            prop_assert!(blocks.iter().all(|(_, bytes)| bytes.len() <= MAX_BYTES));
            prop_assert!(blocks.is_sorted_by_key(|(key, _)| *key));
            for (column, links, cells) in columns {
                let block = blocks.iter().rfind(|(key, _)| key.4 <= column).expect("one before");
                let open = OpenBlock::open(block.0.4, block.1.clone()).expect("own block");
                prop_assert_eq!(open.links(column), links);
                let mut found = Vec::new();
                let mut bytes = open.column(column).expect("it is there");
                Decoder::new().decode(&mut bytes, 40, None, &mut found).expect("own column");
                prop_assert_eq!(found, cells);
            }
        }

        #[test]
        fn any_bytes_are_a_block_or_an_error(first: u32, bytes in vec(any::<u8>(), 0..80)) {
            if let Ok(block) = OpenBlock::open(first, bytes) {
                block.links(first);
                block.column(first);
            }
        }
    }
}
