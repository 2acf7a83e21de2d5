//! Anomaly detectors: training, scoring, thresholds, severity and the model file.
//!
//! This crate knows nothing of Kubernetes, HTTP or files, and of clocks only to choose the faster of equal kernels.
//! Configuration ([`config`]) and the description of a trained model ([`description`]) are plain serde types and need
//! only the feature `config`; everything that computes needs the feature `engine`.
//!
//! The way from rows to verdicts: [`CheckedMatrix`] → [`Model::train`] → [`Model::encode`] → [`Model::decode`] →
//! [`Model::score_row`], and from a verdict to its reasons: [`Model::explain`].
//!
//! ```
//! # #[cfg(feature = "engine")] {
//! use detectors::{CheckedMatrix, DetectorConfig, Model, ThresholdConfig};
//!
//! let near = |center: f64, step: i32| center + 20.0 * (f64::from(step % 199) / 199.0 - 0.5).powi(3);
//! let readings = (0..400).flat_map(|hour| [near(70.0, 37 * hour), near(4.0, 61 * hour)]).collect();
//! let rows = CheckedMatrix::from_vec(readings, 2)?;
//! let features = ["mean".to_owned(), "sd".to_owned()];
//! let detector = DetectorConfig { isolation_forest: Some(Default::default()), ..Default::default() };
//! let model = Model::train(&features, &detector, &ThresholdConfig::default(), &rows)?;
//!
//! let scored = model.score_row(&[120.0, 25.0])?;
//! assert!(!scored.is_inlier && scored.severity > Some(1.0));
//! assert_eq!(Model::decode(&model.encode())?.score_row(&[120.0, 25.0])?, scored);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod config;
pub mod description;
mod every;

pub use config::{ConfigError, DetectorConfig, IsolationForestConfig, ThresholdConfig};
pub use description::{Description, Warning};

#[cfg(feature = "engine")]
mod calibration;
#[cfg(feature = "engine")]
mod columns;
#[cfg(feature = "engine")]
mod copod;
#[cfg(feature = "engine")]
pub mod detector;
#[cfg(feature = "engine")]
mod distinct;
#[cfg(feature = "engine")]
mod ecod;
#[cfg(feature = "engine")]
mod ensemble;
#[cfg(feature = "engine")]
pub mod explanation;
#[cfg(feature = "engine")]
mod extended_isolation_forest;
#[cfg(feature = "engine")]
pub mod forest;
#[cfg(feature = "engine")]
mod golden;
#[cfg(feature = "engine")]
mod hbos;
#[cfg(feature = "engine")]
pub mod import;
#[cfg(feature = "engine")]
mod linear;
#[cfg(feature = "engine")]
mod local_outlier_factor;
#[cfg(feature = "engine")]
pub mod matrix;
#[cfg(feature = "engine")]
pub mod model;
#[cfg(feature = "engine")]
pub mod model_file;
#[cfg(feature = "engine")]
mod nearest_neighbors;
#[cfg(feature = "engine")]
mod neighbors;
#[cfg(feature = "engine")]
mod principal_components;
#[cfg(feature = "engine")]
mod random;
#[cfg(feature = "engine")]
pub mod reference;
#[cfg(feature = "engine")]
mod robust_covariance;
#[cfg(feature = "engine")]
mod robust_z_score;
#[cfg(feature = "engine")]
mod scaling;
#[cfg(feature = "engine")]
mod scratch;
#[cfg(feature = "engine")]
mod tails;
#[cfg(feature = "engine")]
mod threshold;

#[cfg(feature = "engine")]
pub use copod::Copod;
#[cfg(feature = "engine")]
pub use detector::{Detector, FitError};
#[cfg(feature = "engine")]
pub use ecod::Ecod;
#[cfg(feature = "engine")]
pub use ensemble::Ensemble;
#[cfg(feature = "engine")]
pub use explanation::Explanation;
#[cfg(feature = "engine")]
pub use extended_isolation_forest::ExtendedIsolationForest;
#[cfg(feature = "engine")]
pub use forest::IsolationForest;
#[cfg(feature = "engine")]
pub use golden::GoldenError;
#[cfg(feature = "engine")]
pub use hbos::Hbos;
#[cfg(feature = "engine")]
pub use import::{ImportError, ImportOptions};
#[cfg(feature = "engine")]
pub use local_outlier_factor::LocalOutlierFactor;
#[cfg(feature = "engine")]
pub use matrix::{CheckedMatrix, MatrixError};
#[cfg(feature = "engine")]
pub use model::{Model, RowError, Scored, TrainError};
#[cfg(feature = "engine")]
pub use model_file::ModelFileError;
#[cfg(feature = "engine")]
pub use nearest_neighbors::NearestNeighbors;
#[cfg(feature = "engine")]
pub use principal_components::PrincipalComponents;
#[cfg(feature = "engine")]
pub use reference::{Bins, ColumnReference, Reference};
#[cfg(feature = "engine")]
pub use robust_covariance::RobustCovariance;
#[cfg(feature = "engine")]
pub use robust_z_score::RobustZScore;
