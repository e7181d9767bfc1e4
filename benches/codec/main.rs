//! What the codec makes of two hours of a cluster: bytes, and time to and fro;
//! beside what general compressors make of the same columns in the same run.
//!
//! `cargo bench --bench codec`, with `CODEC_PARTITIONS` for another size than
//! that of [`Shape::DEFAULT`], whose columns take 700 MB. The codec's constants
//! were chosen by the steady set; the `bursty_` one showed that steps and bursts
//! need a way of their own, and tells what all that is worth elsewhere. `minute`
//! is the last tick of each minute. Times are the thread's own. Prints
//! `name=value` lines.

mod baseline;
mod chunk;
#[path = "../cpu.rs"]
mod cpu;
#[path = "../traffic/mod.rs"]
mod traffic;

use std::{env, hint::black_box, time::Instant};

use rustix::time::ClockId;
use tidegauge::{
    model::Cell,
    store::codec::{Decoder, Encoder},
};

use baseline::Baseline;
use chunk::{Chunk, Column, Kind};
use traffic::{Shape, Traffic};

const TICKS_A_MINUTE: usize = 6;
const ROUNDS: usize = 3;

fn main() {
    let partitions = env::var("CODEC_PARTITIONS").map_or(Shape::DEFAULT.partitions, |text| {
        text.parse().expect("a number of partitions")
    });
    let shape = Shape::DEFAULT.with_partitions(partitions);
    let sets = [
        ("", Traffic::steady(shape)),
        ("bursty_", Traffic::bursty(shape)),
    ];
    for (prefix, mut traffic) in sets {
        let start = Instant::now();
        let chunk = Chunk::of_two_hours(&mut traffic);
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!("{prefix}series={}", chunk.columns.len());
        println!("{prefix}traffic_ms_per_tick={:.1}", ms / chunk.ticks as f64);
        measure(&chunk, &format!("{prefix}codec"));
        measure(
            &chunk.thinned(TICKS_A_MINUTE),
            &format!("{prefix}codec_minute"),
        );
    }
}

fn measure(chunk: &Chunk, name: &str) {
    let samples = chunk.samples();
    let (encode_ns, encoded) = quickest(|| Encoded::of(chunk));
    encoded.check(chunk);
    let (decode_ns, ()) = quickest(|| encoded.decode(chunk, |_, cells| use_up(cells)));
    let bytes = encoded.bytes.len() as f64;
    println!("{name}_bytes_per_sample={:.4}", bytes / samples);
    println!("{name}_encode_ns_per_sample={:.2}", encode_ns / samples);
    println!("{name}_decode_ns_per_sample={:.2}", decode_ns / samples);
    for kind in Kind::ALL {
        let (bytes, samples) = encoded.of_kind(chunk, kind);
        println!(
            "{name}_{}_bytes_per_sample={:.4}",
            kind.name(),
            bytes / samples
        );
    }
    for baseline in Baseline::ALL {
        let (other_ns, other) = quickest(|| baseline.bytes(chunk) as f64);
        let beside = baseline.name();
        println!("{name}_{beside}_bytes_per_sample={:.4}", other / samples);
        println!(
            "{name}_{beside}_encode_ns_per_sample={:.2}",
            other_ns / samples
        );
        println!("{name}_bytes_ratio_to_{beside}={:.3}", bytes / other);
    }
}

fn use_up(cells: &[Cell]) {
    black_box(cells);
}

/// What this thread has had of a core.
fn cpu_ns() -> f64 {
    cpu::ms(ClockId::ThreadCPUTime) * 1e6
}

/// The least CPU time of several rounds, since others use the machine too.
fn quickest<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut round = || {
        let start_ns = cpu_ns();
        let result = work();
        (cpu_ns() - start_ns, result)
    };
    let first = round();
    let rounds = (1..ROUNDS).map(|_| round());
    rounds.fold(
        first,
        |least, next| if next.0 < least.0 { next } else { least },
    )
}

struct Encoded {
    bytes: Vec<u8>,
    /// Where each column ends.
    ends: Vec<usize>,
}

impl Encoded {
    fn of(chunk: &Chunk) -> Self {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        let mut ends = Vec::with_capacity(chunk.columns.len());
        for column in &chunk.columns {
            encoder.encode(&column.cells, chunk.reference(column), &mut bytes);
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    /// Reads all columns.
    fn decode(&self, chunk: &Chunk, mut take: impl FnMut(&Column, &[Cell])) {
        let (mut decoder, mut cells) = (Decoder::new(), Vec::new());
        let mut rest = &self.bytes[..];
        for column in &chunk.columns {
            let reference = chunk.reference(column);
            decoder
                .decode(&mut rest, chunk.ticks, reference, &mut cells)
                .expect("own bytes");
            take(column, &cells);
        }
    }

    fn check(&self, chunk: &Chunk) {
        self.decode(chunk, |column, cells| {
            assert!(cells == column.cells, "a column came back otherwise");
        });
    }

    /// Bytes and samples of one kind.
    fn of_kind(&self, chunk: &Chunk, kind: Kind) -> (f64, f64) {
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        let sizes = begins.zip(&self.ends).map(|(begin, end)| end - begin);
        let columns = chunk.columns.iter().zip(sizes);
        let of_kind = columns.filter(|(column, _)| column.kind == kind);
        let (mut bytes, mut samples) = (0, 0);
        for (column, size) in of_kind {
            bytes += size;
            samples += column.cells.len();
        }
        (bytes as f64, samples as f64)
    }
}
