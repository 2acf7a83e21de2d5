//! Ten thousand clients that do nothing but hold connections, against the server as a process of its own: its memory
//! stays bounded and others are served. Times are printed (`cargo test -p server --test slow_clients -- --nocapture`) and
//! mean little: the crowd takes the cores that server and honest client need. `make bench-serving` keeps them apart.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]
#![expect(clippy::print_stdout, reason = "memory and times are to be seen")]

mod common;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use self::common::Process;

const CLIENTS: usize = 10_000;
const MOST_MEMORY: u64 = 64 << 20;
/// With TLS a record of 16 KB that has been deciphered may stand before each of 1,088 connections. (What a server holds that is built as for
/// images: docs/security.md.)
const MOST_MEMORY_WITH_TLS: u64 = MOST_MEMORY + 1_088 * (16 << 10);
const PATIENCE: Duration = Duration::from_secs(60);

const HEAD: &str = "POST /prediction HTTP/1.1\r\nhost: test\r\nx-filler: ";
const BODY: &str = "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n[";
const LINES: &str = "POST /predictions HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
const ASKS: &str = "GET /model_information HTTP/1.1\r\nhost: test\r\n\r\n";

const CERTIFICATE: &str = include_str!("../src/tests/tls/first.crt");
const KEY: &str = include_str!("../src/tests/tls/first.key");

/// The crowds of this file come one after another.
static ONE_CROWD: Mutex<()> = Mutex::new(());

/// Ways to be slow, by what is sent at first: silent, and silent after an answer; a byte a second of a head, a body, a stream.
const BEGINNINGS: [&str; 5] = ["", ASKS, HEAD, BODY, LINES];
/// One more: to ask often and never read, which costs a server most.
const NOT_READING: usize = BEGINNINGS.len();

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// How a server is reached: where, and what TLS it is expected to speak.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Way {
    fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    fn tls(address: SocketAddr) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, tls: Some(Arc::new(config)) }
    }

    fn name() -> ServerName<'static> {
        ServerName::try_from("localhost").unwrap()
    }
}

/// One client, until it is dropped: what is closed is opened again. It counts once it has begun to be slow, or was refused.
async fn slow_client(manner: usize, way: Way, tries: Arc<AtomicUsize>) {
    loop {
        // Errors are the server's refusal.
        if let Some(mut stream) = connect(&way).await
            && begin(manner, &mut stream).await.is_ok()
        {
            tries.fetch_add(1, Ordering::Relaxed);
            let _ = be_slow(manner, stream).await;
        } else {
            tries.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_secs(3)).await;
    }
}

async fn connect(way: &Way) -> Option<Box<dyn Wire>> {
    let stream = TcpStream::connect(way.address).await.ok()?;
    let Some(config) = &way.tls else { return Some(Box::new(stream)) };
    let shaking = TlsConnector::from(Arc::clone(config)).connect(Way::name(), stream);
    Some(Box::new(timeout(PATIENCE, shaking).await.ok()?.ok()?))
}

/// What a client of this manner sends at first.
async fn begin(manner: usize, stream: &mut Box<dyn Wire>) -> std::io::Result<()> {
    let begin = if manner == NOT_READING { &ASKS.repeat(500) } else { BEGINNINGS[manner] };
    stream.write_all(begin.as_bytes()).await?;
    stream.flush().await
}

async fn be_slow(manner: usize, mut stream: Box<dyn Wire>) -> std::io::Result<()> {
    if manner == NOT_READING {
        return std::future::pending().await;
    }
    let begin = BEGINNINGS[manner];
    let mut read = [0; 4_096];
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut read)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => drop(read?),
            Err(_) if begin == LINES => stream.write_all(b"1\r\n \r\n").await?,
            Err(_) if begin.len() > ASKS.len() => stream.write_all(b"0").await?,
            Err(_) => {}
        }
        stream.flush().await?;
    }
}

/// A client with one connection, which asks one request after another; on a thread of its own, so that the slow ones
/// do not slow it down on this side.
struct Honest(Box<dyn Talk>);

trait Talk: Read + Write {}
impl<T: Read + Write> Talk for T {}

