//! The product itself is started on what was recorded, killed, and started again.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};

use super::process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegauge");

pub(crate) fn run(data_dir: &Path) -> Result<()> {
    let configuration = data_dir.with_extension("toml");
    fs::write(&configuration, configuration_of(data_dir))?;
    let mut slowest = 0.0_f64;
    for _ in 0..3 {
        let (mut child, ready_s) = start(&configuration)?;
        slowest = slowest.max(ready_s);
        println!(
            "serve_rss_mb={:.0}",
            process::resident_mb(&child.id().to_string())?
        );
        child.kill()?; // SIGKILL
        child.wait()?;
    }
    println!("recovery_s={slowest:.2}");
    Ok(())
}

/// The brokers are never there: all that it knows is from the disk.
fn configuration_of(data_dir: &Path) -> String {
    format!(
        "[store]\ndata_dir = {data_dir:?}\nretention = '10y'\n\
         [grpc]\nlisten = '127.0.0.1:0'\n[http]\nlisten = '127.0.0.1:0'\n\
         [log]\nformat = 'json'\n\
         [clusters.bench]\nbootstrap_servers = ['127.0.0.1:1']\n"
    )
}

/// Starts it; how long it took until it was ready.
fn start(configuration: &Path) -> Result<(Child, f64)> {
    let began = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(configuration)
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stderr.take().context("standard error")?);
    for line in lines.lines() {
        let line = line?;
        let log: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(http) = log["fields"]["http"].as_str() else {
            continue;
        };
        wait_until_ready(http)?;
        return Ok((child, began.elapsed().as_secs_f64()));
    }
    anyhow::bail!("it ended before it served")
}

fn wait_until_ready(http: &str) -> Result<()> {
    let url = format!("http://{http}/readyz");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let status = client.get(url).send().await?.status();
        anyhow::ensure!(status.is_success(), "it serves and is not ready: {status}");
        Ok(())
    })
}
