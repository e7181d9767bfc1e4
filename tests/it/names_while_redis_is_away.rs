//! While Redis is away, the last known names go on and say so; Kafka is polled as
//! ever.

use std::time::{Duration, Instant};

use tonic::Code;

use super::support::{
    eventually,
    plugins::{Stage, asked, backlog_becomes, is_marked, refusal, value},
    redis::{self, Redis},
    scaler::{Scaler, metric},
};

const JIRA: &str = "{\"kafka_prefix\": \"live-jira\"}";
const GIT: &str = "{\"kafka_prefix\": \"live-git\"}";

fn at(redis: &Redis) -> String {
    format!("addresses = ['{}']", redis.address())
}

async fn polls(scaler: &Scaler) -> f64 {
    metric(scaler, "tidegauge_polls_total", "cluster_name=\"main\"").await
}

/// Polls follow each other, and what is told is not old.
async fn kafka_is_polled(scaler: &Scaler) {
    let before = polls(scaler).await;
    let skipped = "tidegauge_skipped_polls_total";
    let labels = "cluster_name=\"main\"";
    let skipped_before = metric(scaler, skipped, labels).await;
    let since = Instant::now();
    eventually("ten polls", async || {
        (polls(scaler).await >= before + 10.0).then_some(())
    })
    .await;
    // 200 ms each.
    let took = since.elapsed();
    assert!(took < Duration::from_secs(10), "ten polls took {took:?}");
    let skipped = metric(scaler, skipped, labels).await - skipped_before;
    assert!(skipped <= 2.0, "{skipped} polls were left out");
}

async fn is_well(scaler: &Scaler) -> bool {
    let (_, page) = scaler.get("/readyz").await;
    !page.contains("redis_away")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_comes_back() {
    if !redis::is_there("a_redis_that_is_killed_comes_back") {
        return;
    }
    let (stage, mut redis) = (Stage::set().await, Redis::start());
    redis.set("jira", JIRA);
    redis.set("git", GIT);
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    assert!(is_well(&scaler).await);

    redis.kill();
    backlog_becomes(&scaler, "jira", 10.0, true).await;
    let refused = refusal(&scaler, "git").await;
    assert_eq!(refused.code(), Code::Unavailable);
    let message = refused.message();
    for words in ["key \"git\" in database 2", &redis.address(), "refused"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(!is_well(&scaler).await);
    let stale = metric(&scaler, "tidegauge_plugin_names", "state=\"stale\"").await;
    assert_eq!(stale, 1.0);
    kafka_is_polled(&scaler).await;

    redis.start_again();
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    backlog_becomes(&scaler, "git", 25.0, false).await;
    assert!(is_well(&scaler).await);
    let log = scaler.has_logged("names are read again").await;
    let told = log.matches("the last known ones are used").count();
    assert_eq!(told, 1, "told once:\n{log}");
    let since = metric(&scaler, "tidegauge_plugin_name_oldest_age_seconds", "").await;
    assert!(since < 30.0, "{since}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_holds_up_nobody() {
    if !redis::is_there("a_redis_that_hangs_holds_up_nobody") {
        return;
    }
    let (stage, redis) = (Stage::set().await, Redis::start());
    redis.set("jira", JIRA);
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 10.0, false).await;

    redis.pause();
    let since = Instant::now();
    let refused = refusal(&scaler, "git").await;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("no answer within"), "{refused}");
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    backlog_becomes(&scaler, "jira", 10.0, true).await;
    kafka_is_polled(&scaler).await;
    let since = Instant::now();
    for _ in 0..50 {
        let told = asked(&scaler, "jira").await.unwrap();
        assert_eq!(value(&told), 10.0);
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "50 calls took {took:?}");

    redis.resume();
    backlog_becomes(&scaler, "jira", 10.0, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_redis_answers_and_says_that_the_name_is_stale() {
    if !redis::is_there("a_restart_without_redis_answers_and_says_that_the_name_is_stale") {
        return;
    }
    let (stage, mut redis) = (Stage::set().await, Redis::start());
    redis.set("jira", JIRA);
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    scaler.terminate().await;
    redis.kill();

    let scaler = stage.scaler(&at(&redis));
    let first = asked(&scaler, "jira").await.unwrap();
    assert_eq!((value(&first), is_marked(&first)), (10.0, true));
    assert_eq!(refusal(&scaler, "git").await.code(), Code::Unavailable);
    backlog_becomes(&scaler, "jira", 10.0, true).await;

    redis.start_again();
    redis.set("jira", "{\"kafka_prefix\": \"moved-jira\"}");
    backlog_becomes(&scaler, "jira", 40.0, false).await;
    scaler.kill();
    redis.kill();
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 40.0, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_has_gone_is_forgotten_by_a_restart_too() {
    if !redis::is_there("a_plugin_that_has_gone_is_forgotten_by_a_restart_too") {
        return;
    }
    let (stage, mut redis) = (Stage::set().await, Redis::start());
    redis.set("jira", JIRA);
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    redis.cli(&["-n", "2", "del", "jira"]);
    scaler.has_logged("has no name any more").await;
    scaler.terminate().await;
    redis.kill();
    let scaler = stage.scaler(&at(&redis));
    assert_eq!(refusal(&scaler, "jira").await.code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_never_shown_and_a_right_one_is_taken_up() {
    if !redis::is_there("a_wrong_password_is_said_and_never_shown_and_a_right_one_is_taken_up") {
        return;
    }
    let stage = Stage::set().await;
    let redis = Redis::start_with(
        &["--requirepass", "right-secret"],
        &["--no-auth-warning", "-a", "right-secret"],
    );
    redis.set("jira", JIRA);
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "wrong-secret\n").unwrap();
    let file = password.path().display();
    let scaler = stage.scaler(&format!("{}\npassword_file = '{file}'", at(&redis)));
    let refused = refusal(&scaler, "jira").await;
    assert_eq!(refused.code(), Code::Unavailable);
    let words = "it refuses the user or the password";
    assert!(refused.message().contains(words), "{refused}");
    let log = scaler.has_logged(words).await;
    assert!(!is_well(&scaler).await);
    assert!(!log.contains("wrong-secret"), "{log}");

    std::fs::write(password.path(), "right-secret\n").unwrap();
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    // Who knows another password is not thrown out, but a new connection needs it.
    redis.cli(&["config", "set", "requirepass", "right-secret"]);
    redis.cli(&["client", "kill", "type", "normal", "skipme", "yes"]);
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    let log = scaler.log_at_end().await;
    assert!(!log.contains("right-secret"), "{log}");
}
