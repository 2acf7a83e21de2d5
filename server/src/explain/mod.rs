//! `POST /explain?top=n`: why a row scores as it does, by what each feature contributes. One row as `/prediction`
//! takes it, or rows as `/predictions` takes them in JSON.
//!
//! Nothing is counted as a prediction: whoever asks why a row is anomalous has had its verdict counted already.

mod answer;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::stream;
use http::header::{CONTENT_TYPE, HeaderValue};

use self::answer::Explainer;
use crate::arrival::{self, Arrived};
use crate::backlog::Place;
use crate::body::{self, Held, Whole, until_sent};
use crate::pool::{EXPLAINED, INLINE_BYTES, Reserved};
use crate::predictions;
use crate::problem::Problem;
use crate::query;
use crate::state::{App, Served};
use crate::vector;

/// Contributions that are written at a time: some 300 kB.
const CHUNK_VALUES: usize = 4_096;

/// Contributions that are written where their rows were read.
const INLINE_VALUES: usize = 512;

/// The handler. What a batch holds of the rows and of the backlog it takes as `/predictions` does: by its head where that
/// tells, and no later than its rows are there.
pub(crate) async fn explain(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let top = top(&request)?;
    let served = Arc::clone(app.model()?);
    let (head, body) = request.into_parts();
    body::require_json(&head.headers)?;
    let announced = body::announced(&head.headers, &body);
    let body = body::unpacked(&head.headers, body, &app.bodies)?;
    let Read { whole: Whole { bytes, held }, mut reserved, mut place } =
        read(&app, &served, announced, body).await?;
    let bytes = bytes.slice(body::mark(&bytes)..);
    if !is_batch(&bytes) {
        let row = vector::parse(&bytes, served.model.features(), served.accepts)?;
        return Ok(json(app.bodies.answer(of_row(&served, &row, top))?.into()));
    }
    if reserved.is_none() {
        reserved = Some(app.rows.reserve(arrival::estimate(&app, &served, bytes.len()))?);
    }
    let values = parse(&app, &served, bytes, &mut place).await?;
    let rows = values.len() / served.width();
    if values.len() <= INLINE_VALUES {
        let out = Explainer::new(&served, top).rows(&values, 0..rows, rows);
        return Ok(json(app.bodies.answer(out)?.into()));
    }
    let mut batch = Batch { app, served, top, values: values.into(), next: 0, place, held: Arc::default() };
    batch.place.take(batch.work())?;
    batch.hold(held)?;
    // From here on it is bounded by the memory it holds and has its turns: who reads slowly keeps no batch out.
    drop(reserved);
    let chunks = stream::unfold(Some(batch), |batch| async {
        let mut batch = batch?;
        let chunk = batch.chunk().await;
        let goes_on = chunk.is_ok() && batch.next < batch.rows();
        Some((chunk, goes_on.then_some(batch)))
    });
    Ok(json(Body::from_stream(chunks)))
}

/// A whole body. What may be large holds rows from its head on; a single row never does.
struct Read {
    whole: Whole,
    reserved: Option<Reserved>,
    place: Place,
}

async fn read(app: &App, served: &Served, announced: usize, body: Body) -> Result<Read, Problem> {
    if announced > INLINE_BYTES {
        let Arrived { whole, reserved, place } = arrival::read(app, served, announced, body).await?;
        return Ok(Read { whole, reserved: Some(reserved), place });
    }
    let whole = body::read_whole(body, app.limits.max_body_bytes, &app.bodies).await?;
    Ok(Read { whole, reserved: None, place: app.pool.place() })
}

/// The answer for one row that has been checked.
pub(crate) fn of_row(served: &Served, row: &[f64], top: Option<usize>) -> Vec<u8> {
    let mut out = Vec::new();
    Explainer::new(served, top).row(row, true, &mut out);
    out
}

fn json(body: Body) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// How many contributions of a row are told; all of them by default.
fn top(request: &Request) -> Result<Option<usize>, Problem> {
    let Some(text) = query::text(request.uri(), "top") else { return Ok(None) };
    match text.parse() {
        Ok(top @ 1..) => Ok(Some(top)),
        _ => Err(Problem::invalid_parameter("the query parameter top must be a number from 1")),
    }
}

/// Rows are an array of arrays or objects, or stand in an object; a single row is an array of numbers.
fn is_batch(body: &[u8]) -> bool {
    let mut bytes = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    match bytes.next() {
        Some(b'[') => matches!(bytes.next(), Some(b'[' | b'{')),
        first => first == Some(&b'{'),
    }
}

/// All rows, one after the other.
async fn parse(
    app: &Arc<App>,
    served: &Arc<Served>,
    bytes: Bytes,
    place: &mut Place,
) -> Result<Vec<f64>, Problem> {
    if bytes.len() <= INLINE_BYTES {
        return predictions::rows_of_json(&bytes, served, &app.limits);
    }
    place.take(arrival::estimate(app, served, bytes.len()))?;
    let (job, served) = (Arc::clone(app), Arc::clone(served));
    app.pool.run_for(place, move || predictions::rows_of_json(&bytes, &served, &job.limits)).await?
}

/// Rows that are explained while the client reads: the answer is many times their size.
struct Batch {
    app: Arc<App>,
    served: Arc<Served>,
    top: Option<usize>,
    values: Arc<[f64]>,
    /// The row that comes next.
    next: usize,
    /// Taken while a chunk is explained, not while the client reads it.
    place: Place,
    /// For the numbers and what is on its way to the client.
    held: Arc<Held>,
}

impl Batch {
    fn rows(&self) -> usize {
        self.values.len() / self.served.width()
    }

    fn chunk_rows(&self) -> usize {
        (CHUNK_VALUES / self.served.width()).clamp(1, self.rows())
    }

    /// What a chunk takes, in rows that are scored.
    fn work(&self) -> usize {
        self.chunk_rows() * EXPLAINED
    }

    /// Counts the numbers and two chunks among the bodies: one is written while the next is made.
    fn hold(&mut self, mut held: Held) -> Result<(), Problem> {
        let chunk = self.chunk_rows() * Explainer::new(&self.served, self.top).row_bytes();
        self.app.bodies.raise_for_answer(&mut held, size_of_val(&self.values[..]) + 2 * chunk)?;
        self.held = Arc::new(held);
        Ok(())
    }

    /// The next piece of the answer.
    async fn chunk(&mut self) -> Result<Bytes, &'static str> {
        let (rows, first) = (self.rows(), self.next);
        self.next = rows.min(first + self.chunk_rows());
        let last = self.next;
        let (served, top, values) = (Arc::clone(&self.served), self.top, Arc::clone(&self.values));
        let job = move || Explainer::new(&served, top).rows(&values, first..last, rows);
        self.place.take_anyway(self.work());
        let chunk = self.app.pool.run_for(&mut self.place, job).await;
        self.place.leave();
        let chunk = chunk.map_err(|_| "explaining failed")?;
        Ok(until_sent(chunk, Arc::clone(&self.held)))
    }
}
