//! `GET /page/boundary?across=0&upwards=1`: severities on a grid over two features, the first two by default, the others at their training
//! medians. Scored here and counted nowhere: nobody asked for a verdict.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use detectors::{CheckedMatrix, ColumnReference, Scored};
use serde::Serialize;

use super::json;
use crate::problem::Problem;
use crate::query;
use crate::state::{App, Served};

/// Points across and upwards: less than a chunk of a batch.
const COLUMNS: usize = 72;
const ROWS: usize = 54;
/// What is shown beyond the training rows on either side, as a part of their range.
const MARGIN: f64 = 0.1;

#[derive(Serialize)]
struct Grid<'a> {
    across: Axis<'a>,
    upwards: Axis<'a>,
    columns: usize,
    rows: usize,
    /// Row by row, from the lowest; rounded to thousandths.
    severities: Vec<f64>,
    /// Whether these are severities; else the model is not calibrated, and there are 0 for inliers and 2 for anomalies.
    calibrated: bool,
}

#[derive(Serialize)]
struct Axis<'a> {
    position: usize,
    feature: &'a str,
    from: f64,
    to: f64,
}

/// The handler.
pub(crate) async fn boundary(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let served = Arc::clone(app.model()?);
    let across = position(&request, "across", 0, &served)?;
    let upwards = position(&request, "upwards", 1, &served)?;
    if served.model.reference().is_none_or(|reference| reference.columns().len() < served.width()) {
        let detail = "this revision does not say where its training rows lay in every feature: retrain it (of more than 1,024 features none does)";
        return Err(Problem::invalid_parameter(detail));
    }
    let _reserved = app.rows.reserve(COLUMNS * ROWS)?;
    let job = Arc::clone(&app);
    app.pool.run(COLUMNS * ROWS, move || json(&job, &grid(&served, across, upwards))).await?
}

/// A feature's position, from a query parameter; without it a default, or the last one.
fn position(
    request: &Request,
    name: &'static str,
    default: usize,
    served: &Served,
) -> Result<usize, Problem> {
    let Some(text) = query::text(request.uri(), name) else { return Ok(default.min(served.width() - 1)) };
    let position = text.parse().ok().filter(|&position| position < served.width());
    position.ok_or_else(|| {
        Problem::invalid_parameter(format!(
            "the query parameter {name} must be a feature's position, from 0 to {}",
            served.width() - 1
        ))
    })
}

fn grid(served: &Served, across: usize, upwards: usize) -> Grid<'_> {
    let columns = served.model.reference().map_or(&[][..], |reference| reference.columns());
    let axis = |position: usize| {
        let (from, to) = columns.get(position).map_or((0.0, 1.0), shown);
        Axis { position, feature: &served.model.features()[position], from, to }
    };
    let (horizontal, vertical) = (axis(across), axis(upwards));
    // Of one feature, a line is enough.
    let rows = if across == upwards { 1 } else { ROWS };
    let mut row: Vec<f64> = columns.iter().map(|column| column.median).collect();
    let mut severities = Vec::with_capacity(COLUMNS * rows);
    for upward in 0..rows {
        let mut values = Vec::with_capacity(COLUMNS * row.len());
        for column in 0..COLUMNS {
            row[upwards] = place(&vertical, upward, rows);
            row[across] = place(&horizontal, column, COLUMNS);
            values.extend_from_slice(&row);
        }
        // Medians, and what lies between finite numbers, are in range.
        let Ok(line) = CheckedMatrix::from_vec(values, row.len()) else { continue };
        severities.extend(served.model.score_rows(&line).iter().map(severity));
    }
    let calibrated = served.model.is_calibrated();
    Grid { across: horizontal, upwards: vertical, columns: COLUMNS, rows, severities, calibrated }
}

/// Rounded, but an anomaly stays above 1.
fn severity(scored: &Scored) -> f64 {
    let Some(severity) = scored.severity else { return if scored.is_inlier { 0.0 } else { 2.0 } };
    let rounded = (severity * 1e3).round() / 1e3;
    if scored.is_inlier { rounded } else { rounded.max(1.001) }
}

/// The middle of a cell.
fn place(axis: &Axis<'_>, cell: usize, cells: usize) -> f64 {
    axis.from + (axis.to - axis.from) * (cell as f64 + 0.5) / cells as f64
}

/// The range of the training rows and something beyond; something around a constant.
fn shown(column: &ColumnReference) -> (f64, f64) {
    let ColumnReference { min, max, .. } = *column;
    let span = (max - min).max(max.abs().max(min.abs()) * 1e-6).max(1e-12);
    let most = f64::from(f32::MAX);
    ((min - MARGIN * span).max(-most), (max + MARGIN * span).min(most))
}
