//! An answer that is sent while it is made.
//!
//! A few pieces wait between the thread that makes them and the connection, so
//! an answer takes little memory however long it is. A body that has no last
//! piece breaks the connection off: nobody takes a part for the whole.

use std::{collections::BTreeSet, io, time::Duration};

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::store::Level;

use super::{error::ApiError, gate::Allowance};

/// So large is a piece, or a little larger.
pub(super) const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait to be sent.
pub(super) const PIECES: usize = 4;

/// What is told before the answer: the levels of history that it comes from.
pub(super) type Head = BTreeSet<Level>;

#[derive(Debug)]
pub(super) struct Piece {
    /// With the first one.
    head: Option<Head>,
    bytes: Bytes,
    is_last: bool,
}

/// Where the thread that makes an answer hands it over.
#[derive(Debug)]
pub(super) struct Outlet {
    sender: mpsc::Sender<Piece>,
    runtime: Handle,
    stop: CancellationToken,
    deadline: Instant,
    limit: Duration,
    head: Option<Head>,
}

impl Outlet {
    pub(super) fn new(sender: mpsc::Sender<Piece>, runtime: Handle, allowance: &Allowance) -> Self {
        Self {
            sender,
            runtime,
            stop: allowance.stop.clone(),
            deadline: allowance.deadline,
            limit: allowance.limit,
            head: None,
        }
    }

    /// What goes before the first piece.
    pub(super) fn begin(&mut self, head: Head) {
        self.head = Some(head);
    }

    /// Hands a piece over; waits until there is room for it.
    pub(super) fn send(&mut self, bytes: Vec<u8>, is_last: bool) -> Result<(), ApiError> {
        let piece = Piece {
            head: self.head.take(),
            bytes: bytes.into(),
            is_last,
        };
        let (sender, limit) = (&self.sender, self.limit);
        let sent = async {
            tokio::select! {
                () = self.stop.cancelled() => Err(ApiError::Interrupted),
                sent = timeout_at(self.deadline, sender.send(piece)) => match sent {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(ApiError::Interrupted),
                    Err(_) => Err(ApiError::TimedOut { limit }),
                },
            }
        };
        self.runtime.block_on(sent)
    }
}

/// What is left of a body.
struct Rest {
    /// The next piece, if it is there already.
    next: Option<Piece>,
    pieces: mpsc::Receiver<Piece>,
    work: JoinHandle<Result<(), ApiError>>,
    _stop_when_dropped: DropGuard,
}

/// The head, and a body of `first` and those that follow.
pub(super) fn body(
    mut first: Piece,
    pieces: mpsc::Receiver<Piece>,
    work: JoinHandle<Result<(), ApiError>>,
    stop_when_dropped: DropGuard,
) -> (Head, Body) {
    let head = first.head.take();
    let head = head.expect("an answer begins with its head");
    let rest = Rest {
        next: Some(first),
        pieces,
        work,
        _stop_when_dropped: stop_when_dropped,
    };
    let stream = stream::try_unfold(Some(rest), |rest| async {
        match rest {
            Some(rest) => rest.go_on().await,
            None => Ok(None),
        }
    });
    (head, Body::from_stream(stream))
}

impl Rest {
    async fn go_on(mut self) -> io::Result<Option<(Bytes, Option<Self>)>> {
        let next = match self.next.take() {
            Some(next) => Some(next),
            None => self.pieces.recv().await,
        };
        match next {
            Some(piece) if piece.is_last => Ok(Some((piece.bytes, None))),
            Some(piece) => Ok(Some((piece.bytes, Some(self)))),
            None => Err(self.why_broken_off().await),
        }
    }

    async fn why_broken_off(self) -> io::Error {
        let why = match self.work.await {
            Ok(Ok(())) => unreachable!("work that ends well hands over a last piece"),
            Ok(Err(why)) => why,
            Err(panic) => ApiError::from(panic),
        };
        why.log_broken_off();
        io::Error::other(why)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::StreamExt as _;

    use super::{super::gate::Gate, *};

    const MINUTE: Duration = Duration::from_secs(60);

    fn gate(time_limit: Duration) -> Gate {
        Gate::new(1, 0, time_limit, CancellationToken::new())
    }

    fn begun(mut outlet: Outlet) -> Outlet {
        outlet.begin(Head::from([Level::Minutes]));
        outlet
    }

    /// Sends pieces until it may not any more; why not goes to `report`.
    fn endless(
        outlet: Outlet,
        report: std::sync::mpsc::Sender<(usize, ApiError)>,
    ) -> Result<(), ApiError> {
        let mut outlet = begun(outlet);
        for sent in 0.. {
            if let Err(why) = outlet.send(vec![b'x'; 10], false) {
                report.send((sent, why)).ok();
                break;
            }
        }
        Err(ApiError::Interrupted)
    }

    #[tokio::test]
    async fn pieces_make_a_whole() {
        let work = |_: &Allowance, outlet| {
            let mut outlet = begun(outlet);
            for piece in 0..20 {
                outlet.send(vec![b'a' + piece], piece == 19)?;
            }
            Ok(())
        };
        let (head, body) = gate(MINUTE).stream(work).await.expect("an answer");
        assert_eq!(head, Head::from([Level::Minutes]));
        let whole = to_bytes(body, usize::MAX).await.expect("a whole");
        assert_eq!(whole, "abcdefghijklmnopqrst");
    }

    #[tokio::test]
    async fn what_fails_before_the_first_piece_is_an_error_and_later_it_breaks_off() {
        let early = gate(MINUTE).stream(|_, _| Err(ApiError::Interrupted)).await;
        assert!(matches!(early, Err(ApiError::Interrupted)));
        let late = |_: &Allowance, outlet| {
            begun(outlet).send(b"[".to_vec(), false)?;
            Err(ApiError::Interrupted)
        };
        let (_, body) = gate(MINUTE).stream(late).await.expect("a first piece");
        assert!(to_bytes(body, usize::MAX).await.is_err());
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_noticed() {
        let (report, outcome) = std::sync::mpsc::channel();
        let gate = gate(MINUTE);
        let work = move |_: &Allowance, outlet| endless(outlet, report);
        let (_, body) = gate.stream(work).await.expect("a first piece");
        drop(body);
        let outcome = tokio::task::spawn_blocking(move || outcome.recv()).await;
        let (_, why) = outcome.expect("no panic").expect("it ended");
        assert!(matches!(why, ApiError::Interrupted), "{why}");
    }

    #[tokio::test]
    async fn a_reader_that_stops_loses_the_rest_at_the_time_limit() {
        let (report, outcome) = std::sync::mpsc::channel();
        let gate = gate(Duration::from_millis(100));
        let work = move |_: &Allowance, outlet| endless(outlet, report);
        let (_, body) = gate.stream(work).await.expect("a first piece");
        let outcome = tokio::task::spawn_blocking(move || outcome.recv()).await;
        let (sent, why) = outcome.expect("no panic").expect("it ended");
        assert!(matches!(why, ApiError::TimedOut { .. }), "{why}");
        assert_eq!(sent, PIECES + 1, "no more than that waits in memory");
        let pieces: Vec<_> = body.into_data_stream().collect().await;
        assert_eq!(pieces.iter().filter(|piece| piece.is_ok()).count(), sent);
        assert!(pieces.last().expect("pieces").is_err(), "it is broken off");
    }
}
