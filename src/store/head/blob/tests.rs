use proptest::{collection::vec, prelude::*};

use super::*;

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        2 => Just(Cell::ABSENT),
        1 => Just(Cell::NO_COMMIT),
        1 => Just(Cell::GONE),
        4 => (-3_i64..3).prop_map(Cell::of),
        2 => any::<i64>().prop_map(Cell::of),
        1 => Just(Cell::of(i64::MAX)),
        1 => Just(Cell::of(i64::MIN + 3)),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Vec<Cell>>> {
    vec(vec(cell(), 0..12), 1..150)
}

fn encode_all(rows: &[Vec<Cell>]) -> Vec<Blob> {
    let mut encoder = Encoder::new();
    rows.iter().map(|row| encoder.encode(row)).collect()
}

fn blob_of(raw: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.raw = raw.to_vec();
    encoder.compress()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_come_back_as_they_were(rows in rows()) {
        let mut decoder = Decoder::new();
        for (row, blob) in rows.iter().zip(encode_all(&rows)) {
            prop_assert_eq!(&decoder.decode(&blob.bytes).expect("own blob"), row);
        }
    }

    #[test]
    fn each_segment_is_read_without_those_before(rows in rows(), skipped in 0_usize..3) {
        let start = skipped * usize::from(SEGMENT_TICKS);
        let mut decoder = Decoder::new();
        for (row, blob) in rows.iter().zip(encode_all(&rows)).skip(start) {
            prop_assert_eq!(&decoder.decode(&blob.bytes).expect("own blob"), row);
        }
    }

    #[test]
    fn a_delta_is_never_added_to_a_row_it_was_not_made_from(rows in rows(), lost in 0_usize..150) {
        let blobs = encode_all(&rows);
        prop_assume!(lost + 1 < blobs.len() && !blobs[lost + 1].is_keyframe);
        let mut decoder = Decoder::new();
        for blob in &blobs[..lost] {
            decoder.decode(&blob.bytes).expect("own blob");
        }
        let outcome = decoder.decode(&blobs[lost + 1].bytes);
        prop_assert!(matches!(outcome, Err(BlobError::OutOfPlace { .. })), "{outcome:?}");
    }

    #[test]
    fn any_bytes_are_a_row_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
        Decoder::new().decode(&bytes).ok();
        Decoder::new().decode(&[&[FORMAT, 64, 0, 0, 0], &bytes[..]].concat()).ok();
        // Past the checksum, where only the ops are left to be wrong.
        Decoder::new().decode(&blob_of(&bytes)).ok();
        Decoder::new().decode(&blob_of(&[&[0], &bytes[..]].concat())).ok();
    }

    #[test]
    fn damage_is_noticed(rows in vec(vec(cell(), 1..40), 1..2), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let blob = &encode_all(&rows)[0].bytes;
        let at = at.index(blob.len());
        prop_assert!(Decoder::new().decode(&blob[..at]).is_err());
        let mut flipped = blob.clone();
        flipped[at] ^= 1_u8 << bit;
        // zstd ignores a bit or two of its header, so flips there do no harm.
        if let Ok(row) = Decoder::new().decode(&flipped) {
            prop_assert_eq!(&row, &rows[0]);
        }
    }
}

#[test]
fn bytes_on_disk_stay_what_they_are() {
    let mut encoder = Encoder::new();
    encoder.encode_raw(&[
        Cell::of(300),
        Cell::ABSENT,
        Cell::NO_COMMIT,
        Cell::GONE,
        Cell::of(-1),
    ]);
    assert_eq!(encoder.raw, [0, 0xdc, 0x04, 0, 2, 3, 5]);
    encoder.position = 1;
    encoder.encode_raw(&[
        Cell::of(301),
        Cell::of(i64::MAX),
        Cell::NO_COMMIT,
        Cell::of(0),
        Cell::ABSENT,
        Cell::of(7),
    ]);
    let extreme = [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02];
    assert_eq!(
        encoder.raw,
        [&[1, 6][..], &extreme, &[0, 4, 1, 18]].concat()
    );

    // Whole blobs are compared by what they decode to: a later zstd may
    // compress the same bytes otherwise.
    let stored = [
        1, 7, 0, 0, 0, // format, raw length
        0x28, 0xb5, 0x2f, 0xfd, 0x24, 7, 0x39, 0, 0, // zstd: one raw block of 7 bytes
        0, 0xdc, 0x04, 0, 2, 3, 5, // as above
        0x3a, 0x6d, 0xba, 0xb1, // checksum
    ];
    assert_eq!(
        Decoder::new().decode(&stored).expect("golden blob"),
        [
            Cell::of(300),
            Cell::ABSENT,
            Cell::NO_COMMIT,
            Cell::GONE,
            Cell::of(-1)
        ]
    );
}

#[test]
fn what_claims_too_much_is_refused_before_it_takes_memory() {
    let mut decoder = Decoder::new();
    let claim = [&[FORMAT][..], &u32::MAX.to_le_bytes(), &[0; 20]].concat();
    assert_eq!(
        decoder.decode(&claim),
        Err(BlobError::TooLong(u32::MAX as usize))
    );

    // A frame that holds far more than it claims.
    let mut bomb = blob_of(&vec![0; 1 << 20]);
    bomb[1..5].copy_from_slice(&100_u32.to_le_bytes());
    assert!(matches!(
        decoder.decode(&bomb),
        Err(BlobError::Compression(_))
    ));

    let wide = blob_of(&vec![0; MAX_COLUMNS + 2]);
    assert_eq!(decoder.decode(&wide), Err(BlobError::TooWide));
}

#[test]
fn values_that_no_cell_holds_are_refused() {
    let reserved = FIRST_DELTA + u128::from(zigzag(i64::MIN));
    let beyond = FIRST_DELTA + u128::from(u64::MAX) + 1;
    for op in [reserved, beyond] {
        let mut raw = vec![0];
        put_varint(&mut raw, op);
        let outcome = Decoder::new().decode(&blob_of(&raw));
        assert_eq!(outcome, Err(BlobError::BadOp(0)));
    }
}
