//! gRPC over real sockets: draining, TLS, and connections that are silent, slow or too many.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tonic::{Code, Status, Streaming};

use super::super::fixture::{directory, in_memory};
use super::grpc::raw;
use super::grpc_health;
use crate::config::{Config, TlsFiles};
use crate::oip::grpc::health::HealthCheckResponse;
use crate::oip::grpc::health::health_check_response::ServingStatus;
use crate::oip::grpc::health::health_client::HealthClient;
use crate::oip::grpc::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use crate::server::{Server, Stop};

const CERTIFICATE: &str = include_str!("../tls/first.crt");
const KEY: &str = include_str!("../tls/first.key");

/// Short enough for a test to wait for.
const SHORT: Duration = Duration::from_millis(100);

fn origin() -> http::Uri {
    http::Uri::from_static("http://localhost")
}

struct Running {
    address: SocketAddr,
    stop: mpsc::Sender<Stop>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("machine", in_memory(), ([127, 0, 0, 1], 0).into());
        config.grpc_address = Some(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.grpc_address().unwrap();
        let (stop, stopped) = mpsc::channel(2);
        Self { address, stop, task: tokio::spawn(server.run(stopped)) }
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// A connection and the task that drives it.
struct Connection {
    sender: SendRequest<Body>,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        Self { sender, driver: tokio::spawn(driver) }
    }

    /// Scores two rows.
    async fn infer(&self) -> Result<(), Status> {
        self.score(2).await
    }

    async fn score(&self, rows: usize) -> Result<(), Status> {
        let mut client = GrpcInferenceServiceClient::with_origin(self.sending(), origin());
        client.model_infer(raw(&vec![0.5; 2 * rows], rows as i64)).await.map(drop)
    }

    async fn watch(&self) -> Streaming<HealthCheckResponse> {
        let mut client = HealthClient::with_origin(self.sending(), origin());
        client.watch(grpc_health::of("")).await.unwrap().into_inner()
    }

    /// What a client sends with.
    fn sending(
        &self,
    ) -> impl tower::Service<
        Request<tonic::body::Body>,
        Response = http::Response<Incoming>,
        Error = hyper::Error,
        Future: Send,
    > + use<> {
        let sender = self.sender.clone();
        tower::service_fn(move |request: Request<tonic::body::Body>| {
            let mut sender = sender.clone();
            async move { sender.send_request(request.map(Body::new)).await }
        })
    }
}

/// Reads until the server has closed; a reset is an end, too.
async fn closed(mut socket: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    rest
}

/// The types of the frames of HTTP/2 among these bytes.
fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, frame_type, rest @ ..] = bytes {
        types.push(*frame_type);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    types
}

#[tokio::test]
async fn in_lame_duck_a_connection_goes_on_and_then_ends_with_the_server() {
    let server = Running::start(|config| config.drain.lame_duck = Duration::from_secs(3_600)).await;
    let connection = Connection::over(server.socket().await).await;
    connection.infer().await.unwrap();
    server.stop.send(Stop::Drain).await.unwrap();
    connection.infer().await.unwrap();
    Connection::over(server.socket().await).await.infer().await.unwrap();
    server.stop.send(Stop::Now).await.unwrap();
    connection.driver.await.unwrap().unwrap();
    server.task.await.unwrap();
}

#[tokio::test]
async fn who_watches_its_health_holds_up_no_server_that_ends() {
    let server = Running::start(|config| {
        config.drain.lame_duck = Duration::ZERO;
        config.drain.finish = Duration::from_secs(3_600);
    })
    .await;
    let connection = Connection::over(server.socket().await).await;
    let mut told = connection.watch().await;
    assert_eq!(grpc_health::next(&mut told).await, Some(ServingStatus::Serving));
    server.stop.send(Stop::Drain).await.unwrap();
    assert_eq!(grpc_health::next(&mut told).await, Some(ServingStatus::NotServing));
    assert_eq!(grpc_health::next(&mut told).await, None);
    connection.driver.await.unwrap().unwrap();
    server.task.await.unwrap();
}

#[tokio::test]
async fn over_tls_calls_are_answered_and_in_plain_text_nothing_is() {
    let files = directory("grpc-tls");
    std::fs::write(files.join("tls.crt"), CERTIFICATE).unwrap();
    std::fs::write(files.join("tls.key"), KEY).unwrap();
    let tls = TlsFiles { directory: files, poll: Duration::from_secs(2) };
    let server = Running::start(|config| config.tls = Some(tls)).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let secured = TlsConnector::from(Arc::new(config)).connect(name, server.socket().await).await.unwrap();
    Connection::over(secured).await.infer().await.unwrap();

    let mut plain = server.socket().await;
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    closed(plain).await;
}

#[tokio::test]
async fn connections_on_which_nothing_moves_are_told_and_closed() {
    const GOAWAY: u8 = 7;
    let server = Running::start(|config| {
        config.limits.idle_timeout = SHORT;
        config.limits.request_timeout = SHORT;
        config.limits.stall_timeout = SHORT;
        config.limits.linger = SHORT;
    })
    .await;
    let used = Connection::over(server.socket().await).await;
    used.infer().await.unwrap();
    closed(server.socket().await).await;
    let mut preface = server.socket().await;
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let told = frame_types(&closed(preface).await);
    assert!(told.contains(&GOAWAY), "{told:?}");
    let _ = used.driver.await.unwrap();
}

#[tokio::test]
async fn a_message_that_does_not_come_is_late_and_its_connection_goes_on() {
    let server = Running::start(|config| config.limits.request_timeout = SHORT).await;
    let mut connection = Connection::over(server.socket().await).await;
    let silence = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = Request::post("http://localhost/inference.GRPCInferenceService/ModelInfer")
        .header("content-type", "application/grpc")
        .body(silence);
    let answer = connection.sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], (Code::DeadlineExceeded as i32).to_string());
    connection.infer().await.unwrap();
}

#[tokio::test]
async fn beyond_the_limit_connections_are_closed_and_those_before_go_on() {
    let server = Running::start(|config| config.limits.max_connections = 1).await;
    let first = Connection::over(server.socket().await).await;
    first.infer().await.unwrap();
    closed(server.socket().await).await;
    first.infer().await.unwrap();
}

/// Such a client never lets the server send, and its connection is in use by its other calls.
#[tokio::test]
async fn a_client_without_room_for_its_answer_keeps_its_memory_no_longer_than_it_may_stand_still() {
    const ALL: usize = 4_096;
    let server = Running::start(|config| {
        config.limits.max_body_bytes = 128 << 10;
        config.limits.max_bodies_bytes = 128 << 10;
        config.limits.stall_timeout = SHORT;
    })
    .await;
    let (mut sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake::<_, Body>(TokioIo::new(server.socket().await))
        .await
        .unwrap();
    let driver = tokio::spawn(driver);
    let message = raw(&[0.5; 2 * ALL], ALL as i64).encode_to_vec();
    let message = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
    let request = Request::post("http://localhost/inference.GRPCInferenceService/ModelInfer")
        .header("content-type", "application/grpc")
        .body(Body::from(message));
    let unread = sender.send_request(request.unwrap()).await.unwrap();
    assert!(unread.headers().get("grpc-status").is_none(), "{:?}", unread.headers());

    let other = Connection::over(server.socket().await).await;
    assert_eq!(other.score(ALL).await.unwrap_err().code(), Code::Unavailable, "the answer holds it all");
    let given_back = async {
        while let Err(status) = other.score(ALL).await {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), given_back).await.unwrap();
    assert!(!driver.is_finished(), "its connection goes on");
    drop(unread);
}
