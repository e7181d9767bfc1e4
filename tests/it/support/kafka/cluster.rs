//! Several Kafka nodes on loopback, as a cluster.

use std::ops::Deref;

use super::distribution::Distribution;
use super::node::{Node, Properties, Seat, on_free_ports};
use super::slot::Slot;
use super::tools::Tools;
use crate::support::proxy::Proxy;

/// Where Kafka keeps commits, in four partitions here; a partition's leader is
/// the coordinator of the groups in it.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Running brokers 1 to n; dropping it kills them and removes their data.
///
/// Clients reach each broker through its [`Proxy`]. The brokers themselves, and
/// Kafka's tools (the methods of [`Tools`]), go past it, so that they see how
/// things are while clients don't.
///
/// It runs alone: it waits until no other broker is left, and others wait for it.
#[derive(Debug)]
pub(crate) struct Cluster {
    tools: Tools,
    bootstrap: String,
    proxies: Vec<Proxy>,
    nodes: Vec<Node>,
    // Dropped last: other brokers start when these are gone.
    _slot: Slot,
}

impl Cluster {
    /// Brokers 1 to `brokers`, which clients are told at 127.0.0.1.
    pub(crate) fn start(distribution: &Distribution, brokers: i32) -> Cluster {
        Cluster::start_with(distribution, brokers, &[])
    }

    /// Starts with more server properties, which win over the usual ones.
    pub(crate) fn start_with(
        distribution: &Distribution,
        brokers: i32,
        extra: &[(&str, &str)],
    ) -> Cluster {
        Cluster::start_as(distribution, brokers, |_| "127.0.0.1".to_owned(), extra)
    }

    /// Brokers that clients are told under names, see [`Cluster::host_name`];
    /// who asks for them must find 127.0.0.1.
    pub(crate) fn start_under_names(distribution: &Distribution, brokers: i32) -> Cluster {
        Cluster::start_as(distribution, brokers, Cluster::host_name, &[])
    }

    /// The name of a broker's host, which no DNS knows.
    pub(crate) fn host_name(broker: i32) -> String {
        format!("kafka-{broker}.tidegauge.test")
    }

    fn start_as(
        distribution: &Distribution,
        brokers: i32,
        host: impl Fn(i32) -> String,
        extra: &[(&str, &str)],
    ) -> Cluster {
        let slot = Slot::all();
        let (seats, proxies, nodes) = on_free_ports(|| {
            let seats = Seat::free(brokers);
            let proxies: Vec<Proxy> = seats
                .iter()
                .map(|seat| Proxy::start(seat.ports.clients))
                .collect();
            let listeners = |seat: &Seat| {
                let proxy = &proxies[index(seat.id)];
                let mut all = listeners(seat, &format!("{}:{}", host(seat.id), proxy.port()));
                let extra = extra.iter();
                all.extend(extra.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
                all
            };
            let nodes = Node::start_all(distribution, &seats, &[], listeners)?;
            Ok((seats, proxies, nodes))
        });
        let addresses = |address: &dyn Fn(&Seat) -> String| {
            let all: Vec<String> = seats.iter().map(address).collect();
            all.join(",")
        };
        let bootstrap =
            addresses(&|seat| format!("{}:{}", host(seat.id), proxies[index(seat.id)].port()));
        let past_proxies = addresses(&|seat| format!("127.0.0.1:{}", seat.ports.broker));
        Cluster {
            tools: Tools::new(distribution, past_proxies),
            bootstrap,
            proxies,
            nodes,
            _slot: slot,
        }
    }

    /// The addresses for clients, comma-separated; a restart keeps them.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The addresses past the proxies, for clients that are to stay well.
    pub(crate) fn bootstrap_past_proxies(&self) -> &str {
        self.tools.bootstrap()
    }

    /// The processes of the brokers that run.
    #[allow(dead_code, reason = "the bench of poll cycles measures them")]
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }

    /// What stands between clients and a broker.
    pub(crate) fn proxy(&self, broker: i32) -> &Proxy {
        &self.proxies[index(broker)]
    }

    /// Ends a broker as a crash would (SIGKILL), and waits.
    pub(crate) fn kill(&self, broker: i32) {
        self.nodes[index(broker)].kill();
    }

    /// Ends a broker in good order (SIGTERM) and waits; others take over from it.
    pub(crate) fn stop(&self, broker: i32) {
        self.nodes[index(broker)].stop();
    }

    /// Starts brokers again, together, with their data and ports; stops first
    /// those of them that run. Leaders do not return by themselves.
    pub(crate) fn restart(&self, brokers: &[i32]) {
        brokers.iter().for_each(|broker| self.stop(*broker));
        let nodes = brokers.iter().map(|broker| &self.nodes[index(*broker)]);
        if let Err(failure) = Node::launch_all(nodes) {
            panic!("{failure}");
        }
    }

    /// Gives each partition of these topics its leader; all brokers hold it then.
    pub(crate) fn move_leaders(&self, topics: &[(&str, &[i32])]) {
        self.tools.move_leaders(topics, &self.ids());
    }

    fn ids(&self) -> Vec<i32> {
        let last = i32::try_from(self.nodes.len()).expect("few brokers");
        (1..=last).collect()
    }
}

impl Deref for Cluster {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}

fn index(broker: i32) -> usize {
    usize::try_from(broker - 1).expect("brokers count from 1")
}

/// A listener for clients, who are told `advertised`, beside the usual ones.
fn listeners(seat: &Seat, advertised: &str) -> Properties {
    let (broker, clients) = (seat.ports.broker, seat.ports.clients);
    let controller = seat.ports.controller;
    let listeners = format!(
        "PLAINTEXT://127.0.0.1:{broker},CLIENTS://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}"
    );
    let advertised = format!("PLAINTEXT://127.0.0.1:{broker},CLIENTS://{advertised}");
    let protocols = "PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT";
    [
        ("listeners", listeners),
        ("advertised.listeners", advertised),
        ("listener.security.protocol.map", protocols.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
