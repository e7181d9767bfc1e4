use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::Cell;

mod golden;

const LOWEST: i64 = i64::MIN + 3;

fn encode(cells: &[Cell], reference: Option<&[Cell]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new().encode(cells, reference, &mut bytes);
    bytes
}

fn decode(
    mut bytes: &[u8],
    ticks: usize,
    reference: Option<&[Cell]>,
) -> Result<Vec<Cell>, ColumnError> {
    let mut cells = Vec::new();
    Decoder::new().decode(&mut bytes, ticks, reference, &mut cells)?;
    assert!(bytes.is_empty(), "a column takes all that it is");
    Ok(cells)
}

fn cells(values: impl IntoIterator<Item = i64>) -> Vec<Cell> {
    values.into_iter().map(Cell::of).collect()
}

/// xorshift64*, for series that are long and the same in each run.
fn noise() -> impl FnMut(u64) -> i64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) % below).cast_signed()
    }
}

/// Log end offsets that grow by about `rate` a tick.
fn growing(ticks: usize, rate: u64) -> Vec<i64> {
    let mut noise = noise();
    let mut end = 4_000_000;
    let steps = std::iter::repeat_with(|| noise(rate) + noise(rate));
    steps
        .take(ticks)
        .map(|step| {
            end += step;
            end
        })
        .collect()
}

fn hole() -> impl Strategy<Value = Cell> {
    prop_oneof![Just(Cell::ABSENT), Just(Cell::NO_COMMIT), Just(Cell::GONE)]
}

/// What a series may do next, given its last value.
fn stretch() -> impl Strategy<Value = (Vec<i64>, u8)> {
    let steps = prop_oneof![
        vec(Just(0), 1..200),
        vec(0_i64..100, 1..80),
        vec(-1_000_000_i64..1_000_000, 1..40),
        vec(any::<i64>(), 1..10),
        (vec(-5_i64..20, 1..60), any::<i64>()).prop_map(|(counts, step)| {
            counts
                .iter()
                .map(|count| count.wrapping_mul(step))
                .collect()
        }),
        (any::<i64>(), 1_usize..60).prop_map(|(step, times)| vec![step; times]),
        (any::<i64>(), 1_usize..30)
            .prop_map(|(step, times)| [step, step.wrapping_neg()].repeat(times)),
    ];
    (steps, any::<u8>())
}

/// Stalls, walks, jumps, extremes, resets and holes, one after the other.
fn series() -> impl Strategy<Value = Vec<Cell>> {
    let part = prop_oneof![
        6 => stretch().prop_map(Ok),
        1 => vec(hole(), 1..30).prop_map(Err),
        1 => (hole(), 1_usize..50).prop_map(|(hole, times)| Err(vec![hole; times])),
    ];
    vec(part, 1..8).prop_map(|parts| {
        let mut value: i64 = 0;
        let mut cells = Vec::new();
        for part in parts {
            match part {
                Err(holes) => cells.extend(holes),
                Ok((steps, start)) => {
                    value = match start {
                        0..32 => 0,
                        32..48 => i64::MAX,
                        48..64 => LOWEST,
                        _ => value,
                    };
                    for step in steps {
                        value = value.wrapping_add(step).max(LOWEST);
                        cells.push(Cell::of(value));
                    }
                }
            }
        }
        cells
    })
}

