//! A batch on its way in: let in by its head, then read as a whole.
//!
//! About how many rows it has is known from the length in its head, so it is refused before a byte of its body is sent or
//! read. A body that is still coming a moment later gives its rows and its place among the batches back until it is
//! there: a client that sends slowly keeps nobody out, and is told to come back itself if there is no room by then.

use axum::body::Body;

use crate::backlog::Place;
use crate::body::{self, Whole};
use crate::pool::{self, INLINE_BYTES, Reserved};
use crate::problem::Problem;
use crate::state::{App, Served};

/// A whole body, and what its batch holds.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) whole: Whole,
    /// About as many rows as it has.
    pub(crate) reserved: Reserved,
    pub(crate) place: Place,
}

/// About how many rows a batch of this length has.
pub(crate) fn estimate(app: &App, served: &Served, bytes: usize) -> usize {
    pool::estimate(bytes, served.width()).clamp(1, app.limits.max_batch_rows.max(1))
}

/// Reads a batch of which this many bytes are announced.
pub(crate) async fn read(
    app: &App,
    served: &Served,
    announced: usize,
    body: Body,
) -> Result<Arrived, Problem> {
    let rows = estimate(app, served, announced);
    let mut reserved = app.rows.reserve(rows)?;
    let mut place = app.pool.place();
    if announced > INLINE_BYTES {
        place.take(rows)?;
    }
    let whole = body::read_whole(body, app.limits.max_body_bytes, &app.bodies);
    let whole = place.until(whole, || reserved.give_back()).await?;
    app.rows.correct(&mut reserved, estimate(app, served, whole.bytes.len()))?;
    Ok(Arrived { whole, reserved, place })
}
