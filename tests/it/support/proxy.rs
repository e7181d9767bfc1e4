//! What stands between clients and a broker, and can fail as networks do.

use std::collections::VecDeque;
use std::future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::kafka::ports::free_port;

/// How much may be on its way in one direction; a sender that is faster waits.
const MAX_CHUNKS: usize = 64;
const CHUNK_BYTES: usize = 16 * 1024;

/// A TCP proxy on loopback, on a port that stays the same.
///
/// Changes take effect on connections that are there as on new ones, within
/// the time that a thread needs to wake.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// The state of the line.
#[derive(Clone, Copy, Debug)]
struct Line {
    way: Way,
    /// Where new connections lead to.
    upstream: u16,
    /// Connections of before the newest cut are ended.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Each byte arrives after this time.
    Open(Duration),
    /// Connections are taken, and nothing arrives.
    Hanging,
    /// Nobody listens.
    Closed,
}

impl Proxy {
    /// Forwards to a port of loopback, which may be closed as yet.
    pub(crate) fn start(upstream: u16) -> Proxy {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let port = free_port();
        let open = Line {
            way: Way::Open(Duration::ZERO),
            upstream,
            cuts: 0,
        };
        let (line, state) = watch::channel(open);
        runtime.spawn(listen(port, state));
        Proxy {
            port,
            line,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on new connections lead to another port of loopback.
    pub(crate) fn lead_to(&self, upstream: u16) {
        self.line.send_modify(|line| line.upstream = upstream);
    }

    /// From now on each direction takes so much longer.
    pub(crate) fn slow_down(&self, latency: Duration) {
        self.set(Way::Open(latency));
    }

    /// Stops forwarding; connections stay, and new ones are taken.
    pub(crate) fn hang(&self) {
        self.set(Way::Hanging);
    }

    /// Ends all connections and refuses new ones.
    pub(crate) fn cut(&self) {
        self.set(Way::Closed);
    }

    /// Forwards again, at once. What hung arrives; what was cut stays ended.
    pub(crate) fn heal(&self) {
        self.set(Way::Open(Duration::ZERO));
    }

    fn set(&self, way: Way) {
        self.line.send_modify(|line| {
            line.way = way;
            line.cuts += u64::from(way == Way::Closed);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Waiting for its end is not allowed in an asynchronous test.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Listens whenever the line is not closed.
async fn listen(port: u16, mut state: watch::Receiver<Line>) {
    let is_open = |line: &Line| line.way != Way::Closed;
    while state.wait_for(is_open).await.is_ok() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await;
        let listener = listener.expect("the proxy's port is its own");
        let cuts = state.borrow().cuts;
        let mut closed = state.clone();
        tokio::select! {
            () = accept(listener, &state, cuts) => {}
            _ = closed.wait_for(|line| line.cuts != cuts) => {}
        }
    }
}

async fn accept(listener: TcpListener, state: &watch::Receiver<Line>, cuts: u64) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, state.clone(), cuts));
    }
}

/// One connection until either side, or a cut beyond `cuts`, ends it.
async fn connect(client: TcpStream, state: watch::Receiver<Line>, cuts: u64) {
    let upstream = state.borrow().upstream;
    // A broker that is down: the client sees its connection end at once.
    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else {
        return;
    };
    for stream in [&client, &broker] {
        // The proxy adds no waiting of its own.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let mut cut = state.clone();
    tokio::select! {
        _ = forward(from_client, to_broker, state.clone()) => {}
        _ = forward(from_broker, to_client, state) => {}
        _ = cut.wait_for(|line| line.cuts != cuts) => {}
    }
}

/// One direction of a connection until it ends.
async fn forward(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    mut state: watch::Receiver<Line>,
) -> io::Result<()> {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    loop {
        let way = state.borrow_and_update().way;
        let due = under_way.front().map(|(due, _)| *due);
        tokio::select! {
            chunk = read(&from), if under_way.len() < MAX_CHUNKS => {
                let chunk = chunk?;
                if chunk.is_empty() {
                    return Ok(());
                }
                let latency = match way {
                    Way::Open(latency) => latency,
                    Way::Hanging | Way::Closed => Duration::ZERO,
                };
                under_way.push_back((Instant::now() + latency, chunk));
            }
            () = arrival(due), if matches!(way, Way::Open(_)) => {
                if let Some((_, chunk)) = under_way.pop_front() {
                    write(&to, &chunk).await?;
                }
            }
            changed = state.changed() => {
                changed.map_err(io::Error::other)?;
            }
        }
    }
}

async fn arrival(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => future::pending().await,
    }
}

/// Empty at the end of the stream.
async fn read(from: &OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        from.readable().await?;
        match from.try_read(&mut chunk) {
            Ok(length) => {
                chunk.truncate(length);
                return Ok(chunk);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(to: &OwnedWriteHalf, mut chunk: &[u8]) -> io::Result<()> {
    while !chunk.is_empty() {
        to.writable().await?;
        match to.try_write(chunk) {
            Ok(length) => chunk = &chunk[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net;
    use std::thread;

    use super::*;
    use crate::support::wait::wait_until;

    const SOON: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(300);

    /// A proxy before a server that sends back what it gets.
    fn echo() -> Proxy {
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut from, mut to) = (stream.as_ref().unwrap(), stream.as_ref().unwrap());
                let _ = io::copy(&mut from, &mut to);
            }
        });
        Proxy::start(port)
    }

    fn connected(proxy: &Proxy) -> net::TcpStream {
        let connect = || net::TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).ok();
        wait_until(SOON, connect).expect("the proxy listens")
    }

    /// What comes back of one byte within a time: it, or nothing, or the end.
    fn ask(stream: &mut net::TcpStream, within: Duration) -> io::Result<usize> {
        stream.set_read_timeout(Some(within)).unwrap();
        let mut answer = [0];
        stream
            .write_all(b"x")
            .and_then(|()| stream.read(&mut answer))
    }

    #[test]
    fn bytes_are_late_by_the_latency_of_both_directions() {
        let proxy = echo();
        let mut stream = connected(&proxy);
        assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
        proxy.slow_down(SHORT);
        let started = std::time::Instant::now();
        wait_until(SOON, || {
            let started = std::time::Instant::now();
            assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
            (started.elapsed() >= 2 * SHORT).then_some(())
        })
        .expect("it becomes slow");
        assert!(started.elapsed() < SOON);
        proxy.heal();
        wait_until(SOON, || {
            let started = std::time::Instant::now();
            assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
            (started.elapsed() < SHORT).then_some(())
        })
        .expect("it becomes quick again");
    }

    #[test]
    fn what_hangs_is_silent_and_arrives_later() {
        let proxy = echo();
        let mut stream = connected(&proxy);
        assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
        proxy.hang();
        wait_until(SOON, || ask(&mut stream, SHORT).err()).expect("it hangs");
        let mut second = connected(&proxy);
        assert!(ask(&mut second, SHORT).is_err(), "taken, and silent");
        proxy.heal();
        stream.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 1, "what was on its way");
    }

    #[test]
    fn what_is_cut_ends_and_is_refused_until_healed() {
        let proxy = echo();
        let mut stream = connected(&proxy);
        assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
        proxy.cut();
        stream.set_read_timeout(Some(SOON)).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it ends");
        let refused = || net::TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).err();
        wait_until(SOON, refused).expect("nobody listens");
        proxy.heal();
        assert_eq!(ask(&mut connected(&proxy), SOON).unwrap(), 1);
    }

    #[test]
    fn a_cut_that_is_healed_at_once_ends_what_was_there() {
        let proxy = echo();
        let mut stream = connected(&proxy);
        assert_eq!(ask(&mut stream, SOON).unwrap(), 1);
        proxy.cut();
        proxy.heal();
        stream.set_read_timeout(Some(SOON)).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "it ends");
        // One may still be taken by the listener that goes.
        wait_until(SOON, || ask(&mut connected(&proxy), SOON).ok()).expect("it is well again");
    }
}
