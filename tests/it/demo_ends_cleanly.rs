//! The demo says where to look, answers there, and ends with Ctrl-C.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::support::eventually;

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

/// A demo that runs, and what it prints.
struct Demo {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tidegauge"))
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
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The place that it names `what`.
    fn place(&mut self, what: &str) -> String {
        self.lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.trim().strip_prefix(what)?.trim().to_owned()))
            .unwrap()
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.process), Signal::INT).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        eventually("the demo ends", async || self.process.try_wait().unwrap()).await
    }
}
