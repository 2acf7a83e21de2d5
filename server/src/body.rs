//! Reading a whole body within its limit.
//!
//! What the headers already decide (type, encoding, length) is decided before a byte of the body is read, so that a
//! client that waits for `100 Continue` never sends it. Never holds more than the limit in memory for one body, nor
//! more than the [`Budget`] for all of them: many slow clients with large bodies must not end the process.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http::header::{self, HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::problem::Problem;
use crate::unpack::{Encoding, Unpack, UnpackError};

/// What a body may hold without asking the budget: the vectors that are usual never do.
const FREE: usize = 8 << 10;
/// The budget is taken and given in units of this many bytes.
const UNIT: usize = 4 << 10;
/// How long a body may be on its way and hold what it has announced.
pub(crate) const PROMPT: Duration = Duration::from_millis(100);

/// The bytes that all bodies together may hold while they are read, scored and answered, the answers among them.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// A whole body, with its part of the budget.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

/// A part of the budget; none for small bodies.
pub(crate) type Held = Option<OwnedSemaphorePermit>;

/// In the extensions of an answer whose request is still being read: the connection goes on after both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadsOn;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let free = Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)));
        Self { bytes, free }
    }

    /// Raises what is held to what a body of this length needs.
    pub(crate) fn raise(&self, held: &mut Held, length: usize) -> Result<(), Problem> {
        let more = units(length).saturating_sub(held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| Problem::too_many_bodies())?;
        let permit =
            Arc::clone(&self.free).try_acquire_many_owned(more).map_err(|_| Problem::too_many_bodies())?;
        match held {
            Some(held) => held.merge(permit),
            None => *held = Some(permit),
        }
        Ok(())
    }

    /// Likewise for what an answer needs, which may be more than there is: it fits when nothing else is held.
    pub(crate) fn raise_for_answer(&self, held: &mut Held, length: usize) -> Result<(), Problem> {
        self.raise(held, length.min(self.bytes))
    }

    /// An answer that counts until the connection has written it.
    pub(crate) fn answer(&self, bytes: Vec<u8>) -> Result<Bytes, Problem> {
        let mut held = None;
        self.raise_for_answer(&mut held, bytes.len())?;
        Ok(until_sent(bytes, held))
    }
}

/// What a body of this length takes of the budget.
const fn units(length: usize) -> usize {
    length.saturating_sub(FREE).div_ceil(UNIT)
}

/// The whole body of a JSON request that is not packed.
pub(crate) async fn read_json(request: Request, limit: usize, budget: &Budget) -> Result<Whole, Problem> {
    require_no_encoding(request.headers())?;
    require_json(request.headers())?;
    let Whole { bytes, held } = read_whole(request.into_body(), limit, budget).await?;
    Ok(Whole { bytes: bytes.slice(mark(&bytes)..), held })
}

/// The length of the byte order mark that JSON begins with: some clients write one, and RFC 8259 lets it be ignored.
pub(crate) fn mark(json: &[u8]) -> usize {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    if json.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// The whole of a body of any type.
pub(crate) async fn read_whole(mut body: Body, limit: usize, budget: &Budget) -> Result<Whole, Problem> {
    // For a request with Content-Length the lower bound is that length.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Problem::too_large(limit));
    }
    let mut held = None;
    budget.raise(&mut held, announced)?;
    let mut late = held.is_some().then(|| Box::pin(tokio::time::sleep(PROMPT)));
    let first = next_of(&mut body, &mut late, &mut held, 0).await?.unwrap_or_default();
    if first.len() <= limit && body.is_end_stream() {
        // (of a late one, nothing was held any more)
        budget.raise(&mut held, first.len())?;
        return Ok(Whole { bytes: first, held });
    }
    // Copied together: a list of frames would cost a multiple of what is in them if they are small.
    let expected = if late.is_none() && held.is_some() { first.len() } else { announced };
    let mut bytes = Vec::with_capacity(expected);
    let mut frame = Some(first);
    while let Some(data) = frame {
        if bytes.len() + data.len() > limit {
            return Err(Problem::too_large(limit));
        }
        budget.raise(&mut held, bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
        let prompt = late.is_some();
        frame = next_of(&mut body, &mut late, &mut held, bytes.len()).await?;
        if prompt && late.is_none() {
            // What is not held is not kept, either.
            bytes.shrink_to_fit();
        }
    }
    Ok(Whole { bytes: bytes.into(), held })
}

/// The next bytes of a body. When it is late, it holds only as much as has come of it: who announces much and sends little
/// keeps nobody out.
async fn next_of(
    body: &mut Body,
    late: &mut Option<Pin<Box<Sleep>>>,
    held: &mut Held,
    come: usize,
) -> Result<Option<Bytes>, Problem> {
    if let Some(sleep) = late {
        tokio::select! {
            biased;
            data = next(body) => return data,
            () = sleep => {}
        }
        *late = None;
        lower(held, come);
    }
    next(body).await
}

/// Gives back what is held beyond what a body of this length needs.
pub(crate) fn lower(held: &mut Held, length: usize) {
    if let Some(held) = held {
        let beyond = held.num_permits().saturating_sub(units(length));
        drop(held.split(beyond));
    }
}

/// About how many bytes a body has, from the head alone; 0 if that does not tell. What is packed is taken to be four
/// times as long.
pub(crate) fn announced(headers: &HeaderMap, body: &Body) -> usize {
    const PACKED: usize = 4;
    let packed = || {
        let length = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
        headers.contains_key(header::CONTENT_ENCODING).then(|| length.saturating_mul(PACKED))
    };
    let lower = || usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    packed().unwrap_or_else(lower)
}

/// The next bytes of the body, none at its end; trailers are skipped.
pub(crate) async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(failed)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Why a body cannot be read on.
fn failed(error: axum::Error) -> Problem {
    let error = error.into_inner();
    match error.downcast_ref::<UnpackError>() {
        Some(bomb @ UnpackError::Bomb) => Problem::unpacks_too_large(bomb.to_string()),
        Some(UnpackError::Crowded) => Problem::too_many_bodies(),
        Some(error) => Problem::malformed(error.to_string()),
        None => Problem::malformed("the body broke off before its end"),
    }
}

/// JSON or no type at all, as FastAPI has it.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = essence(value);
    if essence.is_empty() || essence == "application/json" || is_json_suffixed(&essence) {
        return Ok(());
    }
    Err(Problem::unsupported_type(format!(
        "the body has Content-Type {essence}; send the header `Content-Type: application/json` (curl: -H 'Content-Type: application/json')"
    )))
}

