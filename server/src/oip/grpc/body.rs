//! The bodies of gRPC: what is read counts among the bodies that are held, and what is answered as well.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tonic::Status;

use super::error;
use super::sent::Sent;
use crate::body::Held;
use crate::state::App;

/// A request's part of the budget: it ends with the answer, not with the reading. It is in the request's extensions,
/// because what the message is read into takes more than its bytes did.
pub(super) type Part = Arc<Mutex<Held>>;

/// The same request, whose body takes from the budget as it comes.
pub(super) fn held(mut request: Request, app: &Arc<App>) -> (Request, Part) {
    let part = Part::default();
    request.extensions_mut().insert(Arc::clone(&part));
    // A message that is compressed may become as large as any.
    let packed = request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity");
    let length = if packed { app.limits.max_body_bytes } else { 0 };
    let request = request
        .map(|body| Body::new(Counted { body, app: Arc::clone(app), part: Arc::clone(&part), length }));
    (request, part)
}

struct Counted {
    body: Body,
    app: Arc<App>,
    part: Part,
    length: usize,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|_| Status::cancelled("the request broke off before its end"))?;
        self.length += frame.data_ref().map_or(0, Bytes::len);
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let raised = self.app.bodies.raise(&mut part, self.length);
        drop(part);
        Poll::Ready(Some(raised.map(|()| frame).map_err(|problem| error::status(&self.app, problem))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// In the extensions of an answer that may be large.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds;

/// Its memory is held until the client has it.
pub(super) fn until_sent(mut response: Response, part: Part, stall: Duration) -> Response {
    let Some(Holds) = response.extensions_mut().remove() else { return response };
    response.map(|body| Body::new(Sent::new(body, part, stall)))
}
