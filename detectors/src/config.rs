//! Configuration as users write it, and its checked counterpart.
//!
//! The types here are unchecked: they hold whatever was typed. `check` turns them into parameters, and only
//! parameters can be fitted. The rules are those of the schema (feature `schema`), so that a manifest means the
//! same with and without an API server.

use serde::{Deserialize, Serialize};

mod check;

pub use check::{ConfigError, IsolationForestParameters, Parameters, Threshold};

/// The most trees a forest may have.
pub const MAX_TREES: u32 = 1_000;
/// The smallest and the largest subsample a tree may be grown from.
pub const SAMPLE_SIZE: std::ops::RangeInclusive<u32> = 2..=65_536;
/// The most that trees × sampleSize may be: it bounds the memory and the size of a model.
pub const MAX_SAMPLES_IN_ALL: u64 = 2_000_000;
/// The largest seed: JSON numbers are exact up to here in every language.
pub const MAX_SEED: u64 = (1 << 53) - 1;
/// The contamination of a model that asks for no threshold.
pub const DEFAULT_CONTAMINATION: f64 = 0.01;

/// The detector and its parameters. Exactly one member must be given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.isolationForest)", "message": "exactly one detector must be given: isolationForest"}
])))]
pub struct DetectorConfig {
    /// An isolation forest: rows that few random splits separate from the others are anomalous.
    /// Works on any number of columns, in any units, without scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation_forest: Option<IsolationForestConfig>,
}

impl DetectorConfig {
    /// The name of the member that is given, as in the resource; `None` if there is none.
    pub fn kind(&self) -> Option<&'static str> {
        self.isolation_forest.as_ref().map(|_| "isolationForest")
    }
}

/// Parameters of an isolation forest (Liu, Ting & Zhou 2008). The defaults suit most data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.trees * self.sampleSize <= 2000000",
    "message": "trees × sampleSize must be at most 2000000 (a model of up to 4 MB): lower one of them"
}])))]
pub struct IsolationForestConfig {
    /// The number of trees. More trees make scores steadier; time and size grow in proportion.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000)))]
    pub trees: u32,
    /// The number of training rows that each tree is grown from; all rows if there are fewer.
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 65536)))]
    pub sample_size: u32,
    /// The share of the columns that each tree may split, drawn anew for each tree; at least one column.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 1)))]
    pub max_features: f64,
    /// Whether each tree's rows are drawn with replacement.
    pub bootstrap: bool,
    /// The seed of the random numbers: the same data, parameters and seed give the same model.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 9007199254740991u64)))]
    pub seed: u64,
}

impl Default for IsolationForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256, max_features: 1.0, bootstrap: false, seed: 0 }
    }
}

/// Where the line between ordinary and anomalous is drawn. At most one member may be given;
/// none means a contamination of 0.01.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(has(self.contamination) && has(self.score))",
     "message": "at most one of contamination and score may be given"}
])))]
pub struct ThresholdConfig {
    /// The share of the training rows that is to be called anomalous, in (0, 0.5].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 0.5)))]
    pub contamination: Option<f64>,
    /// A row is anomalous if its anomaly score is below this value. Scores lie between -1 and 0;
    /// higher is more ordinary.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend(
        "minimum" = -1, "exclusiveMinimum" = true, "maximum" = 0, "exclusiveMaximum" = true
    )))]
    pub score: Option<f64>,
}
