//! TLS on every port: never anything in plain text, and a certificate that is replaced without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::fixture::directory;
use super::wire::{Client, Running, get, ordinary, post};
use crate::config::{Config, Public, TlsFiles};

const FIRST: Certificate =
    Certificate { chain: include_str!("tls/first.crt"), key: include_str!("tls/first.key") };
const SECOND: Certificate =
    Certificate { chain: include_str!("tls/second.crt"), key: include_str!("tls/second.key") };

const SHORT: Duration = Duration::from_millis(200);

struct Certificate {
    chain: &'static str,
    key: &'static str,
}

impl Certificate {
    fn write_to(&self, directory: &Path) {
        std::fs::write(directory.join("tls.crt"), self.chain).unwrap();
        std::fs::write(directory.join("tls.key"), self.key).unwrap();
    }

    /// A client that trusts this certificate alone; none if the handshake fails.
    async fn connect(&self, server: &Running, protocol: &str) -> Option<Client> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, server.socket().await).await.ok()?;
        assert_eq!(shaken.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        Some(Client::over(shaken))
    }

    async fn must_connect(&self, server: &Running) -> Client {
        self.connect(server, "http/1.1").await.expect("the handshake fails")
    }
}

fn files(name: &str, certificate: &Certificate) -> PathBuf {
    let directory = directory(name);
    certificate.write_to(&directory);
    directory
}

fn polled(directory: &Path) -> TlsFiles {
    TlsFiles { directory: directory.to_owned(), poll: Duration::from_millis(5) }
}

fn secured(directory: &Path) -> impl FnOnce(&mut Config) {
    let tls = polled(directory);
    |config| config.tls = Some(tls)
}

/// All that comes before the connection ends.
async fn said_in_plain_text(server: &Running, request: &str) -> Vec<u8> {
    let (mut socket, mut said) = (server.socket().await, Vec::new());
    // A reset is an end, too.
    let _ = socket.write_all(request.as_bytes()).await;
    let _ = socket.read_to_end(&mut said).await;
    said
}

