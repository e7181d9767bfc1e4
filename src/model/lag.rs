//! The lag of one partition at one time.

use super::Cell;

/// Records that the group has yet to read: `log_end - max(committed, log_start)`,
/// never negative. Within one epoch the log start never exceeds the log end.
pub fn lag_records(committed: i64, log_start: i64, log_end: i64) -> u64 {
    let next = committed.max(log_start.min(log_end));
    if next >= log_end {
        0
    } else {
        log_end.abs_diff(next)
    }
}

/// The lags of one partition, tick by tick. The log start moves slowly and is
/// read apart: the newest one up to a tick serves.
///
/// Without a commit it is [`Cell::NO_COMMIT`], where commit or log is gone
/// [`Cell::GONE`], and where one of the three was not read [`Cell::ABSENT`].
pub fn lags(committed: &[Cell], log_start: &[Cell], log_end: &[Cell], lags: &mut Vec<Cell>) {
    let mut newest_start = Cell::ABSENT;
    lags_after(&mut newest_start, committed, log_start, log_end, lags);
}

/// The same of ticks that follow others, of which `newest_start` is the newest
/// log start; it becomes that of these.
pub fn lags_after(
    newest_start: &mut Cell,
    committed: &[Cell],
    log_start: &[Cell],
    log_end: &[Cell],
    lags: &mut Vec<Cell>,
) {
    lags.clear();
    for ((committed, start), end) in committed.iter().zip(log_start).zip(log_end) {
        if *start != Cell::ABSENT {
            *newest_start = *start;
        }
        lags.push(lag(*committed, *newest_start, *end));
    }
}

fn lag(committed: Cell, log_start: Cell, log_end: Cell) -> Cell {
    if committed == Cell::GONE || log_end == Cell::GONE {
        return Cell::GONE;
    }
    match (committed.value(), log_start.value(), log_end.value()) {
        (Some(committed), Some(start), Some(end)) => {
            let records = lag_records(committed, start, end);
            Cell::of(i64::try_from(records).unwrap_or(i64::MAX))
        }
        (None, Some(_), Some(_)) => committed,
        _ => Cell::ABSENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_counts_what_is_there_to_read_and_is_never_negative() {
        for (committed, start, end, expected) in [
            (5, 0, 10, 5),
            (5, 7, 10, 3),
            (12, 0, 10, 0),
            (5, 20, 10, 0),
            (i64::MIN, i64::MIN, i64::MAX, u64::MAX),
        ] {
            let found = lag_records(committed, start, end);
            assert_eq!(found, expected, "{committed} {start} {end}");
        }
    }

    #[test]
    fn what_was_not_read_has_no_lag() {
        let (absent, none, gone) = (Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE);
        let [one, four, nine] = [1, 4, 9].map(Cell::of);
        let committed = [four, four, absent, none, four, gone];
        let start = [absent, one, absent, one, one, one];
        let end = [nine, nine, nine, nine, absent, nine];
        let mut found = Vec::new();
        lags(&committed, &start, &end, &mut found);
        let expected = [absent, Cell::of(5), absent, none, absent, gone];
        assert_eq!(found, expected, "the first has no log start yet");
    }
}
