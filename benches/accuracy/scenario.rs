//! What happens in a partition, and how it is watched.

/// A rate over time, in records/s a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) records_per_s: f64,
    /// It swings by this share of itself, once in [`SWING_S`].
    swing: f64,
    /// From [`STEP_AT_S`] on it is this many times what it was.
    pub(crate) step: f64,
}

/// A day in two hours, so that its steepest hour is in each run.
const SWING_S: f64 = 7_200.0;
/// The step comes when every window is full.
pub(crate) const STEP_AT_S: f64 = 900.0;

impl Profile {
    pub(crate) fn at(&self, at_s: f64) -> f64 {
        let step = if at_s >= STEP_AT_S { self.step } else { 1.0 };
        let swing = self.swing * (at_s / SWING_S * std::f64::consts::TAU).sin();
        self.records_per_s * step * (1.0 + swing)
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) partitions: usize,
    pub(crate) arrival: Profile,
    /// Records come together, each so many seconds; 0: one by one.
    pub(crate) batch_s: f64,
    /// Records come in bursts that last this long, as do the lulls between
    /// them, on average; 0: evenly.
    pub(crate) burst_s: f64,
    /// What the consumer can do.
    pub(crate) capacity: Profile,
    pub(crate) commit_s: f64,
    /// How long the backlog at the beginning would take to drain; 0: none.
    pub(crate) drain_s: f64,
    /// The consumer stalls so long, once in [`STALL_EVERY_S`]; 0: never.
    pub(crate) stall_s: f64,
    pub(crate) window_s: u64,
    pub(crate) length_s: f64,
}

pub(crate) const STALL_EVERY_S: f64 = 900.0;

const STEADY: Profile = Profile {
    records_per_s: 100.0,
    swing: 0.0,
    step: 1.0,
};

impl Scenario {
    /// One partition, 100 records/s one by one, a consumer that keeps up and
    /// commits each 5 s.
    const BASE: Self = Self {
        name: "",
        partitions: 1,
        arrival: STEADY,
        batch_s: 0.0,
        burst_s: 0.0,
        capacity: STEADY.times(3.0),
        commit_s: 5.0,
        drain_s: 0.0,
        stall_s: 0.0,
        window_s: 300,
        length_s: 2_200.0,
    };

    const fn named(name: &'static str) -> Self {
        Self { name, ..Self::BASE }
    }

    const fn commits(self, commit_s: f64) -> Self {
        Self { commit_s, ..self }
    }

    const fn batches(self, batch_s: f64) -> Self {
        Self { batch_s, ..self }
    }

    const fn bursts(self, burst_s: f64) -> Self {
        Self { burst_s, ..self }
    }

    const fn partitions(self, partitions: usize) -> Self {
        Self { partitions, ..self }
    }

    const fn rate(self, factor: f64) -> Self {
        Self {
            arrival: self.arrival.times(factor),
            capacity: self.capacity.times(factor),
            ..self
        }
    }

    /// A backlog, and a consumer that does so many times what comes in.
    const fn drains(self, ratio: f64) -> Self {
        Self {
            capacity: self.arrival.times(ratio),
            drain_s: 3_000.0,
            ..self
        }
    }

    /// The run ends when little is left.
    const fn to_the_end(self) -> Self {
        Self {
            drain_s: self.length_s + 60.0,
            ..self
        }
    }

    const fn stalls(self, stall_s: f64) -> Self {
        Self { stall_s, ..self }
    }

    const fn swings(self) -> Self {
        let arrival = Profile {
            swing: 0.5,
            ..self.arrival
        };
        Self { arrival, ..self }
    }

    const fn steps(self, arrival: f64, capacity: f64) -> Self {
        Self {
            arrival: Profile {
                step: arrival,
                ..self.arrival
            },
            capacity: Profile {
                step: capacity,
                ..self.capacity
            },
            ..self
        }
    }

    const fn window(self, window_s: u64) -> Self {
        Self { window_s, ..self }
    }

