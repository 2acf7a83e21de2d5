//! The body of an answer over gRPC, given up when its client does not read it.
//!
//! HTTP/2 asks a body for its next piece only when the client has room for it, so one whose client gives it none is
//! never asked again: a task of its own looks whether anything moves. It goes out in small pieces, so that the
//! connection holds no more than one of them for such a client.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::task::AbortHandle;

use super::body::Part;

/// The most that is handed to the connection at once: a frame of the usual size.
const PIECE: usize = 16 << 10;

type Error = axum::Error;

/// The body and what it holds, until it has been sent, dropped or given up.
pub(super) struct Sent {
    state: Arc<Mutex<State>>,
    watch: AbortHandle,
}

struct State {
    /// None when it has been given up.
    open: Option<Open>,
    /// Pieces that were taken.
    taken: u64,
}

struct Open {
    body: Body,
    rest: Bytes,
    _holds: Part,
}

impl Sent {
    pub(super) fn new(body: Body, holds: Part, stall: Duration) -> Self {
        let open = Some(Open { body, rest: Bytes::new(), _holds: holds });
        let state = Arc::new(Mutex::new(State { open, taken: 0 }));
        let watch = tokio::spawn(watch(Arc::downgrade(&state), stall)).abort_handle();
        Self { state, watch }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Gives the body up when no piece of it was taken for so long.
async fn watch(state: Weak<Mutex<State>>, stall: Duration) {
    let mut before = 0;
    loop {
        tokio::time::sleep(stall).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = lock(&state);
        if state.taken == before {
            state.open = None;
            return;
        }
        before = state.taken;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) if data.len() > PIECE => self.rest = data,
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        // Copied: a part of the whole would keep the whole.
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&piece)))))
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = lock(&self.state);
        let Some(open) = &mut state.open else {
            return Poll::Ready(Some(Err(Error::new("the client did not read its answer in time"))));
        };
        let piece = ready!(open.poll_piece(context));
        state.taken += 1;
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.state);
        state.open.as_ref().is_some_and(|open| open.rest.is_empty() && open.body.is_end_stream())
    }
}
