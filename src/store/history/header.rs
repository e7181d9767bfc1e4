//! What a chunk says of itself.
//!
//! ```text
//! +------------+------------+------------------+---------------+----------------+
//! | format: u8 | ticks: u16 | block bytes: u64 | times: column | widths: column |
//! +------------+------------+------------------+---------------+----------------+
//! ```
//! - `format` is [`FORMAT`]: of the header, of the blocks and of the
//!   [columns](crate::store::codec) in them. Numbers are little-endian.
//! - `times` are when each tick was, strictly ascending, as a column.
//! - `widths` are how many columns each tick had.

use crate::{
    model::Cell,
    store::{
        codec::{Decoder, Encoder},
        error::Fault,
    },
};

const FORMAT: u8 = 1;

/// Ticks of one chunk: two hours at one a second are 7,200.
pub(in crate::store) const MAX_TICKS: usize = 8_192;

/// A chunk's ticks, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Header {
    /// When each tick was, in milliseconds; at least one.
    pub(in crate::store) times: Vec<i64>,
    /// How many columns each tick had.
    pub(in crate::store) widths: Vec<u32>,
    /// What its blocks take.
    pub(in crate::store) block_bytes: u64,
}

impl Header {
    pub(in crate::store) fn last(&self) -> i64 {
        *self.times.last().expect("a chunk has a tick")
    }

    /// How many columns the widest tick had.
    pub(in crate::store) fn width(&self) -> u32 {
        let widest = self.widths.iter().copied().max();
        widest.expect("a chunk has a tick")
    }

    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let ticks = u16::try_from(self.times.len()).expect("a chunk's ticks are bounded");
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&ticks.to_le_bytes());
        bytes.extend_from_slice(&self.block_bytes.to_le_bytes());
        let mut encoder = Encoder::new();
        let times: Vec<_> = self.times.iter().copied().map(Cell::of).collect();
        encoder.encode(&times, None, &mut bytes);
        let widths = self.widths.iter().map(|width| Cell::of((*width).into()));
        encoder.encode(&widths.collect::<Vec<_>>(), None, &mut bytes);
        bytes
    }

    pub(in crate::store) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let damaged = |reason: &str| Fault::damaged("header of a chunk", reason);
        let (&[format, low, high, size @ ..], mut rest) = bytes
            .split_first_chunk::<11>()
            .ok_or_else(|| damaged("it is cut off"))?;
        if format != FORMAT {
            return Err(damaged(&format!("unknown format {format}")));
        }
        let ticks = usize::from(u16::from_le_bytes([low, high]));
        if !(1..=MAX_TICKS).contains(&ticks) {
            return Err(damaged(&format!("it claims {ticks} ticks")));
        }
        let mut decoder = Decoder::new();
        let mut column = || {
            let mut cells = Vec::new();
            decoder
                .decode(&mut rest, ticks, None, &mut cells)
                .map_err(|reason| damaged(&reason.to_string()))?;
            let values = cells.into_iter().map(Cell::value);
            let values: Option<Vec<i64>> = values.collect();
            values.ok_or_else(|| damaged("a tick has no time or no width"))
        };
        let (times, widths) = (column()?, column()?);
        if !rest.is_empty() || !times.is_sorted_by(|one, next| one < next) {
            return Err(damaged("its times don't ascend, or bytes follow"));
        }
        let widths = widths.into_iter().map(u32::try_from);
        Ok(Self {
            times,
            widths: widths
                .collect::<Result<_, _>>()
                .map_err(|_| damaged("a tick is too wide"))?,
            block_bytes: u64::from_le_bytes(size),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn header(ticks: i64) -> Header {
        Header {
            times: (0..ticks).map(|tick| 1_000 + 10 * tick).collect(),
            widths: (0..ticks).map(|tick| 7 + (tick / 3) as u32).collect(),
            block_bytes: 0x0102,
        }
    }

    #[test]
    fn bytes_on_disk_stay_what_they_are() {
        let bytes = header(4).encode();
        assert_eq!(bytes[..11], [1, 4, 0, 2, 1, 0, 0, 0, 0, 0, 0]);
        let times = [19, 208, 15, 10, 3, 4, 1, 0];
        let widths = [3, 14, 3, 4, 128, 4];
        assert_eq!(bytes[11..], [&times[..], &widths].concat());
        assert_eq!(Header::decode(&bytes).expect("own header"), header(4));
    }

    #[test]
    fn what_no_chunk_has_is_refused() {
        let good = header(4).encode();
        let with = |place: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[place] = byte;
            bytes
        };
        let cut = |length: usize| good[..length].to_vec();
        let longer = [&good[..], &[0]].concat();
        for bytes in [
            with(0, 2),
            with(1, 0),
            with(2, 255),
            cut(0),
            cut(10),
            longer,
        ] {
            assert!(Header::decode(&bytes).is_err(), "{bytes:?}");
        }
        for length in 0..good.len() {
            assert!(Header::decode(&cut(length)).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in vec(any::<u8>(), 0..60)) {
            Header::decode(&bytes).ok();
            let started = [&[FORMAT, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], &bytes[..]].concat();
            if let Ok(header) = Header::decode(&started) {
                prop_assert_eq!((header.times.len(), header.widths.len()), (3, 3));
            }
        }

        #[test]
        fn every_header_comes_back(
            ticks in vec((1_i64..100_000, any::<u32>()), 1..300), start in any::<i32>(), size: u64,
        ) {
            let mut at = i64::from(start);
            let header = Header {
                times: ticks.iter().map(|(after, _)| { at += after; at }).collect(),
                widths: ticks.iter().map(|(_, width)| *width).collect(),
                block_bytes: size,
            };
            prop_assert_eq!(Header::decode(&header.encode()).expect("own header"), header);
        }
    }
}
