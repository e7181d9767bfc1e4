//! What HTTP needs to answer from what a bench has recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use tidegauge::{
    backups::Backups,
    board::BoardReader,
    config::{BackupConfig, HttpConfig},
    estimator::Parameters,
    http::{Guard, HttpState},
    recorder::RecorderStatus,
    scaler::Watches,
    store::Store,
};
use tokio_util::sync::CancellationToken;

/// A recorded cluster named `bench`.
pub(crate) struct Recorded {
    pub(crate) store: Store,
    pub(crate) board: BoardReader,
    pub(crate) status: Arc<RecorderStatus>,
}

impl Recorded {
    /// What HTTP answers from.
    pub(crate) fn pages(
        self,
        data_dir: &Path,
        parameters: Parameters,
        watches: Arc<Watches>,
    ) -> HttpState {
        let shutdown = CancellationToken::new();
        let backup = BackupConfig {
            dir: data_dir.join("backups"),
            schedule: None,
            keep: 1,
        };
        let http = HttpConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: None,
            auth: None,
        };
        HttpState {
            backups: Arc::new(Backups::new(self.store.clone(), &backup, shutdown.clone())),
            store_status: Arc::default(),
            board: self.board,
            store: self.store,
            data_dir: data_dir.to_owned(),
            parameters,
            clusters: vec!["bench".into()],
            queues: BTreeSet::new(),
            recorder: self.status,
            polls: BTreeMap::new(),
            requests: BTreeMap::new(),
            calls: Arc::default(),
            watches,
            names: Arc::default(),
            reloads: Arc::default(),
            guard: Arc::new(Guard::begin(&http).expect("no secrets are read")),
            tls: Vec::new(),
            telemetry: Arc::default(),
            shutdown,
        }
    }
}
