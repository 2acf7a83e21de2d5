//! Whether the forest scores here as it did where it was fitted.

use super::ImportError;
use super::document::Document;
use crate::detector::{Detector, Fitted};
use crate::forest::IsolationForest;
use crate::golden::GoldenRow;
use crate::model::{Facts, Model};
use crate::threshold::Line;

/// The document's golden rows, which come out here by every kernel, with the document's own line.
pub(super) fn prove(document: &Document) -> Result<Vec<GoldenRow>, ImportError> {
    let forest = IsolationForest::import(&document.forest)?;
    let line = Line { threshold: document.forest.offset, cut: document.forest.cut(&forest)? };
    let golden =
        document.golden_rows(forest.columns()).map_err(|problem| ImportError::GoldenRows { problem })?;
    if let Some(at) = golden.iter().position(|row| !row.values.iter().all(|&value| forest.accepts(value))) {
        let problem = format!("row {at} lacks a value, but the model refuses such rows");
        return Err(ImportError::GoldenRows { problem });
    }
    let fitted = Fitted::IsolationForest(Box::new(forest));
    let proven = Model::from_parts(Facts::default(), fitted, line, None, golden.clone(), None);
    proven.verify_golden_rows().map_err(ImportError::Unproven)?;
    Ok(golden)
}

/// The golden rows that the forest accepts, with the verdicts of this line; at least one.
pub(super) fn judged(golden: Vec<GoldenRow>, forest: &IsolationForest, line: &Line) -> Vec<GoldenRow> {
    let mut rows: Vec<GoldenRow> = golden;
    for row in &mut rows {
        if !row.values.iter().all(|&value| forest.accepts(value)) {
            // Missing values are refused now although the document routes them: a row of zeros takes its place.
            row.values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
            row.result.measure = forest.measure_row(&row.values);
            row.result.score = forest.score(row.result.measure);
        }
        row.result.is_inlier = line.is_inlier(row.result.measure);
    }
    rows
}
