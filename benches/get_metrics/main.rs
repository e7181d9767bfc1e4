//! What a call of GetMetrics costs beside a service that does nothing, and what a
//! tick costs that prepares all answers.
//!
//! `cargo bench --bench get_metrics`, with `GET_METRICS_WATCHES` for another
//! number of watches than 5,000, each about one group of 100 partitions. Half of a
//! minute of ticks is held, as after a start; the rates look back over all of
//! them. `mixed_` are the same groups with each metric that a trigger may have in
//! turn, most of which look back. Both services listen on loopback in this
//! process, and are asked in turn by the same clients, one request under way on
//! each connection; a ratio is the median of the turns'. `streams_` is what a
//! thousand open streams that have nothing to tell add to a tick. Prints
//! `name=value` lines.

mod cluster;
#[path = "../cpu.rs"]
mod cpu;
mod load;
mod servers;
#[path = "../settings.rs"]
mod settings;
mod streams;

use std::{env, sync::Arc, time::Instant};

use rustix::time::ClockId;
use tidegauge::scaler::Watches;

use cluster::Cluster;
use load::{Load, Outcome};
use servers::Servers;

const DEFAULT_WATCHES: usize = 5_000;
/// Ticks that are judged with the clock running.
const TICKS: usize = 20;
/// Turns of one service and then the other.
const TURNS: usize = 9;

fn main() {
    let watches = env::var("GET_METRICS_WATCHES").map_or(DEFAULT_WATCHES, |text| {
        text.parse().expect("a number of watches")
    });
    let mut cluster = Cluster::new(watches);
    println!("watches={watches} partitions={}", cluster.partitions());
    let plain = cluster.watches(cluster::plain);
    report_ticks("", &mut cluster, &plain);
    let mixed = cluster.watches(cluster::mixed);
    report_ticks("mixed_", &mut cluster, &mixed);

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        report_streams(&mut cluster, &plain).await;
        let servers = Servers::start(cluster.reader(), Arc::clone(&plain)).await;
        for connections in [1, 64] {
            let load = Load::connect(&servers, connections, cluster.requests()).await;
            report_calls(connections, &load).await;
        }
    });
}

fn report_ticks(prefix: &str, cluster: &mut Cluster, watches: &Watches) {
    let mut times: Vec<_> = (0..TICKS)
        .map(|_| {
            cluster.tick();
            let board = cluster.reader().borrow().clone();
            let start = Instant::now();
            watches.judge(&board);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (median, longest) = (times[TICKS / 2], times[TICKS - 1]);
    println!("{prefix}tick_estimate_ms={median:.1} {prefix}tick_estimate_longest_ms={longest:.1}");
}

/// What ticks cost all threads with streams open, of which none has anything to
/// tell, and without.
async fn report_streams(cluster: &mut Cluster, watches: &Arc<Watches>) {
    let without = cpu_ms_a_tick(cluster, watches);
    let reading = streams::open(cluster, watches).await;
    let with = cpu_ms_a_tick(cluster, watches);
    drop(reading);
    println!("streams={}", streams::STREAMS);
    println!("streams_tick_cpu_ms={with:.2} streams_tick_cpu_without_ms={without:.2}");
    println!("streams_tick_ratio={:.3}", with / without);
}

/// Of all threads over all ticks, so that what a tick wakes counts whenever it
/// runs; without what this thread takes to make the ticks.
fn cpu_ms_a_tick(cluster: &mut Cluster, watches: &Watches) -> f64 {
    let start = cpu::ms(ClockId::ProcessCPUTime);
    let mut made = 0.0;
    for _ in 0..TICKS {
        let begun = cpu::ms(ClockId::ThreadCPUTime);
        cluster.tick();
        made += cpu::ms(ClockId::ThreadCPUTime) - begun;
        let board = cluster.reader().borrow().clone();
        watches.judge(&board);
    }
    (cpu::ms(ClockId::ProcessCPUTime) - start - made) / TICKS as f64
}

async fn report_calls(connections: usize, load: &Load) {
    load.ask_ours().await;
    load.ask_empty().await;
    let mut turns = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        turns.push((load.ask_ours().await, load.ask_empty().await));
    }
    let ratio = median(&turns, |(ours, empty)| ours.per_s / empty.per_s);
    let prefix = format!("getmetrics_{connections}_connections");
    println!("{prefix}_ratio_to_empty={ratio:.3}");
    type Part = fn(&Outcome) -> f64;
    let parts: [(&str, Part); 2] = [
        ("per_s", |outcome| outcome.per_s),
        ("p99_us", |outcome| outcome.p99_us),
    ];
    for (name, part) in parts {
        let ours = median(&turns, |(ours, _)| part(ours));
        let empty = median(&turns, |(_, empty)| part(empty));
        println!("{prefix}_{name}={ours:.0} {prefix}_empty_{name}={empty:.0}");
    }
}

fn median<T>(items: &[T], number: impl Fn(&T) -> f64) -> f64 {
    let mut numbers: Vec<_> = items.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
