//! A queue that can't be read is a gap with its reason, never 0, and delays nobody.

use std::fs;

use tidegauge::kafka::EmbeddedCluster;
use tonic::Code;

use super::support::{
    eventually,
    postgres::{Installed, PASSWORD, Postgres, installed, password_file},
    scaler::{Scaler, metric, named_groups, polling_every},
};

const TASK: &[(&str, &str)] = &[("queue", "work"), ("task", "t"), ("lagThreshold", "100")];
const ESTIMATOR: &str = "[estimator]\nmax_staleness = '2s'\nwindow = '10s'\n";

/// A server with 30 rows of `t`, and a scaler's folder.
struct Setting {
    server: Postgres,
    data_dir: tempfile::TempDir,
    password: tempfile::TempPath,
}

impl Setting {
    async fn new(installed: &Installed) -> Self {
        let server = Postgres::start(installed).await;
        server.add("t", 30).await;
        Self {
            server,
            data_dir: tempfile::tempdir().unwrap(),
            password: password_file(),
        }
    }

    /// One whose queue has these keys, too.
    fn start(&self, keys: &str) -> Scaler {
        let keys = format!("connect_timeout = '1s'\n{keys}");
        let queue = self.server.queue("work", &self.password, &keys);
        let rest = format!("{queue}{ESTIMATOR}");
        Scaler::start(&polling_every(self.data_dir.path(), "200ms", &rest))
    }
}

async fn until_told(scaler: &Scaler, depth: f64) {
    eventually(&format!("{depth} is told"), async || {
        let told = scaler.told(TASK).await.ok()?;
        (told.value == depth).then_some(())
    })
    .await;
}

