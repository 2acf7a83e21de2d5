//! Scoring what a request asked for, as `/predictions` scores its batches: few rows where they were read, more in
//! chunks on the pool, counted by the same metrics.

use std::sync::Arc;

use super::output::{Column, Encoding, Output};
use super::rows::Rows;
use crate::backlog::Place;
use crate::body::Held;
use crate::pool::{self, CHUNK_ROWS, EXPLAINED, INLINE_ROWS};
use crate::problem::Problem;
use crate::state::{App, Served};

/// About how many rows a request of this length has.
pub(super) fn estimate(app: &App, served: &Served, bytes: usize) -> usize {
    pool::estimate(bytes, served.width()).clamp(1, app.limits.max_batch_rows.max(1))
}

/// Contributions may take many times the memory that their request took: the budget for bodies counts them, too, and
/// what there is `beside` them. What is beside them always fits when nothing else is held, as a body does.
pub(super) fn hold(
    app: &App,
    served: &Served,
    outputs: &[(Output, Encoding)],
    rows: usize,
    beside: usize,
    held: &mut Held,
) -> Result<(), Problem> {
    let explained = outputs.iter().filter(|(output, _)| *output == Output::Contributions);
    let bytes = explained.map(|(output, encoding)| Column::bytes(*output, *encoding, rows, served.width()));
    let bytes = bytes.fold(0, usize::saturating_add);
    let most = app.limits.max_bodies_bytes.max(app.limits.max_body_bytes);
    if bytes > most {
        return Err(Problem::explains_too_much(most));
    }
    app.bodies.raise(held, bytes.saturating_add(beside).min(most))
}

/// Writes the rows' values into the columns.
pub(super) async fn score(
    app: &Arc<App>,
    served: &Arc<Served>,
    rows: Rows,
    mut columns: Vec<Column>,
    mut place: Place,
) -> Result<Vec<Column>, Problem> {
    let count = rows.count();
    let explains = columns.iter().any(|column| column.output == Output::Contributions);
    let times = if explains { EXPLAINED } else { 1 };
    let (inline_rows, chunk_rows) = (INLINE_ROWS / times, CHUNK_ROWS / times);
    if count <= inline_rows {
        chunk(served, &rows, 0, count, &mut columns);
    } else {
        place.take(count.saturating_mul(times))?;
        let rows = Arc::new(rows);
        for first in (0..count).step_by(chunk_rows) {
            let last = count.min(first + chunk_rows);
            let (model, rows) = (Arc::clone(served), Arc::clone(&rows));
            let job = move || {
                chunk(&model, &rows, first, last, &mut columns);
                columns
            };
            columns = app.pool.run_for(&mut place, job).await?;
        }
        place.scored();
    }
    app.metrics.rows.count_batch(count as u64);
    Ok(columns)
}

fn chunk(served: &Served, rows: &Rows, first: usize, last: usize, columns: &mut [Column]) {
    // Without rows there is no matrix, and nothing to write.
    let Ok(matrix) = served.model.check_rows(rows.read(first, last)) else { return };
    let scored = served.score_matrix(&matrix);
    columns.iter_mut().for_each(|column| column.extend(&served.model, &matrix, &scored));
}
