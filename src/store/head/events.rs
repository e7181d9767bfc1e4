//! Events in their table: written with a tick, read newest first, and deleted
//! by age and number.

use std::{fmt, sync::Arc, time::Duration, vec};

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{
    retention::{SLICE_ROWS, count, in_slices},
    tables::EVENTS,
};
use crate::{
    model::{Event, TimestampMs},
    store::{
        ReadError, catalogue,
        database::Database,
        error::{Fault, RecordError},
        files::Files,
    },
};

/// How long events are kept: a year and a month, so that a season can be
/// compared with the one before.
const KEPT: Duration = Duration::from_hours(400 * 24);
/// About 100 MB.
const MAX_EVENTS: u64 = 1_000_000;

/// Events as rows that wait for a transaction.
#[derive(Debug, Default)]
pub(in crate::store) struct EventRows(Vec<(i64, Vec<u8>)>);

impl EventRows {
    pub(in crate::store) fn push(&mut self, event: &Event) -> Result<(), RecordError> {
        self.0.push((event.at.0, catalogue::encode_event(event)?));
        Ok(())
    }

    pub(in crate::store) fn insert(&self, transaction: &WriteTransaction) -> Result<(), Fault> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut table = transaction.open_table(EVENTS)?;
        for (at, record) in &self.0 {
            let newest = table.range((*at, 0)..=(*at, u16::MAX))?.next_back();
            let next = match newest.transpose()? {
                // Of more in one millisecond than there are numbers, the last.
                Some((key, _)) => key.value().1.saturating_add(1),
                None => 0,
            };
            table.insert((*at, next), record.as_slice())?;
        }
        Ok(())
    }
}

/// When, and its number among those of that time.
type EventKey = (i64, u16);

/// Events in a span of time, newest first.
///
/// Each thousand is read in a transaction of its own, so a slow reader holds up
/// nothing. After an error the iterator ends.
pub struct Events {
    files: Arc<Files>,
    from: i64,
    /// The newest row that is not read yet; `None` at the end.
    next: Option<EventKey>,
    pending: vec::IntoIter<Event>,
}

impl Events {
    pub(in crate::store) fn new(files: Arc<Files>, from: TimestampMs, to: TimestampMs) -> Self {
        Self {
            files,
            from: from.0,
            next: (from <= to).then_some((to.0, u16::MAX)),
            pending: Vec::new().into_iter(),
        }
    }

    fn advance(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.pending.next() {
                return Ok(Some(event));
            }
            let Some(next) = self.next.take() else {
                return Ok(None);
            };
            let from = self.from;
            let (events, next) = self
                .files
                .head
                .read(|transaction| read_slice(transaction, from, next))?;
            self.pending = events.into_iter();
            self.next = next;
        }
    }
}

/// A slice that ends in row `last`, newest first, and where the next one ends.
fn read_slice(
    transaction: &ReadTransaction,
    from: i64,
    last: EventKey,
) -> Result<(Vec<Event>, Option<EventKey>), Fault> {
    let table = transaction.open_table(EVENTS)?;
    let mut events = Vec::new();
    for row in table.range((from, 0)..=last)?.rev() {
        let (key, record) = row?;
        if events.len() == SLICE_ROWS {
            return Ok((events, Some(key.value())));
        }
        let at = TimestampMs(key.value().0);
        events.push(catalogue::decode_event(at, record.value())?);
    }
    Ok((events, None))
}

impl Iterator for Events {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map_err(ReadError::from).transpose()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("from", &self.from)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Deletes the events that are too old as of `now`, and the oldest of those that
/// are too many.
pub(in crate::store) fn retain_events(database: &Database, now: TimestampMs) -> Result<u64, Fault> {
    let before = now.minus(KEPT);
    let old = in_slices(|| {
        database.write(|transaction| {
            let mut table = transaction.open_table(EVENTS)?;
            let old = table.extract_from_if(..(before.0, 0), |_, _| true)?;
            count(old.take(SLICE_ROWS))
        })
    })?;
    let too_many =
        in_slices(|| database.write(|transaction| drop_beyond(transaction, MAX_EVENTS)))?;
    Ok(old + too_many)
}

/// Deletes a slice of the oldest events that are more than `limit`.
fn drop_beyond(transaction: &WriteTransaction, limit: u64) -> Result<u64, Fault> {
    let mut table = transaction.open_table(EVENTS)?;
    let beyond = table.len()?.saturating_sub(limit);
    let slice = usize::try_from(beyond).map_or(SLICE_ROWS, |beyond| beyond.min(SLICE_ROWS));
    count(table.extract_if(|_, _| true)?.take(slice))
}

#[cfg(test)]
mod tests {
    use redb::{ReadableDatabase, backends::InMemoryBackend};

    use super::*;
    use crate::{
        model::EventKind,
        store::database::{self, Repair},
    };

    #[test]
    fn the_oldest_of_too_many_go_in_slices() {
        let database = redb::Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .expect("memory");
        let events = (0..3_000).map(|at| Event {
            at: TimestampMs(at),
            cluster: None,
            kind: EventKind::Stopped,
        });
        let mut rows = EventRows::default();
        for event in events {
            rows.push(&event).expect("small");
        }
        database::write(&database, Repair::Quick, |transaction| {
            rows.insert(transaction)
        })
        .expect("written");
        let drop_slice = || {
            database::write(&database, Repair::Quick, |transaction| {
                drop_beyond(transaction, 500)
            })
        };
        let slices: Vec<_> = (0..4).map(|_| drop_slice().expect("deleted")).collect();
        assert_eq!(slices, [1_024, 1_024, 452, 0]);
        let transaction = database.begin_read().expect("read");
        let table = transaction.open_table(EVENTS).expect("table");
        let oldest = table.first().expect("readable").expect("some").0.value();
        assert_eq!(oldest, (2_500, 0), "the newest stay");
    }
}
