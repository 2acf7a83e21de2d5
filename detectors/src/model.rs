//! A trained model: a fitted detector, its threshold, its calibration and its golden rows.
//!
//! Scoring neither allocates (up to 256 columns) nor fails once a row's length and values are checked.

mod size;
mod train;

use ndarray::ArrayView2;

use crate::calibration::{Calibration, severity};
use crate::config::{DetectorConfig, ThresholdConfig};
use crate::description::Warning;
use crate::detector::Fitted;
use crate::explanation::{Explanation, Level};
use crate::golden::{self, GoldenError, GoldenRow, Outcome};
use crate::matrix::{CheckedMatrix, MatrixError};
use crate::model_file::{self, ModelFileError};
use crate::reference::Reference;
use crate::threshold::Line;

pub use train::TrainError;
pub(crate) use train::calibration_rows;
pub(crate) use train::check_features;

/// A trained model. Made by [`Model::train`] or read by [`Model::decode`].
#[derive(Clone, Debug)]
pub struct Model {
    facts: Facts,
    fitted: Fitted,
    line: Line,
    /// None for a model that was fitted elsewhere and came without its training rows.
    calibration: Option<Calibrated>,
    golden: Vec<GoldenRow>,
    /// None for models of files of version 1, and where it was left out for its size.
    reference: Option<Reference>,
}

/// How rare outlyingness is, and the threshold's own rarity.
#[derive(Clone, Debug, PartialEq)]
struct Calibrated {
    calibration: Calibration,
    /// u(τ), from the calibration.
    threshold_surprise: f64,
}

impl Calibrated {
    fn new(calibration: Calibration, line: Line) -> Self {
        let threshold_surprise = calibration.threshold_surprise(-line.threshold);
        Self { calibration, threshold_surprise }
    }

    fn severity(&self, Outcome { score, is_inlier, .. }: Outcome) -> f64 {
        severity(is_inlier, self.calibration.surprise(-score), self.threshold_surprise)
    }
}

/// What is known about a model besides its mathematics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) features: Vec<String>,
    pub(crate) detector: DetectorConfig,
    pub(crate) threshold_config: ThresholdConfig,
    pub(crate) training_rows: u64,
    pub(crate) flagged_training_share: f64,
    pub(crate) warnings: Vec<Warning>,
}

/// A row's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Whether the row is ordinary.
    pub is_inlier: bool,
    /// Higher is more ordinary, as in scikit-learn's `score_samples`; between −1 and 0 for a forest.
    pub anomaly_score: f64,
    /// 0 is ordinary, 1 the threshold, each further 1 ten times rarer than the threshold; at most 10.
    /// At most 1 for inliers, above 1 for anomalies. None if the model is not calibrated: see [`Model::is_calibrated`].
    pub severity: Option<f64>,
}

/// Why a row cannot be scored. Columns count from 0 in the fields and from 1 in the messages.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// The vector has the wrong length.
    #[error("the row has {got} values, but the model has {expected} features")]
    WrongLength {
        /// The model's number of features.
        expected: usize,
        /// The row's number of values.
        got: usize,
    },
    /// A value that is not a number, infinite, or beyond what 32-bit floating point holds.
    #[error("value {} (feature {feature}) is {value}: values must be finite and within ±3.4028234e38", column + 1)]
    NotFinite {
        /// The column, from 0.
        column: usize,
        /// The feature's name.
        feature: String,
        /// The value.
        value: f64,
    },
}

impl Model {
    /// Scores one row of d values.
    ///
    /// # Errors
    /// The row's length is not d, or a value is not finite or beyond ±`f32::MAX` and the detector does not route such.
    pub fn score_row(&self, row: &[f64]) -> Result<Scored, RowError> {
        self.check(row)?;
        Ok(self.scored(self.outcome(self.fitted.measure_row(row))))
    }

