//! What is done with one column at a time.

use super::source::OpenSource;
use crate::{
    model::{self, Cell},
    store::{
        error::Fault,
        history::{
            block::Links,
            links::GroupTopic,
            rollup::{Extremes, Total},
            tables::Plane,
        },
    },
};

/// One partition's offsets; of a column that is none of commits only the first.
#[derive(Default)]
pub(super) struct Offsets {
    pub(super) committed: Vec<Cell>,
    pub(super) log_end: Vec<Cell>,
    pub(super) log_start: Vec<Cell>,
}

impl Offsets {
    pub(super) fn lags(&self, lags: &mut Vec<Cell>) {
        model::lags(&self.committed, &self.log_start, &self.log_end, lags);
    }
}

/// Buffers that are used again for each column.
#[derive(Default)]
pub(super) struct Work {
    /// As the source has them.
    pub(super) ticks: Offsets,
    /// In buckets.
    pub(super) buckets: Offsets,
    /// What rolled lags are written in reference to.
    pub(super) reference: Vec<Cell>,
    /// Lags by tick, or by tick of the finer level.
    pub(super) extremes: Extremes<Vec<Cell>>,
    /// Lags by bucket.
    pub(super) rolled: Extremes<Vec<Cell>>,
    pub(super) part: Vec<Cell>,
}

impl Work {
    pub(super) fn load(
        &mut self,
        source: &mut OpenSource<'_>,
        column: u32,
        links: Links,
    ) -> Result<(), Fault> {
        source.column(
            Plane::Newest,
            column,
            &mut self.part,
            &mut self.ticks.committed,
        )?;
        let Some(log_end) = links.log_end else {
            return Ok(());
        };
        source.column(
            Plane::Newest,
            log_end,
            &mut self.part,
            &mut self.ticks.log_end,
        )?;
        match links.log_start {
            Some(start) => {
                let cells = &mut self.ticks.log_start;
                source.column(Plane::Newest, start, &mut self.part, cells)?;
            }
            None => {
                self.ticks.log_start.clear();
                let ticks = self.ticks.log_end.len();
                self.ticks.log_start.resize(ticks, Cell::ABSENT);
            }
        }
        match source {
            OpenSource::Segments(_) => {
                let Extremes { first, min, max } = &mut self.extremes;
                self.ticks.lags(first);
                min.clone_from(first);
                max.clone_from(first);
                Ok(())
            }
            OpenSource::Minutes(_) => {
                let planes = [Plane::FirstLag, Plane::MinLag, Plane::MaxLag];
                self.load_extremes(source, planes, column)
            }
        }
    }

    /// The lags by tick, as they were loaded.
    pub(super) fn lags(&self, links: Links) -> Option<&[Cell]> {
        // Without the other column nobody has read how long the log is.
        links.log_end.map(|_| &self.extremes.first[..])
    }

    pub(super) fn load_extremes(
        &mut self,
        source: &mut OpenSource<'_>,
        [first, min, max]: [Plane; 3],
        column: u32,
    ) -> Result<(), Fault> {
        source.column(first, column, &mut self.part, &mut self.extremes.first)?;
        source.column(min, column, &mut self.part, &mut self.extremes.min)?;
        source.column(max, column, &mut self.part, &mut self.extremes.max)
    }

    pub(super) fn load_total(
        &mut self,
        total: &mut Total,
        source: &mut OpenSource<'_>,
        group_topic: &GroupTopic,
        links: &[Links],
        widths: &[u32],
    ) -> Result<(), Fault> {
        let column = group_topic.column();
        total.begin(widths.len());
        if let OpenSource::Minutes(_) = source {
            let newest = &mut self.ticks.committed;
            source.column(Plane::NewestTotal, column, &mut self.part, newest)?;
            total.add(Some(newest), 0, widths);
            let planes = [Plane::FirstTotal, Plane::MinTotal, Plane::MaxTotal];
            return self.load_extremes(source, planes, column);
        }
        for commits in group_topic.commits.iter() {
            let links = links[commits as usize];
            self.load(source, commits, links)?;
            total.add(self.lags(links), commits, widths);
        }
        self.extremes.fill(total.cells());
        Ok(())
    }
}
