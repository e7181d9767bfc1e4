//! Errors while nothing changes but by chance, or stalls come and go.

use crate::{
    errors::Errors,
    naive::Rates,
    random::Random,
    run::{Observed, Run, Truth, eta_s},
    scenario::Scenario,
};

/// After the window is full it still holds the beginning for a while.
const WARM_UP_S: f64 = 400.0;

/// Errors of one method; rates and ETA as shares of the truth.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Beside the rate of the moment.
    pub(crate) arrival: Errors,
    pub(crate) consumption: Errors,
    /// Beside the mean over the window.
    pub(crate) mean_arrival: Errors,
    pub(crate) mean_consumption: Errors,
    pub(crate) eta: Errors,
    /// Ticks at which there is an ETA, told or not.
    pub(crate) true_etas: usize,
    /// Ticks at which there is none, since the consumer keeps up, and those at
    /// which that is told: nothing is left to read.
    pub(crate) keeping_up: (usize, usize),
    /// In seconds, beside what is committed.
    pub(crate) time_lag_s: Errors,
    /// In seconds, beside what is processed.
    pub(crate) processed_time_lag_s: Errors,
}

impl Measured {
    fn add(&mut self, found: &Rates, truth: &Truth) {
        self.arrival.add_share(found.arrival, truth.arrival);
        self.consumption
            .add_share(found.consumption, truth.consumption);
        self.mean_arrival
            .add_share(found.arrival, truth.mean_arrival);
        self.mean_consumption
            .add_share(found.consumption, truth.mean_consumption);
        if let Some(eta_s) = truth.eta_s {
            self.true_etas += 1;
            self.eta.add_share(found.eta_s, eta_s);
        } else if truth.consumption > 0.0 {
            self.keeping_up.0 += 1;
            self.keeping_up.1 += usize::from(found.eta_s == Some(0.0));
        }
        if let Some(seconds) = found.time_lag_s {
            self.time_lag_s.add((seconds - truth.time_lag_s).abs());
            self.processed_time_lag_s
                .add((seconds - truth.processed_time_lag_s).abs());
        }
    }
}

/// Ours, and what two scrapes tell.
pub(crate) fn measure(scenario: &Scenario, random: &mut Random) -> [Measured; 2] {
    let mut measured = <[Measured; 2]>::default();
    for _ in 0..scenario.runs() {
        let observed = Run::new(scenario, random).observe(random);
        let warm = observed.iter().filter(|tick| tick.at_s > WARM_UP_S);
        for tick in warm {
            measured[0].add(&ours(tick), &tick.truth);
            measured[1].add(&tick.naive, &tick.truth);
        }
    }
    measured
}

fn ours(tick: &Observed) -> Rates {
    let totals = &tick.estimate;
    // A lower bound is no estimate.
    let time_lag = totals.time_lag.filter(|time_lag| !time_lag.at_least);
    Rates {
        arrival: totals.arrival_rate,
        consumption: totals.consumption_rate,
        eta_s: eta_s(totals.eta()),
        time_lag_s: time_lag.map(|time_lag| time_lag.seconds),
    }
}
