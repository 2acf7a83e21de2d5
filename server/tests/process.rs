//! What only a process of its own shows: its environment, its signals.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use self::common::Process;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/tls/first.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/tls/first.key");
const PATIENCE: Duration = Duration::from_secs(60);

/// Its port, and what it is sent: heads and bodies.
fn https_collector() -> (u16, mpsc::Receiver<(String, Vec<u8>)>) {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(KEY).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, sent) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            // A handshake that fails is not sent on; the test misses it.
            if let Ok(request) = take(StreamOwned::new(connection, stream.unwrap())) {
                let _ = sender.send(request);
            }
        }
    });
    (port, sent)
}

fn take(mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let (mut read, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let bytes = stream.read(&mut chunk)?;
        read.extend_from_slice(&chunk[..bytes]);
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&read[..end + 2]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            stream.flush()?;
            return Ok((head, read.split_off(end + 4)));
        }
    }
}

/// The status of a request's answer; none if the connection ended without one.
fn ask(address: SocketAddr, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).ok()?;
    Some(String::from_utf8_lossy(&status[9..]).into_owned())
}

/// One thread has a runtime of its own kind.
const THREADS: [&str; 2] = ["1", "2"];

#[test]
fn a_collector_named_in_the_environment_gets_spans_over_https_before_the_process_ends() {
    THREADS.iter().for_each(|threads| a_collector_gets_spans(threads));
}

fn a_collector_gets_spans(threads: &str) {
    let (port, sent) = https_collector();
    let endpoint = format!("https://localhost:{port}");
    let server = Process::start(
        "collector",
        &["--lame-duck", "0s", "--worker-threads", threads],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", CERTIFICATE),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=of-the-collector"),
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_SERVICE_NAME", "named-otherwise"),
        ],
    );
    let request = "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\n[30.5]";
    common::until(|| ask(server.http, request).is_some_and(|status| status == "200"));
    server.terminate();
    let (mut heads, mut bodies) = (String::new(), Vec::new());
    while let Ok((head, body)) = sent.recv_timeout(Duration::from_millis(100)) {
        heads += &head;
        bodies.extend(body);
    }
    assert!(heads.starts_with("post /v1/traces http/1.1\r\n"), "{heads}");
    assert!(heads.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{heads}");
    assert!(heads.contains("\r\napi-key: of-the-collector\r\n"), "{heads}");
    let text = String::from_utf8_lossy(&bodies);
    for part in ["POST /prediction", "http.route", "named-otherwise"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn sigterm_ends_it_well() {
    for threads in THREADS {
        let server = Process::start("sigterm", &["--lame-duck", "0s", "--worker-threads", threads], &[]);
        let request = "GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n";
        common::until(|| ask(server.http, request).is_some_and(|status| status == "200"));
        server.terminate();
    }
}
