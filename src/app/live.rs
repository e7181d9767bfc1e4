//! The configuration in force: one task that takes up another one.
//!
//! It owns what runs by the configuration. A new one is compared with the one in
//! force; all that can fail is tried first, and nothing has changed if it does.
//! Then it is applied in an order in which no part knows less than it is asked
//! for. Its key invariant: what is in force is one configuration as a whole.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, spawn_blocking},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    backups::Backups,
    config::{Config, ConfigError, Mistake, changed_sections},
    estimator::Reach,
    http::HttpState,
    logging::in_full,
    model::{ClusterName, TimestampMs},
    recorder::{NewConfiguration, Reconfiguration, Restored},
    scaler::{Settings, Watches},
    sources::{self, Ledger, PluginNames},
    store::Store,
};

use super::{
    clusters::Clusters,
    poller::NewPoller,
    reloader::{Changed, Refused},
    settings::{reach, settings},
};

/// Another configuration, and whom to tell how it went.
pub(super) struct Request {
    pub(super) config: Config,
    pub(super) answer: oneshot::Sender<Result<Changed, Refused>>,
}

/// What runs by the configuration.
pub(super) struct Live {
    pub(super) config: watch::Sender<Arc<Config>>,
    pub(super) settings: watch::Sender<Arc<Settings>>,
    pub(super) pages: watch::Sender<Arc<HttpState>>,
    pub(super) clusters: Clusters,
    pub(super) watches: Arc<Watches>,
    pub(super) names: Arc<PluginNames>,
    pub(super) recorder: mpsc::Sender<Reconfiguration>,
    pub(super) store: Store,
    pub(super) backups: Arc<Backups>,
    pub(super) shutdown: CancellationToken,
}

/// What differs from the configuration in force.
struct Difference {
    sections: Vec<String>,
    /// Clusters and queues whose poller is to end.
    ending: Vec<ClusterName>,
    /// Clusters and queues whose poller is to begin.
    beginning: Vec<ClusterName>,
    /// Clusters and queues of which the store may know more than the recorder.
    restoring: Vec<ClusterName>,
    reach: Reach,
}

/// All that could have failed.
struct Prepared {
    pollers: Vec<NewPoller>,
    restored: BTreeMap<ClusterName, Restored>,
}

