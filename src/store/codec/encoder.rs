//! From cells to bytes: tries what may suit a column and writes the shortest.

use std::mem;

use super::{
    MAX_TICKS,
    bits::BitWriter,
    changes, holes,
    lag::carried,
    predicted::{self, Aspect},
    residuals,
    tag::{Body, Pace, Tag},
    varint::{put_varint, varint_bytes, zigzag},
};
use crate::model::Cell;

/// A column is tried as a list of changes if at most one in so many cells
/// changes, and as nothing else if far fewer do.
const CELLS_A_CHANGE: usize = 8;
const CELLS_A_RARE_CHANGE: usize = 32;

/// About what residuals take beside their own bits.
const RESIDUALS_HEADER_BYTES: usize = 2;

/// Writes columns. It keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Encoder {
    values: Vec<i64>,
    lags: Vec<i64>,
    holes: Vec<holes::Run>,
    /// Of the best plan so far, and of the one that is tried.
    residuals: Vec<u64>,
    tried: Vec<u64>,
    bits: BitWriter,
}

/// A way to write a column.
#[derive(Debug, Clone, Copy)]
struct Plan {
    is_lag: bool,
    body: Body,
    /// About how many bytes it takes: for the first number,
    first_bytes: usize,
    /// and for what follows it.
    body_bytes: usize,
}

impl Plan {
    fn bytes(&self) -> usize {
        self.first_bytes + self.body_bytes
    }
}

impl Encoder {
    /// An encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the column of `cells` to `out`.
    ///
    /// `reference` is what the values follow, tick by tick: the log end offsets
    /// of the partition that the commits are of. The decoder needs the same.
    ///
    /// # Panics
    ///
    /// If there are no cells or more than [`MAX_TICKS`], or not as many in
    /// `reference`.
    pub fn encode(&mut self, cells: &[Cell], reference: Option<&[Cell]>, out: &mut Vec<u8>) {
        assert!(
            (1..=MAX_TICKS).contains(&cells.len()),
            "a chunk has ticks, and at most {MAX_TICKS}"
        );
        self.values.clear();
        self.values
            .extend(cells.iter().filter_map(|cell| cell.value()));
        if self.values.is_empty() {
            return self.put_nothing(cells, out);
        }
        if let Some(reference) = reference {
            set_lags(cells, reference, &mut self.lags);
        }
        let plan = self.choose(reference.is_some());
        let has_holes = self.values.len() < cells.len();
        if has_holes {
            holes::find(cells, None, &mut self.holes);
        }
        self.put(plan, has_holes, out);
    }

    /// Cells none of which holds a value.
    fn put_nothing(&mut self, cells: &[Cell], out: &mut Vec<u8>) {
        let rest = cells[0];
        holes::find(cells, Some(rest), &mut self.holes);
        let tag = Tag {
            body: Body::Nothing(rest),
            is_lag: false,
            has_holes: !self.holes.is_empty(),
        };
        out.push(tag.to_byte());
        if tag.has_holes {
            holes::put(&self.holes, out);
        }
    }

    /// The shortest way to write the values; if by residuals, they are in
    /// `self.residuals`.
    fn choose(&mut self, has_reference: bool) -> Plan {
        let mut best = self.plan(false);
        self.keep_tried();
        if has_reference {
            let by_lag = self.plan(true);
            self.prefer(by_lag, &mut best);
        }
        if best.body == Body::Residuals(Pace::Slow) {
            let quick = self.plan_residuals(best.is_lag, Pace::Quick);
            self.prefer(quick, &mut best);
        }
        best
    }

    fn prefer(&mut self, plan: Plan, best: &mut Plan) {
        if plan.bytes() < best.bytes() {
            self.keep_tried();
            *best = plan;
        }
    }

    fn keep_tried(&mut self) {
        mem::swap(&mut self.residuals, &mut self.tried);
    }

    fn plan(&mut self, is_lag: bool) -> Plan {
        let signal = self.signal(is_lag);
        let count = changes::count(signal);
        if count == 0 {
            return self.plan_of(is_lag, Body::Constant, 0);
        }
        if count * CELLS_A_CHANGE > signal.len() {
            return self.plan_residuals(is_lag, Pace::Slow);
        }
        let listed = self.plan_of(is_lag, Body::Changes, changes::size(signal));
        if count * CELLS_A_RARE_CHANGE <= signal.len() {
            return listed;
        }
        let predicted = self.plan_residuals(is_lag, Pace::Slow);
        match predicted.bytes() < listed.bytes() {
            true => predicted,
            false => listed,
        }
    }

    /// A plan by residuals, which are in `self.tried`.
    fn plan_residuals(&mut self, is_lag: bool, pace: Pace) -> Plan {
        let signal = if is_lag { &self.lags } else { &self.values };
        let aspect = Aspect::of(is_lag);
        let bits = predicted::predict(signal, aspect, pace, &mut self.tried);
        self.plan_of(
            is_lag,
            Body::Residuals(pace),
            bits / 8 + RESIDUALS_HEADER_BYTES,
        )
    }

    fn plan_of(&self, is_lag: bool, body: Body, body_bytes: usize) -> Plan {
        let first = zigzag(self.signal(is_lag)[0]);
        Plan {
            is_lag,
            body,
            first_bytes: varint_bytes(first),
            body_bytes,
        }
    }

    fn signal(&self, is_lag: bool) -> &[i64] {
        if is_lag { &self.lags } else { &self.values }
    }

    fn put(&mut self, plan: Plan, has_holes: bool, out: &mut Vec<u8>) {
        let tag = Tag {
            body: plan.body,
            is_lag: plan.is_lag,
            has_holes,
        };
        out.push(tag.to_byte());
        if has_holes {
            holes::put(&self.holes, out);
        }
        let signal = self.signal(plan.is_lag);
        put_varint(out, zigzag(signal[0]));
        match plan.body {
            Body::Nothing(_) | Body::Constant => {}
            Body::Changes => changes::put(signal, out),
            Body::Residuals(_) => self.put_residuals(plan, out),
        }
    }

    fn put_residuals(&mut self, plan: Plan, out: &mut Vec<u8>) {
        let mean_bits = 8 * plan.body_bytes / self.residuals.len();
        let rice_bits = mean_bits.saturating_sub(1) as u32;
        self.bits.clear();
        residuals::put(&self.residuals, rice_bits, &mut self.bits);
        let body = self.bits.finish();
        put_varint(out, body.len() as u64);
        out.extend_from_slice(body);
    }
}

/// How far the values are behind `reference`.
fn set_lags(cells: &[Cell], reference: &[Cell], lags: &mut Vec<i64>) {
    assert_eq!(
        reference.len(),
        cells.len(),
        "a reference has the same ticks"
    );
    let pairs = cells.iter().zip(carried(reference));
    lags.clear();
    lags.extend(pairs.filter_map(|(cell, end)| Some(end.wrapping_sub(cell.value()?))));
}
