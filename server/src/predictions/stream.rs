//! Lines in, lines out, while both are on their way. A client that stops reading stops the parser: two chunks of
//! answers wait for it at most. One that stops sending is told so and let go.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TRAILER};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::Batch;
use super::format::Format;
use super::lines::Parser;
use super::work::{Input, Step, Work};
use crate::body::{self, Budget, Held, ReadsOn};
use crate::pool::{self, CHUNK_ROWS, INLINE_BYTES, INLINE_ROWS, Reserved};
use crate::problem::Problem;
use crate::state::App;

/// How many rows were not scored.
const ERRORS: HeaderName = HeaderName::from_static("x-anomaly-errors");

/// Chunks of answers that wait for the client.
const WAITING_CHUNKS: usize = 2;

/// Of a body that a proxy has forwarded, so many times as much is read before it is answered, if it comes soon: some proxies
/// end an answer that begins when less than 256 KiB of a body are left, and have up to some MiB on their way.
const FORWARDED: usize = 4;
const SOON: Duration = Duration::from_secs(1);

/// Answers as soon as it is known that rows of this kind can be read, or with the first rows if all have come; what comes
/// after is told in the lines.
pub(super) async fn answer(batch: Batch, body: Body) -> Result<Response, Problem> {
    let Batch { app, served, asked, announced, is_forwarded } = batch;
    let reserved = app.rows.reserve_stream()?;
    // (0: its length is not known)
    if announced == 0 || announced > INLINE_BYTES {
        app.pool.check()?;
    }
    let mut source = Source::open(&app, body, is_forwarded).await?;
    let (parser, passed) = match asked.form {
        Format::Csv => {
            let mut csv = asked.csv();
            source
                .read_with(|input| {
                    let (read, header) = csv.read_header(input.unused(), input.last, &served);
                    input.using(read);
                    header
                })
                .await?
                .map_err(Problem::invalid_rows)?;
            let passed = csv.passed();
            (Parser::Csv(Box::new(csv)), passed)
        }
        // The first bytes come before the answer's head: a client that waits for `100 Continue` must get it first.
        _ => {
            if source.input.unused().is_empty() {
                source.frame().await?;
            }
            (asked.ndjson(), Vec::new())
        }
    };
    let mut out = Vec::new();
    asked.answers.begin(&served, &passed, &mut out);
    let format = asked.answers.format();
    let work = Work::new(served, parser, asked.answers);
    let (sender, mut pieces) = mpsc::channel(WAITING_CHUNKS);
    let is_whole = source.input.last;
    tokio::spawn(run(app, work, source, out, sender));
    // What has come as a whole is answered with its first rows, not before: an answer that hardly waited for its body is
    // more than some proxies can follow.
    let first = if is_whole { Some(pieces.recv().await.ok_or_else(Problem::internal)?) } else { None };
    Ok(respond(format, Answer { first, pieces, ended: false, _reserved: reserved }))
}

fn respond(format: Format, body: Answer) -> Response {
    let headers = [(CONTENT_TYPE, format.content_type()), (TRAILER, HeaderValue::from(ERRORS))];
    let mut response = (headers, Body::new(body)).into_response();
    response.extensions_mut().insert(ReadsOn);
    response
}

/// What is sent to the client.
enum Piece {
    Lines(Vec<u8>),
    /// The last one, with the number of bad rows. Without it the answer is cut off and the client must see that.
    End(u64),
}

/// Reads, scores and answers until either side ends it.
async fn run(app: Arc<App>, mut work: Work, mut source: Source, begin: Vec<u8>, sender: mpsc::Sender<Piece>) {
    let mut out = begin;
    let mut crowded = false;
    loop {
        let Ok(step) = step(&app, work, &mut source.input, out, crowded).await else { return };
        (work, out) = (step.work, step.out);
        let mut ended = step.at == Step::Ended;
        crowded = step.at == Step::Full;
        if !out.is_empty() && sender.send(Piece::Lines(std::mem::take(&mut out))).await.is_err() {
            break;
        }
        if step.at == Step::Hungry {
            let more = tokio::select! {
                more = source.more(app.limits.stall_timeout) => more,
                () = sender.closed() => break,
            };
            if let Err(Stopped(message)) = more {
                work.end_with(&message, &mut out);
                let _ = sender.send(Piece::Lines(std::mem::take(&mut out))).await;
                ended = true;
            }
        }
        if ended {
            // The client may have gone; there is nobody to tell.
            let _ = sender.send(Piece::End(work.bad)).await;
            break;
        }
    }
    app.metrics.rows.count_batch(work.scored);
}

/// What comes back from a step.
struct Stepped {
    work: Work,
    out: Vec<u8>,
    at: Step,
}

