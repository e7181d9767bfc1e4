//! The power goes at any moment. The disk then holds what was synced and some
//! of the rest, in part and in any order. Each tick that was acknowledged must
//! be there when the store is opened again, and at most the one more whose
//! commit was under way; whether it is sealed, half sealed or still in the head.
//!
//! The control does the same with a disk that acknowledges syncs and does not
//! do them. If nothing were lost there either, the test would prove nothing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{all_frames, record, tick};
use crate::{
    model::{Frame, TimestampMs},
    store::test_disk::Disk,
};

const CUTS: u32 = 2_000;
const THREADS: u8 = 4;
/// A disk that has seen this many cuts makes room for a new one.
const CUTS_OF_ONE_DISK: u32 = 25;
/// From one tick to the next: a disk sees the chunks of some hours.
const PACE_MS: i64 = 4 * 60_000;

#[test]
fn no_acknowledged_tick_is_lost() {
    let sealed: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|seed| scope.spawn(move || cut_and_check(seed)))
            .collect();
        let sealed = threads.into_iter().map(|thread| thread.join());
        sealed.map(|sealed| sealed.expect("nothing lost")).sum()
    });
    assert!(sealed > 100, "only {sealed} chunks were there at a cut");
}

/// How many chunks there were at the cuts.
fn cut_and_check(seed: u8) -> u64 {
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let (mut disk, mut kept) = (Disk::default(), Vec::new());
    let mut sealed = 0;
    for cut in 0..CUTS / u32::from(THREADS) {
        if cut % CUTS_OF_ONE_DISK == 0 {
            (disk, kept) = (new_disk(), Vec::new());
        }
        disk.cut_power_after(random.next_u32() % 250);
        let (acknowledged, under_way) = record_until_cut(&disk, &kept);
        disk = disk.after_power_cut(&mut random);

        let (_writer, store) = disk.open().expect("opens after any cut");
        let found = all_frames(&store, "a");
        let mut with_last = acknowledged.clone();
        with_last.extend(under_way);
        assert!(
            found == acknowledged || found == with_last,
            "cut {cut} of {seed}"
        );
        sealed += store.level_sizes().expect("sizes")[0].chunks;
        kept = found;
    }
    sealed
}

#[test]
fn a_disk_that_lies_is_found_out() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut losses = 0;
    for _ in 0..20 {
        let disk = new_disk();
        disk.ignore_syncs();
        disk.cut_power_after(50 + random.next_u32() % 200);
        let (acknowledged, _) = record_until_cut(&disk, &[]);
        let disk = disk.after_power_cut(&mut random);
        let found = catch_unwind(AssertUnwindSafe(|| {
            let (_writer, store) = disk.open().ok()?;
            Some(all_frames(&store, "a"))
        }));
        let is_whole = matches!(found, Ok(Some(found)) if found.starts_with(&acknowledged));
        losses += u32::from(!is_whole);
    }
    assert!(losses > 10, "only {losses} of 20");
}

fn new_disk() -> Disk {
    let disk = Disk::default();
    drop(disk.open().expect("store"));
    disk
}

/// All frames that must be there, and the one that may.
fn record_until_cut(disk: &Disk, kept: &[Frame]) -> (Vec<Frame>, Option<Frame>) {
    let mut acknowledged = kept.to_vec();
    let Ok((mut writer, store)) = disk.open() else {
        return (acknowledged, None);
    };
    let mut sealer = store.sealer();
    loop {
        let at = acknowledged.last().map_or(0, |frame| frame.at.0) + PACE_MS;
        if sealer.step(TimestampMs(at)).is_err() {
            return (acknowledged, None);
        }
        // Some are keyframes of several pieces, and new series come in.
        let tick = tick("a", at, 200 + (at / PACE_MS) as usize);
        let under_way = Frame::clone(&writer.place(&tick).frame);
        match record(&mut writer, &tick) {
            Ok(frame) => acknowledged.push(frame),
            Err(_) => return (acknowledged, Some(under_way)),
        }
    }
}
