//! Whether the forest scores here as it did where it was fitted.

use super::ImportError;
use super::document::Document;
use crate::detector::{Detector, Fitted};
use crate::forest::IsolationForest;
use crate::golden::{GoldenRow, MAX_ROWS, Outcome};
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

/// The golden rows that the forest accepts, with the verdicts of this line; at least one. Where missing values are routed,
/// some lack values: what is routed is proven, too.
pub(super) fn judged(golden: Vec<GoldenRow>, forest: &IsolationForest, line: &Line) -> Vec<GoldenRow> {
    let measured = |values: Vec<f64>| {
        let measure = forest.measure_row(&values);
        let result = Outcome { measure, score: forest.score(measure), is_inlier: line.is_inlier(measure) };
        GoldenRow { values, result }
    };
    let mut rows: Vec<GoldenRow> = golden;
    for row in &mut rows {
        if !row.values.iter().all(|&value| forest.accepts(value)) {
            // Missing values are refused now although the document routes them: a row of zeros takes its place.
            let zeros = row.values.iter().map(|&value| if value.is_nan() { 0.0 } else { value });
            *row = measured(zeros.collect());
        }
        row.result.is_inlier = line.is_inlier(row.result.measure);
    }
    let lacks = |row: &GoldenRow| row.values.iter().any(|value| value.is_nan());
    if forest.accepts(f64::NAN) && !rows.iter().any(lacks) {
        // They are routed now although the document refuses them, so it has no such row.
        let mut lacking = rows[0].values.clone();
        lacking[0] = f64::NAN;
        let all_missing = vec![f64::NAN; lacking.len()];
        rows.truncate(MAX_ROWS - 2);
        rows.extend([lacking, all_missing].map(measured));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IsolationForestConfig;
    use crate::matrix::CheckedMatrix;

    fn forest(routes: bool) -> IsolationForest {
        let make = if routes { CheckedMatrix::with_missing } else { CheckedMatrix::from_vec };
        let rows = make((0..80).map(f64::from).collect(), 2).unwrap();
        let parameters = IsolationForestConfig::default().check().unwrap();
        IsolationForest::fit(&parameters, &["a".to_owned(), "b".to_owned()], &rows).unwrap().0
    }

    fn golden(count: usize) -> Vec<GoldenRow> {
        let result = Outcome { measure: 1.0, score: -0.5, is_inlier: true };
        (0..count).map(|row| GoldenRow { values: vec![row as f64; 2], result }).collect()
    }

    #[test]
    fn where_missing_values_are_routed_on_request_golden_rows_lack_some() {
        let line = Line { threshold: -0.5, cut: 0.0 };
        let (routing, refusing) = (forest(true), forest(false));
        for (count, expected) in [(1, 3), (63, 64), (64, 64)] {
            let rows = judged(golden(count), &routing, &line);
            assert_eq!(rows.len(), expected);
            let lacking = &rows[expected - 2..];
            assert!(lacking[0].values[0].is_nan() && lacking[0].values[1] == 0.0);
            assert!(lacking[1].values.iter().all(|value| value.is_nan()));
            for row in lacking {
                assert_eq!(row.result.measure.to_bits(), routing.measure_row(&row.values).to_bits());
            }
            assert_eq!(judged(golden(count), &refusing, &line), golden(count));
        }
    }
}