    /// Partitions of the same member commit at the same time.
    pub(crate) fn members(&self) -> usize {
        self.partitions.div_ceil(10).max(self.partitions.min(3))
    }

    /// As many runs as give some hundred windows that don't overlap.
    pub(crate) fn runs(&self) -> usize {
        match self.partitions {
            1 => 100,
            2..50 => 25,
            _ => 8,
        }
    }
}

impl Profile {
    const fn times(self, factor: f64) -> Self {
        Self {
            records_per_s: self.records_per_s * factor,
            ..self
        }
    }
}

/// Nothing changes but by chance.
pub(crate) const STEADY_ROWS: [Scenario; 26] = {
    let named = Scenario::named;
    [
        named("commit_1s").commits(1.0),
        named("commit_5s"),
        named("commit_10s").commits(10.0),
        named("commit_30s").commits(30.0),
        named("commit_60s").commits(60.0),
        named("rate_10").rate(0.1),
        named("rate_1").rate(0.01),
        named("batch_1s").batches(1.0),
        named("batch_10s").batches(10.0),
        named("batch_30s").batches(30.0),
        named("daily").swings(),
        named("bursts_30s").bursts(30.0),
        named("drain_x1.1").drains(1.1),
        named("drain_x1.25").drains(1.25),
        named("drain_x1.5").drains(1.5),
        named("drain_x2").drains(2.0),
        named("drain_x4").drains(4.0),
        named("drain_x2_commit_30s").drains(2.0).commits(30.0),
        named("drain_x2_commit_60s").drains(2.0).commits(60.0),
        named("drain_x2_batch_30s").drains(2.0).batches(30.0),
        named("drain_x2_to_the_end").drains(2.0).to_the_end(),
        named("drain_x2_commit_30s_to_the_end")
            .drains(2.0)
            .commits(30.0)
            .to_the_end(),
        named("group_12").partitions(12).drains(2.0),
        named("group_12_commit_60s")
            .partitions(12)
            .drains(2.0)
            .commits(60.0),
        named("group_100").partitions(100).rate(0.1).drains(2.0),
        named("group_100_commit_60s")
            .partitions(100)
            .rate(0.1)
            .drains(2.0)
            .commits(60.0),
    ]
};

/// The consumer stalls now and then.
pub(crate) const STALLING_ROWS: [Scenario; 3] = {
    let named = Scenario::named;
    [
        named("stall_30s").stalls(30.0).drains(2.0),
        named("stall_120s").stalls(120.0).drains(2.0),
        named("stall_120s_commit_30s")
            .stalls(120.0)
            .drains(2.0)
            .commits(30.0),
    ]
};

/// Something changes at [`STEP_AT_S`] and stays so.
pub(crate) const STEP_ROWS: [Scenario; 12] = {
    let named = Scenario::named;
    [
        named("arrival_x2").steps(2.0, 1.0),
        named("arrival_x2_window_60s").steps(2.0, 1.0).window(60),
        named("arrival_half").steps(0.5, 1.0),
        named("arrival_half_window_60s").steps(0.5, 1.0).window(60),
        named("arrival_x2_batch_30s").steps(2.0, 1.0).batches(30.0),
        named("arrival_x2_rate_1").rate(0.01).steps(2.0, 1.0),
        named("capacity_x2").drains(2.0).steps(1.0, 2.0),
        named("capacity_x2_window_60s")
            .drains(2.0)
            .steps(1.0, 2.0)
            .window(60),
        named("capacity_half").drains(2.0).steps(1.0, 0.5),
        named("capacity_x2_commit_30s")
            .drains(2.0)
            .steps(1.0, 2.0)
            .commits(30.0),
        named("capacity_x2_commit_60s")
            .drains(2.0)
            .steps(1.0, 2.0)
            .commits(60.0),
        named("consumer_ends").drains(2.0).steps(1.0, 0.0),
    ]
};
