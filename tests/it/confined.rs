//! The binary serves under the constraints of its image: a user of its own, no
//! privileges, a root that is read-only and holds nothing but it and its
//! libraries, a volume of another group, no network but loopback, little memory.

use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    confined::{
        DATA_DIR, Image, USER, first_process, is_inside, status_line, terminate, writable_places,
    },
    eventually,
    scaler::{Scaler, configuration, named_groups},
};

const METADATA: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "1")];
const STORY: &str = "confined::it_serves_records_and_ends_in_a_container_without_privileges";

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_records_and_ends_in_a_container_without_privileges() {
    if !is_inside(STORY) {
        return;
    }
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("t", Some(0), 5).unwrap();
    producer.flush().unwrap();
    let image = Image::make();
    let groups = named_groups(&[("g", "t")]);
    let text = configuration(DATA_DIR.as_ref(), &cluster.bootstrap_servers(), &groups);

    let mut first_tick = None;
    for _ in 0..2 {
        let scaler = Scaler::try_start_by(image.command(), &text).unwrap();
        let process = first_process(scaler.pid());
        let user = USER.to_string();
        assert!(status_line(process, "Uid").split('\t').all(|id| id == user));
        for (name, value) in [
            ("CapPrm", 0),
            ("CapEff", 0),
            ("CapAmb", 0),
            ("NoNewPrivs", 1),
        ] {
            let found = u64::from_str_radix(&status_line(process, name), 16).unwrap();
            assert_eq!(found, value, "{name}");
        }
        assert_eq!(writable_places(process), [DATA_DIR, "/proc"]);
        eventually("it is told", async || {
            let told = scaler.told(METADATA).await.ok()?;
            (told.value == 1.0 && told.active).then_some(())
        })
        .await;
        assert_eq!(scaler.get("/readyz").await.0, 200);
        let as_of = scaler.json("/api/v1/groups/g").await["as_of"].clone();
        let first = first_tick.get_or_insert_with(|| as_of.as_str().unwrap().to_owned());
        let path = format!("/api/v1/history?group=g&metric=lag&step=raw&from={first}");
        let history = scaler.json(&path).await;
        assert_eq!(history[0]["time"], *first, "of the process before, too");
        assert_eq!(history[0]["lag"], 5);
        let log = scaler.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
        terminate(process);
        assert!(scaler.ended().await.success());
    }
    assert_eq!(image.files(), ["head.redb", "history.redb"]);
    assert_eq!(image.oom_kills(), 0);
}
