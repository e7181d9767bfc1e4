//! One Kafka node on loopback.

use std::ops::Deref;
use std::slice;

use super::distribution::Distribution;
use super::node::{Node, Properties, Seat, on_free_ports};
use super::ports::free_port;
use super::slot::Slot;
use super::tools::Tools;

/// How a broker differs from the usual one.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// Server properties, which win over the usual ones.
    pub(crate) properties: &'a [(&'a str, &'a str)],
    /// More listeners, each a name and its security protocol.
    pub(crate) listeners: &'a [(&'a str, &'a str)],
    /// Users who log in with SCRAM, in the words of Kafka's storage tool:
    /// `SCRAM-SHA-256=[name=alice,password=secret]`.
    pub(crate) scram_users: &'a [&'a str],
}

/// A running broker; dropping it kills it and removes its data. Kafka's tools
/// for it are its methods.
///
/// At most two exist at one time, a third start waits. A test that needs two
/// can wait for ever beside another such test, and one that has a broker can't
/// have a [`Cluster`](super::Cluster) too.
#[derive(Debug)]
pub(crate) struct Broker {
    tools: Tools,
    /// Addresses of the listeners that were asked for, in their order.
    listeners: Vec<String>,
    node: Node,
    // Dropped last: the next broker starts when this one is gone.
    _slot: Slot,
}

impl Broker {
    pub(crate) fn start(distribution: &Distribution) -> Broker {
        Broker::start_with(distribution, &[])
    }

    /// Starts with more server properties, which win over the usual ones.
    ///
    /// # Panics
    /// With the end of the broker's log when it does not start.
    pub(crate) fn start_with(distribution: &Distribution, extra: &[(&str, &str)]) -> Broker {
        let setup = Setup {
            properties: extra,
            ..Setup::default()
        };
        Broker::start_as(distribution, setup)
    }

    /// Starts as `setup` says.
    ///
    /// # Panics
    /// With the end of the broker's log when it does not start.
    pub(crate) fn start_as(distribution: &Distribution, setup: Setup<'_>) -> Broker {
        let slot = Slot::one();
        let (port, listeners, node) = on_free_ports(|| {
            let seats = Seat::free(1);
            let listeners = setup.listeners.iter();
            let listeners: Vec<_> = listeners
                .map(|_| format!("127.0.0.1:{}", free_port()))
                .collect();
            let extra = |seat: &Seat| setup.properties(seat, &listeners);
            let mut nodes = Node::start_all(distribution, &seats, setup.scram_users, extra)?;
            Ok((seats[0].ports.broker, listeners, nodes.remove(0)))
        });
        Broker {
            tools: Tools::new(distribution, format!("127.0.0.1:{port}")),
            listeners,
            node,
            _slot: slot,
        }
    }

    /// The address for clients, `127.0.0.1:port`; a restart keeps it.
    pub(crate) fn bootstrap(&self) -> &str {
        self.tools.bootstrap()
    }

    /// The addresses of the listeners that were asked for, in their order.
    pub(crate) fn listeners(&self) -> &[String] {
        &self.listeners
    }

    pub(super) fn port(&self) -> u16 {
        self.node.port()
    }

    /// Ends the broker as a crash would (SIGKILL), and waits.
    pub(crate) fn kill(&self) {
        self.node.kill();
    }

    /// Ends the broker in good order (SIGTERM) and waits.
    pub(crate) fn stop(&self) {
        self.node.stop();
    }

    /// Starts the broker again with its data and ports; stops it first if it runs.
    pub(crate) fn restart(&self) {
        self.stop();
        if let Err(failure) = Node::launch_all(slice::from_ref(&self.node)) {
            panic!("{failure}");
        }
    }
}

impl Setup<'_> {
    fn properties(&self, seat: &Seat, addresses: &[String]) -> Properties {
        let (mut protocols, mut listeners) = (String::new(), String::new());
        for ((name, protocol), address) in self.listeners.iter().zip(addresses) {
            protocols += &format!(",{name}:{protocol}");
            listeners += &format!(",{name}://{address}");
        }
        let plain = format!("PLAINTEXT://127.0.0.1:{}", seat.ports.broker);
        let controller = format!("CONTROLLER://127.0.0.1:{}", seat.ports.controller);
        let own = [
            (
                "listener.security.protocol.map",
                format!("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}"),
            ),
            ("listeners", format!("{plain},{controller}{listeners}")),
            ("advertised.listeners", plain + listeners.as_str()),
        ];
        let given = self
            .properties
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()));
        own.into_iter()
            .chain(given)
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

impl Deref for Broker {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}
