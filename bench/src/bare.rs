//! A loop over epoll that reads a request, works as long as it was told to, and answers a constant. It has no runtime, no queue,
//! no memory to manage and nothing to parse: how unevenly it answers many connections is how unevenly the machine runs.
//!
//! Work is arithmetic alone, of as many steps each time. Other tenants of a machine slow down what needs memory more than
//! that.

use std::hint::black_box;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const BODY: &str =
    r#"{"is_inlier":true,"anomaly_score":-0.42980303947268506,"severity":0.23732368910107135}"#;

/// The listener's; a connection's is its index.
const LISTENER: Token = Token(usize::MAX);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().context("expected an address to listen at")?.parse()?;
    let work = arguments.next().context("expected nanoseconds of work a request")?.parse()?;
    let steps = steps_in(Duration::from_nanos(work));
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
                continue;
            }
            let connection: &mut Option<TcpStream> = &mut connections[event.token().0];
            if let Some(stream) = connection
                && !answered(stream, steps, answer.as_bytes())
            {
                *connection = None;
            }
        }
    }
}

/// Takes all connections that wait to be accepted.
fn accept(listener: &TcpListener, poll: &Poll, connections: &mut Vec<Option<TcpStream>>) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                poll.registry().register(&mut stream, Token(connections.len()), Interest::READABLE)?;
                connections.push(Some(stream));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers the request that has come, in one piece, as small ones do; false when the connection has ended.
fn answered(stream: &mut TcpStream, steps: u64, answer: &[u8]) -> bool {
    match stream.read(&mut [0; 4 << 10]) {
        Ok(0) => false,
        Ok(_) => {
            worked(steps);
            stream.write_all(answer).is_ok()
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Takes steps, each of which needs the one before: always as many cycles.
fn worked(steps: u64) {
    let mut state = 0_u64;
    for step in 0..steps {
        state = (state ^ step).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(17);
    }
    black_box(state);
}

/// How many steps can be taken in this time, while the machine is at its best.
fn steps_in(work: Duration) -> u64 {
    const STEPS: u64 = 100_000;
    let once = |_| {
        let began = Instant::now();
        worked(black_box(STEPS));
        began.elapsed()
    };
    let best = (0..100).map(once).min().unwrap_or_default();
    (work.div_duration_f64(best) * STEPS as f64) as u64
}
