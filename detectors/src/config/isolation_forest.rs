//! Parameters of the isolation forest.

use serde::{Deserialize, Serialize};

use super::MAX_SEED;
use super::check::{ConfigError, integer};

/// The most trees a forest may have.
pub const MAX_TREES: u32 = 1_000;
/// The smallest and the largest subsample a tree may be grown from.
pub const SAMPLE_SIZE: std::ops::RangeInclusive<u32> = 2..=65_536;
/// The most that trees × sampleSize may be: it bounds the memory and the size of a model.
pub const MAX_SAMPLES_IN_ALL: u64 = 2_000_000;

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

/// Parameters of an isolation forest, all within their ranges. Made by [`IsolationForestConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct IsolationForestParameters {
    trees: u32,
    sample_size: u32,
    max_features: f64,
    bootstrap: bool,
    seed: u64,
}

impl IsolationForestConfig {
    /// Checks every parameter's range and the bound on trees × sampleSize.
    pub fn check(&self) -> Result<IsolationForestParameters, ConfigError> {
        let &Self { trees, sample_size, max_features, bootstrap, seed } = self;
        integer("detector.isolationForest.trees", trees.into(), 1, MAX_TREES.into())?;
        let (min, max) = (*SAMPLE_SIZE.start(), *SAMPLE_SIZE.end());
        integer("detector.isolationForest.sampleSize", sample_size.into(), min.into(), max.into())?;
        integer("detector.isolationForest.seed", seed, 0, MAX_SEED)?;
        if !(max_features > 0.0 && max_features <= 1.0) {
            let field = "detector.isolationForest.maxFeatures";
            return Err(ConfigError::OutOfRange { field, value: max_features, range: "(0, 1]" });
        }
        let product = u64::from(trees) * u64::from(sample_size);
        if product > MAX_SAMPLES_IN_ALL {
            return Err(ConfigError::TooManySamples { product, bytes: estimated_bytes(product) });
        }
        Ok(IsolationForestParameters { trees, sample_size, max_features, bootstrap, seed })
    }
}

impl IsolationForestParameters {
    /// The number of trees.
    pub fn trees(&self) -> u32 {
        self.trees
    }

    /// Rows per tree, before clipping to the rows there are.
    pub fn sample_size(&self) -> u32 {
        self.sample_size
    }

    /// The share of columns per tree, in (0, 1].
    pub fn max_features(&self) -> f64 {
        self.max_features
    }

    /// Whether rows are drawn with replacement.
    pub fn bootstrap(&self) -> bool {
        self.bootstrap
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The same with so many trees.
    #[cfg(feature = "engine")]
    pub(crate) fn with_trees(&self, trees: u32) -> Self {
        Self { trees, ..self.clone() }
    }

    /// About how many bytes the encoded model of a forest fitted on that many rows will have at most, if it has few
    /// columns. Real data needs less: whoever has the rows can fit and see.
    pub fn estimated_bytes(&self, rows: u64) -> u64 {
        estimated_bytes(u64::from(self.trees) * u64::from(self.sample_size).min(rows))
    }
}

/// What uniform data of ten columns needs, on which trees are largest; real data needs less.
fn estimated_bytes(samples: u64) -> u64 {
    samples * 2
}
