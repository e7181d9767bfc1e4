//! Loopback ports for brokers.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// One node's: free when looked at, and not handed out again by this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// For the other brokers and for Kafka's tools; of a single broker for all.
    pub(super) broker: u16,
    pub(super) controller: u16,
    /// For the clients of a cluster, behind their proxy.
    pub(super) clients: u16,
}

impl Ports {
    pub(super) fn free() -> Ports {
        Ports {
            broker: free_port(),
            controller: free_port(),
            clients: free_port(),
        }
    }
}

/// A port below those that the kernel gives to outgoing connections (which is
/// where it would take port 0 from).
///
/// While a broker is down, a client that tries to reconnect could be given the
/// broker's own port, and the broker would find it taken when it comes back.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Processes that test in parallel begin apart.
    let next = NEXT.get_or_init(|| {
        let begin = std::process::id().wrapping_mul(101) % u32::from(COUNT);
        AtomicU16::new(u16::try_from(begin).expect("COUNT fits 16 bits"))
    });
    (0..COUNT)
        .map(|_| FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}
