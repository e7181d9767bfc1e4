//! When a backlog will be gone.

/// When a backlog will be gone at the present rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Eta {
    /// In so many seconds; 0 if there is none.
    In(f64),
    /// Consumption does not clearly exceed arrival: the backlog stays, or drains
    /// too slowly to say when.
    Never,
}

/// The share of consumption by which it must exceed arrival. Each rate may be
/// 3 % off, so a smaller difference could as well be none.
const CLEARLY: f64 = 0.1;

/// `lag / (consumption - arrival)`, rates in records/s.
///
/// `None` while there is a backlog and one of the rates is unknown.
pub fn eta(lag: u64, arrival: Option<f64>, consumption: Option<f64>) -> Option<Eta> {
    if lag == 0 {
        return Some(Eta::In(0.0));
    }
    let net = consumption? - arrival?;
    Some(if net > CLEARLY * consumption? {
        Eta::In(lag as f64 / net)
    } else {
        Eta::Never
    })
}

/// Records of a lag that are yet to be read; all of them where it is not known
/// how many are read and not committed yet.
pub fn unread(lag: u64, uncommitted: Option<f64>) -> u64 {
    uncommitted.map_or(lag, |uncommitted| {
        (lag as f64 - uncommitted).max(0.0).round() as u64
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
            (100, Some(10.0), Some(12.5), Some(Eta::In(40.0))),
            (100, Some(10.0), Some(11.0), Some(Eta::Never)),
            (100, Some(10.0), Some(10.0), Some(Eta::Never)),
            (100, Some(10.0), Some(0.0), Some(Eta::Never)),
            (100, None, Some(10.0), None),
            (100, Some(10.0), None, None),
        ] {
            assert_eq!(eta(lag, arrival, consumption), expected);
        }
    }

    #[test]
    fn what_is_read_already_need_not_be_read() {
        for (lag, uncommitted, expected) in [
            (100, None, 100),
            (100, Some(29.6), 70),
            (100, Some(100.0), 0),
            (100, Some(1e9), 0),
            (u64::MAX, Some(0.0), u64::MAX),
        ] {
            assert_eq!(unread(lag, uncommitted), expected);
        }
    }
}
