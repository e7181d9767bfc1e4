//! Two hours of traffic, by column.

use tidegauge::model::{Cell, Columns, SeriesIndex};

use crate::traffic::{INTERVAL_MS, Traffic};

const CHUNK_MS: i64 = 2 * 3_600_000;

/// Every column at the same ticks.
pub(crate) struct Chunk {
    pub(crate) ticks: usize,
    pub(crate) columns: Vec<Column>,
}

pub(crate) struct Column {
    pub(crate) kind: Kind,
    pub(crate) cells: Vec<Cell>,
    /// The column that this one follows.
    reference: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    LogStart,
    LogEnd,
    Committed,
    /// Of topics and members.
    Other,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::LogStart, Self::LogEnd, Self::Committed, Self::Other];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LogStart => "log_start",
            Self::LogEnd => "log_end",
            Self::Committed => "committed",
            Self::Other => "other",
        }
    }
}

impl Chunk {
    pub(crate) fn of_two_hours(traffic: &mut Traffic) -> Self {
        let ticks = (CHUNK_MS / INTERVAL_MS) as usize;
        let mut index = SeriesIndex::default();
        let mut chunk = Self {
            ticks,
            columns: Vec::new(),
        };
        for number in 0..ticks {
            let tick = traffic.tick();
            for run in index.missing_runs(&tick) {
                index.restore(&run).expect("its own runs");
            }
            chunk
                .columns
                .resize_with(index.width() as usize, || Column::absent(number, ticks));
            let frame = index.place(&tick);
            for (column, cell) in chunk.columns.iter_mut().zip(frame.cells()) {
                column.cells.push(*cell);
            }
        }
        chunk.name_kinds(&index);
        chunk
    }

    /// Each `step`th tick, as rollups keep it.
    pub(crate) fn thinned(&self, step: usize) -> Self {
        let last = |column: &Column| {
            column
                .cells
                .iter()
                .skip(step - 1)
                .step_by(step)
                .copied()
                .collect()
        };
        let thin = |column| Column {
            cells: last(column),
            ..*column
        };
        Self {
            ticks: self.ticks / step,
            columns: self.columns.iter().map(thin).collect(),
        }
    }

    pub(crate) fn reference(&self, column: &Column) -> Option<&[Cell]> {
        column.reference.map(|at| &self.columns[at].cells[..])
    }

    pub(crate) fn samples(&self) -> f64 {
        (self.ticks * self.columns.len()) as f64
    }

    fn name_kinds(&mut self, index: &SeriesIndex) {
        for topic in index.topics().values() {
            self.name_kind(Kind::LogStart, &topic.log_start);
            self.name_kind(Kind::LogEnd, &topic.log_end);
        }
        for (name, commits) in index.groups().values().flat_map(|group| &group.topics) {
            self.name_kind(Kind::Committed, commits);
            let ends = index.topics()[name].log_end.iter();
            for (column, end) in commits.iter().zip(ends) {
                self.columns[column as usize].reference = Some(end as usize);
            }
        }
    }

    fn name_kind(&mut self, kind: Kind, columns: &Columns) {
        for column in columns.iter() {
            self.columns[column as usize].kind = kind;
        }
    }
}

impl Column {
    /// Nothing yet, at as many ticks.
    fn absent(before: usize, ticks: usize) -> Self {
        let mut cells = Vec::with_capacity(ticks);
        cells.resize(before, Cell::ABSENT);
        Self {
            kind: Kind::Other,
            cells,
            reference: None,
        }
    }
}
