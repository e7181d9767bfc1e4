//! Reads all that is in a store, and says what is damaged.

use std::path::Path;

use redb::{ReadTransaction, ReadableTable as _};

use super::{CareError, frozen::check_pages, open_read_only};
use crate::{
    model::TimestampMs,
    store::{
        Store, StreamName, catalogue,
        database::attempt,
        error::Fault,
        head::{
            Decoder, EVENTS, GAPS, PLUGIN_NAMES, Segment, StreamId, WATCHES, read_segment,
            segments_of,
        },
        history::{Level, chunk_keys, verify_chunk},
        open::{HEAD_FILE, HISTORY_FILE},
        reader::{series_index, streams},
    },
};

/// So many are told one by one; more say nothing new.
const MAX_DAMAGES: usize = 1_000;

/// A place that can't be read, or not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// What was read, and what of it is damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Chunks of all levels.
    pub chunks: u64,
    /// Ticks of the head.
    pub head_ticks: u64,
    /// The first thousand.
    pub damages: Vec<Damage>,
}

/// Decodes all that is in the store in `dir`, and then compares each page of
/// its files with its sum. Changes nothing.
pub fn verify_folder(dir: &Path) -> Result<Verified, CareError> {
    let mut verified = match open_read_only(dir) {
        Ok(store) => {
            let mut verified = Verified::default();
            let read = attempt(|| store.verify(&mut verified));
            verified.take_in(read, || dir.display().to_string())?;
            verified
        }
        Err(CareError::Damaged { path, reason }) => {
            let mut verified = Verified::default();
            verified.note(path.display().to_string(), reason);
            verified
        }
        Err(error) => return Err(error),
    };
    for path in [HEAD_FILE, HISTORY_FILE].map(|name| dir.join(name)) {
        if path.exists()
            && let Some(reason) = check_pages(&path)?
        {
            verified.note(path.display().to_string(), reason);
        }
    }
    Ok(verified)
}

impl Store {
    fn verify(&self, verified: &mut Verified) -> Result<(), Fault> {
        let head = self.files.head.snapshot()?;
        let history = self.files.history.snapshot()?;
        verified.watches(&head)?;
        verified.plugin_names(&head)?;
        verified.events(&head)?;
        for (stream, name) in streams(&head)? {
            verified.catalogue(&head, stream, &name)?;
            for segment in segments_of(&head, stream)? {
                verified.segment(&head, stream, &name, segment)?;
            }
            for level in Level::ALL {
                verified.level(&history, level, stream, &name)?;
            }
        }
        Ok(())
    }
}

impl Verified {
    fn note(&mut self, place: String, reason: String) {
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(Damage { place, reason });
        }
    }

    /// Damage is noted, a failure of the disk is not.
    fn take_in<T>(
        &mut self,
        outcome: Result<T, Fault>,
        place: impl FnOnce() -> String,
    ) -> Result<Option<T>, Fault> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Damaged { what, reason }) => {
                self.note(place(), format!("{what}: {reason}"));
                Ok(None)
            }
            Err(Fault::GivenUp(reason) | Fault::Database(redb::Error::Corrupted(reason))) => {
                self.note(place(), reason);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn watches(&mut self, head: &ReadTransaction) -> Result<(), Fault> {
        for row in head.open_table(WATCHES)?.iter()? {
            let (key, record) = row?;
            let watch = catalogue::decode_watch(key.value(), record.value());
            self.take_in(watch, || format!("watch {:?}", key.value()))?;
        }
        Ok(())
    }

    fn plugin_names(&mut self, head: &ReadTransaction) -> Result<(), Fault> {
        for row in head.open_table(PLUGIN_NAMES)?.iter()? {
            let (plugin, record) = row?;
            let name = catalogue::decode_plugin_name(plugin.value(), record.value());
            self.take_in(name, || format!("name of plugin {:?}", plugin.value()))?;
        }
        Ok(())
    }

    fn events(&mut self, head: &ReadTransaction) -> Result<(), Fault> {
        for row in head.open_table(EVENTS)?.iter()? {
            let (key, record) = row?;
            let at = TimestampMs(key.value().0);
            let event = catalogue::decode_event(at, record.value());
            self.take_in(event, || format!("event at {at}"))?;
        }
        Ok(())
    }

    fn catalogue(
        &mut self,
        head: &ReadTransaction,
        stream: StreamId,
        name: &StreamName,
    ) -> Result<(), Fault> {
        let index = series_index(head, stream);
        self.take_in(index, || format!("{name}, catalogue"))?;
        let gaps = head.open_table(GAPS)?;
        for row in gaps.range((stream, i64::MIN)..=(stream, i64::MAX))? {
            let (key, record) = row?;
            let at = TimestampMs(key.value().1);
            let set = catalogue::decode_gaps(record.value());
            self.take_in(set, || format!("{name}, gaps at {at}"))?;
        }
        Ok(())
    }

    fn segment(
        &mut self,
        head: &ReadTransaction,
        stream: StreamId,
        name: &StreamName,
        segment: Segment,
    ) -> Result<(), Fault> {
        let ticks = decode_segment(head, stream, segment);
        let first = TimestampMs(segment.first);
        let place = || format!("{name}, segment of the head at {first}");
        let ticks = self.take_in(ticks, place)?;
        self.head_ticks += ticks.unwrap_or_default();
        Ok(())
    }

    fn level(
        &mut self,
        history: &ReadTransaction,
        level: Level,
        stream: StreamId,
        name: &StreamName,
    ) -> Result<(), Fault> {
        for first in chunk_keys(history, level, stream)? {
            self.chunks += 1;
            let at = TimestampMs(first);
            let place = || format!("{name}, chunk of {} at {at}", level.name());
            verify_chunk(history, level, stream, first, |outcome| {
                self.take_in(outcome, place).map(drop)
            })?;
        }
        Ok(())
    }
}

fn decode_segment(
    head: &ReadTransaction,
    stream: StreamId,
    segment: Segment,
) -> Result<u64, Fault> {
    let ticks = read_segment(head, stream, segment.first, i64::MAX)?;
    let mut decoder = Decoder::new();
    for tick in &ticks {
        tick.decode(&mut decoder)?;
    }
    let (first, last) = (ticks.front(), ticks.back());
    let found = first.zip(last).map(|(first, last)| (first.at, last.at));
    if found != Some((segment.first, segment.last)) {
        return Err(Fault::damaged("segment", "ticks are missing from it"));
    }
    Ok(ticks.len() as u64)
}
