//! What one tick costs: time, bytes in the file, and the way back; beside the
//! plainest way to keep the same: eight bytes a sample appended to a file, and
//! a sync each tick.
//!
//! `cargo bench --bench ingest`, with `INGEST_PARTITIONS` and `INGEST_TICKS`
//! to change the size. The load is [`Traffic::steady`]. Prints `name=value`
//! lines.

/// Shared with other benches, which use more of it.
#[allow(dead_code)]
mod traffic;

use std::{env, fs::File, io::Write as _, time::Instant};

use tidegauge::{
    model::{Frame, TimestampMs},
    store,
};

use traffic::{Shape, Traffic};

fn main() {
    let partitions = setting("INGEST_PARTITIONS", Shape::DEFAULT.partitions);
    let ticks = setting("INGEST_TICKS", 120);
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut writer, store) = store::open(dir.path()).expect("store");
    let mut traffic = Traffic::steady(Shape::DEFAULT.with_partitions(partitions));

    let mut plain_file = File::create(dir.path().join("plain")).expect("file");
    let mut plain = Spent::default();
    let (mut samples, mut place, mut record) = (0, Spent::default(), Spent::default());
    for _ in 0..ticks {
        let tick = traffic.tick();
        let placed = place.time(|| writer.place(&tick));
        samples += placed.frame.cells().len();
        record.time(|| writer.record(&placed, &tick.gaps).expect("record"));
        plain.time(|| append(&mut plain_file, &placed.frame).expect("append"));
    }
    let bytes = store.size_bytes().expect("size").head;
    let mut read = Spent::default();
    let frames = read.time(|| {
        let frames = store.frames(&"bench".into(), TimestampMs(0), TimestampMs(i64::MAX));
        frames.expect("frames").filter(Result::is_ok).count()
    });
    assert_eq!(frames, ticks);
    let each = ticks as f64;
    println!("series={}", samples / ticks);
    println!("ticks={ticks}");
    println!("place_ms_per_tick={:.2}", place.ms / each);
    println!("record_ms_per_tick={:.2}", record.ms / each);
    println!("read_ms_per_tick={:.2}", read.ms / each);
    let bytes_per_sample = bytes as f64 / samples as f64;
    println!("file_bytes_per_sample={bytes_per_sample:.2}");
    println!("plain_record_ms_per_tick={:.2}", plain.ms / each);
    println!("plain_bytes_per_sample=8.00");
    println!("bytes_ratio_to_plain={:.3}", bytes_per_sample / 8.0);
    println!("record_ratio_to_plain={:.2}", record.ms / plain.ms);
}

fn append(file: &mut File, frame: &Frame) -> std::io::Result<()> {
    let offsets = frame.cells().iter().map(|cell| cell.value().unwrap_or(-1));
    let bytes: Vec<u8> = offsets.flat_map(i64::to_le_bytes).collect();
    file.write_all(&bytes)?;
    file.sync_data()
}

fn setting(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Spent {
    ms: f64,
}

impl Spent {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.ms += start.elapsed().as_secs_f64() * 1000.0;
        result
    }
}
