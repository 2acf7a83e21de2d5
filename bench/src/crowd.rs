//! Many connections on one thread, which takes them in the order in which they are answered.
//!
//! With a thread a connection the kernel would run some of them before others, and what those wait for a core of
//! the generator would count as latency of the server. Timers are exact to a millisecond, which is in every open-loop latency.
//! Without a rate, connections ask for a tenth of a second before the clock starts: a virtual machine that was idle is slow at first.
//!
//! A request with `Expect: 100-continue` is sent as its sender would: its head first, and the body only when the server asks for
//! it. One that is refused before has cost neither side its body; the connection ends with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::load::{Load, Measured};
use crate::process::cpu_of_this_process;

/// The header of a request that asks before it sends its body.
pub(crate) const EXPECT: &str = "expect: 100-continue\r\n";

/// The answer that the body may come.
const CONTINUE: u16 = 100;

/// How long after the end answers are still waited for.
const GRACE: Duration = Duration::from_secs(10);

/// Sends what is due for as long as the load says, and waits for all of its answers. An error if one is not answered.
pub(crate) fn run(load: &Load) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = Arc::new(Mutex::new(Measured::none(load.duration)?));
    let (elapsed, cpu) = runtime.block_on(async {
        let began = Instant::now() + Duration::from_millis(100);
        let connections: Vec<_> = (0..load.connections)
            .map(|number| {
                let asking = connection(number, load.clone(), began, Arc::clone(&all));
                tokio::spawn(timeout_at(began + load.duration + GRACE, asking))
            })
            .collect();
        sleep_until(began).await;
        let cpu = cpu_of_this_process()?;
        for connection in connections {
            connection.await?.context("a request has had no answer")?;
        }
        anyhow::Ok((began.elapsed(), cpu))
    })?;
    drop(runtime);
    let mut all = Arc::into_inner(all)
        .context("a connection outlived its runtime")?
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    anyhow::ensure!(all.broken == 0, "{} connections broke before they were answered", all.broken);
    all.elapsed = elapsed;
    all.own_cpu = cpu_of_this_process()? - cpu;
    Ok(all)
}

async fn connection(number: usize, load: Load, began: Instant, all: Arc<Mutex<Measured>>) {
    let Load { address, requests, connections, rate, duration } = load;
    let every = rate.map(|rate| Duration::from_secs_f64(connections as f64 / rate));
    let mut client = Client { stream: None, read: Vec::with_capacity(4 << 10) };
    // (what fails now is tried again with the first request)
    let _ = client.connected(address).await;
    if every.is_some() {
        sleep_until(began).await;
    }
    for sent in 0.. {
        let due = match every {
            Some(every) => began + every.mul_f64(sent as f64 + number as f64 / connections as f64),
            None => Instant::now(),
        };
        if due > began + duration {
            break;
        }
        // (a timer would take until the next millisecond for what is due)
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let before = locked(&all).answered();
        let answered = client.ask(address, &requests[(number + sent * connections) % requests.len()]).await;
        if answered.is_err() {
            client.stream = None;
            sleep(Duration::from_millis(1)).await;
        }
        let mut all = locked(&all);
        match answered {
            Ok(_) if due < began => all.early += 1,
            Ok(200) => {
                all.good += 1;
                all.latencies.saturating_record(due.elapsed().as_nanos() as u64);
                let until = all.answered() - before;
                all.until.saturating_record(until);
            }
            Ok(_) => all.shed += 1,
            Err(_) => all.broken += 1,
        }
    }
}

fn locked(all: &Mutex<Measured>) -> MutexGuard<'_, Measured> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection while there is one, and what was read of an answer.
struct Client {
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

impl Client {
    /// Connects if there is no connection.
    async fn connected(&mut self, address: std::net::SocketAddr) -> Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// One request and the status of its answer, on the connection that there is or a new one.
    async fn ask(&mut self, address: std::net::SocketAddr, request: &[u8]) -> Result<u16> {
        self.connected(address).await?;
        let stream = self.stream.as_mut().context("it was made just now")?;
        let (first, rest) = request.split_at(sent_at_once(request));
        stream.write_all(first).await?;
        let mut head = read_head(stream, &mut self.read).await?;
        if head.status == CONTINUE {
            stream.write_all(rest).await?;
            self.read.drain(..head.bytes);
            head = read_head(stream, &mut self.read).await?;
        }
        while self.read.len() < head.bytes + head.content {
            anyhow::ensure!(stream.read_buf(&mut self.read).await? > 0, "the answer broke off");
        }
        self.read.clear();
        if head.closes {
            self.stream = None;
        }
        Ok(head.status)
    }
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Its own bytes.
    bytes: usize,
    /// Those that follow.
    content: usize,
    closes: bool,
}

async fn read_head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Result<Head> {
    loop {
        if let Some(head) = head(read)? {
            return Ok(head);
        }
        anyhow::ensure!(stream.read_buf(read).await? > 0, "the connection was closed");
    }
}

/// The head with which these bytes begin; none if it is not whole.
fn head(answer: &[u8]) -> Result<Option<Head>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let status = text.get(9..12).context("no status line")?.parse()?;
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    let content = match length {
        Some(length) => length.parse()?,
        None if status == CONTINUE => 0,
        None => anyhow::bail!("an answer without its length"),
    };
    Ok(Some(Head { status, bytes: end + 4, content, closes: text.contains("\r\nconnection: close") }))
}

/// The bytes that are sent before anything is heard: all of them, or the head of a request that asks first.
fn sent_at_once(request: &[u8]) -> usize {
    let head = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(request.len(), |at| at + 4);
    let asks = request[..head].windows(EXPECT.len()).any(|bytes| bytes == EXPECT.as_bytes());
    if asks { head } else { request.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_is_read_when_it_is_whole() {
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntrue";
        let bytes = answer.len() - 4;
        for cut in 0..bytes {
            assert_eq!(head(&answer[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(head(answer).unwrap(), Some(Head { status: 503, bytes, content: 4, closes: true }));
        let go_on = head(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap().unwrap();
        assert_eq!((go_on.status, go_on.content, go_on.closes), (CONTINUE, 0, false));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_that_asks_first_sends_its_head_and_any_other_all() {
        let head = format!("POST / HTTP/1.1\r\ncontent-length: 2\r\n{EXPECT}\r\n");
        assert_eq!(sent_at_once(format!("{head}[]").as_bytes()), head.len());
        let whole = "POST / HTTP/1.1\r\ncontent-length: 24\r\n\r\n[]expect: 100-continue\r\n";
        assert_eq!(sent_at_once(whole.as_bytes()), whole.len());
    }
}
