//! A stream that reports its activity and closes so that the client gets to read the last answer.
//!
//! Closing a socket with unread bytes makes the kernel send a reset, which takes the answer (a 413, say) from a
//! client that is still sending. So the write side is shut down first and what still comes is thrown away: for a
//! bounded time and a bounded amount.
//!
//! What hyper answers by itself, to what it cannot parse, is replaced by an answer in this server's own form, and counted.
//!
//! A client that takes nothing of its answer for too long loses the connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Port;
use super::activity::{Activity, Doing};
use super::unparsed;
use crate::problem::Problem;
use crate::request_id;
use crate::tls::Stream;

/// What is thrown away at most.
const MAX_DISCARDED: usize = 64 << 20;

const CHUNK: usize = 16 << 10;

/// Up to so many bytes, putting the pieces together costs less than a vectored write.
const SHORT: usize = 512;

pub(super) struct Socket {
    stream: Stream,
    activity: Arc<Activity>,
    port: Arc<Port>,
    /// What is written in place of hyper's own answer.
    instead: Vec<u8>,
    lingering: Option<Lingering>,
    /// Since when nothing could be written, as the time at which it is too long.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// The write side is shut down.
struct Lingering {
    until: Pin<Box<Sleep>>,
    discarded: usize,
}

impl Socket {
    pub(super) fn new(stream: Stream, activity: Arc<Activity>, port: Arc<Port>) -> Self {
        Self { stream, activity, port, instead: Vec::new(), lingering: None, stalled: None }
    }

    /// An attempt to write, ended when there has been no room for too long.
    fn in_time<T>(&mut self, context: &mut Context<'_>, attempt: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.stalled = None;
            return attempt;
        }
        let stall = self.port.app.limits.stall_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether these bytes are hyper's own answer; what is written instead is ready then.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if !self.instead.is_empty() {
            return true;
        }
        if self.activity.doing() == Doing::Busy {
            return false;
        }
        let Some(status) = unparsed::status(bytes) else { return false };
        let id = request_id::of(&HeaderMap::new());
        self.port.count_unparsed(status, id.to_str().unwrap_or_default());
        self.instead = unparsed::answer(Problem::unparsed(status), id);
        true
    }

    fn write_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let attempt = Pin::new(&mut self.stream).poll_write(context, &self.instead);
            let written = ready!(self.in_time(context, attempt))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets until the client closes, the time is up or it is too much.
    fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = &mut self.lingering else { return Poll::Ready(()) };
        let mut chunk = [0; CHUNK];
        while lingering.discarded < MAX_DISCARDED && lingering.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut chunk);
            // What comes within TLS is not worth deciphering.
            let read = ready!(Pin::new(self.stream.wire()).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            lingering.discarded += buffer.filled().len();
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.bytes_read(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replaces(bytes) {
            ready!(self.write_instead(context))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let attempt = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, attempt)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = bytes
            && self.replaces(bytes)
        {
            ready!(self.write_instead(context))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let stream = Pin::new(&mut self.stream);
        let mut short = [0; SHORT];
        let attempt = match put_together(bytes, &mut short) {
            Some(bytes) => stream.poll_write(context, bytes),
            None => stream.poll_write_vectored(context, bytes),
        };
        self.in_time(context, attempt)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, attempt)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            // From here on the time to linger is what bounds the connection.
            self.activity.busy();
            let attempt = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.in_time(context, attempt))?;
            let until = Box::pin(tokio::time::sleep(self.port.app.limits.linger));
            self.lingering = Some(Lingering { until, discarded: 0 });
        }
        self.poll_discard(context).map(Ok)
    }
}

/// All pieces one after the other, if there is room for them.
fn put_together<'a>(pieces: &[io::IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for piece in pieces {
        room.get_mut(end..end + piece.len())?.copy_from_slice(piece);
        end += piece.len();
    }
    Some(&room[..end])
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::put_together;

    #[test]
    fn pieces_are_put_together_as_long_as_there_is_room() {
        let pieces = [b"HTTP/1.1 200 OK".as_slice(), b"", b"{}"].map(IoSlice::new);
        assert_eq!(put_together(&pieces, &mut [0; 17]), Some(b"HTTP/1.1 200 OK{}".as_slice()));
        assert_eq!(put_together(&pieces, &mut [0; 16]), None);
        assert_eq!(put_together(&[], &mut []), Some([].as_slice()));
    }
}
