//! What can be asked for, and tables.

use super::*;

#[tokio::test]
async fn the_data_source_is_there() {
    let setting = three_groups();
    for path in ["/grafana", "/grafana/"] {
        assert_eq!(setting.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn each_metric_is_listed_with_its_fields_and_answered() {
    let setting = three_groups();
    let listed = ask(&setting, "/grafana/metrics", json!({})).await;
    let names: Vec<_> = listed
        .rows()
        .iter()
        .map(|metric| &metric["value"])
        .collect();
    for name in [
        "lag",
        "status",
        "metric_value",
        "implied_replicas",
        "groups",
        "events",
    ] {
        assert!(names.contains(&&json!(name)), "{name}");
    }
    let older = ask(&setting, "/grafana/search", json!({"target": ""})).await;
    assert_eq!(older.rows().iter().collect::<Vec<_>>(), names);
    for metric in listed.rows() {
        let name = metric["value"].as_str().expect("a name");
        let answered = query(&setting, 20, name, json!({})).await;
        assert!(!answered.rows().is_empty() || name == "told", "{name}");
        for field in metric["payloads"].as_array().expect("fields") {
            let body = json!({"metric": name, "payload": {}, "name": field["name"]});
            if field["type"] == "input" {
                continue;
            }
            let options = ask(&setting, "/grafana/metric-payload-options", body).await;
            assert!(!options.rows().is_empty(), "{field}");
            if let Some(given) = field.get("options") {
                assert_eq!(*given, options.json, "{field}");
            }
        }
    }
}

#[tokio::test]
async fn options_depend_on_what_was_chosen_before() {
    let setting = three_groups();
    for (name, payload, expected) in [
        ("cluster", json!({}), vec!["main", "other"]),
        ("group", json!({}), vec!["g", "g-historic", "h.1"]),
        ("group", json!({"topic": "t"}), vec!["g", "g-historic"]),
        ("group", json!({"cluster": "other"}), vec![]),
        ("topic", json!({}), vec!["t", "u"]),
        ("topic", json!({"group": "h.1", "topic": "t"}), vec!["u"]),
        ("partition", json!({"group": "g"}), vec!["0", "1"]),
    ] {
        let body = json!({"metric": "lag", "payload": payload, "name": name});
        let answered = ask(&setting, "/grafana/metric-payload-options", body).await;
        let values: Vec<_> = answered.rows().iter().map(|row| &row["value"]).collect();
        assert_eq!(values, expected, "{name} {payload}");
    }
}

#[tokio::test]
async fn variables_are_lists_of_what_is_recorded() {
    let setting = three_groups();
    for (payload, expected) in [
        (json!({"target": "clusters"}), vec!["main", "other"]),
        (json!({"target": "groups"}), vec!["g", "g-historic", "h.1"]),
        (json!({"target": "groups(other)"}), vec![]),
        (
            json!({"target": "groups(main)"}),
            vec!["g", "g-historic", "h.1"],
        ),
        (json!({"target": "topics"}), vec!["t", "u"]),
        (json!({"target": r"topics(h\.1)"}), vec!["u"]),
        (json!({"target": r"topics((g|h\.1), main)"}), vec!["t", "u"]),
        (json!({"target": "topics(*)"}), vec!["t", "u"]),
        (json!({"target": "topics( )"}), vec!["t", "u"]),
        (json!({"target": "partitions(g, t, main)"}), vec!["0", "1"]),
        (json!({"target": "topics", "group": "g"}), vec!["t"]),
        (
            json!({"target": "topics", "group": ["g", "h.1"]}),
            vec!["t", "u"],
        ),
        (json!("topics(g)"), vec!["t"]),
        (
            json!({"target": "kinds"}),
            vec!["rebalance", "gap", "restart", "scaling", "recording"],
        ),
    ] {
        let body = json!({"payload": payload, "range": {"from": "", "to": ""}});
        let answered = ask(&setting, "/grafana/variable", body).await;
        let values: Vec<_> = answered.rows().iter().map(|row| &row["__value"]).collect();
        assert_eq!(values, expected, "{payload}");
        assert!(
            answered
                .rows()
                .iter()
                .all(|row| row["__text"] == row["__value"])
        );
    }
    let older = ask(&setting, "/grafana/search", json!({"target": "groups"})).await;
    assert_eq!(older.json, json!(["g", "g-historic", "h.1"]));
}

#[tokio::test]
async fn filters_have_keys_and_values() {
    let setting = three_groups();
    let keys = ask(&setting, "/grafana/tag-keys", json!({})).await;
    let texts: Vec<_> = keys.rows().iter().map(|key| &key["text"]).collect();
    assert_eq!(texts, ["cluster", "group", "topic", "partition"]);
    assert_eq!(keys.rows()[0]["type"], "string");
    let body = json!({"key": "topic"});
    let values = ask(&setting, "/grafana/tag-values", body).await;
    assert_eq!(values.json, json!([{"text": "t"}, {"text": "u"}]));
    let filters = [json!({"key": "group", "operator": "=~", "value": "h.*"})];
    let body = json!({"key": "topic", "filters": filters});
    let values = ask(&setting, "/grafana/tag-values", body).await;
    assert_eq!(values.json, json!([{"text": "u"}]));
}

/// The column of a table.
fn column<'a>(table: &'a Value, name: &str) -> Vec<&'a Value> {
    assert_eq!(table["type"], "table");
    let columns = table["columns"].as_array().expect("columns");
    let place = columns.iter().position(|column| column["text"] == name);
    let place = place.unwrap_or_else(|| panic!("no column {name}"));
    let rows = table["rows"].as_array().expect("rows");
    assert!(
        rows.iter()
            .all(|row| row.as_array().map(Vec::len) == Some(columns.len()))
    );
    rows.iter().map(|row| &row[place]).collect()
}

#[tokio::test]
async fn the_groups_now_are_a_table() {
    let now = crate::model::TimestampMs::now();
    let ticks = (0..3).map(|n| {
        let mut tick = three(0);
        tick.at = now.minus(std::time::Duration::from_secs(20 - n * 10));
        tick
    });
    let setting = Setting::recorded(ticks.collect());
    let answered = query(&setting, 20, "groups", json!({})).await;
    let table = &answered.rows()[0];
    assert_eq!(column(table, "group"), ["g", "h.1"], "more lag comes first");
    assert_eq!(column(table, "lag"), [110, 30]);
    assert_eq!(column(table, "cluster"), ["main", "main"]);
    assert!(
        column(table, "status")
            .iter()
            .all(|status| status.is_string())
    );
    assert!(column(table, "as_of").iter().all(|time| time.is_i64()));
    let one = json!({"group": "g-historic"});
    let answered = query(&setting, 20, "groups", one).await;
    assert_eq!(column(&answered.rows()[0], "lag"), [60]);
}

#[tokio::test]
async fn the_groups_with_the_most_lag_are_a_table() {
    let setting = three_groups();
    for (payload, expected) in [
        (json!({}), vec![110, 60, 30]),
        (json!({"limit": "1", "by": "max_lag"}), vec![110]),
        (json!({"limit": 2}), vec![110, 60]),
        (json!({"topic": "u"}), vec![30]),
    ] {
        let answered = query(&setting, 20, "top", payload.clone()).await;
        assert_eq!(column(&answered.rows()[0], "lag"), expected, "{payload}");
    }
}
