//! TLS: of the two listeners, and of those whom we ask.
//!
//! It owns what is read from PEM files, how a connection becomes one over TLS,
//! and its bounds; it knows nothing of what is said over it. Its key invariants:
//! nobody who is slow or silent holds up another connection, and a certificate
//! that can't be used never takes the place of one that can.

mod client;
mod connection;
mod handshakes;
mod incoming;
mod listener;
mod pem;
mod server;
#[cfg(test)]
mod testing;
mod validity;

pub use client::{ClientFiles, Connector, NoClient, Protocol};
pub use connection::Connection;
pub use incoming::Incoming;
pub use listener::{Listener, ListenerTls};
pub use pem::{PemFile, Unusable};
pub use server::{Certificate, Role, ServerTls};
