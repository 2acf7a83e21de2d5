//! A batch with JSON on one side: read as a whole, refused or scored as a whole, answered as a whole.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::Full;

use super::Batch;
use super::format::Format;
use super::lines::Parser;
use super::table::{self, Rules, Table};
use crate::backlog::Place;
use crate::body::{self, Whole};
use crate::pool::{self, CHUNK_ROWS, INLINE_BYTES, INLINE_ROWS, Reserved};
use crate::problem::Problem;

/// The answer, or the first twenty errors.
pub(super) async fn answer(batch: Batch, body: Body) -> Result<Response, Problem> {
    let batch = Arc::new(batch);
    let app = &batch.app;
    // Decided before a byte of the body is read; how many rows it has is known only then.
    let mut reserved = app.rows.reserve(batch.estimate(batch.announced))?;
    let mut place = app.pool.place();
    if batch.announced > INLINE_BYTES {
        place.take(batch.estimate(batch.announced))?;
    }
    let body = place.until(body::read_whole(body, app.limits.max_body_bytes, &app.bodies)).await?;
    let table = Arc::new(parse(&batch, &body.bytes, &mut place).await?);
    let rows = table.values.len() / batch.served.width();
    app.rows.correct(&mut reserved, rows)?;
    if rows > INLINE_ROWS {
        place.take(rows)?;
    }
    // The numbers take the place of the text: the budget for bodies goes on counting them.
    let Whole { bytes, held: _held } = body;
    drop(bytes);

    let mut out = Vec::new();
    batch.begin(&table, &mut out);
    for first in (0..rows).step_by(CHUNK_ROWS) {
        let last = rows.min(first + CHUNK_ROWS);
        if rows <= INLINE_ROWS {
            batch.score(&table, first, last, &mut out);
            continue;
        }
        let (job, table) = (Arc::clone(&batch), Arc::clone(&table));
        let chunk = app.pool.run_for(&mut place, move || {
            let mut chunk = Vec::new();
            job.score(&table, first, last, &mut chunk);
            chunk
        });
        out.extend_from_slice(&chunk.await?);
    }
    // (what was scored here was not timed)
    if rows > INLINE_ROWS {
        place.scored();
    }
    batch.asked.answers.end(&mut out);
    app.metrics.rows.count_batch(rows as u64);
    Ok(respond(batch.asked.answers.format(), out, reserved))
}

async fn parse(batch: &Arc<Batch>, bytes: &Bytes, place: &mut Place) -> Result<Table, Problem> {
    if bytes.len() <= INLINE_BYTES {
        return batch.parse(bytes);
    }
    place.take(batch.estimate(bytes.len()))?;
    let (job, bytes) = (Arc::clone(batch), bytes.clone());
    batch.app.pool.run_for(place, move || job.parse(&bytes)).await?
}

impl Batch {
    /// About how many rows a body of this length has.
    fn estimate(&self, bytes: usize) -> usize {
        pool::estimate(bytes, self.served.width()).clamp(1, self.app.limits.max_batch_rows.max(1))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Table, Problem> {
        let served = &self.served;
        let limits = &self.app.limits;
        let rules = Rules {
            most_rows: limits.max_batch_rows,
            most_passed: 4 * limits.max_body_bytes,
            passthrough: self.asked.passthrough,
        };
        match self.asked.form {
            Format::Json => table::of_json(&bytes[body::mark(bytes)..], served, rules),
            Format::Ndjson => table::of_lines(self.asked.ndjson(), bytes, served, rules),
            Format::Csv => {
                let mut csv = self.asked.csv();
                let (read, header) = csv.read_header(bytes, true, served);
                header.unwrap_or(Ok(())).map_err(Problem::invalid_rows)?;
                table::of_lines(Parser::Csv(Box::new(csv)), &bytes[read..], served, rules)
            }
        }
    }

    /// A CSV is never answered here with columns that are passed through.
    fn begin(&self, table: &Table, out: &mut Vec<u8>) {
        out.reserve(table.values.len() / self.served.width() * 96);
        self.asked.answers.begin(&self.served, &[], out);
    }

    fn score(&self, table: &Table, first: usize, last: usize, out: &mut Vec<u8>) {
        let width = self.served.width();
        let scored = self.served.score_rows(table.values[first * width..last * width].to_vec());
        for (row, scored) in (first..).zip(&scored) {
            self.asked.answers.row(scored, table.passed.row(row), out);
        }
    }
}

/// The rows are in flight until the client has them.
fn respond(format: Format, out: Vec<u8>, reserved: Reserved) -> Response {
    let length = HeaderValue::from(out.len());
    let body = Full::new(body::until_sent(out, reserved));
    ([(CONTENT_TYPE, format.content_type()), (CONTENT_LENGTH, length)], Body::new(body)).into_response()
}
