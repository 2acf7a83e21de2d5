//! A server on a loopback port and a client that sees every byte.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fixture::{ORDINARY, in_memory};
use crate::config::{Config, Public};
use crate::server::{Server, Stop};

/// Long enough never to decide a test that passes; a hanging one ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs.
pub(super) struct Running {
    address: std::net::SocketAddr,
    stop: mpsc::Sender<Stop>,
    task: JoinHandle<()>,
}

impl Running {
    /// On a free port, with what the test wants changed.
    pub(super) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("machine", in_memory(), ([127, 0, 0, 1], 0).into());
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.http_address();
        Self::spawn(server, address)
    }

    /// The same, but clients connect to its port `public`.
    pub(super) async fn start_public(public: Public) -> Self {
        Self::start_public_with(public, |_| {}).await
    }

    pub(super) async fn start_public_with(public: Public, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("machine", in_memory(), ([127, 0, 0, 1], 0).into());
        config.public = Some(public);
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.public_address().unwrap();
        Self::spawn(server, address)
    }

    /// The same, but clients connect to its port for gRPC.
    pub(super) async fn start_grpc_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("machine", in_memory(), ([127, 0, 0, 1], 0).into());
        config.grpc_address = Some(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let address = server.grpc_address().unwrap();
        Self::spawn(server, address)
    }

    fn spawn(server: Server, address: std::net::SocketAddr) -> Self {
        let (stop, stopped) = mpsc::channel(2);
        Self { address, stop, task: tokio::spawn(server.run(stopped)) }
    }

    pub(super) async fn connect(&self) -> Client {
        Client::over(self.socket().await)
    }

    pub(super) async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects and asks before any task of the server can run, where it shares this thread.
    pub(super) fn ask_unaccepted(&self, request: &str) -> Client {
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Client::over(TcpStream::from_std(stream).unwrap())
    }

    pub(super) async fn stop(&self, how: Stop) {
        self.stop.send(how).await.unwrap();
    }

    /// Waits until the server has ended.
    pub(super) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// With or without TLS.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One connection.
pub(super) struct Client {
    stream: Box<dyn Wire>,
    read: Vec<u8>,
}

/// An answer as it was on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn closes(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

pub(super) fn post(body: &str) -> String {
    format!("POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn ordinary() -> String {
    post(ORDINARY)
}

impl Client {
    pub(super) fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// Sends all of it, whatever comes back meanwhile.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        tokio::time::timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Says that it sends no more.
    pub(super) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next answer, complete. Fails if the connection ends before.
    pub(super) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("the connection ended without an answer")
    }

    /// The next answer, or none if the connection ended without one.
    pub(super) async fn try_reply(&mut self) -> Option<Reply> {
        loop {
            if let Some(reply) = self.take_reply() {
                return Some(reply);
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    pub(super) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request).await;
        self.reply().await
    }

    /// The head of an answer whose body comes in chunks.
    pub(super) async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await.to_ascii_lowercase()
    }

    /// The next chunk of an answer; at its end the trailers, as they are on the wire.
    pub(super) async fn chunk(&mut self) -> Result<String, String> {
        let length = self.until(b"\r\n").await;
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        if length == 0 {
            let mut trailers = String::new();
            while !trailers.ends_with("\r\n\r\n") && trailers != "\r\n" {
                trailers += &self.until(b"\r\n").await;
            }
            return Err(trailers.to_ascii_lowercase());
        }
        while self.read.len() < length + 2 {
            assert_ne!(self.fill().await, 0, "the connection ended within a chunk");
        }
        let chunk: Vec<u8> = self.read.drain(..length + 2).collect();
        Ok(String::from_utf8(chunk[..length].to_vec()).unwrap())
    }

    /// The rest of an answer in chunks, and its trailers.
    pub(super) async fn chunks(&mut self) -> (String, String) {
        let mut all = String::new();
        loop {
            match self.chunk().await {
                Ok(chunk) => all += &chunk,
                Err(trailers) => return (all, trailers),
            }
        }
    }

    async fn until(&mut self, mark: &[u8]) -> String {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|bytes| bytes == mark) {
                return String::from_utf8(self.read.drain(..at + mark.len()).collect()).unwrap();
            }
            assert_ne!(self.fill().await, 0, "the connection ended");
        }
    }

    /// Sends until the server has had enough; false if it took it all.
    pub(super) async fn is_cut_off(&mut self, piece: &[u8], times: usize) -> bool {
        for _ in 0..times {
            let sent = tokio::time::timeout(PATIENCE, self.stream.write_all(piece)).await;
            if sent.expect("the server neither reads nor closes").is_err() {
                return true;
            }
        }
        false
    }

    /// Waits for the server to close, and checks that it said nothing before.
    pub(super) async fn closed(&mut self) {
        assert_eq!(self.fill().await, 0, "{}", String::from_utf8_lossy(&self.read));
        assert_eq!(self.read, b"");
    }

    /// Reads more; a reset is an end too.
    async fn fill(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.read);
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the server neither answers nor closes")
            .unwrap_or(0)
    }

    fn take_reply(&mut self) -> Option<Reply> {
        let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if self.read.len() < end + length {
            return None;
        }
        let body = String::from_utf8(self.read[end..end + length].to_vec()).unwrap();
        self.read.drain(..end + length);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Reply { status, head, body })
    }
}
