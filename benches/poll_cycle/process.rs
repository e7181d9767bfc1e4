//! What processes use, by Linux's account.

use std::fs;

use anyhow::{Context, Result};
use rustix::time::ClockId;

use super::cpu;

/// The unit of `/proc/PID/stat`, the same on all of Linux's platforms.
const TICKS_A_SECOND: f64 = 100.0;

/// CPU seconds of this process so far.
pub(crate) fn own_cpu_s() -> f64 {
    cpu::ms(ClockId::ProcessCPUTime) / 1e3
}

/// CPU seconds of these processes so far, to a hundredth of a second each.
pub(crate) fn cpu_s(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| cpu_s_of(*pid)).sum()
}

fn cpu_s_of(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the command, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no command")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("no CPU time")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// The number in a line of the account of this process, such as `VmRSS`.
pub(crate) fn own_status(name: &str) -> Result<i64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .context("no such line")?;
    let number = line.split_whitespace().next().context("no number")?;
    Ok(number.parse()?)
}
