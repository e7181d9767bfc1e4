//! Who gets a connection, and who holds up nobody.

use std::{net::Ipv4Addr, time::Instant};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    super::{
        client::ClientFiles,
        listener::Listener,
        pem::PemFile,
        testing::{Files, Pair},
    },
    *,
};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A listener with TLS, whose connections say what they read.
struct Echo {
    files: Files,
    address: SocketAddr,
    tls: Arc<ListenerTls>,
}

impl Echo {
    async fn start(files: Files, most_handshakes: usize) -> Self {
        let tls = ListenerTls::begin(Listener::Grpc, &files.config).expect("usable");
        let tls = Arc::new(tls);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let mut incoming = Incoming::new(listener.expect("a port"), Some(Arc::clone(&tls)));
        incoming.most_handshakes = most_handshakes;
        let address = incoming.local_addr().expect("an address");
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = incoming.accept().await;
                tokio::spawn(async move {
                    let mut byte = [0];
                    connection.read_exact(&mut byte).await.expect("a byte");
                    connection.write_all(&byte).await.expect("written");
                    connection.flush().await.expect("sent");
                });
            }
        });
        Self {
            files,
            address,
            tls,
        }
    }

    /// Who trusts the listener, shows this certificate and speaks this protocol.
    async fn connect(
        &self,
        own: Option<&Files>,
        protocol: &[u8],
    ) -> io::Result<TlsStream<TcpStream>> {
        let file = |files: &Files, name: &str| files.path(name);
        let (ca, paths) = (
            file(&self.files, "tls.crt"),
            own.map(|own| (file(own, "tls.crt"), file(own, "tls.key"))),
        );
        let pem = |path| PemFile { key: "test", path };
        let files = ClientFiles {
            authorities: Some(pem(&ca)),
            identity: paths
                .as_ref()
                .map(|(certificate, key)| (pem(certificate), pem(key))),
        };
        let mut config = files.config().expect("usable");
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// Is what is sent sent back?
    async fn answers(&self, own: Option<&Files>) -> bool {
        let Ok(mut stream) = self.connect(own, b"h2").await else {
            return false;
        };
        let mut byte = [0];
        // Of TLS 1.3, a client learns only now that its certificate is refused.
        let sent = stream.write_all(b"x").await.is_ok();
        sent && stream.read_exact(&mut byte).await.is_ok() && byte == *b"x"
    }

    fn count(&self, outcome: &str) -> u64 {
        let mut counts = self.tls.handshakes().by_outcome();
        counts.find(|(word, _)| *word == outcome).expect("a word").1
    }

    async fn counted(&self, outcome: &str, expected: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.count(outcome) < expected {
            assert!(Instant::now() < deadline, "not {expected} {outcome}");
            tokio::task::yield_now().await;
        }
        assert_eq!(self.count(outcome), expected, "{outcome}");
    }
}

#[tokio::test]
async fn who_is_silent_holds_up_nobody() {
    let echo = Echo::start(Files::of(&Pair::new()), 3).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(echo.address).await.expect("connected"));
    }
    for before in 1..=2 {
        let answered = timeout(PATIENCE, echo.answers(None)).await;
        assert!(answered.expect("it is not held up"));
        // Each that comes takes the place of the one that has been silent longest.
        echo.counted("crowded_out", before.min(1)).await;
        echo.counted("ok", before).await;
    }
    let mut byte = [0];
    // Long before its own time is over.
    let first = timeout(HANDSHAKE_LIMIT / 2, silent[0].read(&mut byte)).await;
    let first = first.expect("it has ended");
    assert!(matches!(first, Ok(0) | Err(_)), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_its_time() {
    let echo = Echo::start(Files::of(&Pair::new()), 3).await;
    let mut silent = TcpStream::connect(echo.address).await.expect("connected");
    let begun = tokio::time::Instant::now();
    let ended = silent.read(&mut [0]).await;
    assert!(matches!(ended, Ok(0)), "{ended:?}");
    echo.counted("timed_out", 1).await;
    assert!(begun.elapsed() >= HANDSHAKE_LIMIT);
}

#[tokio::test]
async fn who_speaks_no_tls_or_another_protocol_is_turned_away() {
    let echo = Echo::start(Files::of(&Pair::new()), 3).await;
    let mut plain = TcpStream::connect(echo.address).await.expect("connected");
    plain
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    echo.counted("not_tls", 1).await;
    assert!(echo.connect(None, b"http/1.1").await.is_err());
    echo.counted("failed", 1).await;
    let stream = echo.connect(None, b"h2").await.expect("HTTP/2");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_client_must_show_a_certificate_of_its_authority() {
    let (known, stranger) = (Pair::new(), Pair::new());
    let files = Files::of(&Pair::new()).requiring_clients_of(&known);
    let echo = Echo::start(files, 3).await;
    assert!(echo.answers(Some(&Files::of(&known))).await);
    assert!(!echo.answers(None).await);
    assert!(!echo.answers(Some(&Files::of(&stranger))).await);
    echo.counted("client_certificate", 2).await;
    echo.counted("ok", 1).await;
}

#[tokio::test]
async fn who_does_not_trust_the_listener_is_counted() {
    let echo = Echo::start(Files::of(&Pair::new()), 3).await;
    let trusted = echo.files.path("tls.crt");
    std::fs::write(trusted, Pair::new().certificate_pem()).expect("written");
    assert!(!echo.answers(None).await);
    echo.counted("refused_by_client", 1).await;
}

#[tokio::test]
async fn without_tls_a_connection_is_there_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let mut incoming = Incoming::new(listener.expect("a port"), None);
    let address = incoming.local_addr().expect("an address");
    let client = TcpStream::connect(address).await.expect("connected");
    let (mut connection, peer) = incoming.accept().await;
    assert_eq!(peer, client.local_addr().expect("an address"));
    connection.write_all(b"x").await.expect("written");
    let mut client = client;
    assert_eq!(client.read_u8().await.expect("a byte"), b'x');
}
