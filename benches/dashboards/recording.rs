//! A cluster that is recorded, from some hours ago until now.

use std::{path::Path, sync::Arc, thread, time::Instant};

use anyhow::{Result, ensure};
use tidegauge::{
    board::{BoardPublisher, BoardReader},
    estimator::Reach,
    model::{GroupId, TimestampMs, TopicName},
    recorder::{Inbox, Recorder, RecorderStatus},
    scaler::Watches,
    store::{self, Sealer, Store},
};
use tokio::{
    sync::mpsc,
    task::{block_in_place, spawn_blocking},
};

use crate::{
    PARAMETERS,
    traffic::{INTERVAL_MS, Shape, Traffic},
};

const TICKS_AN_HOUR: usize = 360;

pub(crate) struct Recording {
    traffic: Traffic,
    /// Added to the traffic's time.
    shift_ms: i64,
    ticks: mpsc::Sender<tidegauge::model::Tick>,
    store: Store,
    sealer: Sealer,
    board: BoardReader,
    status: Arc<RecorderStatus>,
}

impl Recording {
    /// Records so many hours; `left` more ticks may follow until now.
    pub(crate) async fn begin(dir: &Path, left: usize, hours: usize) -> Result<Self> {
        let (writer, store) = store::open(&dir.join("data"))?;
        let (publisher, board) = BoardPublisher::new();
        let recorder = Recorder::new(writer, publisher, Reach::all(PARAMETERS.window));
        let status = recorder.status();
        let (ticks, reader) = mpsc::channel(1);
        let inbox = Inbox {
            ticks: reader,
            watches: mpsc::channel(1).1,
            reconfigurations: mpsc::channel(1).1,
        };
        thread::spawn(move || recorder.run(inbox, Vec::new));
        let mut traffic = Traffic::steady(Shape::DEFAULT);
        let first = traffic.tick();
        let all = (hours * TICKS_AN_HOUR + left) as i64;
        let mut recording = Self {
            shift_ms: TimestampMs::now().0 - all * INTERVAL_MS - first.at.0,
            traffic,
            ticks,
            sealer: store.sealer(),
            store,
            board,
            status,
        };
        for _ in 0..hours * TICKS_AN_HOUR {
            recording.record().await?;
        }
        Ok(recording)
    }

    /// Records one more tick and judges all watches by it; says how many
    /// milliseconds that took.
    pub(crate) async fn tick(&mut self, watches: &Arc<Watches>) -> Result<f64> {
        let took = self.record().await?;
        let (watches, board) = (Arc::clone(watches), self.board.borrow().clone());
        let began = Instant::now();
        spawn_blocking(move || watches.judge(&board)).await?;
        Ok(took + began.elapsed().as_secs_f64() * 1e3)
    }

    async fn record(&mut self) -> Result<f64> {
        let mut tick = block_in_place(|| self.traffic.tick());
        tick.at = TimestampMs(tick.at.0 + self.shift_ms);
        let at = tick.at;
        let began = Instant::now();
        self.ticks.send(tick).await?;
        self.board.changed().await?;
        ensure!(
            self.status.failure().is_none(),
            "{:?}",
            self.status.failure()
        );
        let took = began.elapsed().as_secs_f64() * 1e3;
        block_in_place(|| self.sealer.step(at))?;
        Ok(took)
    }

    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    pub(crate) fn board(&self) -> BoardReader {
        self.board.clone()
    }

    pub(crate) fn status(&self) -> Arc<RecorderStatus> {
        Arc::clone(&self.status)
    }

    /// All groups, with the topic that each reads.
    pub(crate) fn groups(&self) -> Vec<(GroupId, TopicName)> {
        let board = self.board.borrow();
        let snapshot = board.cluster(&"bench".into()).expect("it was recorded");
        let groups = snapshot.window.index().groups().iter();
        let pairs = groups.flat_map(|(group, series)| {
            let topics = series.topics.keys();
            topics.map(|topic| (group.clone(), topic.clone()))
        });
        pairs.collect()
    }
}
