//! Clients over TLS: KEDA's, and one of HTTP.

use std::path::Path;

use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tempfile::TempDir;
use tidegauge::{
    proto::external_scaler_client::ExternalScalerClient,
    tls::{ClientFiles, Connector, PemFile, Protocol},
};
use tonic::transport::{Channel, Endpoint};

use super::certificates::{Authority, Identity};

/// Whom a client trusts and what it shows: KEDA's `caCert`, `tlsClientCert` and
/// `tlsClientKey`.
pub(crate) struct Trust(TempDir);

impl Trust {
    pub(crate) fn new(authority: &Authority) -> Self {
        let trust = Self(tempfile::tempdir().unwrap());
        std::fs::write(trust.path("ca.crt"), authority.certificate_pem()).unwrap();
        trust
    }

    pub(crate) fn showing(self, identity: &Identity) -> Self {
        std::fs::write(self.path("tls.crt"), identity.certificate_pem()).unwrap();
        std::fs::write(self.path("tls.key"), identity.key_pem()).unwrap();
        self
    }

    /// Arguments of the command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let all = [
            ("--ca-cert", "ca.crt"),
            ("--client-cert", "tls.crt"),
            ("--client-key", "tls.key"),
        ];
        let there = all.into_iter().filter(|(_, file)| self.path(file).exists());
        let arguments = there.flat_map(|(argument, file)| {
            [argument.to_owned(), self.path(file).display().to_string()]
        });
        arguments.collect()
    }

    /// A new connection to a scaler's gRPC.
    pub(crate) async fn client(
        &self,
        address: &str,
    ) -> Result<ExternalScalerClient<Channel>, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        let connector = self.connector(Protocol::Http2);
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(ExternalScalerClient::new(channel))
    }

    /// What is answered over a new connection, with the status; `None`: there is
    /// no connection.
    pub(crate) async fn get(
        &self,
        url: &str,
        authorization: Option<&str>,
    ) -> Option<(u16, String)> {
        let mut request = Request::get(url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let client = Client::builder(TokioExecutor::new()).build(self.connector(Protocol::Http1));
        let response = client
            .request(request.body(String::new()).unwrap())
            .await
            .ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    fn connector(&self, protocol: Protocol) -> Connector {
        let [ca, certificate, key] = ["ca.crt", "tls.crt", "tls.key"].map(|name| self.path(name));
        let pem = |path| PemFile { key: "test", path };
        let identity = certificate
            .exists()
            .then(|| (pem(&*certificate), pem(&*key)));
        let files = ClientFiles {
            authorities: Some(pem(&ca)),
            identity,
        };
        files.connector(protocol).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.0.path()).join(name)
    }
}
