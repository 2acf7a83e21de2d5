//! Ten thousand clients that do nothing but hold connections, and what an honest one beside them has to wait.
//!
//! They run in a process of their own on the generator's core; the honest client is on the server's core, which it leaves
//! while it waits. How much of its latency is due to the server being busy with the others is told by a control:
//! the same crowd at another server on the same core, the honest client at one that has nothing else to do.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

pub(crate) const CLIENTS: usize = 10_000;

/// As long as it takes to connect all of them, and for the first to have been cut.
const SETTLED: Duration = Duration::from_secs(5);

/// Ways to be slow.
const HEAD: &str = "POST /prediction HTTP/1.1\r\nhost: bench\r\nx-filler: ";
const BODY: &str = "POST /prediction HTTP/1.1\r\nhost: bench\r\ncontent-length: 100000\r\n\r\n[";
const LINES: &str = "POST /predictions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
const ASKS: &str = "GET /model_information HTTP/1.1\r\nhost: bench\r\n\r\n";

/// The crowd, in this process, until it is killed.
pub(crate) fn crowd(address: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for number in 0..CLIENTS {
            tokio::spawn(client(number, address));
        }
        std::future::pending().await
    })
}

/// What is closed is opened again.
async fn client(number: usize, address: SocketAddr) {
    loop {
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

/// One client with one connection, which asks some 1,000 times a second; prints median and 99 % in microseconds.
pub(crate) fn honest(address: SocketAddr, requests: &[Vec<u8>], duration: Duration) -> Result<()> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // Before the crowd comes: there are 1,024 places, and who has said nothing yet would lose his.
    ask(&mut stream, &requests[0])?;
    println!("connected");
    std::io::stdin().read_line(&mut String::new())?;
    let (until, mut times) = (Instant::now() + duration, Vec::new());
    for request in requests.iter().cycle() {
        if Instant::now() > until {
            break;
        }
        times.push(ask(&mut stream, request)?);
        std::thread::sleep(Duration::from_millis(1));
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_micros);
    println!("{} {}", at(50), at(99));
    Ok(())
}

fn ask(stream: &mut std::net::TcpStream, request: &[u8]) -> Result<Duration> {
    let asked = Instant::now();
    stream.write_all(request)?;
    let (mut reply, mut read) = (Vec::new(), [0; 1_024]);
    while !reply.ends_with(b"}") {
        let bytes = stream.read(&mut read)?;
        anyhow::ensure!(bytes > 0, "an honest client's connection was closed");
        reply.extend_from_slice(&read[..bytes]);
    }
    anyhow::ensure!(reply.starts_with(b"HTTP/1.1 200 "), "an honest client was refused");
    Ok(asked.elapsed())
}

/// This program again, as one of the two.
struct Part(Child);

impl Part {
    fn start(core: Option<&str>, arguments: &[String]) -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core]).arg(own);
                command
            }
            None => Command::new(own),
        };
        let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Median and 99 % of the honest client, in microseconds, while `crowded` has the crowd.
pub(crate) fn measure(
    core: &str,
    binaries: &std::path::Path,
    honest: SocketAddr,
    crowded: Option<SocketAddr>,
    seconds: u64,
) -> Result<[f64; 2]> {
    let folder = ["--binaries".to_owned(), binaries.display().to_string()];
    let part = |name: &str, address: SocketAddr| {
        [&folder[..], &[name.to_owned(), address.to_string(), "--seconds".to_owned(), seconds.to_string()]]
            .concat()
    };
    let mut client = Part::start(Some(core), &part("--honest", honest))?;
    let mut told = [0; 10];
    let mut output = client.0.stdout.take().context("no output")?;
    output.read_exact(&mut told)?;
    let crowd = crowded.map(|address| Part::start(None, &part("--crowd", address))).transpose()?;
    if crowd.is_some() {
        std::thread::sleep(SETTLED);
    }
    drop(client.0.stdin.take());
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    figures.try_into().map_err(|_| anyhow::anyhow!("the honest client said {text:?}"))
}
