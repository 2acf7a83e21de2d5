//! Where the line between ordinary and anomalous is drawn.

use serde::{Deserialize, Serialize};

use super::{ConfigError, DetectorConfig};

/// The contamination of a model that asks for no threshold.
pub const DEFAULT_CONTAMINATION: f64 = 0.01;
/// The score of `auto`: what scikit-learn's forests use when no contamination is given.
pub const AUTO_SCORE: f64 = -0.5;

/// Where the line between ordinary and anomalous is drawn. At most one member may be given;
/// none means a contamination of 0.01.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.contamination), has(self.score), has(self.auto) && self.auto].filter(given, given).size() <= 1",
     "message": "at most one of contamination, score and auto may be given"}
])))]
pub struct ThresholdConfig {
    /// The share of the training rows that is to be called anomalous, in (0, 0.5].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 0.5)))]
    pub contamination: Option<f64>,
    /// A row is anomalous if its anomaly score is below this value. Higher is more ordinary; scores of forests lie
    /// between -1 and 0, those of other detectors are 0 or below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend(
        "minimum" = -1_000_000_000_000_000_i64, "maximum" = 0, "exclusiveMaximum" = true
    )))]
    pub score: Option<f64>,
    /// A score of -0.5, as scikit-learn does for a forest without a contamination. Forests only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auto: bool,
}

/// A threshold as it was asked for, within its range.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Threshold {
    /// This share of the training rows is to be anomalous; in (0, 0.5].
    Contamination(f64),
    /// A row is anomalous iff its score is below; in the range of the detector's scores.
    Score(f64),
}

/// Where a detector's scores lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreRange {
    /// In (−1, 0): forests.
    MinusOneToZero,
    /// At most 0: minus a distance, a surprise or the like. A threshold is at least −10¹⁵.
    BelowZero,
}

impl ScoreRange {
    fn interval(self) -> &'static str {
        match self {
            Self::MinusOneToZero => "(-1, 0)",
            Self::BelowZero => "[-1e15, 0)",
        }
    }

    fn contains(self, score: f64) -> bool {
        let possible = match self {
            Self::MinusOneToZero => score > -1.0,
            Self::BelowZero => score >= -1e15,
        };
        possible && score < 0.0
    }
}

impl ThresholdConfig {
    /// Checks that at most one threshold is given and that it is in its range for this detector; none is the default
    /// contamination. A detector that is missing is not this check's affair: scores are then taken for a forest's.
    ///
    /// # Errors
    /// More than one threshold, one out of its range, or `auto` for anything but a forest.
    pub fn check(&self, detector: &DetectorConfig) -> Result<Threshold, ConfigError> {
        let range = detector.score_range().unwrap_or(ScoreRange::MinusOneToZero);
        match (self.contamination, self.score, self.auto) {
            (Some(_), _, _) if detector.imported.is_some() => Err(ConfigError::ImportedContamination),
            (None, None, false) => Ok(Threshold::Contamination(DEFAULT_CONTAMINATION)),
            (Some(value), None, false) if value > 0.0 && value <= 0.5 => Ok(Threshold::Contamination(value)),
            (Some(value), None, false) => {
                Err(ConfigError::OutOfRange { field: "threshold.contamination", value, range: "(0, 0.5]" })
            }
            (None, Some(value), false) if range.contains(value) => Ok(Threshold::Score(value)),
            (None, Some(value), false) => {
                Err(ConfigError::OutOfRange { field: "threshold.score", value, range: range.interval() })
            }
            (None, None, true) => match (range, detector.kind()) {
                (ScoreRange::BelowZero, Some(detector)) => Err(ConfigError::AutoNeedsForest { detector }),
                _ => Ok(Threshold::Score(AUTO_SCORE)),
            },
            _ => Err(ConfigError::TwoThresholds),
        }
    }
}
