//! What this process uses, by Linux's account.

use std::fs;

use anyhow::{Context, Result};
use rustix::time::ClockId;

use super::cpu;

/// CPU milliseconds of this process so far.
pub(crate) fn cpu_ms() -> f64 {
    cpu::ms(ClockId::ProcessCPUTime)
}

/// CPU milliseconds of this thread so far.
pub(crate) fn thread_cpu_ms() -> f64 {
    cpu::ms(ClockId::ThreadCPUTime)
}

/// What it has caused to be written to the disk so far.
pub(crate) fn written_bytes() -> Result<f64> {
    let io = fs::read_to_string("/proc/self/io")?;
    number(&io, "write_bytes")
}

/// What it holds in memory.
pub(crate) fn resident_mb(pid: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(number(&status, "VmRSS")? / 1024.0)
}

fn number(lines: &str, name: &str) -> Result<f64> {
    let line = lines
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .with_context(|| format!("no line {name}"))?;
    let number = line.split_whitespace().next().context("no number")?;
    Ok(number.parse()?)
}
