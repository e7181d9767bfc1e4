//! When a backlog will be gone.

/// When a backlog will be gone at the present rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Eta {
    /// In so many seconds; 0 if there is none.
    In(f64),
    /// Consumption does not exceed arrival.
    Never,
}

/// `lag / (consumption - arrival)`, rates in records/s.
///
/// `None` while there is a backlog and one of the rates is unknown.
pub fn eta(lag: u64, arrival: Option<f64>, consumption: Option<f64>) -> Option<Eta> {
    if lag == 0 {
        return Some(Eta::In(0.0));
    }
    let net = consumption? - arrival?;
    Some(if net > 0.0 {
        Eta::In(lag as f64 / net)
    } else {
        Eta::Never
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_drains_at_the_net_rate() {
        for (lag, arrival, consumption, expected) in [
            (0, None, None, Some(Eta::In(0.0))),
            (100, Some(10.0), Some(30.0), Some(Eta::In(5.0))),
            (100, Some(10.0), Some(10.0), Some(Eta::Never)),
            (100, Some(10.0), Some(0.0), Some(Eta::Never)),
            (100, None, Some(10.0), None),
            (100, Some(10.0), None, None),
        ] {
            assert_eq!(eta(lag, arrival, consumption), expected);
        }
    }
}
