//! Numbers that are the same in each run.

/// xorshift64*, and the distributions that traffic is made of.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// From 0 to below `count`.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Of mean 0 and variance 1: a sum of twelve, which is quick and close.
    pub(crate) fn normal(&mut self) -> f64 {
        let mut sum = 0;
        for _ in 0..3 {
            let word = self.next();
            sum += (0..4).map(|lane| word >> (16 * lane) & 0xffff).sum::<u64>();
        }
        sum as f64 / 65_536.0 - 6.0
    }

    /// Heavy-tailed: half are below `median`, a few a hundred times above.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// A length of time of this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> i64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as i64;
        }
        let mut left = self.unit() - (-mean).exp();
        let (mut count, mut share) = (0, (-mean).exp());
        while left > 0.0 && share > 1e-12 {
            count += 1;
            share *= mean / count as f64;
            left -= share;
        }
        count
    }

    /// How many of `count` come to pass.
    pub(crate) fn binomial(&mut self, count: i64, probability: f64) -> i64 {
        if count < 16 {
            return (0..count)
                .map(|_| i64::from(self.chance(probability)))
                .sum();
        }
        let mean = count as f64 * probability;
        let deviation = (mean * (1.0 - probability)).sqrt();
        let drawn = (mean + deviation * self.normal()).round() as i64;
        drawn.clamp(0, count)
    }
}
