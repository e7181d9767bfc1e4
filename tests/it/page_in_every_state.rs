//! The page when there is nothing yet, when the brokers are away, when the
//! server is, and when a name wants to be HTML.

use std::net::TcpListener;

use serde_json::json;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    browser::Browser,
    eventually,
    queue::{record_task, unreachable},
    scaler::{Scaler, configuration, named_groups},
};

/// Would be a script, if it were put in as HTML.
const HOSTILE: &str = "<img src=x onerror=document.title='owned'>";

/// A port that nobody listens on now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_each_state() {
    let Some(browser) = Browser::start_or_skip("the_page_tells_each_state").await else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 2).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let (servers, port) = (cluster.bootstrap_servers(), free_port());
    let configured = |groups: &[(&str, &str)]| {
        let text = configuration(data_dir.path(), &servers, &named_groups(groups));
        text.replace(
            "[http]\nlisten = \"127.0.0.1:0\"",
            &format!("[http]\nlisten = \"127.0.0.1:{port}\""),
        )
    };

    let scaler = Scaler::start(&configured(&[]));
    browser
        .open(&format!("http://{}/", scaler.http_address()))
        .await;
    nothing_yet(&browser).await;

    failed(&browser, scaler).await;

    cluster
        .commit_offsets(HOSTILE, &[("t", 0, 0), ("t", 1, 0)])
        .await
        .unwrap();
    let scaler = Scaler::start(&configured(&[(HOSTILE, "t")]));
    back_again(&browser).await;
    a_hostile_name(&browser).await;

    // What failed above was logged by the browser; from here on nothing may be.
    browser.complaints().await;
    drop(cluster);
    brokers_away(&browser).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    drop(scaler);
    browser.end().await;
}

