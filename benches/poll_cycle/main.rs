//! One poll cycle of large clusters: what it costs us, what it costs the
//! brokers, how that grows, and the naive way to do the same.
//!
//! Brokers run in processes of their own, and so does each poller that is
//! measured: CPU time, threads and memory are its alone. Wall time includes the
//! brokers' work, and all of it shares the machine's cores: brokers on machines
//! of their own answer sooner. Half of the topics have a record in each partition,
//! which their groups have not read. A broker answers where a log starts and ends
//! from memory, however long the log is.
//!
//! `mock_...` is measured on three embedded brokers, which can't describe
//! groups, so that members are not in it. `real_...` is measured on three brokers
//! of Apache Kafka, which take minutes to start, so only with
//! `TIDEGAUGE_BENCH_KAFKA=1`. Groups are asked about the topic that they read;
//! in `real_..._committed`, about all that they have committed.
//!
//! Run: `cargo bench --bench poll_cycle [-- 10000x500 ...]`. Prints `name=value`
//! lines.

#[path = "../cpu.rs"]
mod cpu;
mod cycles;
mod embedded;
mod kafka;
mod naive;
mod process;
mod records;
mod shape;
/// What the integration tests stand on, of which little is used here.
#[path = "../../tests/it/support/mod.rs"]
#[allow(dead_code, unused_imports, clippy::unwrap_used)]
mod support;

use std::{env, fmt::Display, process::Command};

use anyhow::{Result, bail, ensure};

use embedded::Brokers;
use shape::{Asked, Shape};

/// Measured beside the naive way.
const COMPARED: [Shape; 2] = [Shape::new(10_000, 500), Shape::new(50_000, 4_000)];

const SHAPES: [Shape; 5] = [
    Shape::new(2_500, 125),
    Shape::new(5_000, 250),
    COMPARED[0],
    Shape::new(25_000, 2_000),
    COMPARED[1],
];

/// Asks for real brokers too.
const KAFKA_ENV: &str = "TIDEGAUGE_BENCH_KAFKA";

/// What a child, which is this program again, is to do.
const TASK_ENV: &str = "TIDEGAUGE_BENCH_TASK";

fn main() -> Result<()> {
    match env::var(TASK_ENV) {
        Ok(task) => run(&task),
        Err(_) => measure_all(),
    }
}

/// The shapes on the command line, or [`SHAPES`].
fn measure_all() -> Result<()> {
    let named = env::args().skip(1).filter(|word| !word.starts_with("--"));
    let named = named.map(|word| word.parse()).collect::<Result<Vec<_>>>()?;
    let or = |shapes: &[Shape]| match named.is_empty() {
        true => shapes.to_vec(),
        false => named.clone(),
    };
    measure_embedded(&or(&SHAPES))?;
    if env::var_os(KAFKA_ENV).is_none() {
        println!("real_skipped=without_{KAFKA_ENV}");
        return Ok(());
    }
    measure_real(&or(&COMPARED))
}

fn measure_embedded(shapes: &[Shape]) -> Result<()> {
    for &shape in shapes {
        let brokers = Brokers::start(child(&format!("brokers {shape}"))?)?;
        let (servers, pid) = (&brokers.bootstrap_servers, brokers.pid());
        measure(
            &format!("mock_{shape}"),
            shape,
            Asked::Named,
            servers,
            &[pid],
        )?;
    }
    Ok(())
}

fn measure_real(shapes: &[Shape]) -> Result<()> {
    for &shape in shapes {
        let Some(cluster) = kafka::start() else {
            println!("real_skipped=no_kafka");
            return Ok(());
        };
        let (servers, pids) = (cluster.bootstrap_past_proxies(), cluster.pids());
        let prepared = child(&format!("prepare {shape} {servers}"))?.status()?;
        ensure!(prepared.success(), "{shape} could not be prepared");
        let name = format!("real_{shape}");
        measure(&name, shape, Asked::Named, servers, &pids)?;
        let name = format!("{name}_committed");
        measure(&name, shape, Asked::Committed, servers, &pids)?;
    }
    Ok(())
}

/// Measures in a child of its own.
fn measure(name: &str, shape: Shape, asked: Asked, servers: &str, pids: &[u32]) -> Result<()> {
    let asked = match asked {
        Asked::Named => "named",
        Asked::Committed => "committed",
    };
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let pids = pids.join(",");
    let status = child(&format!("measure {name} {shape} {asked} {servers} {pids}"))?.status()?;
    ensure!(status.success(), "{name} failed");
    Ok(())
}

fn child(task: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.env(TASK_ENV, task);
    Ok(command)
}

fn run(task: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let words: Vec<_> = task.split(' ').collect();
    match words[..] {
        ["brokers", shape] => runtime.block_on(embedded::serve(shape.parse()?)),
        ["prepare", shape, servers] => {
            let shape: Shape = shape.parse()?;
            runtime.block_on(kafka::topics::create_all(shape, servers))?;
            records::write_all(shape, servers)?;
            kafka::commits::commit_all(shape, servers)
        }
        ["measure", name, shape, asked, servers, pids] => {
            let shape: Shape = shape.parse()?;
            let asked = match asked {
                "named" => Asked::Named,
                _ => Asked::Committed,
            };
            let pids = pids.split(',').map(str::parse);
            let pids = pids.collect::<Result<Vec<u32>, _>>()?;
            let measured = cycles::measure(name, shape, asked, servers, &pids);
            let wall_s = runtime.block_on(measured)?;
            if COMPARED.contains(&shape) && asked == Asked::Named {
                let naive_wall_s = naive::measure(name, shape, servers)?;
                print(name, "ratio", format_args!("{:.0}", naive_wall_s / wall_s));
            }
            Ok(())
        }
        _ => bail!("no such task: {task}"),
    }
}

fn print(name: &str, figure: &str, value: impl Display) {
    println!("{name}_{figure}={value}");
}