/// A column and what it follows, of the same length.
fn pair() -> impl Strategy<Value = (Vec<Cell>, Vec<Cell>)> {
    let apart = (series(), series()).prop_map(|(mut one, mut other)| {
        let ticks = one.len().min(other.len());
        one.truncate(ticks);
        other.truncate(ticks);
        (one, other)
    });
    let behind = (series(), vec((0_i64..500, any::<bool>()), 1500)).prop_map(|(ends, lags)| {
        let behind = |(end, (lag, _)): (&Cell, &(i64, bool))| match end.value() {
            Some(end) => Cell::of(end.saturating_sub(*lag).max(LOWEST)),
            None => Cell::of(7),
        };
        let commits = ends.iter().zip(&lags).map(behind).collect();
        (commits, ends)
    });
    prop_oneof![apart, behind]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_column_comes_back_as_it_was(cells in series()) {
        prop_assert_eq!(decode(&encode(&cells, None), cells.len(), None), Ok(cells));
    }

    #[test]
    fn a_column_comes_back_with_what_it_follows((cells, ends) in pair()) {
        let bytes = encode(&cells, Some(&ends));
        prop_assert_eq!(&decode(&bytes, cells.len(), Some(&ends)), &Ok(cells.clone()));
        let alone = decode(&bytes, cells.len(), None);
        match needs_reference(&bytes) {
            Ok(true) => prop_assert_eq!(alone, Err(ColumnError::NoReference)),
            _ => prop_assert_eq!(alone, Ok(cells)),
        }
    }

    #[test]
    fn columns_follow_each_other_and_are_skipped_as_they_are_read(columns in vec(series(), 1..5)) {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        for cells in &columns {
            encoder.encode(cells, None, &mut bytes);
        }
        let (mut read, mut skipped) = (&bytes[..], &bytes[..]);
        let (mut decoder, mut out) = (Decoder::new(), Vec::new());
        for cells in &columns {
            decoder.decode(&mut read, cells.len(), None, &mut out).expect("own column");
            prop_assert_eq!(&out, cells);
            skip(&mut skipped).expect("own column");
            prop_assert_eq!(read, skipped);
        }
        prop_assert!(read.is_empty());
    }

    #[test]
    fn a_column_that_is_cut_off_is_an_error((cells, ends) in pair()) {
        let bytes = encode(&cells, Some(&ends));
        for length in 0..bytes.len() {
            let mut out = Vec::new();
            let cut = Decoder::new().decode(&mut &bytes[..length], cells.len(), Some(&ends), &mut out);
            prop_assert_eq!(cut, Err(ColumnError::CutOff));
            prop_assert_eq!(skip(&mut &bytes[..length]), Err(ColumnError::CutOff));
        }
    }

    #[test]
    fn any_bytes_are_a_column_or_an_error(
        (tag, bytes) in (prop_oneof![0_u8..32, any::<u8>()], vec(any::<u8>(), 0..200)),
        ends in series(),
    ) {
        let bytes = [&[tag], &bytes[..]].concat();
        let (mut rest, mut out) = (&bytes[..], Vec::new());
        let outcome = Decoder::new().decode(&mut rest, ends.len(), Some(&ends), &mut out);
        let mut skipped = &bytes[..];
        if outcome.is_ok() {
            prop_assert_eq!(out.len(), ends.len());
            prop_assert_eq!(skip(&mut skipped), Ok(()));
            prop_assert_eq!(rest, skipped);
        }
        prop_assert!(out.capacity() <= 2 * ends.len() + 8, "{}", out.capacity());
    }

    #[test]
    fn damage_makes_other_cells_or_an_error((cells, ends) in pair(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = encode(&cells, Some(&ends));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut out = Vec::new();
        if Decoder::new().decode(&mut &bytes[..], cells.len(), Some(&ends), &mut out).is_ok() {
            prop_assert_eq!(out.len(), cells.len());
        }
    }
}

#[test]
fn the_longest_columns_come_back() {
    let mut noise = noise();
    let wild = cells((0..MAX_TICKS).map(|_| noise(u64::MAX).max(LOWEST)));
    let calm = cells(growing(MAX_TICKS, 3));
    for cells in [wild, calm] {
        assert_eq!(decode(&encode(&cells, None), MAX_TICKS, None), Ok(cells));
    }
}

#[test]
fn a_column_that_says_one_thing_takes_a_byte_beside_its_value() {
    for hole in [Cell::ABSENT, Cell::NO_COMMIT, Cell::GONE] {
        assert_eq!(encode(&vec![hole; 720], None).len(), 1);
    }
    for (value, bytes) in [(0, 1), (63, 1), (64, 2), (5_000_000, 4), (i64::MAX, 10)] {
        assert_eq!(encode(&vec![Cell::of(value); 720], None).len(), 1 + bytes);
    }
    let ends = vec![Cell::of(5_000_000); 720];
    assert_eq!(
        encode(&ends, Some(&ends)).len(),
        2,
        "its value is a lag of 0"
    );
}

#[test]
fn a_group_that_keeps_up_takes_next_to_nothing() {
    let ends = cells(growing(720, 1_000));
    let commits = cells(growing(720, 1_000).iter().map(|end| end - 3));
    assert_eq!(encode(&commits, Some(&ends)).len(), 2);
}

#[test]
fn a_poll_that_was_missed_takes_a_few_bytes() {
    let whole = cells(growing(720, 50));
    let mut holed = whole.clone();
    holed[100] = Cell::ABSENT;
    holed[300..310].fill(Cell::ABSENT);
    let more = encode(&holed, None)
        .len()
        .abs_diff(encode(&whole, None).len());
    assert!(more < 20, "{more}");
}

#[test]
fn batches_take_no_more_than_their_number() {
    let batches = growing(720, 3);
    let records = batches.iter().map(|batch| 17 + 500 * batch);
    let plain = encode(&cells(batches.iter().copied()), None).len();
    let bytes = encode(&cells(records), None).len();
    assert!(bytes <= plain + 4, "{bytes} for batches that take {plain}");
}

#[test]
fn an_outlier_costs_no_more_than_itself() {
    for rate in [2, 50, 5_000] {
        let usual = growing(720, rate);
        let jump = |by: i64| {
            usual
                .iter()
                .zip(0..)
                .map(move |(end, tick)| if tick < 300 { *end } else { end + by })
        };
        let spike = |by: i64| {
            usual
                .iter()
                .zip(0..)
                .map(move |(end, tick)| if tick == 300 { by } else { *end })
        };
        let plain = encode(&cells(usual.iter().copied()), None).len();
        for size in [100_000, 1 << 40, -(1 << 60)] {
            let jumped = encode(&cells(jump(size)), None).len();
            let spiked = encode(&cells(spike(size)), None).len();
            assert!(
                jumped < plain + 32,
                "{plain} became {jumped} with a jump of {size}"
            );
            assert!(
                spiked < plain + 48,
                "{plain} became {spiked} with a spike of {size}"
            );
        }
    }
}

#[test]
fn a_topic_made_anew_costs_no_more_than_its_new_beginning() {
    let ends = growing(720, 50);
    let anew = |tick: usize| {
        if tick < 400 {
            ends[tick]
        } else {
            ends[tick] - ends[400]
        }
    };
    let plain = encode(&cells(ends.iter().copied()), None).len();
    let reset = encode(&cells((0..720).map(anew)), None).len();
    assert!(reset < plain + 32, "{plain} became {reset}");
}

#[test]
fn a_column_is_never_much_longer_than_its_plain_numbers() {
    let mut noise = noise();
    let wild = cells((0..720).map(|_| noise(u64::MAX).max(LOWEST)));
    let bytes = encode(&wild, None).len();
    assert!(bytes < 720 * 11, "{bytes}");
}

#[test]
fn cells_without_a_value_are_never_made_of_numbers() {
    let constant_of = |number: i64| {
        let mut bytes = vec![1];
        varint::put_varint(&mut bytes, varint::zigzag(number));
        bytes
    };
    for reserved in [i64::MIN, i64::MIN + 1, i64::MIN + 2] {
        assert_eq!(
            decode(&constant_of(reserved), 3, None),
            Err(ColumnError::NoSuchValue)
        );
    }
    assert_eq!(
        decode(&constant_of(LOWEST), 3, None),
        Ok(cells([LOWEST; 3]))
    );
}

#[test]
fn what_bytes_get_wrong_is_said() {
    let endless = [0xff; 12];
    let table: [(&[u8], ColumnError); 14] = [
        (&[], ColumnError::CutOff),
        (&[0b0110_0000], ColumnError::UnknownTag(0b0110_0000)),
        (&[0b0000_0100], ColumnError::UnknownTag(0b0000_0100)),
        (&[0b0001_0000], ColumnError::UnknownTag(0b0001_0000)),
        (&[0b0001_0001, 0, 5], ColumnError::UnknownTag(0b0001_0001)),
        (&[0b0010_0001, 0], ColumnError::UnknownTag(0b0010_0001)),
        (&[0b0110_0011, 0], ColumnError::UnknownTag(0b0110_0011)),
        (&[0b1000_0010, 0], ColumnError::UnknownTag(0b1000_0010)),
        (&[&[1], &endless[..]].concat(), ColumnError::LongNumber),
        (&[0b1001, 1, 1, 6, 0], ColumnError::TooManyCells),
        (&[0b1001, 1, 0, 6, 0], ColumnError::NoValue),
        (&[2, 5, 1, 0, 2], ColumnError::TooManyCells),
        (&[2, 5, 1, 3, 2], ColumnError::TooManyCells),
        (&[3, 5, 4, 0, 0, 0, 0], ColumnError::WrongLength),
    ];
    for (bytes, error) in table {
        assert_eq!(decode(bytes, 3, None), Err(error), "{bytes:?}");
    }
}

#[test]
#[should_panic(expected = "a reference has the same ticks")]
fn a_reference_of_another_length_is_a_mistake_of_the_caller() {
    encode(&cells([1, 2]), Some(&cells([1])));
}
