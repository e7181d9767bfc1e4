//! From cells to bytes: tries what may suit a column and writes the shortest.

use super::{
    MAX_TICKS,
    bits::BitWriter,
    changes, holes,
    lag::carried,
    predicted::{self, Aspect},
    residuals,
    signal::Signal,
    tag::{Body, Pace, Tag},
    varint::{put_varint, varint_bytes, zigzag},
};
use crate::model::Cell;

/// A column is tried as a list of changes if at most one in so many cells
/// changes.
const CELLS_A_CHANGE: usize = 8;

/// Moves come in bursts if at least one in so many cells is as the one before.
const CELLS_A_STANDSTILL: usize = 2;

/// About what residuals take beside their own bits.
const RESIDUALS_HEADER_BYTES: usize = 2;

/// Writes columns. It keeps its buffers from one to the next.
#[derive(Debug, Default)]
pub struct Encoder {
    values: Signal,
    lags: Signal,
    holes: Vec<holes::Run>,
    /// By two paces.
    residuals: [Vec<u64>; 2],
    bits: BitWriter,
}

/// A way to write a column.
#[derive(Debug, Clone, Copy)]
struct Plan {
    is_lag: bool,
    body: Body,
    /// About how many bytes it takes: for the first number and the step,
    first_bytes: usize,
    /// and for what follows.
    body_bytes: usize,
}

impl Plan {
    fn bytes(&self) -> usize {
        self.first_bytes + self.body_bytes
    }

    /// The shorter one.
    fn or(self, other: Self) -> Self {
        if other.bytes() < self.bytes() {
            other
        } else {
            self
        }
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
        self.values
            .set(cells.iter().filter_map(|cell| cell.value()));
        if self.values.moves.is_empty() {
            return self.put_nothing(cells, out);
        }
        if let Some(reference) = reference {
            self.set_lags(cells, reference);
        }
        let plan = self.choose(reference.is_some());
        let has_holes = self.values.moves.len() < cells.len();
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
            has_step: false,
        };
        out.push(tag.to_byte());
        if tag.has_holes {
            holes::put(&self.holes, out);
        }
    }

    /// How far the values are behind `reference`.
    fn set_lags(&mut self, cells: &[Cell], reference: &[Cell]) {
        assert_eq!(
            reference.len(),
            cells.len(),
            "a reference has the same ticks"
        );
        let pairs = cells.iter().zip(carried(reference));
        let lags = pairs.filter_map(|(cell, end)| Some(end.wrapping_sub(cell.value()?)));
        self.lags.set(lags);
    }

    /// The shortest way to write the values; if by residuals, they are the first
    /// of `self.residuals`.
    fn choose(&mut self, has_reference: bool) -> Plan {
        if has_reference && changes::count(&self.lags.moves) == 0 {
            // Nothing is much shorter, and idle groups are many.
            return self.plan_of(true, Body::Constant, 0);
        }
        let mut best = self.outline(false);
        if has_reference {
            best = best.or(self.outline(true));
        }
        if best.body == Body::Residuals(Pace::Slow) {
            best = self.plan_residuals(best.is_lag);
        }
        best
    }

    /// A plan that predicts nothing yet, which takes most of the time.
    fn outline(&self, is_lag: bool) -> Plan {
        let moves = &self.signal(is_lag).moves;
        let count = changes::count(moves);
        if count == 0 {
            return self.plan_of(is_lag, Body::Constant, 0);
        }
        let bits = predicted::rough_bits(moves, Aspect::of(is_lag));
        let predicted = self.plan_by_bits(is_lag, Pace::Slow, bits);
        if count * CELLS_A_CHANGE > moves.len() {
            return predicted;
        }
        let listed = self.plan_of(is_lag, Body::Changes, changes::size(moves));
        listed.or(predicted)
    }

    /// What to try if slow predictions are no good.
    fn other_pace(&self, is_lag: bool) -> Pace {
        let moves = &self.signal(is_lag).moves;
        let still = moves.len() - changes::count(moves);
        match still * CELLS_A_STANDSTILL > moves.len() {
            true => Pace::Still,
            false => Pace::Quick,
        }
    }

    /// A plan by residuals, which are then the first of `self.residuals`.
    fn plan_residuals(&mut self, is_lag: bool) -> Plan {
        let paces = [Pace::Slow, self.other_pace(is_lag)];
        let signal = if is_lag { &self.lags } else { &self.values };
        let aspect = Aspect::of(is_lag);
        let bits = predicted::predict(&signal.moves, aspect, paces, &mut self.residuals);
        let slow = self.plan_by_bits(is_lag, paces[0], bits[0]);
        let other = self.plan_by_bits(is_lag, paces[1], bits[1]);
        if other.bytes() < slow.bytes() {
            self.residuals.swap(0, 1);
            return other;
        }
        slow
    }

    fn plan_by_bits(&self, is_lag: bool, pace: Pace, bits: usize) -> Plan {
        let bytes = bits / 8 + RESIDUALS_HEADER_BYTES;
        self.plan_of(is_lag, Body::Residuals(pace), bytes)
    }

    fn plan_of(&self, is_lag: bool, body: Body, body_bytes: usize) -> Plan {
        let signal = self.signal(is_lag);
        Plan {
            is_lag,
            body,
            first_bytes: varint_bytes(zigzag(signal.first)) + varint_bytes(signal.step),
            body_bytes,
        }
    }

    fn signal(&self, is_lag: bool) -> &Signal {
        if is_lag { &self.lags } else { &self.values }
    }

    fn put(&mut self, plan: Plan, has_holes: bool, out: &mut Vec<u8>) {
        let signal = self.signal(plan.is_lag);
        let tag = Tag {
            body: plan.body,
            is_lag: plan.is_lag,
            has_holes,
            has_step: signal.step > 1,
        };
        out.push(tag.to_byte());
        if has_holes {
            holes::put(&self.holes, out);
        }
        put_varint(out, zigzag(signal.first));
        if tag.has_step {
            put_varint(out, signal.step);
        }
        match plan.body {
            Body::Nothing(_) | Body::Constant => {}
            Body::Changes => changes::put(&signal.moves, out),
            Body::Residuals(_) => self.put_residuals(plan, out),
        }
    }

    fn put_residuals(&mut self, plan: Plan, out: &mut Vec<u8>) {
        let residuals = &self.residuals[0];
        let mean_bits = 8 * plan.body_bytes / residuals.len();
        let rice_bits = mean_bits.saturating_sub(1) as u32;
        self.bits.clear();
        residuals::put(residuals, rice_bits, &mut self.bits);
        let body = self.bits.finish();
        put_varint(out, body.len() as u64);
        out.extend_from_slice(body);
    }
}
