//! Kubernetes' HPA, as far as the demo needs it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The HPA leaves replicas alone while the ratio is this near to 1.
const TOLERANCE: f64 = 0.1;
/// The HPA's own default is 300 s; here time runs faster.
const SCALE_DOWN_STABILIZATION: Duration = Duration::from_secs(10);

/// One HorizontalPodAutoscaler with a metric of type AverageValue.
#[derive(Debug)]
pub(super) struct Hpa {
    max_replicas: u32,
    recommended: VecDeque<(Instant, u32)>,
}

impl Hpa {
    pub(super) fn new(max_replicas: u32) -> Self {
        Self {
            max_replicas,
            recommended: VecDeque::new(),
        }
    }

    /// How many replicas there are to be at `now`: the metric divided by the
    /// target, and going down only as far as the highest recommendation of the
    /// stabilization window.
    pub(super) fn replicas(&mut self, current: u32, value: f64, target: f64, now: Instant) -> u32 {
        let ratio = value / (target * f64::from(current.max(1)));
        let wanted = if (1.0 - ratio).abs() <= TOLERANCE {
            current
        } else {
            (value / target).ceil() as u32
        };
        let wanted = wanted.clamp(1, self.max_replicas);
        self.recommended.push_back((now, wanted));
        while self
            .recommended
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > SCALE_DOWN_STABILIZATION)
        {
            self.recommended.pop_front();
        }
        let highest = self.recommended.iter().map(|(_, replicas)| *replicas).max();
        wanted.max(highest.unwrap_or(wanted).min(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_at_once_within_tolerance_not_at_all_and_down_after_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut hpa = Hpa::new(8);
        assert_eq!(hpa.replicas(1, 350.0, 100.0, at(0)), 4);
        assert_eq!(
            hpa.replicas(4, 430.0, 100.0, at(2)),
            4,
            "within the tolerance"
        );
        assert_eq!(
            hpa.replicas(4, 5_000.0, 100.0, at(4)),
            8,
            "never above the maximum"
        );
        assert_eq!(hpa.replicas(8, 0.0, 100.0, at(6)), 8, "not down yet");
        assert_eq!(
            hpa.replicas(8, 0.0, 100.0, at(15)),
            1,
            "down to the window's highest"
        );
    }
}
