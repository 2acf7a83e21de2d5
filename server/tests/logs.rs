//! What must never be in the log, at whatever level. In a process of its own, because the subscriber is the
//! process's.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use server::{AccessLog, Config, Public, Server, Source, Stop};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tracing::Level;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn model() -> Source {
    let (model, description) = common::model();
    Source::Memory { model, description: Box::new(description) }
}

#[tokio::test]
async fn neither_authorization_nor_the_query_nor_the_body_nor_a_hash_is_logged() {
    let captured = Captured::default();
    let writer = captured.clone();
    tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(move || writer.clone()).init();

    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("server-logs");
    std::fs::write(&file, "ann:topsecrethash\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let loopback = ([127, 0, 0, 1], 0).into();
    let mut config = Config::new("machine", model(), loopback);
    config.public = Some(Public::new(loopback, file));
    config.access_log = AccessLog::All;
    let mut full = config.clone();
    full.limits.max_connections = 0;
    let server = Server::bind(config).await.unwrap();
    let address = server.public_address().unwrap();
    let (stop, stopped) = mpsc::channel(1);
    let running = tokio::spawn(server.run(stopped));

    for (authorization, query, status) in [
        ("Basic YW5uOnNlY3JldA==", "score=topsecretquery", "422"),
        ("Basic YW5uOnNlY3JldA==", "other=topsecretquery", "400"),
        ("Basic d3Jvbmc6d3Jvbmc=", "other=topsecretquery", "401"),
        ("Bearer topsecrettoken", "other=topsecretquery", "401"),
    ] {
        let head =
            format!("POST /prediction?{query} HTTP/1.1\r\nhost: test\r\nauthorization: {authorization}\r\n");
        let request = format!("{head}connection: close\r\ncontent-length: 13\r\n\r\ntopsecretbody");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "GET /model_information?topsecretquery HTTP/1.1\r\nhost: topsecrethost\r\nx-request-id: given-1\r\n";
    let request = format!("{head}authorization: Basic YW5uOnNlY3JldA==\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_to_string(&mut String::new()).await.unwrap();
    drop(stream);
    stop.send(Stop::Now).await.unwrap();
    running.await.unwrap();

    // One that is beyond the limit of connections has its line, too.
    let server = Server::bind(full).await.unwrap();
    let mut stream = TcpStream::connect(server.http_address()).await.unwrap();
    let (stop, stopped) = mpsc::channel(1);
    let running = tokio::spawn(server.run(stopped));
    let head =
        "GET /model_information?topsecretquery HTTP/1.1\r\nhost: test\r\nx-request-id: given-2\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(stream);
    stop.send(Stop::Now).await.unwrap();
    running.await.unwrap();

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for told in ["a line of", "a request was refused", "given-1", "given-2"] {
        assert!(log.contains(told), "{told} is not in the log:\n{log}");
    }
    for secret in ["topsecret", "YW5uOnNlY3JldA", "d3Jvbmc6", "5en6G6Mez"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