    /// Why one row of d values scores as it does: how much each column adds. See [`crate::explanation`].
    ///
    /// # Errors
    /// As [`Model::score_row`].
    pub fn explain(&self, row: &[f64]) -> Result<Explanation, RowError> {
        let mut contributions = vec![0.0; self.fitted.columns()];
        let level = self.explain_into(row, &mut contributions)?;
        Ok(Explanation::new(level, contributions))
    }

    /// [`Model::explain`] for many rows: the contributions go into a slice of length d, and nothing is allocated.
    ///
    /// # Errors
    /// As [`Model::score_row`].
    ///
    /// # Panics
    /// The slice has not length d; see [`Model::features`].
    pub fn explain_into(&self, row: &[f64], contributions: &mut [f64]) -> Result<Level, RowError> {
        self.check(row)?;
        Ok(self.fitted.explain_row(row, contributions))
    }

    fn check(&self, row: &[f64]) -> Result<(), RowError> {
        let expected = self.fitted.columns();
        if row.len() != expected {
            return Err(RowError::WrongLength { expected, got: row.len() });
        }
        match row.iter().position(|&value| !self.fitted.accepts(value)) {
            None => Ok(()),
            Some(column) => {
                let feature = self.facts.features[column].clone();
                Err(RowError::NotFinite { column, feature, value: row[column] })
            }
        }
    }

    /// Rows of d values each, one after the other, as a table that [`Model::score_rows`] takes: missing values and
    /// infinities are in it where the model accepts them.
    ///
    /// # Errors
    /// No rows, a last row that is not complete, or the first value that the model does not accept.
    pub fn check_rows(&self, values: Vec<f64>) -> Result<CheckedMatrix, MatrixError> {
        CheckedMatrix::accepted(values, self.fitted.columns(), |value| self.fitted.accepts(value))
    }

    /// Scores rows of shape (n, d): the same results as row by row, faster.
    ///
    /// # Panics
    /// The matrix has not d columns (see [`Model::features`]), or was made with values that the model does not accept
    /// (see [`Model::check_rows`]).
    pub fn score_rows(&self, rows: &CheckedMatrix) -> Vec<Scored> {
        let accepted = || rows.as_slice().iter().all(|&value| self.fitted.accepts(value));
        assert!(!rows.may_lack_values() || accepted(), "a value that the model does not accept");
        let mut measures = vec![0.0; rows.rows()];
        self.fitted.measure(rows.view(), &mut measures);
        measures.into_iter().map(|measure| self.scored(self.outcome(measure))).collect()
    }

    fn outcome(&self, measure: f64) -> Outcome {
        Outcome { measure, score: self.fitted.score(measure), is_inlier: self.line.is_inlier(measure) }
    }

    fn scored(&self, outcome: Outcome) -> Scored {
        let severity = self.calibration.as_ref().map(|calibrated| calibrated.severity(outcome));
        Scored { is_inlier: outcome.is_inlier, anomaly_score: outcome.score, severity }
    }

    /// The columns' names, in the order of the vector.
    pub fn features(&self) -> &[String] {
        &self.facts.features
    }

    /// The detector and its parameters as they were asked for.
    pub fn detector(&self) -> &DetectorConfig {
        &self.facts.detector
    }

    /// The threshold as it was asked for.
    pub fn threshold_config(&self) -> &ThresholdConfig {
        &self.facts.threshold_config
    }

    /// The threshold in the scale of the anomaly score: a row is anomalous iff its score is below.
    pub fn threshold(&self) -> f64 {
        self.line.threshold
    }

    /// The number of rows it was trained on; 0 if that is not known.
    pub fn training_rows(&self) -> u64 {
        self.facts.training_rows
    }

    /// The share of the training rows that the model calls anomalous; none if the training rows are not known.
    pub fn flagged_training_share(&self) -> Option<f64> {
        (self.facts.training_rows > 0).then_some(self.facts.flagged_training_share)
    }

    /// Whether severities are told: they are, unless the model was fitted elsewhere and came without its training rows.
    pub fn is_calibrated(&self) -> bool {
        self.calibration.is_some()
    }