impl Honest {
    /// As soon as the model is loaded and there is a place.
    fn served(way: &Way) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let stream = std::net::TcpStream::connect(way.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut client = Self(match &way.tls {
                None => Box::new(stream),
                Some(config) => {
                    let connection = ClientConnection::new(Arc::clone(config), Way::name()).unwrap();
                    Box::new(StreamOwned::new(connection, stream))
                }
            });
            if client.ask().is_some() {
                return client;
            }
            assert!(Instant::now() < until, "nobody new is served");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&mut self) -> Option<Duration> {
        const REQUEST: &[u8] = b"POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\n[30.5]";
        let started = Instant::now();
        self.0.write_all(REQUEST).ok()?;
        let (mut reply, mut read) = (Vec::new(), [0; 1_024]);
        while !reply.ends_with(b"}") {
            match self.0.read(&mut read).ok()? {
                0 => return None,
                bytes => reply.extend_from_slice(&read[..bytes]),
            }
        }
        reply.starts_with(b"HTTP/1.1 200 ").then(|| started.elapsed())
    }

    /// Median and 99 % of so many.
    fn percentiles(&mut self, requests: usize) -> [Duration; 2] {
        let mut times = Vec::new();
        for _ in 0..requests {
            times.push(self.ask().expect("an honest client was refused"));
            std::thread::sleep(Duration::from_millis(1));
        }
        times.sort_unstable();
        [times[requests / 2], times[requests * 99 / 100]]
    }
}

#[test]
fn ten_thousand_slow_clients_neither_fill_the_memory_nor_stop_others() {
    let server = Process::start("slow-clients", &["--header-timeout", "2s"], &[]);
    resist(&server, &Way::plain(server.http), |number| number % (BEGINNINGS.len() + 1));
}

#[test]
fn ten_thousand_that_ask_and_never_read_neither_fill_the_memory_nor_stop_others() {
    let server = Process::start("slow-readers", &[], &[]);
    resist(&server, &Way::plain(server.http), |_| NOT_READING);
}

#[test]
fn ten_thousand_slow_clients_with_tls_neither_fill_the_memory_nor_stop_others() {
    let server = start_with_tls("slow-clients-tls");
    resist(&server, &Way::tls(server.http), |number| number % (BEGINNINGS.len() + 1));
}

#[test]
fn ten_thousand_that_never_read_with_tls_neither_fill_the_memory_nor_stop_others() {
    let server = start_with_tls("slow-readers-tls");
    resist(&server, &Way::tls(server.http), |_| NOT_READING);
}

fn start_with_tls(name: &str) -> Process {
    let files = common::directory(&format!("{name}-files"));
    std::fs::write(files.join("tls.crt"), CERTIFICATE).unwrap();
    std::fs::write(files.join("tls.key"), KEY).unwrap();
    Process::start(name, &["--header-timeout", "2s", "--tls-dir", files.to_str().unwrap()], &[])
}

fn resist(server: &Process, way: &Way, manner: fn(usize) -> usize) {
    let _alone = ONE_CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut honest = Honest::served(way);
    let quiet = honest.percentiles(2_000);
    let before = server.memory();

    let others = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tries = Arc::new(AtomicUsize::new(0));
    for number in 0..CLIENTS {
        others.spawn(slow_client(manner(number), way.clone(), Arc::clone(&tries)));
    }
    common::until(|| tries.load(Ordering::Relaxed) >= CLIENTS);
    let (mut most, mut crowded) = (server.memory(), Vec::new());
    for _ in 0..4 {
        crowded.push(honest.percentiles(1_000));
        most = most.max(server.memory());
    }
    println!(
        "{CLIENTS} slow clients, {} connections opened: memory {} -> {} kB; an honest client's median and 99 %: {quiet:?} -> {crowded:?}",
        tries.load(Ordering::Relaxed),
        before >> 10,
        most >> 10
    );
    let allowed = if way.tls.is_some() { MOST_MEMORY_WITH_TLS } else { MOST_MEMORY };
    assert!(most < before + allowed, "{} kB more", (most - before) >> 10);

    others.shutdown_background();
    Honest::served(way);
    assert!(honest.ask().is_some());
}