/// Waits until KEDA gets an error; until then it is told what was read last.
async fn until_unavailable(scaler: &Scaler, last: f64) -> String {
    let status = eventually("the queue is unknown", async || {
        match scaler.told(TASK).await {
            Ok(told) => {
                assert_eq!(told.value, last, "until then the last reading holds");
                None
            }
            Err(status) => Some(status),
        }
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    status.message().to_owned()
}

/// Waits for a gap of the queue with this word, and what it says.
async fn gap(scaler: &Scaler, code: &str) -> String {
    let message = eventually(&format!("a gap {code}"), async || {
        let events = scaler
            .json("/api/v1/events?cluster=work&kind=gap_began")
            .await;
        let events = events.as_array().unwrap().clone();
        let newest = events.last()?;
        let is_it = newest["code"] == code;
        assert!(!newest.to_string().contains(PASSWORD), "{newest}");
        is_it.then(|| newest["message"].as_str().unwrap().to_owned())
    })
    .await;
    assert!(message.contains("queue work"), "{message}");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_a_gap_and_delays_no_kafka() {
    let Some(installed) = installed() else { return };
    let mut setting = Setting::new(&installed).await;
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("orders", 1).unwrap();
    let kafka = format!(
        "[clusters.main]\nbootstrap_servers = [{:?}]\n{}",
        cluster.bootstrap_servers(),
        named_groups(&[("billing", "orders")])
    );
    let scaler = setting.start(&kafka);
    until_told(&scaler, 30.0).await;

    for is_frozen in [false, true] {
        match is_frozen {
            true => setting.server.freeze(),
            false => setting.server.kill(),
        }
        let polls =
            async || metric(&scaler, "tidegauge_polls_total", "cluster_name=\"main\"").await;
        let before = polls().await;
        let reason = until_unavailable(&scaler, 30.0).await;
        assert!(reason.contains("queue work"), "{reason}");
        let word = if is_frozen {
            "timed_out"
        } else {
            "database_down"
        };
        let message = gap(&scaler, word).await;
        assert!(
            message.contains(&format!("127.0.0.1:{}", setting.server.port())),
            "{message}"
        );
        // Two seconds at least have passed, at a poll each 200 ms.
        let polled = polls().await - before;
        assert!(polled >= 8.0, "{polled} polls of Kafka meanwhile");
        let skipped = metric(
            &scaler,
            "tidegauge_skipped_polls_total",
            "cluster_name=\"main\"",
        )
        .await;
        assert_eq!(skipped, 0.0);

        match is_frozen {
            true => setting.server.thaw(),
            false => setting.server.restart(),
        }
        until_told(&scaler, 30.0).await;
    }
    let path = "/api/v1/history?cluster=work&group=t&topic=t&step=raw&metric=lag";
    let rows = scaler.json(path).await;
    let mut depths: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["lag"])
        .collect();
    depths.retain(|depth| !depth.is_null());
    assert!(
        depths.iter().all(|depth| depth.as_i64() == Some(30)),
        "never 0: {depths:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_takes_too_long_is_cancelled_by_the_server() {
    let Some(installed) = installed() else { return };
    let setting = Setting::new(&installed).await;
    let scaler = setting
        .start("query = \"SELECT 't' AS name, 5 AS depth, pg_sleep(60)::text AS oldest_age\"");
    let message = gap(&scaler, "bad_answer").await;
    assert!(
        message.contains("oldest_age is of type text"),
        "judged before it runs: {message}"
    );
    drop(scaler);
    let slow = "query = \"SELECT 't' AS name, 5 AS depth FROM pg_sleep(60)\"";
    let scaler = setting.start(slow);
    let message = gap(&scaler, "timed_out").await;
    assert!(message.contains("statement timeout"), "{message}");
    assert!(scaler.told(TASK).await.is_err());
    let client = setting.server.connect().await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegauge'";
    let connections: i64 = client.query_one(running, &[]).await.unwrap().get(0);
    assert_eq!(connections, 1, "one connection is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_its_file_read_again() {
    let Some(installed) = installed() else { return };
    let setting = Setting::new(&installed).await;
    fs::write(&setting.password, "wrong-password").unwrap();
    let scaler = setting.start("");
    let message = gap(&scaler, "not_authenticated").await;
    assert!(
        message.contains("password authentication failed for user \"reader\""),
        "{message}"
    );
    assert!(!message.contains("wrong-password"), "{message}");
    fs::write(&setting.password, PASSWORD).unwrap();
    until_told(&scaler, 30.0).await;

    // The connection that is there goes on while the file is of no use.
    fs::write(&setting.password, "wrong-password").unwrap();
    scaler.has_logged("those from before stay in use").await;
    setting.server.add("t", 1).await;
    until_told(&scaler, 31.0).await;
    let log = scaler.log_at_end().await;
    assert!(
        !log.contains("wrong-password") && !log.contains(PASSWORD),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_that_is_none_has_its_reason() {
    let Some(installed) = installed() else { return };
    let setting = Setting::new(&installed).await;
    setting.server.run("CREATE TABLE secret (x int)").await;
    for (query, code, words) in [
        (
            "SELECT name, depth FROM nothing",
            "unknown_table",
            "relation \"nothing\" does not exist",
        ),
        (
            "SELECT 't' AS name, x AS depth FROM secret",
            "not_authorized",
            "permission denied",
        ),
        ("SELEKT 1", "bad_query", "syntax error"),
        (
            "SELECT 't' AS name; DROP TABLE work_queue",
            "bad_query",
            "multiple commands",
        ),
        (
            "SELECT 't' AS name, $1::int AS depth",
            "bad_query",
            "parameters, such as $1",
        ),
        (
            "DELETE FROM work_queue RETURNING task_name AS name, 1 AS depth",
            "not_read_only",
            "read-only transaction",
        ),
        (
            "SELECT 't' AS name",
            "bad_answer",
            "no column depth, only [name]",
        ),
        (
            "SELECT 't' AS name, 1 AS depth, 2 AS deep",
            "bad_answer",
            "column deep is none of",
        ),
        (
            "SELECT 't' AS name, '5' AS depth",
            "bad_answer",
            "depth is of type text",
        ),
        (
            "SELECT 5 AS name, 5 AS depth",
            "bad_answer",
            "name is of type int4",
        ),
        ("SELECT 't' AS name, -5 AS depth", "bad_answer", "depth -5"),
        (
            "SELECT 't' AS name, 1.5 AS depth",
            "bad_answer",
            "depth 1.5",
        ),
        (
            "SELECT 't' AS name, NULL::int AS depth",
            "bad_answer",
            "depth NULL",
        ),
        (
            "SELECT 't' AS name, 'NaN'::numeric AS depth",
            "bad_answer",
            "out of range",
        ),
        (
            "SELECT NULL::text AS name, 1 AS depth",
            "bad_answer",
            "the name NULL",
        ),
        (
            "SELECT '' AS name, 1 AS depth",
            "bad_answer",
            "1 to 249 characters",
        ),
        (
            "SELECT repeat('x', 250) AS name, 1 AS depth",
            "bad_answer",
            "1 to 249 characters",
        ),
        (
            "SELECT E'a\\\\tb' AS name, 1 AS depth",
            "bad_answer",
            "no control characters",
        ),
        (
            "SELECT 't' AS name, n AS depth FROM generate_series(1, 2) n",
            "bad_answer",
            "two rows of task \"t\"",
        ),
    ] {
        let data_dir = tempfile::tempdir().unwrap();
        let keys = format!("query = \"{}\"", query.replace('"', "\\\""));
        let queue = setting.server.queue("work", &setting.password, &keys);
        let scaler = Scaler::start(&polling_every(data_dir.path(), "200ms", &queue));
        let message = gap(&scaler, code).await;
        assert!(message.contains(words), "{query}: {message}");
        let status = scaler.told(TASK).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{query}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_writes_is_refused_by_the_server() {
    let Some(installed) = installed() else { return };
    let setting = Setting::new(&installed).await;
    setting
        .server
        .run("GRANT ALL ON work_queue TO reader")
        .await;
    let scaler =
        setting.start("query = \"DELETE FROM work_queue RETURNING task_name AS name, 1 AS depth\"");
    let message = gap(&scaler, "not_read_only").await;
    assert!(
        message.contains("cannot execute DELETE in a read-only transaction"),
        "{message}"
    );
    let client = setting.server.connect().await;
    let left: i64 = client
        .query_one("SELECT count(*) FROM work_queue", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_comes_later_is_read() {
    let Some(installed) = installed() else { return };
    let setting = Setting::new(&installed).await;
    setting
        .server
        .run("ALTER TABLE work_queue RENAME TO away")
        .await;
    let scaler = setting.start("");
    let message = gap(&scaler, "unknown_table").await;
    assert!(message.contains("work_queue"), "{message}");
    setting
        .server
        .run("ALTER TABLE away RENAME TO work_queue")
        .await;
    until_told(&scaler, 30.0).await;
}
