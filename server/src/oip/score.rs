//! Scoring what a request asked for, as `/predictions` scores its batches: few rows where they were read, more in
//! chunks on the pool, counted by the same metrics.

use std::sync::Arc;

use super::output::{Column, Encoding, Output};
use super::rows::Rows;
use crate::backlog::Place;
use crate::body::Held;
use crate::pool::{CHUNK_ROWS, EXPLAINED, INLINE_ROWS};
use crate::problem::Problem;
use crate::state::{App, Served};

/// An answer may take many times the memory that its request took, with contributions above all: the budget for bodies
/// counts it, too, and what there is `beside` it. What is no contribution always fits when nothing else is held, as a
/// body does.
pub(super) fn hold(
    app: &App,
    served: &Served,
    outputs: &[(Output, Encoding)],
    rows: usize,
    beside: usize,
    held: &mut Held,
) -> Result<(), Problem> {
    let (mut all, mut explained) = (beside, 0_usize);
    for &(output, encoding) in outputs {
        let bytes = Column::bytes(output, encoding, rows, served.width());
        all = all.saturating_add(bytes);
        if output == Output::Contributions {
            explained = explained.saturating_add(bytes);
        }
    }
    let most = app.limits.max_bodies_bytes.max(app.limits.max_body_bytes);
    if explained > most {
        return Err(Problem::explains_too_much(most));
    }
    app.bodies.raise_for_answer(held, all)
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
