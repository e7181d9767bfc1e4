//! Any bytes are a column or an error; a column that was read can be written
//! and read again, and is skipped as it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge::{
    model::Cell,
    store::codec::{self, Decoder, Encoder},
};

/// More than a run of zeros can be long, and not so many that a fuzzer is slow.
const TICKS: usize = 5_000;

fuzz_target!(|data: &[u8]| {
    let Some((&[low, high], bytes)) = data.split_first_chunk() else {
        return;
    };
    let ticks = 1 + usize::from(u16::from_le_bytes([low, high])) % TICKS;
    let reference: Vec<Cell> = (0..ticks as i64).map(reference_cell).collect();
    let (mut rest, mut cells) = (bytes, Vec::new());
    let read = Decoder::new().decode(&mut rest, ticks, Some(&reference), &mut cells);
    assert!(cells.capacity() <= 2 * ticks + 8, "memory beyond the ticks");
    if read.is_err() {
        return;
    }
    assert_eq!(cells.len(), ticks);
    let mut skipped = bytes;
    assert_eq!(codec::skip(&mut skipped), Ok(()));
    assert_eq!(skipped, rest);
    assert_round_trip(&cells, Some(&reference));
    assert_round_trip(&cells, None);
});

fn reference_cell(tick: i64) -> Cell {
    match tick % 97 {
        0 => Cell::ABSENT,
        step => Cell::of(1_000_000 + 40 * tick + step),
    }
}

fn assert_round_trip(cells: &[Cell], reference: Option<&[Cell]>) {
    let (mut bytes, mut again) = (Vec::new(), Vec::new());
    Encoder::new().encode(cells, reference, &mut bytes);
    let mut rest = &bytes[..];
    let read = Decoder::new().decode(&mut rest, cells.len(), reference, &mut again);
    assert_eq!(read, Ok(()));
    assert!(rest.is_empty());
    assert_eq!(again, cells);
}