/// Little is done here, much in the pool.
async fn step(
    app: &Arc<App>,
    mut work: Work,
    input: &mut Input,
    mut out: Vec<u8>,
    crowded: bool,
) -> Result<Stepped, Problem> {
    if !crowded && input.unused().len() <= INLINE_BYTES {
        let at = work.step(input, INLINE_ROWS, &app.metrics.rows, &mut out);
        return Ok(Stepped { work, out, at });
    }
    let mut taken = std::mem::take(input);
    let job = Arc::clone(app);
    let rows = pool::estimate(taken.unused().len(), work.width()).clamp(1, CHUNK_ROWS);
    let (stepped, taken) = app
        .pool
        .run_rows(rows, move || {
            let before = work.scored;
            let at = work.step(&mut taken, CHUNK_ROWS, &job.metrics.rows, &mut out);
            let scored = work.scored - before;
            ((Stepped { work, out, at }, taken), scored)
        })
        .await?;
    *input = taken;
    Ok(stepped)
}

/// Where rows come from: what has been read, and what is still to come.
struct Source {
    input: Input,
    body: Body,
    /// Why reading failed, told when what came before has been scored.
    broken: Option<Problem>,
    /// For what was read before the answer.
    held: Held,
}

/// Why no more rows come.
struct Stopped(String);

impl Source {
    /// What is announced to be small is read before it is answered, as JSON is: not every client and not every proxy
    /// reads an answer while it sends.
    async fn open(app: &App, body: Body, is_forwarded: bool) -> Result<Self, Problem> {
        let most = app.limits.max_body_bytes;
        match body.size_hint().exact().map(usize::try_from) {
            Some(Ok(announced)) if announced <= most => {
                let whole = body::read_whole(body, most, &app.bodies).await?;
                let input = Input::new(whole.bytes.into(), true);
                Ok(Self { input, body: Body::empty(), broken: None, held: whole.held })
            }
            announced => {
                let mut source = Self { input: Input::default(), body, broken: None, held: None };
                let most = most.saturating_mul(FORWARDED);
                if is_forwarded && announced.is_some_and(|bytes| bytes.is_ok_and(|bytes| bytes <= most)) {
                    let reading = source.read_while_there_is_room(&app.bodies);
                    tokio::time::timeout(SOON, reading).await.unwrap_or(Ok(()))?;
                }
                Ok(source)
            }
        }
    }

    async fn read_while_there_is_room(&mut self, budget: &Budget) -> Result<(), Problem> {
        while !self.input.last && budget.raise(&mut self.held, self.input.unused().len()).is_ok() {
            self.frame().await?;
        }
        Ok(())
    }

    /// Tries with more and more bytes.
    async fn read_with<T>(&mut self, mut read: impl FnMut(&mut Input) -> Option<T>) -> Result<T, Problem> {
        loop {
            if let Some(done) = read(&mut self.input) {
                return Ok(done);
            }
            self.frame().await?;
        }
    }

    /// The next bytes, or the end.
    async fn frame(&mut self) -> Result<(), Problem> {
        if self.input.last {
            return Ok(());
        }
        match body::next(&mut self.body).await? {
            Some(bytes) => self.input.add(&bytes),
            None => self.input.last = true,
        }
        Ok(())
    }

    /// Waits for more, then takes what is there already, up to a chunk.
    async fn more(&mut self, stall: Duration) -> Result<(), Stopped> {
        let late = |_| Stopped(format!("nothing came for {} s", stall.as_secs_f64()));
        if self.broken.is_none() {
            self.broken = tokio::time::timeout(stall, self.frame()).await.map_err(late)?.err();
        }
        if let Some(problem) = self.broken.take() {
            return Err(Stopped(problem.into_detail()));
        }
        while !self.input.last && self.broken.is_none() && self.input.unused().len() < INLINE_BYTES {
            match self.frame().now_or_never() {
                Some(frame) => self.broken = frame.err(),
                None => break,
            }
        }
        Ok(())
    }
}

/// The answer's body.
struct Answer {
    /// What the head has waited for.
    first: Option<Piece>,
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
    /// Until the client has it all or has gone.
    _reserved: Reserved,
}

#[derive(Debug, thiserror::Error)]
#[error("the answer ends before its end")]
struct CutOff;

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => ready!(self.pieces.poll_recv(context)),
        };
        self.ended = !matches!(piece, Some(Piece::Lines(_)));
        Poll::Ready(Some(match piece {
            Some(Piece::Lines(lines)) => Ok(Frame::data(lines.into())),
            Some(Piece::End(errors)) => {
                Ok(Frame::trailers(HeaderMap::from_iter([(ERRORS, HeaderValue::from(errors))])))
            }
            None => Err(CutOff),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::config::Limits;
    use crate::pool::RowsInFlight;

    /// The task that writes it may fail; a client must not take what it has for all.
    #[tokio::test]
    async fn an_answer_without_its_end_is_an_error() {
        let rows = RowsInFlight::new(&Limits::default());
        let (sender, pieces) = mpsc::channel(WAITING_CHUNKS);
        let answer = Answer { first: None, pieces, ended: false, _reserved: rows.reserve_stream().unwrap() };
        sender.send(Piece::Lines(b"true\n".to_vec())).await.unwrap();
        drop(sender);
        assert!(answer.collect().await.is_err());
    }
}
