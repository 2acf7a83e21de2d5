//! Anomaly detectors: training, scoring, thresholds, severity and the model file.
//!
//! This crate knows nothing of Kubernetes, HTTP, files or clocks. Configuration ([`config`]) and the description
//! of a trained model ([`description`]) are plain serde types and need only the feature `config`; everything that
//! computes needs the feature `engine`.
//!
//! The way from rows to verdicts: [`CheckedMatrix`] → [`Model::train`] → [`Model::encode`] → [`Model::decode`] →
//! [`Model::score_row`].

pub mod config;
pub mod description;

pub use config::{ConfigError, DetectorConfig, IsolationForestConfig, ThresholdConfig};
pub use description::{Description, Warning};

#[cfg(feature = "engine")]
mod calibration;
#[cfg(feature = "engine")]
mod columns;
#[cfg(feature = "engine")]
pub mod detector;
#[cfg(feature = "engine")]
pub mod forest;
#[cfg(feature = "engine")]
mod golden;
#[cfg(feature = "engine")]
pub mod matrix;
#[cfg(feature = "engine")]
pub mod model;
#[cfg(feature = "engine")]
pub mod model_file;
#[cfg(feature = "engine")]
mod random;
#[cfg(feature = "engine")]
mod threshold;

#[cfg(feature = "engine")]
pub use detector::{Detector, FitError};
#[cfg(feature = "engine")]
pub use forest::IsolationForest;
#[cfg(feature = "engine")]
pub use golden::GoldenError;
#[cfg(feature = "engine")]
pub use matrix::{CheckedMatrix, MatrixError};
#[cfg(feature = "engine")]
pub use model::{Model, RowError, Scored, TrainError};
#[cfg(feature = "engine")]
pub use model_file::ModelFileError;
