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
use crate::arrival::{self, Arrived};
use crate::backlog::Place;
use crate::body::{self, Held, Whole};
use crate::pool::{CHUNK_ROWS, INLINE_BYTES, INLINE_ROWS};
use crate::problem::Problem;

/// What a row's verdict takes in the answer, about; what is passed through comes on top.
const ROW_BYTES: usize = 96;

/// The answer, or the first twenty errors.
pub(super) async fn answer(batch: Batch, body: Body) -> Result<Response, Problem> {
    let batch = Arc::new(batch);
    let app = &batch.app;
    let arrived = arrival::read(app, &batch.served, batch.announced, body).await?;
    let Arrived { whole: body, mut reserved, mut place } = arrived;
    let table = Arc::new(parse(&batch, &body.bytes, &mut place).await?);
    let rows = table.values.len() / batch.served.width();
    app.rows.correct(&mut reserved, rows)?;
    if rows > INLINE_ROWS {
        place.take(rows)?;
    }
    let Whole { bytes, mut held } = body;
    drop(bytes);
    // The numbers take the place of the text, then the answer theirs, which may be much more.
    let size = rows * ROW_BYTES + table.passed.bytes();
    let beside = std::mem::size_of_val(&table.values[..]) + table.passed.bytes();
    app.bodies.raise_for_answer(&mut held, size + beside)?;

    let mut out = Vec::with_capacity(size);
    batch.asked.answers.begin(&batch.served, &[], &mut out);
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
    drop(reserved);
    // (what was scored here was not timed)
    if rows > INLINE_ROWS {
        place.scored();
    }
    batch.asked.answers.end(&mut out);
    body::lower(&mut held, out.len());
    app.metrics.rows.count_batch(rows as u64);
    Ok(respond(batch.asked.answers.format(), out, held))
}

async fn parse(batch: &Arc<Batch>, bytes: &Bytes, place: &mut Place) -> Result<Table, Problem> {
    if bytes.len() <= INLINE_BYTES {
        return batch.parse(bytes);
    }
    place.take(arrival::estimate(&batch.app, &batch.served, bytes.len()))?;
    let (job, bytes) = (Arc::clone(batch), bytes.clone());
    batch.app.pool.run_for(place, move || job.parse(&bytes)).await?
}

impl Batch {
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

    fn score(&self, table: &Table, first: usize, last: usize, out: &mut Vec<u8>) {
        let width = self.served.width();
        let scored = self.served.score_rows(table.values[first * width..last * width].to_vec());
        for (row, scored) in (first..).zip(&scored) {
            self.asked.answers.row(scored, table.passed.row(row), out);
        }
    }
}

/// The memory is held until the client has the answer. Its rows are not: who reads slowly keeps no batch out.
fn respond(format: Format, out: Vec<u8>, held: Held) -> Response {
    let length = HeaderValue::from(out.len());
    let body = Full::new(body::until_sent(out, held));
    ([(CONTENT_TYPE, format.content_type()), (CONTENT_LENGTH, length)], Body::new(body)).into_response()
}
