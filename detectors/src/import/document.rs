//! The document as it is written, and what can be checked without the forest.

use serde::Deserialize;

use super::{FORMAT, ImportError, VERSION};
use crate::forest::{ImportedForest, ImportedTree, Unusual};
use crate::golden::{GoldenRow, MAX_ROWS, Outcome};
use crate::matrix::in_range;
use crate::reference::{Bins, ColumnReference, MAX_COLUMNS};

/// The most scores that tell how rare one is.
const MAX_SCORES: usize = 1_000_000;

/// A document, read but not proven.
pub(super) struct Document {
    pub(super) features: Vec<String>,
    pub(super) forest: ImportedForest,
    pub(super) golden: Vec<ToldRow>,
    pub(super) calibration: Option<ToldCalibration>,
}

/// Read first, so that another version is refused by its number and not by its members.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
struct Written {
    features: Vec<String>,
    n_features_in: u32,
    max_samples: u32,
    offset: f64,
    depth_cut: Option<f64>,
    missing: Unusual,
    non_finite: Unusual,
    c: Vec<(u32, f64)>,
    trees: Vec<ImportedTree>,
    golden: Vec<ToldRow>,
    #[serde(default)]
    calibration: Option<ToldCalibration>,
}

/// A golden row with scikit-learn's results.
#[derive(Deserialize)]
pub(super) struct ToldRow {
    /// None is a missing value.
    values: Vec<Option<f64>>,
    depth_sum: f64,
    score: f64,
    is_inlier: bool,
}

/// How rare scores are among the training rows, and where these lay.
#[derive(Deserialize)]
pub(super) struct ToldCalibration {
    rows: u64,
    outlyingness: Vec<f64>,
    #[serde(default)]
    columns: Option<Vec<ToldColumn>>,
}

#[derive(Deserialize)]
struct ToldColumn {
    min: f64,
    low: f64,
    median: f64,
    high: f64,
    max: f64,
    edges: Vec<f64>,
    counts: Vec<u32>,
    missing: u32,
}

/// A calibration's numbers, checked.
pub(super) struct Distribution {
    pub(super) rows: u64,
    pub(super) ascending_scores: Vec<f64>,
    pub(super) columns: Option<Vec<ColumnReference>>,
}

impl Document {
    pub(super) fn read(json: &[u8]) -> Result<Self, ImportError> {
        let problem = |error: serde_json::Error| ImportError::Json { problem: error.to_string() };
        let Head { format, version } = serde_json::from_slice(json).map_err(problem)?;
        if format != FORMAT {
            return Err(ImportError::Format { found: format.chars().take(64).collect() });
        }
        if version != VERSION {
            return Err(ImportError::Version { found: version });
        }
        let written: Written = serde_json::from_slice(json).map_err(problem)?;
        let Written {
            features,
            n_features_in,
            max_samples,
            offset,
            depth_cut,
            missing,
            non_finite,
            c,
            trees,
            ..
        } = written;
        let forest =
            ImportedForest { n_features_in, max_samples, trees, c, offset, depth_cut, missing, non_finite };
        Ok(Self { features, forest, golden: written.golden, calibration: written.calibration })
    }

    /// The golden rows of a model of so many columns.
    pub(super) fn golden_rows(&self, columns: usize) -> Result<Vec<GoldenRow>, String> {
        if !(1..=MAX_ROWS).contains(&self.golden.len()) {
            return Err(format!("there are {}: 1 to {MAX_ROWS} are expected", self.golden.len()));
        }
        let rows = self.golden.iter().enumerate();
        rows.map(|(at, row)| row.checked(columns).map_err(|problem| format!("row {at} {problem}"))).collect()
    }
}

impl ToldRow {
    fn checked(&self, columns: usize) -> Result<GoldenRow, String> {
        if self.values.len() != columns {
            return Err(format!("has {} values for {columns} columns", self.values.len()));
        }
        let values: Vec<f64> = self.values.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        if !values.iter().all(|value| value.is_nan() || in_range(*value)) {
            return Err("has a value beyond ±3.4028234e38".to_owned());
        }
        let result = Outcome { measure: self.depth_sum, score: self.score, is_inlier: self.is_inlier };
        Ok(GoldenRow { values, result })
    }
}

impl ToldCalibration {
    /// Numbers that can be a forest's of so many columns.
    pub(super) fn check(self, columns: usize) -> Result<Distribution, String> {
        let count = self.outlyingness.len();
        if !(1..=MAX_SCORES).contains(&count) || self.rows < count as u64 || self.rows > 1 << 53 {
            return Err(format!("{count} scores of {} rows", self.rows));
        }
        if let Some(value) = self.outlyingness.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(format!("an outlyingness of {value}, which is not between 0 and 1"));
        }
        let mut ascending_scores: Vec<f64> = self.outlyingness.iter().map(|value| -value).collect();
        ascending_scores.sort_by(f64::total_cmp);
        let columns = self.columns.map(|told| checked_columns(told, columns, self.rows)).transpose()?;
        Ok(Distribution { rows: self.rows, ascending_scores, columns })
    }
}

fn checked_columns(told: Vec<ToldColumn>, columns: usize, rows: u64) -> Result<Vec<ColumnReference>, String> {
    if told.len() != columns.min(MAX_COLUMNS) {
        return Err(format!("{} columns are told of {columns}", told.len()));
    }
    let columns = told.into_iter().enumerate();
    columns
        .map(|(at, column)| column.checked(rows).map_err(|problem| format!("column {at}: {problem}")))
        .collect()
}

impl ToldColumn {
    fn checked(self, rows: u64) -> Result<ColumnReference, String> {
        let Self { min, low, median, high, max, edges, counts, missing } = self;
        let quantiles = [min, low, median, high, max];
        if !quantiles.iter().chain(&edges).all(|&value| in_range(value)) {
            return Err("a number is beyond ±3.4028234e38".to_owned());
        }
        if !quantiles.is_sorted() {
            return Err("its quantiles are out of order".to_owned());
        }
        let bins = Bins::from_parts(edges, counts, missing)?;
        if bins.rows() != rows {
            return Err(format!("{} rows in its bins of {rows}", bins.rows()));
        }
        Ok(ColumnReference { min, low, median, high, max, bins })
    }
}