/// JSON, bytes or no type at all: what clients of the Open Inference Protocol send.
pub(crate) fn require_inference(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    match &*essence(value) {
        "" | "application/json" | "application/octet-stream" => Ok(()),
        other if is_json_suffixed(other) => Ok(()),
        other => Err(Problem::unsupported_type(format!(
            "the body has Content-Type {other}; send application/json, or application/octet-stream with Inference-Header-Content-Length"
        ))),
    }
}

/// The body without its encoding: gzip, zstd or none.
pub(crate) fn unpacked(headers: &HeaderMap, body: Body, budget: &Budget) -> Result<Body, Problem> {
    let mut encodings = encodings(headers);
    let (encoding, another) = (encodings.next(), encodings.next());
    match encoding.map(HeaderValue::as_bytes) {
        None => Ok(body),
        Some(name) => match Encoding::named(name).filter(|_| another.is_none()) {
            Some(encoding) => Ok(Body::new(Unpack::new(encoding, body, budget.clone()))),
            None => Err(Problem::unsupported_type(format!(
                "the body has Content-Encoding {}; send gzip or zstd, or no encoding",
                String::from_utf8_lossy(name)
            ))),
        },
    }
}

/// Whether a request's body has been read to its end, for whom it is no matter how.
#[derive(Clone, Debug)]
pub(crate) struct ReadToEnd(Arc<AtomicBool>);

impl ReadToEnd {
    /// Of this request.
    pub(crate) fn of(request: Request) -> (Request, Self) {
        let read = Self(Arc::new(AtomicBool::new(request.body().is_end_stream())));
        let noted = read.clone();
        (request.map(|body| Body::new(Noted { body, read: noted })), read)
    }

    pub(crate) fn is_true(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Noted {
    body: Body,
    read: ReadToEnd,
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, and what is to be dropped with it: when the connection has taken the last of it, or the client has
/// gone.
pub(crate) struct With<T> {
    body: Body,
    _held: T,
}

impl<T> With<T> {
    pub(crate) fn new(body: Body, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<T: Unpin> HttpBody for With<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body's encodings, without the word for none.
fn encodings(headers: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    let none = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(header::CONTENT_ENCODING).iter().filter(move |value| !none(value))
}

/// No content encoding.
fn require_no_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = encodings(headers).next() {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(Problem::unsupported_type(format!(
            "the body has Content-Encoding {encoding}; send it without an encoding"
        )));
    }
    Ok(())
}

/// A Content-Type without its parameters, in lower case.
fn essence(value: &HeaderValue) -> Cow<'_, str> {
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = String::from_utf8_lossy(essence);
    if essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return essence.to_ascii_lowercase().into();
    }
    essence
}

pub(crate) fn is_json_suffixed(essence: &str) -> bool {
    essence.starts_with("application/") && essence.ends_with("+json")
}

/// An answer's bytes, which keep what the request holds until the connection has written the last of them. A body does
/// not: hyper drops it when it has taken its last frame, however slowly the client reads.
pub(crate) fn until_sent(bytes: Vec<u8>, holds: impl Send + 'static) -> Bytes {
    struct UntilSent<H> {
        bytes: Vec<u8>,
        _holds: H,
    }
    impl<H> AsRef<[u8]> for UntilSent<H> {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(UntilSent { bytes, _holds: holds })
}
