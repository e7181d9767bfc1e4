//! The demo says where to look, answers there, and ends with Ctrl-C.

use std::process::Command;

use super::support::{demo::Demo, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_answers_ask_and_ends_with_ctrl_c() {
    let mut demo = Demo::start();
    let grpc = demo.place("gRPC");
    let data_dir = demo.place("data");
    assert!(std::fs::exists(&data_dir).unwrap());

    eventually("ask is answered", async || {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
            .args([
                "ask",
                "--address",
                &grpc,
                "--json",
                "consumerGroup=orders-service",
            ])
            .output()
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        assert_eq!(told["metrics"][0]["name"], "kafka-orders-service-topics");
        assert_eq!(told["metrics"][0]["target"], 10.0);
        assert_eq!(told["freshness"], "fresh");
        output.status.success().then_some(())
    })
    .await;

    demo.interrupt();
    let ended = demo.ended().await;
    assert!(ended.success(), "{ended}");
    assert!(
        !std::fs::exists(&data_dir).unwrap(),
        "its temporary folder is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_the_demo_starts_ends_it_as_well() {
    let mut demo = Demo::start();
    // Said before the workload is there.
    demo.place("gRPC");
    demo.interrupt();
    let data_dir = demo.place("data");
    let ended = demo.ended().await;
    assert!(ended.success(), "{ended}");
    assert!(!std::fs::exists(&data_dir).unwrap());
}
