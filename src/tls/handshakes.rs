//! How handshakes went.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rustls::Error;

/// How a handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is a connection.
    Ok,
    /// The client showed no certificate, or one that is not accepted.
    ClientCertificate,
    /// The client does not accept our certificate, or nothing that we offer.
    RefusedByClient,
    /// The client does not speak TLS.
    NotTls,
    /// It took too long.
    TimedOut,
    /// It was the oldest of too many.
    CrowdedOut,
    /// Anything else.
    Failed,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::ClientCertificate,
        Self::RefusedByClient,
        Self::NotTls,
        Self::TimedOut,
        Self::CrowdedOut,
        Self::Failed,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientCertificate => "client_certificate",
            Self::RefusedByClient => "refused_by_client",
            Self::NotTls => "not_tls",
            Self::TimedOut => "timed_out",
            Self::CrowdedOut => "crowded_out",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => {
                Self::ClientCertificate
            }
            Some(Error::AlertReceived(_)) => Self::RefusedByClient,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            _ => Self::Failed,
        }
    }
}

/// How many handshakes went in which way; read by metrics.
#[derive(Debug, Default)]
pub struct Handshakes([AtomicU64; Outcome::ALL.len()]);

impl Handshakes {
    pub(super) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// By how they went: `ok`, and why there is no connection.
    pub fn by_outcome(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Outcome::ALL
            .iter()
            .map(|outcome| outcome.as_str())
            .zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_under_its_own_word() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            let handshakes = Handshakes::default();
            handshakes.count(outcome);
            let counts: Vec<_> = handshakes.by_outcome().collect();
            assert_eq!(counts[index], (outcome.as_str(), 1));
            assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 1);
        }
    }
}
