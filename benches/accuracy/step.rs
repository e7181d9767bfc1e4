//! How long a step in load takes to show.

use crate::{
    errors::Errors,
    random::Random,
    run::{Observed, Run},
    scenario::{STEP_AT_S, Scenario},
};

const CLOSE: f64 = 0.1;
/// So many ticks in a row, since one may be right by chance.
const IN_A_ROW: usize = 3;

/// Seconds from the step until the rate is within a tenth of the new one.
pub(crate) fn measure(scenario: &Scenario, random: &mut Random) -> [Errors; 2] {
    let mut settled = <[Errors; 2]>::default();
    for _ in 0..scenario.runs() {
        let observed = Run::new(scenario, random).observe(random);
        let ours = |tick: &Observed| {
            rate(
                scenario,
                tick.estimate.arrival_rate,
                tick.estimate.consumption_rate,
            )
        };
        let naive = |tick: &Observed| rate(scenario, tick.naive.arrival, tick.naive.consumption);
        settled[0].add(settle_s(scenario, &observed, ours));
        settled[1].add(settle_s(scenario, &observed, naive));
    }
    settled
}

/// The one that has a step.
fn rate<T>(scenario: &Scenario, arrival: T, consumption: T) -> T {
    if scenario.arrival.step == 1.0 {
        consumption
    } else {
        arrival
    }
}

fn settle_s(
    scenario: &Scenario,
    observed: &[Observed],
    found: impl Fn(&Observed) -> Option<f64>,
) -> f64 {
    let since: Vec<_> = observed
        .iter()
        .filter(|tick| tick.at_s >= STEP_AT_S)
        .collect();
    let before = rate(scenario, &scenario.arrival, &scenario.capacity).records_per_s;
    let is_close = |tick: &&Observed| {
        let truth = rate(scenario, tick.truth.arrival, tick.truth.consumption);
        // What ends is close to 0 when a tenth of what it was is left.
        let scale = if truth > 0.0 { truth } else { before };
        found(tick).is_some_and(|found| (found - truth).abs() <= CLOSE * scale)
    };
    let mut stretches = since.windows(IN_A_ROW);
    stretches
        .find(|stretch| stretch.iter().all(is_close))
        .map_or(f64::INFINITY, |stretch| stretch[0].at_s - STEP_AT_S)
}
