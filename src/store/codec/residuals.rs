//! Small numbers, most of them zero or of much the same size, in few bits: the
//! adaptive run-length Golomb-Rice code (H. S. Malvar, "Adaptive Run-Length /
//! Golomb-Rice Encoding of Quantized Generalized Gaussian Sources with Unknown
//! Statistics", DCC 2006), with an escape for what is far larger than those
//! before it.
//!
//! Both sides adapt two parameters to what has gone by, so that neither takes
//! bits, save for where the first begins.

use super::bits::{BitReader, BitWriter, MAX_BITS, low_bits};

/// Bits for where the Rice parameter begins, and for the length of an escaped
/// number.
const PARAMETER_BITS: u32 = 6;
/// As many ones say that the number follows as it is, by its length.
const ESCAPE_ONES: u32 = 12;
/// With the ones and their end, one [`BitReader::peek`] holds a whole number.
const MAX_RICE_BITS: u32 = MAX_BITS - ESCAPE_ONES - 1;

/// How finely the Rice parameter adapts.
const RICE_STEPS: u32 = 16;
/// How finely the length of runs adapts.
const RUN_STEPS: u32 = 4;
/// Runs of at most 4,096 zeros, one bit each.
const MAX_RUN_STEPS: u32 = 12 * RUN_STEPS;

/// How the next numbers are coded.
#[derive(Debug)]
struct Adaptation {
    rice_steps: u32,
    run_steps: u32,
}

impl Adaptation {
    fn new(rice_bits: u32) -> Self {
        Self {
            rice_steps: rice_bits.min(MAX_RICE_BITS) * RICE_STEPS,
            run_steps: 0,
        }
    }

    #[inline]
    fn rice_bits(&self) -> u32 {
        self.rice_steps / RICE_STEPS
    }

    /// Runs are of two to the power of this many zeros; 0: no runs.
    #[inline]
    fn run_bits(&self) -> u32 {
        self.run_steps / RUN_STEPS
    }

    /// After a number that was `ones` times what the Rice parameter leaves over.
    #[inline]
    fn learn_size(&mut self, ones: u32) {
        // One is as it should be.
        let steps = (self.rice_steps + 3 * ones.min(6)).saturating_sub(3);
        self.rice_steps = steps.min(MAX_RICE_BITS * RICE_STEPS);
    }

    #[inline]
    fn learn_single(&mut self, is_zero: bool) {
        self.run_steps = (self.run_steps + 6 * u32::from(is_zero)).saturating_sub(3);
    }

    #[inline]
    fn learn_whole_run(&mut self) {
        self.run_steps = (self.run_steps + 4).min(MAX_RUN_STEPS);
    }

    #[inline]
    fn learn_broken_run(&mut self) {
        self.run_steps = self.run_steps.saturating_sub(6);
    }
}

/// Appends `residuals`; their sizes are about `rice_bits` at first.
pub(super) fn put(residuals: &[u64], rice_bits: u32, bits: &mut BitWriter) {
    let rice_bits = rice_bits.min(MAX_RICE_BITS);
    bits.put(u64::from(rice_bits), PARAMETER_BITS);
    let mut state = Adaptation::new(rice_bits);
    let mut rest = residuals;
    while !rest.is_empty() {
        let taken = match state.run_bits() {
            0 => put_single(rest[0], &mut state, bits),
            run_bits => put_run(rest, run_bits, &mut state, bits),
        };
        rest = &rest[taken..];
    }
}

#[inline]
fn put_single(residual: u64, state: &mut Adaptation, bits: &mut BitWriter) -> usize {
    put_rice(residual, state, bits);
    state.learn_single(residual == 0);
    1
}

/// A run of zeros up to the end counts as a whole one, however short.
fn put_run(rest: &[u64], run_bits: u32, state: &mut Adaptation, bits: &mut BitWriter) -> usize {
    let longest = rest.len().min(1 << run_bits);
    let zeros = rest[..longest]
        .iter()
        .take_while(|&&residual| residual == 0);
    let run = zeros.count();
    if run == longest {
        bits.put(0, 1);
        state.learn_whole_run();
        return run;
    }
    bits.put(1 | (run as u64) << 1, 1 + run_bits);
    put_rice(rest[run] - 1, state, bits);
    state.learn_broken_run();
    run + 1
}

#[inline]
fn put_rice(number: u64, state: &mut Adaptation, bits: &mut BitWriter) {
    let rice_bits = state.rice_bits();
    let ones = number >> rice_bits;
    if ones < u64::from(ESCAPE_ONES) {
        let ones = ones as u32;
        let low = number & low_bits(rice_bits);
        bits.put(low_bits(ones) | low << (ones + 1), ones + 1 + rice_bits);
        state.learn_size(ones);
    } else {
        put_escaped(number, bits);
        state.learn_size(ESCAPE_ONES);
    }
}

/// A number above zero, as it is. The highest of its bits needs no place.
#[cold]
fn put_escaped(number: u64, bits: &mut BitWriter) {
    let length = number.ilog2();
    bits.put(low_bits(ESCAPE_ONES), ESCAPE_ONES);
    bits.put(u64::from(length), PARAMETER_BITS);
    let below = number ^ 1 << length;
    let low = length.min(32);
    bits.put(below & low_bits(low), low);
    bits.put(below >> low, length - low);
}

/// Takes `count` residuals into `residuals`, cleared first. Whatever the bits
/// are, it takes no more time and memory than that.
pub(super) fn take(bits: &mut BitReader<'_>, count: usize, residuals: &mut Vec<u64>) {
    residuals.clear();
    let rice_bits = bits.get(PARAMETER_BITS) as u32;
    let mut state = Adaptation::new(rice_bits);
    while residuals.len() < count {
        match state.run_bits() {
            0 => take_single(bits, &mut state, residuals),
            run_bits => {
                let longest = (count - residuals.len()).min(1 << run_bits);
                take_run(bits, run_bits, longest, &mut state, residuals);
            }
        }
    }
}

#[inline]
fn take_single(bits: &mut BitReader<'_>, state: &mut Adaptation, residuals: &mut Vec<u64>) {
    let residual = take_rice(bits, state);
    state.learn_single(residual == 0);
    residuals.push(residual);
}

fn take_run(
    bits: &mut BitReader<'_>,
    run_bits: u32,
    longest: usize,
    state: &mut Adaptation,
    residuals: &mut Vec<u64>,
) {
    if bits.get(1) == 0 {
        residuals.resize(residuals.len() + longest, 0);
        state.learn_whole_run();
        return;
    }
    // No honest run is longer than what it is broken within.
    let run = (bits.get(run_bits) as usize).min(longest - 1);
    residuals.resize(residuals.len() + run, 0);
    residuals.push(take_rice(bits, state).wrapping_add(1));
    state.learn_broken_run();
}

#[inline]
fn take_rice(bits: &mut BitReader<'_>, state: &mut Adaptation) -> u64 {
    let rice_bits = state.rice_bits();
    let word = bits.peek();
    let ones = word.trailing_ones();
    if ones >= ESCAPE_ONES {
        state.learn_size(ESCAPE_ONES);
        return take_escaped(bits);
    }
    bits.skip(ones + 1 + rice_bits);
    state.learn_size(ones);
    u64::from(ones) << rice_bits | (word >> (ones + 1)) & low_bits(rice_bits)
}

#[cold]
fn take_escaped(bits: &mut BitReader<'_>) -> u64 {
    bits.skip(ESCAPE_ONES);
    let length = bits.get(PARAMETER_BITS) as u32;
    let low = length.min(32);
    let below = bits.get(low) | bits.get(length - low) << low;
    below | 1 << length
}
