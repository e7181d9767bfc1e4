//! How far rates, ETA and time lag are from the truth, which only a simulation
//! knows; beside what the difference of two scrapes tells in the same run.
//!
//! `cargo bench --bench accuracy`, with a part of a row's name after `--` for
//! some rows only. Prints `name=value` lines, then tables in Markdown. The same
//! numbers in each run and on each machine.
//!
//! The truth: a producer and a consumer in continuous time. Records come one by
//! one (Poisson) or in batches; the consumer polls up to a second's work,
//! commits when it is due and a poll is done, and stalls as a row says. A tick
//! comes each 10 s, up to 1 s late, reads commits up to 0.3 s and log ends up to
//! 0.8 s later. `rate` is the rate of the moment that the numbers are drawn
//! from; `mean` what came in or was processed in the window. ETA is what is not
//! yet processed over the rates of the moment; time lag is measured beside the
//! record at the committed offset.

mod curve;
mod errors;

mod naive;
mod partition;
#[path = "../traffic/random.rs"]
#[expect(dead_code, reason = "other benches need more of it")]
mod random;
mod run;
mod scenario;
mod steady;
mod step;

use std::env;

use errors::Errors;
use random::Random;
use scenario::{STALLING_ROWS, STEADY_ROWS, STEP_ROWS, Scenario};
use steady::Measured;

fn main() {
    // Cargo adds `--bench`.
    let wanted: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_wanted = |row: &&Scenario| {
        wanted.is_empty() || wanted.iter().any(|part| row.name.contains(part.as_str()))
    };
    let rates = STEADY_ROWS.iter().chain(&STALLING_ROWS).filter(is_wanted);
    let rates: Vec<_> = rates.map(rates_row).collect();
    let steps: Vec<_> = STEP_ROWS.iter().filter(is_wanted).map(step_row).collect();
    println!(
        "\n| | arrival: rate, mean | consumption: rate, mean | ETA | told | time lag | two scrapes: arrival, consumption, ETA, time lag |"
    );
    println!("|---|---|---|---|---|---|---|");
    rates.iter().for_each(|row| println!("{row}"));
    println!("\n| s until within 10 % | ours | two scrapes |\n|---|---|---|");
    steps.iter().for_each(|row| println!("{row}"));
}

fn rates_row(scenario: &Scenario) -> String {
    let [mut ours, mut naive] = steady::measure(scenario, &mut Random::new());
    tell_rates(scenario.name, &mut ours);
    tell_rates(&format!("{}_two_scrapes", scenario.name), &mut naive);
    tell_ratio(scenario.name, &mut ours, &mut naive);
    let told = told_etas(&ours);
    format!(
        "| `{}` | {}, {} | {}, {} | {} | {} | {} | {}, {}, {}, {} |",
        scenario.name,
        percent(&mut ours.arrival),
        percent(&mut ours.mean_arrival),
        percent(&mut ours.consumption),
        percent(&mut ours.mean_consumption),
        percent(&mut ours.eta),
        told,
        seconds(&mut ours.time_lag_s),
        percent(&mut naive.arrival),
        percent(&mut naive.consumption),
        percent(&mut naive.eta),
        seconds(&mut naive.time_lag_s),
    )
}

/// How often an ETA is told where there is one, and 0 where there is nothing to
/// drain.
fn told_etas(measured: &Measured) -> String {
    let share = |part: usize, whole: usize| part as f64 / whole as f64 * 100.0;
    match measured.keeping_up {
        (0, _) => format!("{:.0} %", share(measured.eta.len(), measured.true_etas)),
        (ticks, at_once) => format!("0: {:.0} %", share(at_once, ticks)),
    }
}

fn tell_rates(name: &str, measured: &mut Measured) {
    for (what, errors) in [
        ("arrival_error", &mut measured.arrival),
        ("mean_arrival_error", &mut measured.mean_arrival),
        ("consumption_error", &mut measured.consumption),
        ("mean_consumption_error", &mut measured.mean_consumption),
        ("eta_error", &mut measured.eta),
        ("time_lag_error_s", &mut measured.time_lag_s),
        (
            "processed_time_lag_error_s",
            &mut measured.processed_time_lag_s,
        ),
    ] {
        tell(&format!("{name}_{what}"), errors);
    }
}

fn tell(name: &str, errors: &mut Errors) {
    for (share, told) in [(0.5, "median"), (0.95, "p95")] {
        if let Some(error) = errors.quantile(share) {
            println!("{name}_{told}={error:.4}");
        }
    }
}

fn tell_ratio(name: &str, ours: &mut Measured, naive: &mut Measured) {
    let p95s = (
        ours.consumption.quantile(0.95),
        naive.consumption.quantile(0.95),
    );
    if let (Some(ours), Some(naive)) = p95s {
        println!(
            "{name}_consumption_error_ratio_to_two_scrapes={:.4}",
            ours / naive
        );
    }
}

fn step_row(scenario: &Scenario) -> String {
    let [mut ours, mut naive] = step::measure(scenario, &mut Random::new());
    tell(&format!("{}_settled_s", scenario.name), &mut ours);
    tell(
        &format!("{}_two_scrapes_settled_s", scenario.name),
        &mut naive,
    );
    format!(
        "| `{}` | {} | {} |",
        scenario.name,
        whole(&mut ours),
        whole(&mut naive)
    )
}

/// Median and p95.
fn pair(errors: &mut Errors, told: impl Fn(f64) -> String) -> String {
    match (errors.quantile(0.5), errors.quantile(0.95)) {
        (Some(median), Some(p95)) => format!("{} / {}", told(median), told(p95)),
        _ => String::new(),
    }
}

fn percent(errors: &mut Errors) -> String {
    pair(errors, |error| format!("{:.1} %", error * 100.0))
}

fn seconds(errors: &mut Errors) -> String {
    pair(errors, |error| format!("{error:.1} s"))
}

fn whole(errors: &mut Errors) -> String {
    pair(errors, |error| format!("{error:.0}"))
}
