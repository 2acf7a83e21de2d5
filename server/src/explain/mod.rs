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
use crate::body::{self, Whole};
use crate::pool::{self, EXPLAINED, INLINE_BYTES, Reserved};
use crate::predictions;
use crate::problem::Problem;
use crate::query;
use crate::state::{App, Served};
use crate::vector;

/// Contributions that are written at a time: some 300 kB.
const CHUNK_VALUES: usize = 4_096;

/// Contributions that are written where their rows were read.
const INLINE_VALUES: usize = 512;

/// The handler.
pub(crate) async fn explain(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let top = top(&request)?;
    let served = Arc::clone(app.model()?);
    let Whole { bytes, held } = body::read_json(request, app.limits.max_body_bytes, &app.bodies).await?;
    if !is_batch(&bytes) {
        let row = vector::parse(&bytes, served.model.features(), served.accepts)?;
        return Ok(json(Body::from(of_row(&served, &row, top))));
    }
    let values = parse(&app, &served, bytes).await?;
    // The rows are in flight, and their numbers in the budget for bodies, until the client has the answer.
    let reserved = app.rows.reserve(values.len() / served.width())?;
    let batch = Batch { app, served, top, values: values.into(), next: 0, reserved: Some(reserved) };
    let chunks = stream::unfold((batch, held), |(mut batch, held)| async {
        let chunk = batch.chunk().await?;
        Some((chunk, (batch, held)))
    });
    Ok(json(Body::from_stream(chunks)))
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
async fn parse(app: &Arc<App>, served: &Arc<Served>, bytes: Bytes) -> Result<Vec<f64>, Problem> {
    if bytes.len() <= INLINE_BYTES {
        return predictions::rows_of_json(&bytes, served, &app.limits);
    }
    app.pool.check()?;
    let (job, served) = (Arc::clone(app), Arc::clone(served));
    let rows = pool::estimate(bytes.len(), served.width());
    app.pool.run(rows, move || predictions::rows_of_json(&bytes, &served, &job.limits)).await?
}

/// Rows that are explained while the client reads: the answer is many times their size.
struct Batch {
    app: Arc<App>,
    served: Arc<Served>,
    top: Option<usize>,
    values: Arc<[f64]>,
    /// The row that comes next.
    next: usize,
    /// None when the end is written.
    reserved: Option<Reserved>,
}

impl Batch {
    /// The next piece of the answer.
    async fn chunk(&mut self) -> Option<Result<Vec<u8>, &'static str>> {
        self.reserved.as_ref()?;
        let (width, first) = (self.served.width(), self.next);
        let rows = self.values.len() / width;
        self.next = rows.min(first + (CHUNK_VALUES / width).max(1));
        let last = self.next;
        let (served, top, values) = (Arc::clone(&self.served), self.top, Arc::clone(&self.values));
        let job = move || Explainer::new(&served, top).rows(&values, first..last, rows);
        let chunk = if rows * width <= INLINE_VALUES {
            Ok(job())
        } else {
            self.app.pool.run((last - first) * EXPLAINED, job).await
        };
        if last == rows || chunk.is_err() {
            self.reserved = None;
        }
        Some(chunk.map_err(|_| "explaining failed"))
    }
}
