//! The load generator: a thread a connection, blocking sockets, requests that were rendered before.
//!
//! With a rate it is open loop: a request is due at its time whatever the server does, and its latency counts from then.
//! Without one, each connection sends the next request as soon as the last is answered. Sleeping has a slack of some
//! 60 µs on Linux, which is in every open-loop latency.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

use crate::process::cpu_of_this_process;

/// What is sent, and how.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Complete HTTP requests, sent in turn.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    pub(crate) connections: usize,
    /// Requests a second, over all connections; none: closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
}

/// What came back.
pub(crate) struct Measured {
    /// Answers to what was sent before the clock started.
    pub(crate) early: u64,
    /// Requests answered with 200.
    pub(crate) good: u64,
    /// Requests answered otherwise: shed.
    pub(crate) shed: u64,
    /// Connections that broke.
    pub(crate) broken: u64,
    /// Of the good ones, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// Of the good ones from one thread, how many answers came from its sending to its own, that one included.
    pub(crate) until: Histogram<u64>,
    pub(crate) elapsed: Duration,
    /// CPU seconds of the generator.
    pub(crate) own_cpu: f64,
}

impl Measured {
    /// Before anything has come back.
    pub(crate) fn none(elapsed: Duration) -> Result<Self> {
        let latencies = Histogram::new_with_bounds(1, 600_000_000_000, 3)?;
        let until = Histogram::new_with_bounds(1, 1_000_000_000, 3)?;
        Ok(Self { early: 0, good: 0, shed: 0, broken: 0, latencies, until, elapsed, own_cpu: 0.0 })
    }

    /// Requests that have come to an end so far, however they did.
    pub(crate) fn answered(&self) -> u64 {
        self.early + self.good + self.shed + self.broken
    }

    /// Good answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds at a percentile.
    pub(crate) fn at(&self, percentile: f64) -> f64 {
        self.latencies.value_at_percentile(percentile) as f64 / 1e6
    }

    /// The share of its core that the generator was busy.
    pub(crate) fn busy(&self) -> f64 {
        self.own_cpu / self.elapsed.as_secs_f64()
    }
}

/// Sends for as long as the load says.
pub(crate) fn run(load: &Load) -> Result<Measured> {
    let stop = Arc::new(AtomicBool::new(false));
    let (began, cpu) = (Instant::now() + Duration::from_millis(20), cpu_of_this_process()?);
    let threads: Vec<_> = (0..load.connections)
        .map(|number| {
            let (load, stop) = (load.clone(), Arc::clone(&stop));
            thread::Builder::new()
                .stack_size(128 << 10)
                .spawn(move || connection(number, &load, began, &stop))
        })
        .collect::<std::io::Result<_>>()
        .context("threads for the connections")?;
    thread::sleep(load.duration + Duration::from_millis(20));
    stop.store(true, Ordering::Relaxed);
    let mut all = Measured::none(load.duration)?;
    for thread in threads {
        let one = thread.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))?;
        all.good += one.good;
        all.shed += one.shed;
        all.broken += one.broken;
        all.latencies.add(one.latencies)?;
    }
    all.own_cpu = cpu_of_this_process()? - cpu;
    Ok(all)
}

struct One {
    good: u64,
    shed: u64,
    broken: u64,
    latencies: Histogram<u64>,
}

fn connection(number: usize, load: &Load, began: Instant, stop: &AtomicBool) -> One {
    let latencies = Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("constant bounds");
    let mut one = One { good: 0, shed: 0, broken: 0, latencies };
    let every = load.rate.map(|rate| Duration::from_secs_f64(load.connections as f64 / rate));
    let offset = every.map_or(Duration::ZERO, |every| every.mul_f64(number as f64 / load.connections as f64));
    let mut stream: Option<BufReader<TcpStream>> = None;
    let mut sent: u64 = 0;
    thread::sleep(began.saturating_duration_since(Instant::now()));
    while !stop.load(Ordering::Relaxed) {
        let due = match every {
            Some(every) => began + offset + every.mul_f64(sent as f64),
            None => Instant::now(),
        };
        if due > began + load.duration {
            break;
        }
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        let request = &load.requests[(number + sent as usize * load.connections) % load.requests.len()];
        sent += 1;
        match ask(&mut stream, load.address, request) {
            Ok(200) if began.elapsed() <= load.duration => {
                one.good += 1;
                one.latencies.saturating_record(due.elapsed().as_nanos() as u64);
            }
            // (answered after the end)
            Ok(200) => {}
            Ok(_) => one.shed += 1,
            Err(_) => {
                one.broken += 1;
                stream = None;
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    one
}

/// One request and its answer, on the connection that there is or a new one.
fn ask(stream: &mut Option<BufReader<TcpStream>>, address: SocketAddr, request: &[u8]) -> Result<u16> {
    let open = match stream.take() {
        Some(open) => open,
        None => {
            let fresh = TcpStream::connect(address)?;
            fresh.set_nodelay(true)?;
            fresh.set_read_timeout(Some(Duration::from_secs(60)))?;
            BufReader::with_capacity(64 << 10, fresh)
        }
    };
    let open = stream.insert(open);
    open.get_mut().write_all(request)?;
    let (status, close) = answer(open)?;
    if close {
        *stream = None;
    }
    Ok(status)
}

/// Reads an answer to its end: its status, and whether the connection closes.
fn answer(input: &mut BufReader<TcpStream>) -> Result<(u16, bool)> {
    let mut line = Vec::with_capacity(128);
    input.read_until(b'\n', &mut line)?;
    let status = std::str::from_utf8(line.get(9..12).context("no status line")?)?.parse()?;
    let (mut length, mut close) = (None, false);
    loop {
        line.clear();
        input.read_until(b'\n', &mut line)?;
        if line.len() <= 2 {
            break;
        }
        line.make_ascii_lowercase();
        if let Some(value) = line.strip_prefix(b"content-length:") {
            length = Some(std::str::from_utf8(value)?.trim().parse::<u64>()?);
        }
        close |= line.starts_with(b"connection: close");
    }
    let length = length.context("an answer without its length")?;
    let read = std::io::copy(&mut input.take(length), &mut std::io::sink())?;
    anyhow::ensure!(read == length, "the answer broke off");
    Ok((status, close))
}
