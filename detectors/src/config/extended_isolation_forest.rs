//! Parameters of an extended isolation forest.

use serde::{Deserialize, Serialize};

use super::check::{ConfigError, integer};
use super::{MAX_SAMPLES_IN_ALL, MAX_SEED, MAX_TREES, SAMPLE_SIZE};

/// The largest extension level: a hyperplane of all columns that a forest can have.
pub const MAX_EXTENSION_LEVEL: u32 = 16_383;

/// Parameters of an extended isolation forest (Hariri, Kind & Brunner 2021). The defaults suit most data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.trees * self.sampleSize <= 2000000",
    "message": "trees × sampleSize must be at most 2000000 (a model of up to 12 MB): lower one of them"
}])))]
pub struct ExtendedIsolationForestConfig {
    /// The number of trees. More trees make scores steadier; time and size grow in proportion.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000)))]
    pub trees: u32,
    /// The number of training rows that each tree is grown from; all rows if there are fewer.
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 65536)))]
    pub sample_size: u32,
    /// One less than the number of columns that a split looks at: 0 splits single columns, as an isolation forest does.
    /// Omitted: all columns. Trees of very many columns need a limit, and say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 16383)))]
    pub extension_level: Option<u32>,
    /// The seed of the random numbers: the same data, parameters and seed give the same model.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 9007199254740991u64)))]
    pub seed: u64,
}

impl Default for ExtendedIsolationForestConfig {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256, extension_level: None, seed: 0 }
    }
}

/// Parameters of an extended isolation forest, all within their ranges. Made by [`ExtendedIsolationForestConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct ExtendedIsolationForestParameters {
    trees: u32,
    sample_size: u32,
    extension_level: Option<u32>,
    seed: u64,
}

impl ExtendedIsolationForestConfig {
    /// Checks every parameter's range and the bound on trees × sampleSize.
    pub fn check(&self) -> Result<ExtendedIsolationForestParameters, ConfigError> {
        let &Self { trees, sample_size, extension_level, seed } = self;
        integer("detector.extendedIsolationForest.trees", trees.into(), 1, MAX_TREES.into())?;
        let (min, max) = (*SAMPLE_SIZE.start(), *SAMPLE_SIZE.end());
        integer("detector.extendedIsolationForest.sampleSize", sample_size.into(), min.into(), max.into())?;
        let level = extension_level.unwrap_or(0).into();
        integer("detector.extendedIsolationForest.extensionLevel", level, 0, MAX_EXTENSION_LEVEL.into())?;
        integer("detector.extendedIsolationForest.seed", seed, 0, MAX_SEED)?;
        let product = u64::from(trees) * u64::from(sample_size);
        if product > MAX_SAMPLES_IN_ALL {
            return Err(ConfigError::TooManySamples { product, bytes: estimated_bytes(product) });
        }
        Ok(ExtendedIsolationForestParameters { trees, sample_size, extension_level, seed })
    }
}

impl ExtendedIsolationForestParameters {
    /// The number of trees.
    pub fn trees(&self) -> u32 {
        self.trees
    }

    /// Rows per tree, before clipping to the rows there are.
    pub fn sample_size(&self) -> u32 {
        self.sample_size
    }

    /// One less than the columns of a split, as asked for.
    pub fn extension_level(&self) -> Option<u32> {
        self.extension_level
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
    /// columns. Hyperplanes are not stored, so it does not grow with the extension level.
    pub fn estimated_bytes(&self, rows: u64) -> u64 {
        estimated_bytes(u64::from(self.trees) * u64::from(self.sample_size).min(rows))
    }
}

/// For each row of each subsample at most one split of 4 bytes and a leaf.
fn estimated_bytes(samples: u64) -> u64 {
    samples * 6
}
