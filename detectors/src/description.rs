//! What is known about a trained model without opening it: stored beside it, repeated in an annotation, read by
//! the operator and the server. It holds no times, so that the same training gives the same description.

use serde::{Deserialize, Serialize};

use crate::config::{DetectorConfig, ThresholdConfig};

/// The version of [`Description`] that this release writes.
pub const DESCRIPTION_VERSION: u32 = 1;

/// The newest version of the model file that this release writes. It reads all from 1 on.
pub const MODEL_FORMAT_VERSION: u16 = 3;

/// A trained model in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// [`DESCRIPTION_VERSION`] of the release that wrote it.
    pub format_version: u32,
    /// The revision's name.
    pub revision: String,
    /// The training key: 64 hexadecimal digits.
    pub key: String,
    /// The detector and its parameters.
    pub detector: DetectorConfig,
    /// The columns' names, in the order of the vector.
    pub features: Vec<String>,
    /// The number of rows it was trained on; 0 if that is not known.
    pub rows: u64,
    /// The threshold in the scale of the anomaly score: a row is anomalous if its score is below.
    pub threshold: f64,
    /// The threshold as it was asked for.
    pub threshold_config: ThresholdConfig,
    /// The share of the training rows that the model calls anomalous; none if the training rows are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged_training_share: Option<f64>,
    /// `sha256:<hex>` of the training data's bytes.
    pub data_digest: String,
    /// `sha256:<hex>` of the model file's bytes.
    pub model_digest: String,
    /// The model file's size in bytes.
    pub model_bytes: u64,
    /// What the user should know about the training.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// Something that does not stop a training but that its user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// One of the constants in [`reasons`].
    pub reason: String,
    /// What was found, in numbers, and what to do.
    pub message: String,
}

/// The reasons that a [`Warning`] can have.
pub mod reasons {
    /// Trees that could not split anything: columns are constant.
    pub const NO_SPLITS: &str = "NoSplits";
    /// Columns that have one value only, so that the detector ignores them.
    pub const CONSTANT_COLUMNS: &str = "ConstantColumns";
    /// Scores are tied, so that the share of flagged rows is far from the contamination asked for.
    pub const TIED_SCORES: &str = "TiedScores";
    /// A column has values that 32-bit floating point cannot tell apart.
    pub const PRECISION_LOSS: &str = "PrecisionLoss";
    /// The threshold was found on a sample of the training rows.
    pub const THRESHOLD_SAMPLED: &str = "ThresholdSampled";
    /// The rows do not determine a covariance; it was regularised.
    pub const REGULARISED_COVARIANCE: &str = "RegularisedCovariance";
    /// The default ensemble goes without a member that cannot take so many columns.
    pub const MEMBER_LEFT_OUT: &str = "MemberLeftOut";
    /// An imported model that came without its training rows: no row has a severity.
    pub const NOT_CALIBRATED: &str = "NotCalibrated";
    /// The model fits its revision only without the distribution of the training rows.
    pub const DRIFT_NOT_MEASURED: &str = "DriftNotMeasured";
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_json_that_others_read_keeps_its_names() {
        let text = json!({
            "formatVersion": 1,
            "revision": "machine-r-0a1b2c3d-1",
            "key": "0a1b2c3d",
            "detector": { "isolationForest":
                { "trees": 100, "sampleSize": 256, "maxFeatures": 1.0, "bootstrap": false, "seed": 16 } },
            "features": ["mean", "sd"],
            "rows": 1891,
            "threshold": -0.61,
            "thresholdConfig": { "contamination": 0.01 },
            "flaggedTrainingShare": 0.0101,
            "dataDigest": "sha256:00",
            "modelDigest": "sha256:01",
            "modelBytes": 31000,
            "warnings": [{ "reason": "NoSplits", "message": "2 of 100 trees cannot split anything" }],
        });
        let description: Description = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&description).unwrap(), text);
    }

    #[test]
    fn a_member_that_a_later_release_adds_is_ignored() {
        let warning: Warning =
            serde_json::from_value(json!({ "reason": "TiedScores", "message": "…", "since": 7 })).unwrap();
        assert_eq!(warning.reason, reasons::TIED_SCORES);
    }
}
