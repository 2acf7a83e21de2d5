//! Closed loop with many connections, all on one thread, which takes them in the order in which they are answered.
//!
//! With a thread a connection the kernel would run some of them before others, and what those wait for a core of
//! the generator would count as latency of the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::{Load, Measured};
use crate::process::cpu_of_this_process;

/// Sends for as long as the load says, whose rate is not looked at.
pub(crate) fn run(load: &Load) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cpu = cpu_of_this_process()?;
    let mut all = Measured::none(load.duration)?;
    runtime.block_on(async {
        let began = Instant::now() + Duration::from_millis(100);
        let connections: Vec<_> = (0..load.connections)
            .map(|number| tokio::spawn(connection(number, load.clone(), began)))
            .collect();
        for connection in connections {
            let (shed, latencies) = connection.await??;
            all.shed += shed;
            all.good += latencies.len();
            all.latencies.add(latencies)?;
        }
        anyhow::Ok(())
    })?;
    all.own_cpu = cpu_of_this_process()? - cpu;
    Ok(all)
}

async fn connection(number: usize, load: Load, began: Instant) -> Result<(u64, Histogram<u64>)> {
    let Load { address, requests, connections, duration, .. } = load;
    let requests: Arc<Vec<Vec<u8>>> = requests;
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut shed, mut latencies) = (0, Histogram::new_with_bounds(1, 600_000_000_000, 3)?);
    let mut read = Vec::with_capacity(4 << 10);
    tokio::time::sleep_until(began.into()).await;
    for sent in 0.. {
        let asked = Instant::now();
        if asked > began + duration {
            break;
        }
        stream.write_all(&requests[(number + sent * connections) % requests.len()]).await?;
        read.clear();
        while !is_whole(&read)? {
            let bytes = stream.read_buf(&mut read).await?;
            anyhow::ensure!(bytes > 0, "a connection of the crowd was closed");
        }
        if !read.starts_with(b"HTTP/1.1 200") {
            shed += 1;
        } else if began + duration >= Instant::now() {
            latencies.saturating_record(asked.elapsed().as_nanos() as u64);
        }
    }
    Ok((shed, latencies))
}

/// Whether these bytes are a whole answer.
fn is_whole(answer: &[u8]) -> Result<bool> {
    const LENGTH: &str = "\r\ncontent-length: ";
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&answer[..head])?;
    let length =
        text.find(LENGTH).map(|at| &text[at + LENGTH.len()..]).context("an answer without its length")?;
    let length: usize = length.split("\r\n").next().unwrap_or_default().parse()?;
    Ok(answer.len() >= head + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_the_last_byte_of_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ndate: now\r\n\r\ntrue";
        for bytes in 0..answer.len() {
            assert!(!is_whole(&answer[..bytes]).unwrap(), "{bytes}");
        }
        assert!(is_whole(answer).unwrap());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