impl Live {
    /// Takes up what is asked for until the end, or until a poller fails.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
    ) -> anyhow::Result<&'static str> {
        let shutdown = self.shutdown.clone();
        let mut looks_back = self.watches.looks_back();
        let mut held = *looks_back.borrow_and_update();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                cause = self.clusters.failure() => return Err(cause),
                Some(request) = requests.recv() => {
                    let reload = self.reload(request.config);
                    // At the end nobody waits for what is under way.
                    let Some(outcome) = shutdown.run_until_cancelled(reload).await else {
                        break;
                    };
                    // Who asked may have gone.
                    request.answer.send(outcome).ok();
                }
                Ok(()) = looks_back.changed() => {
                    let longest = *looks_back.borrow_and_update();
                    let reading = self.look_back(held, longest);
                    if shutdown.run_until_cancelled(reading).await.is_none() {
                        break;
                    }
                    held = longest;
                }
            }
        }
        self.clusters.ended().await;
        Ok("configuration")
    }

    async fn reload(&mut self, config: Config) -> Result<Changed, Refused> {
        let config = Arc::new(config);
        let in_force = Arc::clone(&self.config.borrow());
        if let Some(error) = config.needs_restart(&in_force) {
            return Err(error.into());
        }
        let looks_back = *self.watches.looks_back().borrow();
        let difference = Difference::between(&in_force, &config, looks_back);
        if !difference.sections.is_empty() {
            let prepared = self.prepare(&config, &difference).await?;
            self.apply(config, &difference, prepared).await?;
        }
        Ok(Changed {
            sections: difference.sections,
        })
    }

    /// Tries what can fail, where it may block.
    async fn prepare(
        &self,
        config: &Arc<Config>,
        difference: &Difference,
    ) -> Result<Prepared, Refused> {
        let (config, names) = (Arc::clone(config), difference.beginning.clone());
        let pollers = spawn_blocking(move || {
            check_redis(&config)?;
            new_pollers(&config, &names)
        });
        let mut pollers = pollers.await.map_err(broke_down)??;
        let restored = self.restored(difference.restoring.clone(), difference.reach);
        let restored = restored.await.map_err(broke_down)?;
        for poller in &mut pollers {
            if let Some(restored) = restored.get(&poller.cluster) {
                poller.go_on_from(Ledger::recorded(restored.window()));
            }
        }
        Ok(Prepared { pollers, restored })
    }

    async fn restored(
        &self,
        names: Vec<ClusterName>,
        reach: Reach,
    ) -> Result<BTreeMap<ClusterName, Restored>, JoinError> {
        let (store, cancel) = (self.store.clone(), self.shutdown.clone());
        spawn_blocking(move || restored(&store, &names, reach, &cancel)).await
    }

    /// A watch looks back further than any before: windows are filled from
    /// history, and go on so until the end. Until then it is told what they hold.
    async fn look_back(&self, held: Duration, longest: Duration) {
        let config = Arc::clone(&self.config.borrow());
        let reach_of = |looks_back| reach(&config, looks_back);
        if reach_of(longest) == reach_of(held) {
            return;
        }
        let (names, reach) = (config.streams().cloned().collect(), reach_of(longest));
        match self.restored(names, reach).await {
            Ok(restored) => {
                let reconfiguration = Reconfiguration {
                    reach,
                    restored,
                    configuration: None,
                };
                // Without a recorder the end is near.
                self.recorder.send(reconfiguration).await.ok();
            }
            Err(cause) => error!(%cause, "history was not read for a longer window"),
        }
    }

    /// Who polls has ended before the recorder is told, and begins after those
    /// who ask know of it; who answers is told last.
    async fn apply(
        &mut self,
        config: Arc<Config>,
        difference: &Difference,
        prepared: Prepared,
    ) -> Result<(), Refused> {
        let place = self.recorder.reserve().await.map_err(|_| Refused::Ending)?;
        let stays = |name: &ClusterName| config.streams().any(|stream| stream == name);
        self.clusters.end(&difference.ending, stays).await;
        place.send(Reconfiguration {
            reach: difference.reach,
            restored: prepared.restored,
            configuration: Some(NewConfiguration {
                at: TimestampMs::now(),
                sections: difference.sections.clone(),
                fingerprints: config.fingerprints(),
                clusters: config.streams().cloned().collect(),
            }),
        });
        self.names.look_in(config.azul.redis.as_ref());
        let settings = Arc::new(settings(&config, &self.names));
        self.settings.send_replace(Arc::clone(&settings));
        self.clusters.begin(prepared.pollers, |polled| {
            let now = TimestampMs::now();
            self.watches.reconfigure(Arc::clone(&settings), polled, now);
        });
        self.pages.send_modify(|pages| {
            *pages = Arc::new(HttpState {
                parameters: settings.parameters,
                clusters: config.streams().cloned().collect(),
                queues: config.queues.keys().cloned().collect(),
                polls: self.clusters.polls(),
                requests: self.clusters.requests(),
                ..HttpState::clone(pages)
            });
        });
        let (backups, backup) = (Arc::clone(&self.backups), config.store.backup.clone());
        self.config.send_replace(config);
        let looked = spawn_blocking(move || backups.reconfigure(&backup)).await;
        looked.map_err(broke_down)
    }
}

impl Difference {
    fn between(in_force: &Config, config: &Config, looks_back: Duration) -> Self {
        let same_polls = in_force.poll == config.poll;
        let is_kept = |name: &&ClusterName| same_polls && is_same(in_force, config, name);
        let others = |config: &Config| -> Vec<_> {
            let names = config.streams();
            names.filter(|name| !is_kept(name)).cloned().collect()
        };
        let (ending, beginning) = (others(in_force), others(config));
        let before = reach(in_force, looks_back);
        let reach = reach(config, looks_back);
        let is_longer = reach.dense > before.dense || reach.span > before.span;
        let is_new = |name: &&ClusterName| in_force.streams().all(|known| known != *name);
        let restoring = config.streams();
        let restoring = restoring.filter(|name| is_longer || is_new(name));
        Self {
            sections: sections(in_force, config),
            restoring: restoring.cloned().collect(),
            ending,
            beginning,
            reach,
        }
    }
}

/// Is the same configured under this name, be it a cluster or a queue?
fn is_same(in_force: &Config, config: &Config, name: &ClusterName) -> bool {
    let cluster = in_force.clusters.get(name).zip(config.clusters.get(name));
    let queue = in_force.queues.get(name).zip(config.queues.get(name));
    cluster.is_some_and(|(before, now)| before.is_same_as(now))
        || queue.is_some_and(|(before, now)| before == now)
}

/// Those whose fingerprint says so, and clusters in which something differs that
/// must not go into a fingerprint.
fn sections(in_force: &Config, config: &Config) -> Vec<String> {
    let mut sections = changed_sections(&in_force.fingerprints(), &config.fingerprints());
    let differing = config.clusters.iter().filter(|(name, now)| {
        let before = in_force.clusters.get(*name);
        before.is_some_and(|before| !before.is_same_as(now))
    });
    sections.extend(differing.map(|(name, _)| format!("clusters.{name}")));
    sections.sort();
    sections.dedup();
    sections
}

