//! The power goes at any moment. The disk then holds what was synced and some
//! of the rest, in part and in any order. Each tick that was acknowledged must
//! be there when the store is opened again, and at most the one more whose
//! commit was under way.
//!
//! The control does the same with a disk that acknowledges syncs and does not
//! do them. If nothing were lost there either, the test would prove nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::{all_frames, record, tick};
use crate::{model::Frame, store::test_disk::Disk};

const CUTS: u32 = 300;
/// A file that has seen this many cuts makes room for a new one.
const CUTS_OF_ONE_FILE: u32 = 25;

#[test]
fn no_acknowledged_tick_is_lost() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut disk = Disk::default();
    let mut kept = Vec::new();
    for cut in 0..CUTS {
        if cut % CUTS_OF_ONE_FILE == 0 {
            (disk, kept) = (new_file(), Vec::new());
        }
        disk.cut_power_after(random.next_u32() % 250);
        let (acknowledged, under_way) = record_until_cut(&disk, &kept);
        disk = disk.after_power_cut(&mut random);

        let (_writer, store) = disk.open().expect("opens after any cut");
        let found = all_frames(&store, "a");
        let mut with_last = acknowledged.clone();
        with_last.extend(under_way);
        assert!(found == acknowledged || found == with_last, "cut {cut}");
        kept = found;
    }
}

#[test]
fn a_disk_that_lies_is_found_out() {
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut losses = 0;
    for _ in 0..20 {
        let disk = new_file();
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

fn new_file() -> Disk {
    let disk = Disk::default();
    drop(disk.open().expect("store"));
    disk
}

/// All frames that must be there, and the one that may.
fn record_until_cut(disk: &Disk, kept: &[Frame]) -> (Vec<Frame>, Option<Frame>) {
    let mut acknowledged = kept.to_vec();
    let Ok((mut writer, _store)) = disk.open() else {
        return (acknowledged, None);
    };
    loop {
        let at = acknowledged.last().map_or(0, |frame| frame.at.0) + 1;
        // Some are keyframes of several pieces, and new series come in.
        let tick = tick("a", at, 200 + at as usize);
        let under_way = Frame::clone(&writer.place(&tick).frame);
        match record(&mut writer, &tick) {
            Ok(frame) => acknowledged.push(frame),
            Err(_) => return (acknowledged, Some(under_way)),
        }
    }
}
