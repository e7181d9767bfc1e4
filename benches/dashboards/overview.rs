//! The dashboard of all groups, query by query, with nobody else about.

use std::{fs, net::SocketAddr, path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::Value;
use tidegauge::model::TimestampMs;

use crate::percentile;

const DASHBOARD: &str = "dashboards/prometheus/overview.json";
/// The dashboard's own.
const RANGE_S: i64 = 6 * 3_600;
/// Of a panel that does not say how many points it wants, and of those that do.
const STEP_S: i64 = 30;
const REPEATS: usize = 3;

/// Prints each of its queries, the slowest, and all one after the other.
pub(crate) async fn report(address: SocketAddr) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DASHBOARD);
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let client = Client::builder().no_proxy().build()?;
    let (mut all_ms, mut slowest_ms) = (0.0, 0.0_f64);
    for (panel, target) in targets(&dashboard) {
        let most = panel["maxDataPoints"].as_i64();
        let step_s = most.map_or(STEP_S, |most| RANGE_S / most);
        let query = target["expr"].as_str().context("an expression")?;
        let query = query.replace("$cluster", ".*").replace("$group", ".*");
        let is_instant = target["instant"] == true;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(ask(&client, address, &query, (!is_instant).then_some(step_s)).await?);
        }
        let ms = percentile(&times, 50);
        all_ms += ms;
        println!("overview_query_ms={ms:.0} {query}");
        slowest_ms = slowest_ms.max(ms);
    }
    println!("overview_ms={all_ms:.0} overview_slowest_ms={slowest_ms:.0}");
    Ok(())
}

/// Each with its panel.
fn targets(dashboard: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (panel, target))
    })
}

/// Over the range, in steps; or as of now.
async fn ask(
    client: &Client,
    address: SocketAddr,
    query: &str,
    step_s: Option<i64>,
) -> Result<f64> {
    let now = TimestampMs::now().0 / 1_000;
    let (now, from) = (now.to_string(), (now - RANGE_S).to_string());
    let began = Instant::now();
    let api = format!("http://{address}/prometheus/api/v1");
    let request = match step_s {
        None => client.get(format!("{api}/query")).query(&[("time", &now)]),
        Some(step_s) => {
            let step = step_s.to_string();
            let range = [("start", &from), ("end", &now), ("step", &step)];
            client.get(format!("{api}/query_range")).query(&range)
        }
    };
    let answer = request.query(&[("query", query)]).send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    ensure!(
        status.is_success(),
        "{query}: {status}: {}",
        &body[..body.len().min(300)]
    );
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