/// The pollers of these clusters, or all that is wrong with any.
fn new_pollers(config: &Config, names: &[ClusterName]) -> Result<Vec<NewPoller>, ConfigError> {
    let (mut pollers, mut mistakes) = (Vec::new(), Vec::new());
    for name in names {
        match NewPoller::of(name, config) {
            Ok(poller) => pollers.push(poller),
            Err(unpollable) => mistakes.push(Mistake {
                place: config.origin.clone(),
                key: format!("clusters.{name}"),
                found: in_full(&unpollable.cause),
                accepted: "what a client can be made of".to_owned(),
            }),
        }
    }
    if mistakes.is_empty() {
        Ok(pollers)
    } else {
        Err(ConfigError::new(mistakes))
    }
}

/// What is wrong with the files that Redis is asked with.
fn check_redis(config: &Config) -> Result<(), ConfigError> {
    let checked = config.azul.redis.as_ref().map(sources::check);
    checked.unwrap_or(Ok(())).map_err(|cause| {
        let mistake = Mistake {
            place: config.origin.clone(),
            key: "azul.redis".to_owned(),
            found: in_full(&cause),
            accepted: "what a client can be made of".to_owned(),
        };
        ConfigError::new(vec![mistake])
    })
}

/// What can't be read is no reason to refuse a configuration: the window then
/// begins later.
fn restored(
    store: &Store,
    names: &[ClusterName],
    reach: Reach,
    cancel: &CancellationToken,
) -> BTreeMap<ClusterName, Restored> {
    let mut restored = BTreeMap::new();
    for cluster in names {
        match Restored::read(store, cluster, reach, cancel) {
            Ok(Some(found)) => drop(restored.insert(cluster.clone(), found)),
            Ok(None) => {}
            Err(cause) => {
                let cause = in_full(&cause);
                error!(%cluster, cause, "history can't be read; the window begins now");
            }
        }
    }
    restored
}

fn broke_down(cause: JoinError) -> Refused {
    Refused::BrokeDown(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: &str = "[poll]\ninterval = '10s'\n";

    fn config(rest: &str) -> Config {
        Config::parse("test.toml", rest, []).expect("a valid configuration")
    }

    fn cluster(name: &str, rest: &str) -> String {
        format!("[clusters.{name}]\nbootstrap_servers = ['b:9092']\n{rest}")
    }

    fn difference(before: &str, now: &str) -> [Vec<String>; 4] {
        let difference = Difference::between(&config(before), &config(now), Duration::ZERO);
        let texts = |names: Vec<ClusterName>| names.iter().map(ToString::to_string).collect();
        [
            difference.sections,
            texts(difference.ending),
            texts(difference.beginning),
            texts(difference.restoring),
        ]
    }

    #[test]
    fn only_what_differs_ends_and_begins() {
        let (a, b) = (cluster("a", ""), cluster("b", ""));
        let both = format!("{a}{b}");
        let other_b = cluster("b", "groups.include = ['x']\n");
        let quicker = format!("{both}{}", POLL.replace("10s", "5s"));
        let longer = format!("{both}[estimator]\nwindow = '10h'\n");
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        for (before, now, expected) in [
            (&both, &both, [&[][..], &[], &[], &[]]),
            (&both, &format!("{both}{POLL}"), [&[], &[], &[], &[]]),
            (&a, &both, [&["clusters.b"], &[], &["b"], &["b"]]),
            (&both, &a, [&["clusters.b"], &["b"], &[], &[]]),
            (
                &both,
                &format!("{a}{other_b}"),
                [&["clusters.b"], &["b"], &["b"], &[]],
            ),
            (&both, &quicker, [&["poll"], &["a", "b"], &["a", "b"], &[]]),
            (&both, &longer, [&["estimator"], &[], &[], &["a", "b"]]),
            (&longer, &both, [&["estimator"], &[], &[], &[]]),
        ] {
            assert_eq!(difference(before, now), expected.map(names), "{now}");
        }
    }

    #[test]
    fn what_no_fingerprint_tells_is_a_difference_too() {
        let with = |value: &str| cluster("a", &format!("properties.'client.rack' = '{value}'\n"));
        let [sections, ending, beginning, _] = difference(&with("one"), &with("two"));
        assert_eq!(sections, ["clusters.a"]);
        assert_eq!(
            (ending, beginning),
            (vec!["a".to_owned()], vec!["a".to_owned()])
        );
    }

    #[test]
    fn a_cluster_no_client_can_be_made_for_is_a_mistake_of_its_own() {
        let broken = cluster(
            "a",
            "security_protocol = 'SSL'\ntls.ca_file = '/dev/null'\n",
        );
        let config = config(&format!("{broken}{}", cluster("b", "")));
        let error = new_pollers(&config, &["a".into(), "b".into()]);
        let error = error.err().expect("refused");
        let [mistake] = error.mistakes() else {
            panic!("{error}");
        };
        assert_eq!(
            (mistake.place.as_str(), mistake.key.as_str()),
            ("test.toml", "clusters.a")
        );
    }
}
