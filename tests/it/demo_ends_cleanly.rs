//! The demo says where to look, answers there, and ends with Ctrl-C.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::support::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_answers_ask_and_ends_with_ctrl_c() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
        .args([
            "demo",
            "--grpc-listen",
            "127.0.0.1:0",
            "--http-listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let place = |line: String, what: &str| Some(line.trim().strip_prefix(what)?.trim().to_owned());
    let grpc = lines.find_map(|line| place(line, "gRPC")).unwrap();
    let data_dir = lines.find_map(|line| place(line, "data")).unwrap();
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

    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    let ended = eventually("the demo ends", async || demo.try_wait().unwrap()).await;
    assert!(ended.success(), "{ended}");
    assert!(
        !std::fs::exists(&data_dir).unwrap(),
        "its temporary folder is gone"
    );
}
