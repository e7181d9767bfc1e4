//! A volume belongs to one process at a time, and to any that comes next.

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let text = configuration(data_dir.path(), &cluster.bootstrap_servers(), "");
    let first = Scaler::start(&text);
    let impatient = text.replace("[store]", "[store]\nlock_timeout = '0s'");
    let Err(log) = Scaler::try_start(&impatient) else {
        panic!("two scalers share a volume");
    };
    assert!(log.contains("another process"), "{log}");
    assert!(log.contains(data_dir.path().to_str().unwrap()), "{log}");
    assert!(first.terminate().await.success());
    Scaler::start(&text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_can_move() {
    let cluster = cluster().await;
    let servers = cluster.bootstrap_servers();
    let groups = named_groups(&[("g", "t")]);
    let old_place = tempfile::tempdir().unwrap();
    let first = Scaler::start(&configuration(old_place.path(), &servers, &groups));
    let as_of = eventually("a first tick", async || {
        let (status, text) = first.get("/api/v1/groups/g").await;
        let group: serde_json::Value = serde_json::from_str(&text).ok()?;
        (status == 200).then(|| group["as_of"].as_str().unwrap().to_owned())
    })
    .await;
    first.kill();

    let new_place = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(old_place.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), new_place.path().join(entry.file_name())).unwrap();
    }
    let second = Scaler::start(&configuration(new_place.path(), &servers, &groups));
    let path = format!("/api/v1/history?group=g&metric=lag&step=raw&from={as_of}");
    let history = second.json(&path).await;
    assert_eq!(history[0]["time"], as_of);
}
