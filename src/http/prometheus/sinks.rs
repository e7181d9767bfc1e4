//! Where samples go: to the steps of an instant vector, or whole into memory for
//! a range vector.

use crate::http::recorded::Reading;

use super::{
    failure::Failure,
    labels::Labels,
    load::{Sink, lookback, widened},
    value::Series,
};

/// Memory for what is loaded of one query.
pub(super) const MAX_LOADED_BYTES: usize = 64 << 20;
const BYTES_A_STEP: usize = 8;
const BYTES_A_SAMPLE: usize = 16;

/// How much of [`MAX_LOADED_BYTES`] is left.
#[derive(Debug)]
pub(super) struct Memory(usize);

impl Default for Memory {
    fn default() -> Self {
        Self(MAX_LOADED_BYTES)
    }
}

impl Memory {
    fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| {
            Failure::too_large(
                format!("more than {MAX_LOADED_BYTES} bytes of samples to load"),
                format!("at most {MAX_LOADED_BYTES} bytes"),
                "ask for fewer series, a shorter range or a longer step",
            )
        })?;
        Ok(())
    }
}

/// An instant vector: at each time the newest sample that still counts.
#[derive(Debug)]
pub(super) struct AtTimes<'a> {
    times: &'a [i64],
    /// The first time that is not told yet.
    next: usize,
    /// By series: the newest value, and until when it counts.
    newest: Vec<Option<(f64, i64)>>,
    told: Vec<Series>,
}

impl<'a> AtTimes<'a> {
    pub(super) fn new(
        times: &'a [i64],
        series: impl ExactSizeIterator<Item = Labels>,
        memory: &mut Memory,
    ) -> Result<Self, Failure> {
        memory.take(series.len() * times.len() * BYTES_A_STEP)?;
        Ok(Self {
            times,
            next: 0,
            newest: vec![None; series.len()],
            told: series
                .map(|labels| Series::empty(labels, times.len()))
                .collect(),
        })
    }

    pub(super) fn finish(mut self) -> impl Iterator<Item = Series> {
        self.tell_before(i64::MAX);
        self.told.into_iter().filter(Series::has_value)
    }

    fn tell_before(&mut self, end: i64) {
        while let Some(time) = self.times.get(self.next).filter(|time| **time < end) {
            for (series, newest) in self.told.iter_mut().zip(&self.newest) {
                let counts = newest.filter(|(_, until)| time <= until);
                if let Some((value, _)) = counts {
                    series.set(self.next, Some(value));
                }
            }
            self.next += 1;
        }
    }
}

impl Sink for AtTimes<'_> {
    fn needs(&self, at: i64, next: i64) -> bool {
        let open = &self.times[self.next..];
        let first = open.partition_point(|time| *time < at);
        open.get(first).is_some_and(|time| *time < next)
    }

    fn take(
        &mut self,
        at: i64,
        resolution: i64,
        readings: &mut dyn Iterator<Item = Reading>,
    ) -> Result<(), Failure> {
        self.tell_before(at);
        let until = at.saturating_add(lookback(resolution));
        for (newest, reading) in self.newest.iter_mut().zip(readings) {
            match reading {
                Reading::Value(value) => *newest = Some((value, until)),
                Reading::Unknown => {}
                Reading::Gone => *newest = None,
            }
        }
        Ok(())
    }
}

/// A value at a time, in ms.
pub(super) type Sample = (i64, f64);

/// A range vector: all samples, of which each time has its window.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    memory: &'a mut Memory,
    series: Vec<(Labels, Vec<Sample>)>,
    /// From when on ticks had which resolution.
    resolutions: Vec<(i64, i64)>,
}

/// The samples of one series, with the resolution that they have.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) labels: Labels,
    pub(super) samples: Vec<Sample>,
}

/// How long windows are.
#[derive(Debug)]
pub(super) struct Windows {
    window: i64,
    resolutions: Vec<(i64, i64)>,
}

impl<'a> Samples<'a> {
    pub(super) fn new(series: impl Iterator<Item = Labels>, memory: &'a mut Memory) -> Self {
        Self {
            memory,
            series: series.map(|labels| (labels, Vec::new())).collect(),
            resolutions: Vec::new(),
        }
    }

    pub(super) fn finish(self, window: i64) -> (Vec<Loaded>, Windows) {
        let series = self.series.into_iter();
        let series = series.filter(|(_, samples)| !samples.is_empty());
        let loaded = series.map(|(labels, samples)| Loaded { labels, samples });
        let windows = Windows {
            window,
            resolutions: self.resolutions,
        };
        (loaded.collect(), windows)
    }
}

impl Windows {
    /// Of samples as they were recorded.
    #[cfg(test)]
    pub(super) fn exact(window: i64) -> Self {
        Self {
            window,
            resolutions: Vec::new(),
        }
    }

    /// The length of the window that ends at `time`.
    pub(super) fn length(&self, time: i64) -> i64 {
        widened(self.window, self.resolution(time))
    }

    /// As it was asked for.
    pub(super) fn asked(&self) -> i64 {
        self.window
    }

    /// How far apart ticks were then; 0: as they were recorded.
    pub(super) fn resolution(&self, time: i64) -> i64 {
        let later = self.resolutions.partition_point(|(at, _)| *at <= time);
        later
            .checked_sub(1)
            .map_or(0, |place| self.resolutions[place].1)
    }
}

impl Sink for Samples<'_> {
    fn needs(&self, _at: i64, _next: i64) -> bool {
        true
    }

    fn take(
        &mut self,
        at: i64,
        resolution: i64,
        readings: &mut dyn Iterator<Item = Reading>,
    ) -> Result<(), Failure> {
        if self
            .resolutions
            .last()
            .is_none_or(|last| last.1 != resolution)
        {
            self.resolutions.push((at, resolution));
        }
        for ((_, samples), reading) in self.series.iter_mut().zip(readings) {
            if let Some(value) = reading.value() {
                self.memory.take(BYTES_A_SAMPLE)?;
                samples.push((at, value));
            }
        }
        Ok(())
    }
}
