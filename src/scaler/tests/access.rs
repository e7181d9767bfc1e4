//! Who may ask, on each of the five calls.

use std::time::Duration;

use regex::Regex;
use tokio::time::timeout;

use super::{
    super::{Access, AccessRule},
    *,
};

fn patterns(pattern: &str) -> Vec<Regex> {
    vec![Regex::new(pattern).expect("a pattern")]
}

fn rule(namespace: &str, group: &str) -> AccessRule {
    AccessRule {
        namespaces: patterns(namespace),
        groups: patterns(group),
        clusters: None,
    }
}

/// These namespaces may ask for these groups.
fn restrict(setting: &Setting, rules: &[(&str, &str)]) {
    let rules = rules
        .iter()
        .map(|(namespace, group)| rule(namespace, group));
    let access = Access {
        namespaces: None,
        rules: Some(rules.collect()),
    };
    setting.reconfigure(|settings| settings.access = Arc::new(access));
}

fn object_of(namespace: &str, metadata: &[(&str, &str)]) -> ScaledObjectRef {
    ScaledObjectRef {
        namespace: namespace.to_owned(),
        ..object(metadata)
    }
}

/// What each of the five calls says.
async fn all_calls(setting: &Setting, object: &ScaledObjectRef) -> [Option<Status>; 5] {
    let service = &setting.service;
    let metrics = GetMetricsRequest {
        scaled_object_ref: Some(object.clone()),
        metric_name: String::new(),
    };
    let object = || Request::new(object.clone());
    [
        service.is_active(object()).await.err(),
        service.get_metric_spec(object()).await.err(),
        service.get_metrics(Request::new(metrics)).await.err(),
        service.stream_is_active(object()).await.err(),
        service.stream_metric_spec(object()).await.err(),
    ]
}

/// How a stream ends whose namespace may not ask any more.
async fn ended<T: std::fmt::Debug>(
    stream: &mut (impl Stream<Item = Result<T, Status>> + Unpin),
) -> Status {
    let end = timeout(Duration::from_secs(30), stream.next()).await;
    let end = end.expect("it ends").expect("with an error");
    end.expect_err("denied")
}

fn is_denied(answers: &[Option<Status>]) -> bool {
    let denied = |status: &Status| status.code() == Code::PermissionDenied;
    answers
        .iter()
        .all(|status| status.as_ref().is_some_and(denied))
}

fn denied_calls(setting: &Setting) -> u64 {
    let calls = setting.service.stats().calls();
    calls
        .iter()
        .find(|(result, _)| *result == "denied")
        .expect("a word")
        .1
}

