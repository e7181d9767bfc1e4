//! Who may ask for what.

use super::{
    super::{
        Service, testing,
        trigger::testing::{parse, rules},
    },
    *,
};
use crate::model::Commit;

fn patterns(patterns: &[&str]) -> Vec<Regex> {
    let patterns = patterns.iter().map(|pattern| Regex::new(pattern));
    patterns.collect::<Result<_, _>>().expect("patterns")
}

fn rule(namespaces: &[&str], groups: &[&str], clusters: Option<&[&str]>) -> AccessRule {
    let clusters = clusters.map(|names| names.iter().map(|&name| name.into()).collect());
    AccessRule {
        namespaces: patterns(namespaces),
        groups: patterns(groups),
        clusters,
    }
}

fn access() -> Access {
    Access {
        namespaces: Some(patterns(&["^team-", "^ops$"])),
        rules: Some(vec![
            rule(&["^team-a$"], &["^a-", "^azul-a-"], None),
            rule(&["^team-a$"], &["^shared$"], Some(&["main"])),
            rule(&["^team-b"], &["^b-", "^lakerunner\\."], Some(&["other"])),
            rule(&["^ops$"], &[".*"], None),
        ]),
    }
}

fn trigger(pairs: &[(&str, &str)]) -> Trigger {
    let mut rules = rules(&["main", "other"]);
    for (name, group) in [
        ("boxer-one", "lakerunner.one"),
        ("boxer-two", "b-two"),
        ("plain", "a-plain"),
    ] {
        let service = Service {
            cluster: "other".into(),
            group: group.into(),
            topic: "t".into(),
            target: 1.0,
        };
        rules.services.insert(name.to_owned(), service);
    }
    parse(pairs, &rules).expect("valid")
}

#[test]
fn each_kind_of_trigger_is_held_against_its_groups() {
    let group = |group: &'static str| vec![("consumerGroup", group), ("cluster", "main")];
    let elsewhere = |group: &'static str| vec![("consumerGroup", group), ("cluster", "other")];
    let plugin = |name: &'static str| {
        vec![
            ("entityName", "plugin"),
            ("pluginName", name),
            ("targetSize", "1"),
            ("cluster", "main"),
        ]
    };
    let boxer = |tasks: &'static str| vec![("serviceType", "boxer"), ("boxerTasks", tasks)];
    for (namespace, pairs, is_granted) in [
        ("team-a", group("a-orders"), true),
        ("team-a", elsewhere("a-orders"), true),
        ("team-a", group("b-orders"), false),
        ("team-a", group("x-a-orders"), false),
        ("team-a", group("shared"), true),
        ("team-a", elsewhere("shared"), false),
        ("team-a", group("a-orders-historic"), true),
        (
            "team-a",
            [
                group("a-orders"),
                vec![("includeHistoric", "true"), ("topic", "t")],
            ]
            .concat(),
            true,
        ),
        ("team-aa", group("a-orders"), false),
        ("team-c", group("a-orders"), false),
        ("nobody", group("a-orders"), false),
        ("", group("a-orders"), false),
        ("TEAM-A", group("a-orders"), false),
        ("team-b2", elsewhere("b-orders"), true),
        ("team-b2", group("b-orders"), false),
        ("team-b", boxer("one"), true),
        ("team-b", boxer("one,two"), true),
        ("team-a", boxer("one"), false),
        ("team-a", vec![("serviceType", "plain")], true),
        ("team-b", vec![("serviceType", "plain")], false),
        ("team-a", plugin("a-jira"), true),
        ("team-a", plugin("jira"), false),
        ("team-a", plugin("b-a-jira"), false),
        ("ops", plugin("jira"), true),
        ("ops", group("anything"), true),
    ] {
        let judged = access().judge(namespace, &trigger(&pairs));
        assert_eq!(
            judged.is_ok(),
            is_granted,
            "{namespace} {pairs:?}: {judged:?}"
        );
        let judged = Access::default().judge(namespace, &trigger(&pairs));
        assert_eq!(judged, Ok(()), "by default all may");
    }
}

#[test]
fn a_refusal_names_who_and_what_and_nothing_of_others() {
    let denied = |namespace: &str, group: &str| {
        let trigger = trigger(&[("consumerGroup", group), ("cluster", "main")]);
        let denied = access().judge(namespace, &trigger).expect_err("denied");
        denied.to_string()
    };
    assert_eq!(
        denied("nobody", "b-orders"),
        "namespace \"nobody\" may not ask: access.namespaces does not name it"
    );
    assert_eq!(
        denied("team-a", "b-orders"),
        "namespace \"team-a\" may not ask for group \"b-orders\" in cluster \"main\": no rule of \
         access.rules lets it"
    );
    let long = denied("team-a", &"x".repeat(255));
    assert!(long.len() < 250, "{long}");
}

#[test]
fn a_group_of_others_that_a_plugin_picks_is_not_told() {
    let commits = [Commit::At(1)];
    let mut recorded = testing::Recorded::default();
    let plugin = [
        ("entityName", "plugin"),
        ("pluginName", "a-jira"),
        ("targetSize", "1"),
        ("cluster", "main"),
    ];
    let trigger = trigger(&plugin);
    let judge = |board: &Board| access().judge_picked("team-a", &trigger, board);
    assert_eq!(judge(&recorded.board()), Ok(()), "nothing is known yet");
    recorded.publish(&testing::tick(
        0,
        &[("azul-a-jira-1", &commits), ("b-orders", &commits)],
    ));
    assert_eq!(judge(&recorded.board()), Ok(()));
    recorded.publish(&testing::tick(1, &[("azul-b-a-jira", &commits)]));
    let denied = judge(&recorded.board()).expect_err("b-a-jira is another's");
    let message = denied.to_string();
    assert!(
        message.contains("a-jira") && !message.contains("b-a-jira"),
        "{message}"
    );
    let ops = access().judge_picked("ops", &trigger, &recorded.board());
    assert_eq!(ops, Ok(()));
}
