//! What `/metrics` would have told at each recorded tick.
//!
//! Shared by queries over history and by what is exported. It knows which series
//! there are and what a tick says of each; nothing of how anybody asks. Key
//! invariants: a series has the name, the labels and the value of `/metrics`,
//! and what a tick does not tell has no value.

mod estimates;
mod offsets;
mod series;
mod told;

pub(crate) use estimates::{Estimates, eta};
pub(crate) use offsets::{Known, Offsets};
pub(crate) use series::{Of, Series, Source, is_of_task, series, series_of_watches, watch_labels};
pub(crate) use told::{Promises, value as told_value};

/// What is told of a series at one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// This.
    Value(f64),
    /// Nothing new: the page goes on telling the value before, until that is too old.
    Unknown,
    /// That there is none: the page leaves it out at once.
    Gone,
}

impl Reading {
    pub(crate) fn value(self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown | Self::Gone => None,
        }
    }

    fn or_gone(value: Option<f64>) -> Self {
        value.map_or(Self::Gone, Self::Value)
    }
}