#[tokio::test]
async fn nothing_is_watched_for_who_may_not_ask() {
    let mut setting = Setting::new();
    setting.publish(&[40]).await;
    restrict(&setting, &[("^team-a$", "^g$")]);
    let stranger = object_of("team-b", &[GROUP]);
    let answers = all_calls(&setting, &stranger).await;
    assert!(is_denied(&answers), "{answers:?}");
    for status in answers.iter().flatten() {
        let message = status.message();
        for part in ["\"team-b\"", "\"g\"", "access.rules"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert!(setting.watches.is_empty());
    assert_eq!(denied_calls(&setting), 5);
    setting.end().await;
}

#[tokio::test]
async fn a_watch_that_namespaces_share_is_told_only_to_who_may_ask() {
    let mut setting = Setting::new();
    setting.publish(&[40]).await;
    restrict(&setting, &[("^team-a", "^g$")]);
    for _ in 0..2 {
        for granted in ["team-a", "team-a2"] {
            let answers = all_calls(&setting, &object_of(granted, &[GROUP])).await;
            assert!(answers.iter().all(Option::is_none), "{answers:?}");
        }
        for other in ["team-b", "", "x-team-a"] {
            let answers = all_calls(&setting, &object_of(other, &[GROUP])).await;
            assert!(is_denied(&answers), "{other}: {answers:?}");
        }
    }
    assert_eq!(setting.watches.len(), 1);
    setting.end().await;
}

#[tokio::test]
async fn a_reload_takes_the_right_away_from_calls_and_open_streams() {
    let mut setting = Setting::new();
    setting.publish(&[40]).await;
    let [a, b] = ["team-a", "team-b"].map(|namespace| object_of(namespace, &[GROUP]));
    let activity = async |object: &ScaledObjectRef| {
        let stream = setting
            .service
            .stream_is_active(Request::new(object.clone()));
        stream.await.expect("open").into_inner()
    };
    let specs = async |object: &ScaledObjectRef| {
        let stream = setting
            .service
            .stream_metric_spec(Request::new(object.clone()));
        stream.await.expect("open").into_inner()
    };
    let (mut kept, mut kept_specs) = (activity(&b).await, specs(&b).await);
    let (mut lost, mut lost_specs) = (activity(&a).await, specs(&a).await);
    for specs in [&mut kept_specs, &mut lost_specs] {
        specs.next().await.expect("open").expect("told");
    }
    let answers = all_calls(&setting, &a).await;
    assert!(answers.iter().all(Option::is_none), "{answers:?}");
    let before = denied_calls(&setting);

    restrict(&setting, &[("^team-b$", "^g$")]);
    let denied = ended(&mut lost).await;
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert!(denied.message().contains("\"team-a\""), "{denied}");
    assert!(lost.next().await.is_none(), "it has ended");
    let denied = ended(&mut lost_specs).await;
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(denied_calls(&setting), before + 2);
    assert!(
        at_once(&mut kept_specs).is_none(),
        "nothing has changed for it"
    );
    assert!(is_denied(&all_calls(&setting, &a).await));

    let told = kept.next();
    let published = setting.publish(&[40]);
    let (told, ()) = futures::join!(told, published);
    assert!(told.expect("open").expect("told").result);

    restrict(&setting, &[("^team-", "^g$")]);
    let answers = all_calls(&setting, &a).await;
    assert!(answers.iter().all(Option::is_none), "{answers:?}");
    setting.end().await;
}

#[tokio::test]
async fn a_service_that_becomes_another_group_is_judged_anew() {
    let setting = Setting::new();
    let granted = |settings: &mut Settings| {
        let access = Access {
            namespaces: None,
            rules: Some(vec![rule("^team-a$", "^lakerunner\\.ingest")]),
        };
        settings.access = Arc::new(access);
    };
    setting.reconfigure(granted);
    let object = object_of("team-a", &[("serviceType", "ingest-logs")]);
    let stream = setting
        .service
        .stream_metric_spec(Request::new(object.clone()));
    let mut stream = stream.await.expect("open").into_inner();
    stream.next().await.expect("open").expect("told");
    setting.reconfigure(|settings| {
        granted(settings);
        let service = settings.rules.services.get_mut("ingest-logs");
        service.expect("a service").group = "payroll".into();
    });
    let denied = ended(&mut stream).await;
    assert_eq!(denied.code(), Code::PermissionDenied);
    let specs = setting.service.get_metric_spec(Request::new(object)).await;
    assert_eq!(specs.expect_err("denied").code(), Code::PermissionDenied);
    setting.end().await;
}

#[tokio::test]
async fn a_plugin_that_begins_to_pick_a_group_of_others_is_told_no_more() {
    let mut setting = Setting::new();
    restrict(&setting, &[("^team-a$", "^azul-jira")]);
    let plugin = [
        ("entityName", "plugin"),
        ("pluginName", "jira"),
        ("targetSize", "10"),
    ];
    let object = object_of("team-a", &plugin);
    let own: (&str, &[Commit]) = ("azul-jira", &[Commit::At(40)]);
    let foreign: (&str, &[Commit]) = ("azul-pay-jira", &[Commit::At(40)]);
    for _ in 0..2 {
        setting.publish_tick(tick_now(&[own])).await;
    }
    let answers = all_calls(&setting, &object).await;
    assert!(answers.iter().all(Option::is_none), "{answers:?}");
    setting.publish_tick(tick_now(&[own, foreign])).await;
    let answers = all_calls(&setting, &object).await;
    assert!(is_denied(&answers), "{answers:?}");
    let message = answers[0].as_ref().expect("denied").message();
    assert!(!message.contains("pay"), "{message}");
    setting.end().await;
}
