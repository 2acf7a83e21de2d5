//! Ten thousand clients that do nothing but hold connections, against the server as a process of its own: its memory
//! stays bounded and others are served. Times are printed (`cargo test -p server --test slow_clients -- --nocapture`) and
//! mean little: the crowd takes the cores that server and honest client need. `make bench-serving` keeps them apart.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use self::common::Process;

const CLIENTS: usize = 10_000;
const MOST_MEMORY: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Ways to be slow.
const HEAD: &str = "POST /prediction HTTP/1.1\r\nhost: test\r\nx-filler: ";
const BODY: &str = "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n[";
const LINES: &str = "POST /predictions HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
const ASKS: &str = "GET /model_information HTTP/1.1\r\nhost: test\r\n\r\n";

/// One client, until it is dropped: what is closed is opened again.
async fn slow_client(number: usize, address: SocketAddr, tries: Arc<AtomicUsize>) {
    loop {
        tries.fetch_add(1, Ordering::Relaxed);
        if let Ok(stream) = TcpStream::connect(address).await {
            // Errors are the server's refusal.
            let _ = be_slow(number, stream).await;
        }
        sleep(Duration::from_secs(3)).await;
    }
}

async fn be_slow(number: usize, mut stream: TcpStream) -> std::io::Result<()> {
    let begin = match number % 6 {
        // Silent, and silent after an answer.
        0 => "",
        1 => ASKS,
        2 => HEAD,
        3 => BODY,
        4 => LINES,
        // Asks and does not read.
        _ => {
            stream.write_all(ASKS.repeat(500).as_bytes()).await?;
            return std::future::pending().await;
        }
    };
    stream.write_all(begin.as_bytes()).await?;
    let mut read = [0; 4_096];
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut read)).await {
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => drop(read?),
            Err(_) if begin == LINES => stream.write_all(b"1\r\n \r\n").await?,
            Err(_) if begin.len() > ASKS.len() => stream.write_all(b"0").await?,
            Err(_) => {}
        }
    }
}

/// A client with one connection, which asks one request after another; on a thread of its own, so that the slow ones
/// do not slow it down on this side.
struct Honest(std::net::TcpStream);

impl Honest {
    /// As soon as the model is loaded and there is a place.
    fn served(address: SocketAddr) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut client = Self(stream);
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
    let mut honest = Honest::served(server.http);
    let quiet = honest.percentiles(2_000);
    let before = server.memory();

    let others = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tries = Arc::new(AtomicUsize::new(0));
    for number in 0..CLIENTS {
        others.spawn(slow_client(number, server.http, Arc::clone(&tries)));
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
    assert!(most < before + MOST_MEMORY, "{} kB more", (most - before) >> 10);

    others.shutdown_background();
    Honest::served(server.http);
    assert!(honest.ask().is_some());
}
