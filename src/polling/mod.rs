//! Polling: cycle after cycle, whatever is polled.
//!
//! It owns when a cycle begins and how cycles go; it knows neither Kafka nor
//! databases. Its key invariant: whatever a cycle does, the next begins on the
//! grid, and ticks come in the order of their times.

mod schedule;
mod stats;

pub use schedule::{Pollable, Schedule, poll_until_cancelled};
pub use stats::PollStats;
