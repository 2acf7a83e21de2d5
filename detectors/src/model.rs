//! A trained model: a fitted detector, its threshold, its calibration and its golden rows.

use crate::config::{ConfigError, DetectorConfig, ThresholdConfig};
use crate::description::Warning;
use crate::matrix::CheckedMatrix;

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    features: Vec<String>,
    detector: DetectorConfig,
    threshold: f64,
    rows: u64,
    share: f64,
    warnings: Vec<Warning>,
}

/// A row's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Whether the row is ordinary.
    pub is_inlier: bool,
    /// Higher is more ordinary; between −1 and 0 for a forest.
    pub anomaly_score: f64,
    /// 0 is ordinary, 1 the threshold, each further 1 ten times rarer than the threshold; at most 10.
    pub severity: f64,
}

/// Why training failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Why a row cannot be scored.
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
    #[error("value {column} (feature {feature}) is {value}: values must be finite and within ±3.4028235e38")]
    NotFinite {
        /// The column, from 0.
        column: usize,
        /// The feature's name.
        feature: String,
        /// The value.
        value: f64,
    },
}

/// Why a model file cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// Not a model file.
    #[error("this is not a model file")]
    NotAModel,
}

/// A golden row that does not come out as it did when the model was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("golden row {row} does not come out as it did when the model was trained")]
pub struct GoldenError {
    /// The row, from 0.
    pub row: usize,
}

#[allow(clippy::unimplemented, unused_variables)]
impl Model {
    /// Trains a model.
    pub fn train(
        features: &[String],
        detector: &DetectorConfig,
        threshold: &ThresholdConfig,
        rows: &CheckedMatrix,
    ) -> Result<Self, TrainError> {
        unimplemented!()
    }

    /// Scores one row of d values.
    pub fn score_row(&self, row: &[f64]) -> Result<Scored, RowError> {
        unimplemented!()
    }

    /// Scores rows. Panics when the number of columns is not that of the model.
    pub fn score_rows(&self, rows: &CheckedMatrix) -> Vec<Scored> {
        unimplemented!()
    }

    /// The columns' names, in the order of the vector.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The detector and its parameters as they were asked for.
    pub fn detector(&self) -> &DetectorConfig {
        &self.detector
    }

    /// A row is anomalous iff its score is below.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The number of rows it was trained on.
    pub fn training_rows(&self) -> u64 {
        self.rows
    }

    /// The share of the training rows that the model calls anomalous.
    pub fn flagged_training_share(&self) -> f64 {
        self.share
    }

    /// What the user should know about the training.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The model file's bytes: the same for the same training.
    pub fn encode(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// Reads a model file.
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelFileError> {
        unimplemented!()
    }

    /// Scores the golden rows and compares.
    pub fn verify_golden_rows(&self) -> Result<(), GoldenError> {
        unimplemented!()
    }
}
