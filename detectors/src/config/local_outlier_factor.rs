//! Parameters of the local outlier factor.

use serde::{Deserialize, Serialize};

use super::check::{ConfigError, integer};
use super::{MAX_NEIGHBORS, MAX_REFERENCES, MAX_SEED, NeighborsParameters};

/// Parameters of the local outlier factor (Breunig, Kriegel, Ng & Sander 2000).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LocalOutlierFactorConfig {
    /// The number of neighbours that a row's density is compared with.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub neighbors: u32,
    /// The number of training rows, drawn by the seed, among which neighbours are searched; they become part of the
    /// model. Omitted: 1024. Fewer if there are fewer rows or if they would take more than 600 kB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 16384)))]
    pub references: Option<u32>,
    /// The seed of the random numbers: the same data, parameters and seed give the same model.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 9007199254740991u64)))]
    pub seed: u64,
}

impl Default for LocalOutlierFactorConfig {
    fn default() -> Self {
        Self { neighbors: 20, references: None, seed: 0 }
    }
}

impl LocalOutlierFactorConfig {
    /// Checks every parameter's range.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<NeighborsParameters, ConfigError> {
        let &Self { neighbors, references, seed } = self;
        integer("detector.localOutlierFactor.neighbors", neighbors.into(), 1, MAX_NEIGHBORS.into())?;
        if let Some(references) = references {
            integer("detector.localOutlierFactor.references", references.into(), 2, MAX_REFERENCES.into())?;
        }
        integer("detector.localOutlierFactor.seed", seed, 0, MAX_SEED)?;
        Ok(NeighborsParameters::new(neighbors, references, seed))
    }
}
