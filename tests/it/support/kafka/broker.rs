//! One Kafka node on loopback.

use std::ops::Deref;
use std::slice;

use super::distribution::Distribution;
use super::node::{Node, Seat, on_free_ports};
use super::slot::Slot;
use super::tools::Tools;

/// A running broker; dropping it kills it and removes its data. Kafka's tools
/// for it are its methods.
///
/// At most two exist at one time, a third start waits. A test that needs two
/// can wait for ever beside another such test, and one that has a broker can't
/// have a [`Cluster`](super::Cluster) too.
#[derive(Debug)]
pub(crate) struct Broker {
    tools: Tools,
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
        let slot = Slot::one();
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let (port, node) = on_free_ports(|| {
            let seats = Seat::free(1);
            let extra = |_: &Seat| extra.iter().map(owned).collect();
            let mut nodes = Node::start_all(distribution, &seats, extra)?;
            Ok((seats[0].ports.broker, nodes.remove(0)))
        });
        Broker {
            tools: Tools::new(distribution, format!("127.0.0.1:{port}")),
            node,
            _slot: slot,
        }
    }

    /// The address for clients, `127.0.0.1:port`; a restart keeps it.
    pub(crate) fn bootstrap(&self) -> &str {
        self.tools.bootstrap()
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

impl Deref for Broker {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        &self.tools
    }
}