async fn nothing_yet(browser: &Browser) {
    browser
        .until(
            "it says that there is no group",
            "document.getElementById('empty').checkVisibility() && document.getElementById('empty-heading').textContent === 'No group yet'",
        )
        .await;
    browser.keep_screenshot("empty").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// The open page, which listens, does not hold up the end of the process.
async fn failed(browser: &Browser, scaler: Scaler) {
    scaler.signal_end();
    eventually("the server ends", async || {
        scaler.log().contains("\"message\":\"ended\"").then_some(())
    })
    .await;
    let log = scaler.log();
    assert!(!log.contains("within the grace period"), "{log}");
    drop(scaler);
    browser
        .until(
            "it says that the server does not answer, and tries again",
            "document.documentElement.dataset.standing === 'failed' && /does not answer, since .*Trying again/.test(document.getElementById('banner').textContent.replace(/\\s+/g, ' '))",
        )
        .await;
    browser.keep_screenshot("failed").await;
}

/// Without a reload.
async fn back_again(browser: &Browser) {
    browser
        .until(
            "it is live again",
            "document.documentElement.dataset.standing === 'live'",
        )
        .await;
}

async fn a_hostile_name(browser: &Browser) {
    let named = format!(
        "[...document.querySelectorAll('#rows a')].find((link) => link.textContent === {})",
        json!(HOSTILE)
    );
    browser.until("the name is shown as it is", &named).await;
    browser.run(&format!("{named}.click()")).await;
    browser
        .until(
            "so it is of the opened group",
            &format!(
                "document.querySelector('#group h1')?.textContent === {}",
                json!(HOSTILE)
            ),
        )
        .await;
    browser
        .until(
            "its charts are drawn",
            "document.querySelectorAll('.plot canvas').length === 5",
        )
        .await;
    let images = browser
        .run("return document.querySelectorAll('img:not([alt])').length")
        .await;
    assert_eq!(images, 0);
    let title = browser.driver().title().await.unwrap();
    assert!(title.starts_with(HOSTILE), "{title}");
    browser.keep_screenshot("hostile-name").await;
    browser
        .until(
            "that KEDA was told nothing of it is said",
            "document.querySelector('.told').textContent.includes('told nothing')",
        )
        .await;
    let complaints = browser.complaints().await;
    let of_the_end =
        |one: &&String| !one.contains("api/v1/live") && !one.contains("ERR_CONNECTION");
    assert_eq!(complaints.iter().find(of_the_end), None);
    browser.run("location.hash = '#/group/main/nobody'").await;
    browser
        .until(
            "a group that is not there is said",
            "document.querySelector('#group [role=alert]').textContent.includes('there is no group')",
        )
        .await;
    browser.run("location.hash = '#/'").await;
}

async fn brokers_away(browser: &Browser) {
    browser
        .until(
            "it says since when, and of the group why",
            "document.documentElement.dataset.standing === 'stale' && document.querySelector('[data-attention=unknown] .why')?.textContent",
        )
        .await;
    let lag = browser
        .run("return document.querySelector('#rows .strong').textContent")
        .await;
    browser.keep_screenshot("stale").await;
    assert_ne!(lag, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_shows_its_depth_and_what_its_rates_are_made_of() {
    let name = "a_task_shows_its_depth_and_what_its_rates_are_made_of";
    let Some(browser) = Browser::start_or_skip(name).await else {
        return;
    };
    let data_dir = tempfile::tempdir().unwrap();
    record_task(data_dir.path(), "work", "ingest-logs");
    let text = configuration(data_dir.path(), "127.0.0.1:1", &unreachable("work"));
    let scaler = Scaler::start(&text);
    browser
        .open(&format!("http://{}/", scaler.http_address()))
        .await;
    let link = "[...document.querySelectorAll('#rows a')].find((link) => link.textContent === 'ingest-logs')";
    browser
        .until(
            "the task is listed with its queue and depth",
            &format!(
                "{link}?.closest('tr').querySelector('.name .quiet').textContent === 'queue work' && {link}.closest('tr').querySelector('[data-label=Depth]').textContent === '145'"
            ),
        )
        .await;
    browser.keep_screenshot("task-listed").await;
    browser.run(&format!("{link}.click()")).await;
    let tiles = "document.querySelector('#group .tiles')?.textContent";
    browser
        .until(
            "its tiles say that the rates are lower bounds",
            &format!(
                "/Depth145items that wait.*Arrival1.sat least, by the depth alone.*Time lag42 sas the queue says it/.test({tiles}) && !{tiles}.includes('Members')"
            ),
        )
        .await;
    browser
        .until(
            "its first chart is of the depth, and drawn",
            "document.querySelector('#group .cards h2').textContent === 'Depth' && /Depth: .* from 145 to 400/.test(document.querySelector('#group .cards .sentence').textContent) && document.querySelector('#group .heading .quiet').textContent === 'in queue work' && document.querySelectorAll('.plot canvas').length === 5",
        )
        .await;
    browser.keep_screenshot("task").await;
    browser.end().await;
}

const GROUPS: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_of_groups_those_in_sight_are_drawn() {
    let name = "of_thousands_of_groups_those_in_sight_are_drawn";
    let Some(browser) = Browser::start_or_skip(name).await else {
        return;
    };
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    let data_dir = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..GROUPS)
        .map(|number| format!("group-{number:04}"))
        .collect();
    let groups: Vec<_> = names.iter().map(|name| (name.as_str(), "t")).collect();
    let servers = cluster.bootstrap_servers();
    let text = configuration(data_dir.path(), &servers, &named_groups(&groups));
    let scaler = Scaler::start(&text.replace("interval = \"200ms\"", "interval = \"3s\""));
    eventually("all are read", async || {
        let overview = scaler.json("/api/v1/overview?limit=1").await;
        (overview["total"] == GROUPS).then_some(())
    })
    .await;

    browser
        .open(&format!("http://{}/", scaler.http_address()))
        .await;
    let rows = format!(
        "document.getElementById('groups').ariaRowCount == {}",
        GROUPS + 1
    );
    let drawn = "document.querySelectorAll('#rows a').length";
    browser.until("all are there", &rows).await;
    browser
        .until("few are drawn", &format!("{drawn} > 10 && {drawn} < 60"))
        .await;
    browser
        .run("scrollTo(0, document.documentElement.scrollHeight)")
        .await;
    browser
        .until(
            "the last one is drawn at the end, with its small chart",
            "[...document.querySelectorAll('#rows tr')].at(-2).textContent.startsWith('group-1999') && document.querySelectorAll('#rows svg').length > 10",
        )
        .await;
    browser
        .until("few are drawn", &format!("{drawn} < 60"))
        .await;
    browser.press("/").await;
    browser.press("1234").await;
    browser
        .until("one is found", &format!("{drawn} === 1"))
        .await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.end().await;
}
