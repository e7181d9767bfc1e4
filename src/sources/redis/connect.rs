//! How a connection is made: to a server, by sentinels, or to a cluster.

use std::io;

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, FromRedisValue,
    IntoConnectionInfo as _, RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    config::{self, RedisConfig, Secret, SentinelConfig, read_text},
    logging::in_full,
    tls::{ClientFiles, NoClient, PemFile},
};

use super::{Away, CONNECT_ANSWERS, place::Place, why};

/// Largest file of certificates, far above all authorities that a system trusts.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;
/// How often a cluster is asked again that says a key has moved.
const CLUSTER_RETRIES: u32 = 2;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    config: RedisConfig,
    place: Place,
}

/// A connection, of which each copy is the same.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is read from files, for each connection again.
#[derive(Debug)]
struct Files {
    password: Option<Secret>,
    sentinel_password: Option<Secret>,
    tls: Option<TlsCertificates>,
}

/// Why files are of no use.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// A password can't be read.
    #[error("{key} can't be read: {why}")]
    Password {
        /// The key of the configuration that names the file.
        key: &'static str,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// There is no TLS with them.
    #[error(transparent)]
    Tls(#[from] NoClient),
    /// A PEM file has gone.
    #[error("a file of azul.redis.tls can't be read: {0}")]
    Pem(#[source] io::Error),
}

/// Can a client be made of the files that `config` names? Reads them, and blocks
/// for it.
pub fn check(config: &RedisConfig) -> Result<(), BadFile> {
    Files::read(config).map(drop)
}

impl Connector {
    pub(super) fn of(config: RedisConfig) -> Self {
        let place = Place::of(&config);
        Self { config, place }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Connects and logs in, or says why that can't be, within its time.
    pub(super) async fn connect(&self) -> Result<Connection, Away> {
        let away = |why: String| Away(format!("{}: {why}", self.place));
        let config = self.config.clone();
        let files = spawn_blocking(move || Files::read(&config)).await;
        let files = files.map_err(|broke_down| away(broke_down.to_string()))?;
        let files = files.map_err(|bad| away(in_full(&bad)))?;
        let limit = self.config.timeout * CONNECT_ANSWERS;
        match timeout(limit, self.open(&files)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(away(why(&error))),
            Err(_) => Err(away(format!("no connection within {limit:?}"))),
        }
    }

    async fn open(&self, files: &Files) -> Result<Connection, RedisError> {
        if self.config.cluster {
            return self.open_cluster(files).await.map(Connection::Cluster);
        }
        let client = match &self.config.sentinel {
            Some(sentinel) => self.master(sentinel, files).await?,
            None => self.server(files)?,
        };
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.timeout))
            .set_response_timeout(Some(self.config.timeout));
        let connection = client.get_multiplexed_async_connection_with_config(&limits);
        connection.await.map(Connection::Server)
    }

    fn server(&self, files: &Files) -> Result<Client, RedisError> {
        let mut login = RedisConnectionInfo::default()
            .set_db(database(&self.config))
            .set_skip_set_lib_name();
        if let Some(user) = &self.config.user {
            login = login.set_username(user);
        }
        if let Some(password) = &files.password {
            login = login.set_password(password.expose());
        }
        let mut addresses = self.addresses(files);
        let server = addresses.remove(0).into_connection_info()?;
        let server = server.set_redis_settings(login);
        match &files.tls {
            Some(certificates) => Client::build_with_tls(server, certificates.clone()),
            None => Client::open(server),
        }
    }

    /// The server that the sentinels call the master, and that says so itself.
    async fn master(&self, sentinel: &SentinelConfig, files: &Files) -> Result<Client, RedisError> {
        let addresses = self.addresses(files);
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(addresses, &sentinel.master, kind)?
            .set_client_to_redis_db(database(&self.config));
        if let Some(user) = &self.config.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = &files.password {
            builder = builder.set_client_to_redis_password(password.expose());
        }
        if let Some(user) = &sentinel.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &files.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.expose());
        }
        if let Some(certificates) = &files.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()?.async_get_client().await
    }

    async fn open_cluster(&self, files: &Files) -> Result<ClusterConnection, RedisError> {
        let mut builder = ClusterClientBuilder::new(self.addresses(files))
            .retries(CLUSTER_RETRIES)
            .connection_timeout(self.config.timeout)
            .response_timeout(self.config.timeout);
        if let Some(user) = &self.config.user {
            builder = builder.username(user);
        }
        if let Some(password) = &files.password {
            builder = builder.password(password.expose());
        }
        if let Some(certificates) = &files.tls {
            builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
        }
        builder.build()?.get_async_connection().await
    }

    fn addresses(&self, files: &Files) -> Vec<ConnectionAddr> {
        let addresses = self.config.addresses.iter();
        let address = |text: &String| address(text, files.tls.is_some());
        addresses.map(address).collect()
    }
}

impl Connection {
    pub(super) async fn query<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// What is in it is not for logs.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Files {
    fn read(config: &RedisConfig) -> Result<Self, BadFile> {
        let sentinel = config.sentinel.as_ref();
        let sentinel_password = sentinel.and_then(|sentinel| sentinel.password.as_ref());
        Ok(Self {
            password: password("azul.redis.password_file", config.password.as_ref())?,
            sentinel_password: password("azul.redis.sentinel.password_file", sentinel_password)?,
            tls: config.tls.as_ref().map(certificates).transpose()?,
        })
    }
}

fn password(key: &'static str, secret: Option<&Secret>) -> Result<Option<Secret>, BadFile> {
    let read = secret.map(Secret::read_again).transpose();
    read.map_err(|why| BadFile::Password { key, why })
}

/// The client makes its own TLS of them; that they are of use is judged before, so
/// that what is wrong is said with the file's name.
fn certificates(tls: &config::ClientTlsConfig) -> Result<TlsCertificates, BadFile> {
    let file = |key, path| PemFile { key, path };
    let authorities = tls.ca_file.as_ref();
    let authorities = authorities.map(|path| file("azul.redis.tls.ca_file", path));
    let identity = tls.identity.as_ref().map(|(certificate, key)| {
        (
            file("azul.redis.tls.certificate_file", certificate),
            file("azul.redis.tls.key_file", key),
        )
    });
    let files = ClientFiles {
        authorities,
        identity,
    };
    files.check()?;
    let pem = |file: PemFile<'_>| read_text(file.path, MAX_PEM_BYTES).map(String::into_bytes);
    let client_tls = identity.map(|(certificate, key)| {
        Ok(ClientTlsConfig {
            client_cert: pem(certificate)?,
            client_key: pem(key)?,
        })
    });
    Ok(TlsCertificates {
        client_tls: client_tls.transpose().map_err(BadFile::Pem)?,
        root_cert: authorities.map(pem).transpose().map_err(BadFile::Pem)?,
    })
}

fn database(config: &RedisConfig) -> i64 {
    i64::try_from(config.database).expect("the configuration has a limit")
}

/// The configuration has judged that it is `host:port`.
fn address(text: &str, tls: bool) -> ConnectionAddr {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = port.parse().expect("the configuration has judged it");
    if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}