#[tokio::test]
async fn over_tls_a_row_is_scored_and_in_plain_text_nothing_is_answered() {
    let server = Running::start(secured(&files("tls-http", &FIRST))).await;
    let mut client = FIRST.must_connect(&server).await;
    for _ in 0..3 {
        assert_eq!(client.ask(ordinary()).await.status, 200);
    }
    for request in [get("/healthz"), ordinary(), "\r\n\r\n".to_owned()] {
        let said = said_in_plain_text(&server, &request).await;
        assert!(!said.windows(4).any(|bytes| bytes == b"HTTP"), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn the_public_port_speaks_tls_and_asks_for_a_password() {
    let auth = directory("tls-auth").join("auth");
    std::fs::write(&auth, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let public = Public::new(([127, 0, 0, 1], 0).into(), auth);
    let server = Running::start_public_with(public, secured(&files("tls-public", &FIRST))).await;
    let reply = FIRST.must_connect(&server).await.ask(ordinary()).await;
    assert_eq!(reply.status, 401);
    assert!(!said_in_plain_text(&server, &ordinary()).await.windows(4).any(|bytes| bytes == b"HTTP"));
}

#[tokio::test]
async fn the_grpc_port_speaks_tls_too_and_offers_http_2() {
    let server = Running::start_grpc_with(secured(&files("tls-grpc", &FIRST))).await;
    assert!(FIRST.connect(&server, "h2").await.is_some());
    assert!(FIRST.connect(&server, "http/1.1").await.is_none());
    let said = said_in_plain_text(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // An alert of TLS at most; in the clear a server's SETTINGS would come.
    assert!(said.len() < 9, "{said:?}");
}

#[tokio::test]
async fn only_http_1_1_is_offered() {
    let server = Running::start(secured(&files("tls-alpn", &FIRST))).await;
    assert!(FIRST.connect(&server, "h2").await.is_none());
    assert!(FIRST.connect(&server, "http/1.1").await.is_some());
}

#[tokio::test]
async fn a_replaced_certificate_is_used_without_a_restart_and_breaks_no_connection() {
    let directory = files("tls-reload", &FIRST);
    let server = Running::start(secured(&directory)).await;
    let mut kept = FIRST.must_connect(&server).await;
    assert!(SECOND.connect(&server, "http/1.1").await.is_none());

    SECOND.write_to(&directory);
    let mut new = loop {
        match SECOND.connect(&server, "http/1.1").await {
            Some(client) => break client,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(new.ask(ordinary()).await.status, 200);
    assert_eq!(kept.ask(ordinary()).await.status, 200);
    assert!(FIRST.connect(&server, "http/1.1").await.is_none());
}

#[tokio::test]
async fn a_bad_new_pair_keeps_the_one_before_and_is_counted() {
    let directory = files("tls-bad", &FIRST);
    let server = Running::start(secured(&directory)).await;
    let mut client = FIRST.must_connect(&server).await;
    let bad = [
        ("tls.key", SECOND.key),
        ("tls.key", "no key"),
        ("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ];
    for (number, (file, content)) in (1..).zip(bad) {
        std::fs::write(directory.join(file), content).unwrap();
        let counted = format!("anomaly_tls_certificates_total{{outcome=\"refused\"}} {number}\n");
        while !client.ask(get("/metrics")).await.body.contains(&counted) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(FIRST.must_connect(&server).await.ask(get("/readyz")).await.status, 200);
    }
}

#[tokio::test]
async fn without_a_certificate_every_connection_is_closed_until_there_is_one() {
    let directory = directory("tls-missing");
    let server = Running::start(secured(&directory)).await;
    assert_eq!(said_in_plain_text(&server, &get("/healthz")).await, b"");
    assert!(FIRST.connect(&server, "http/1.1").await.is_none());
    FIRST.write_to(&directory);
    let mut client = loop {
        match FIRST.connect(&server, "http/1.1").await {
            Some(client) => break client,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(client.ask(get("/readyz")).await.status, 200);
}

#[test]
fn without_a_certificate_it_is_not_ready() {
    let metrics = crate::metrics::Metrics::new().unwrap();
    let tls = crate::tls::Tls::new(metrics.refusals.tls.clone());
    let directory = directory("tls-unready");
    let _ = crate::tls::read_once(&tls, &directory);
    assert!(tls.ready().unwrap_err().starts_with("tls.crt cannot be read"));
    std::fs::write(directory.join("tls.crt"), FIRST.key).unwrap();
    std::fs::write(directory.join("tls.key"), FIRST.key).unwrap();
    let _ = crate::tls::read_once(&tls, &directory);
    let reason = tls.ready().unwrap_err();
    assert!(reason.contains("tls.crt is not a PEM certificate") && !reason.contains("MIG"), "{reason}");
    FIRST.write_to(&directory);
    let _ = crate::tls::read_once(&tls, &directory);
    assert_eq!(tls.ready(), Ok(()));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_ends_and_is_counted_as_a_connection() {
    let directory = files("tls-slow", &FIRST);
    let server = Running::start(|config| {
        secured(&directory)(config);
        config.limits.header_timeout = SHORT;
        config.limits.max_connections = 1;
    })
    .await;
    let mut silent = server.connect().await;
    // The only place is taken, so this one is from the reserve.
    let reply = FIRST.must_connect(&server).await.ask(ordinary()).await;
    assert_eq!(reply.status, 503);
    silent.closed().await;
    while FIRST.must_connect(&server).await.ask(ordinary()).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_gets_its_answer_within_tls_too() {
    let server = Running::start(secured(&files("tls-large", &FIRST))).await;
    let reply = FIRST.must_connect(&server).await.ask(post(&" ".repeat(10 << 20))).await;
    assert_eq!(reply.status, 413);
    assert!(reply.closes(), "{reply:?}");
}