    /// The lowest and the highest score of the training rows (or of the sample that calibrated the model); of a model
    /// that is not calibrated, of its golden rows.
    pub fn training_scores(&self) -> (f64, f64) {
        let Some(Calibrated { calibration, .. }) = &self.calibration else {
            let scores = self.golden.iter().map(|row| row.result.score);
            return scores.fold((f64::MAX, f64::MIN), |(low, high), score| (low.min(score), high.max(score)));
        };
        let (least, most) = calibration.range();
        (-most, -least)
    }

    /// The share of the training rows with a lower score, half of those with an equal one among them; exact at some
    /// 250 quantiles, interpolated between. None of a model that is not calibrated.
    pub fn training_share_below(&self, score: f64) -> Option<f64> {
        Some(self.calibration.as_ref()?.calibration.share_above(-score))
    }

    /// What the user should know about the training.
    pub fn warnings(&self) -> &[Warning] {
        &self.facts.warnings
    }

    /// How the training rows are distributed; none for models of a release that did not store it.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The same model without [`Model::reference`]: the same verdicts and scores from a smaller file.
    #[must_use]
    pub fn without_reference(self) -> Self {
        Self { reference: None, ..self }
    }

    /// Whether a row may lack values (NaN).
    pub fn accepts_missing_values(&self) -> bool {
        self.fitted.accepts(f64::NAN)
    }

    /// The model file's bytes: the same for the same training. See [`model_file`].
    pub fn encode(&self) -> Vec<u8> {
        model_file::encode(self)
    }

    /// Reads a model file. What it returns can be scored: everything in it has been checked.
    ///
    /// # Errors
    /// The bytes are no model file, are damaged, or are of a version that this release cannot read.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelFileError> {
        model_file::decode(bytes)
    }

    /// The name of the kernel that scores rows on this machine, for example `avx512`; results do not depend on it.
    pub fn kernel(&self) -> &'static str {
        self.fitted.kernel()
    }

    /// A row in the midst of those it was trained on: the median of each feature over the golden rows, to four digits. No
    /// row of anybody's data, unless there is but one feature.
    pub fn typical_row(&self) -> Vec<f64> {
        let columns = 0..self.fitted.columns();
        columns.map(|column| golden::median(&self.golden, column)).collect()
    }

    /// Scores the golden rows, by every kernel that this machine has, and compares with what they came out as when the
    /// model was trained.
    ///
    /// # Errors
    /// The first row that differs: then this machine computes differently and must not serve the model.
    pub fn verify_golden_rows(&self) -> Result<(), GoldenError> {
        let values: Vec<f64> = self.golden.iter().flat_map(|row| &row.values).copied().collect();
        let shape = (self.golden.len(), self.fitted.columns());
        let rows = ArrayView2::from_shape(shape, &values).expect("golden rows have all columns");
        for (kernel, measures) in self.fitted.measure_every_way(rows) {
            for (at, measure) in measures.into_iter().enumerate() {
                let row = at % self.golden.len();
                golden::compare(row, kernel, self.golden[row].result, self.outcome(measure))?;
            }
        }
        Ok(())
    }

    /// All parts, for the model file.
    pub(crate) fn parts(
        &self,
    ) -> (&Facts, &Fitted, &Line, Option<&Calibration>, &[GoldenRow], Option<&Reference>) {
        let Self { facts, fitted, line, calibration, golden, reference } = self;
        let calibration = calibration.as_ref().map(|calibrated| &calibrated.calibration);
        (facts, fitted, line, calibration, golden, reference.as_ref())
    }

    /// A model of parts that fit together: as many features as columns, golden rows of that length.
    pub(crate) fn from_parts(
        facts: Facts,
        fitted: Fitted,
        line: Line,
        calibration: Option<Calibration>,
        golden: Vec<GoldenRow>,
        reference: Option<Reference>,
    ) -> Self {
        let calibration = calibration.map(|calibration| Calibrated::new(calibration, line));
        Self { facts, fitted, line, calibration, golden, reference }
    }
}
