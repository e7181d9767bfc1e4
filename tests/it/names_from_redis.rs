//! Redis says which consumer groups belong to a plugin, as Azul's dispatcher
//! writes it, and what else it may hold is refused in words.

use tonic::Code;

use super::support::{
    eventually,
    plugins::{Stage, asked, backlog_becomes, refusal, value},
    redis::{self, Redis},
    scaler::{Scaler, metric},
};

fn prefix(prefix: &str) -> String {
    format!("{{\"id\": 1, \"kafka_prefix\": \"{prefix}\"}}")
}

fn at(redis: &Redis) -> String {
    format!("addresses = ['{}']", redis.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_and_followed_when_it_changes() {
    if !redis::is_there("a_name_is_found_and_followed_when_it_changes") {
        return;
    }
    let (stage, redis) = (Stage::set().await, Redis::start());
    redis.set("jira", &prefix("Live-Jira"));
    redis.set("git", &prefix("live-git"));
    let scaler = stage.scaler(&at(&redis));
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    backlog_becomes(&scaler, "git", 25.0, false).await;
    let names = async |state: &str| {
        let labels = format!("state=\"{state}\"");
        metric(&scaler, "tidegauge_plugin_names", &labels).await
    };
    assert_eq!((names("fresh").await, names("stale").await), (2.0, 0.0));

    redis.set("jira", &prefix("moved-jira"));
    // Never 0 in between: that there is none of its groups was not looked for.
    let seen = eventually("the other group is told", async || {
        let told = asked(&scaler, "jira").await.ok().map(|told| value(&told));
        let known = told.is_none_or(|told| [10.0, 40.0].contains(&told));
        assert!(known, "{told:?}");
        told.filter(|told| *told == 40.0)
    })
    .await;
    assert_eq!(seen, 40.0);
    scaler.has_logged("another prefix").await;
    backlog_becomes(&scaler, "git", 25.0, false).await;

    // What was told of it goes on in one series.
    let rows = eventually("both values are history", async || {
        let rows = scaler.json("/api/v1/told").await;
        let rows = rows.as_array()?.clone();
        let told = |value: f64| rows.iter().any(|row| row["metric_value"] == value);
        (told(10.0) && told(40.0)).then_some(rows)
    })
    .await;
    let of_jira = rows.iter().filter(|row| {
        let watch = row["watch"].as_str();
        watch.is_some_and(|watch| watch.contains("jira"))
    });
    let watches: std::collections::BTreeSet<_> = of_jira.map(|row| row["watch"].as_str()).collect();
    assert_eq!(watches.len(), 1, "{watches:?}");

    redis.cli(&["-n", "2", "del", "jira"]);
    let refused = eventually("the plugin is gone", async || {
        asked(&scaler, "jira")
            .await
            .err()
            .filter(|status| status.code() == Code::NotFound)
    })
    .await;
    let message = refused.message();
    assert!(message.contains("key \"jira\" in database 2"), "{message}");
    backlog_becomes(&scaler, "git", 25.0, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_name_is_refused_in_words_and_looked_for_again() {
    if !redis::is_there("what_is_no_name_is_refused_in_words_and_looked_for_again") {
        return;
    }
    let (stage, redis) = (Stage::set().await, Redis::start());
    for (key, value) in [
        ("text", "live-jira"),
        ("object", "{\"prefix\": \"live-jira\"}"),
        ("number", "{\"kafka_prefix\": 7}"),
        ("nothing", ""),
        ("all", "{\"kafka_prefix\": \"\"}"),
    ] {
        redis.set(key, value);
    }
    let script = "redis.call('set', KEYS[1], string.rep(' ', 65536) .. '{}')";
    redis.cli(&["-n", "2", "eval", script, "1", "large"]);
    redis.cli(&["-n", "2", "rpush", "list", "live-jira"]);
    let scaler = stage.scaler(&at(&redis));
    let long = "p".repeat(256);
    for (plugin, code, words) in [
        (
            "nobody",
            Code::NotFound,
            "has no key \"nobody\" in database 2",
        ),
        ("text", Code::FailedPrecondition, "is no JSON"),
        ("object", Code::FailedPrecondition, "has no kafka_prefix"),
        ("number", Code::FailedPrecondition, "no text"),
        ("nothing", Code::FailedPrecondition, "is empty"),
        ("all", Code::FailedPrecondition, "empty kafka_prefix"),
        ("large", Code::FailedPrecondition, "larger than 64 KiB"),
        ("list", Code::FailedPrecondition, "is no string"),
        (&long, Code::InvalidArgument, "at most 255 characters"),
    ] {
        let refused = refusal(&scaler, plugin).await;
        assert_eq!(refused.code(), code, "{plugin}: {refused}");
        let message = refused.message();
        assert!(message.contains(words), "{plugin}: {message}");
        if code != Code::InvalidArgument {
            assert!(message.contains(&redis.address()), "{plugin}: {message}");
        }
    }

    let asked_before = redis.calls_of("getrange");
    for _ in 0..20 {
        assert_eq!(refusal(&scaler, "nobody").await.code(), Code::NotFound);
    }
    let asked = redis.calls_of("getrange") - asked_before;
    assert!(asked <= 2, "refused plugins were looked for {asked} times");
    redis.set("nobody", &prefix("live-git"));
    redis.set("text", &prefix("live-jira"));
    backlog_becomes(&scaler, "nobody", 25.0, false).await;
    backlog_becomes(&scaler, "text", 10.0, false).await;
    // A value that is spoilt later leaves the name that was known.
    redis.set("text", "{");
    backlog_becomes(&scaler, "text", 10.0, true).await;
    scaler.has_logged("its last known name is used").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_for_one_plugin_share_one_look_among_a_million_keys() {
    if !redis::is_there("many_who_ask_for_one_plugin_share_one_look_among_a_million_keys") {
        return;
    }
    let (stage, redis) = (
        Stage::set().await,
        Redis::start_with(
            &["--appendonly", "no", "--enable-debug-command", "local"],
            &[],
        ),
    );
    redis.cli(&["-n", "2", "debug", "populate", "1000000", "other", "32"]);
    redis.set("plugins:jira", &prefix("live-jira"));
    let keys = redis.cli(&["-n", "2", "dbsize"]);
    assert_eq!(keys.trim(), "1000001");
    let scaler = stage.scaler(&format!("{}\nkey = 'plugins:{{plugin}}'", at(&redis)));
    let before = redis.calls_of("getrange");
    let calls = (0..50).map(|_| asked(&scaler, "jira"));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.len(), 50);
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    let looks = redis.calls_of("getrange") - before;
    assert!(looks < 25, "{looks} looks for 50 calls");
    let found = metric(
        &scaler,
        "tidegauge_plugin_lookups_total",
        "result=\"found\"",
    )
    .await;
    assert!(found >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_the_table_are_not_looked_up() {
    if !redis::is_there("plugins_of_the_table_are_not_looked_up") {
        return;
    }
    let (stage, redis) = (Stage::set().await, Redis::start());
    redis.set("jira", &prefix("live-jira"));
    let table = "[azul.plugins]\n'My Git' = 'live-git'\n";
    let scaler = stage.scaler(&format!("{}\n{table}", at(&redis)));
    backlog_becomes(&scaler, "My Git", 25.0, false).await;
    assert_eq!(redis.calls_of("getrange"), 0);
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    assert!(redis.calls_of("getrange") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_there_is_only_what_the_table_has() {
    let stage = Stage::set().await;
    let configuration = stage.configuration("").replace(
        "[azul.redis]\nrefresh = '1s'\ntimeout = '500ms'\n",
        "[azul.plugins]\njira = 'live-jira'\n",
    );
    let scaler = Scaler::start(&configuration);
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    let refused = refusal(&scaler, "git").await;
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("such as \"jira\""), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_redis_is_taken_up_by_a_reload() {
    if !redis::is_there("another_redis_is_taken_up_by_a_reload") {
        return;
    }
    let stage = Stage::set().await;
    let (first, second) = (Redis::start(), Redis::start());
    first.set("jira", &prefix("live-jira"));
    second.set("jira", &prefix("moved-jira"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |redis: &Redis| {
        std::fs::write(file.path(), stage.configuration(&at(redis))).unwrap();
    };
    write(&first);
    let scaler = Scaler::follow(file.path());
    backlog_becomes(&scaler, "jira", 10.0, false).await;
    write(&second);
    scaler.hang_up();
    backlog_becomes(&scaler, "jira", 40.0, false).await;
}
