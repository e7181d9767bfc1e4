//! One segment's ticks as they are on the disk.

use std::collections::VecDeque;

use redb::ReadTransaction;

use super::{
    SEGMENT_TICKS, StreamId,
    blob::Decoder,
    tables::{SEGMENTS, TICKS},
};
use crate::{
    model::{Cell, TimestampMs},
    store::error::Fault,
};

/// A tick that is not decoded yet.
pub(in crate::store) struct StoredTick {
    pub(in crate::store) at: i64,
    blob: Vec<u8>,
}

impl StoredTick {
    /// Its cells. The ticks of a segment are decoded in their order.
    pub(in crate::store) fn decode(&self, decoder: &mut Decoder) -> Result<Vec<Cell>, Fault> {
        decoder.decode(&self.blob).map_err(|reason| {
            let what = format!("tick at {}", TimestampMs(self.at));
            Fault::damaged(what, reason)
        })
    }
}

/// The ticks, up to the time `to`, of the segment that begins at `first`; none
/// if it was cut meanwhile.
pub(in crate::store) fn read_segment(
    transaction: &ReadTransaction,
    stream: StreamId,
    first: i64,
    to: i64,
) -> Result<VecDeque<StoredTick>, Fault> {
    let Some(last) = transaction.open_table(SEGMENTS)?.get((stream, first))? else {
        return Ok(VecDeque::new());
    };
    let rows = transaction.open_table(TICKS)?;
    let mut ticks: VecDeque<StoredTick> = VecDeque::with_capacity(SEGMENT_TICKS.into());
    let last = last.value().min(to);
    for row in rows.range((first, 0, 0)..=(last, u16::MAX, u16::MAX))? {
        let (key, piece) = row?;
        let (at, of, _) = key.value();
        if of != stream {
            continue;
        }
        match ticks.back_mut().filter(|tick| tick.at == at) {
            Some(tick) => tick.blob.extend_from_slice(piece.value()),
            None => ticks.push_back(StoredTick {
                at,
                blob: piece.value().to_vec(),
            }),
        }
    }
    Ok(ticks)
}
