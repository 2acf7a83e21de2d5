//! Parameters of nearest neighbours, and what the local outlier factor shares with them.

use serde::{Deserialize, Serialize};

use super::MAX_SEED;
use super::check::{ConfigError, integer};

/// The most neighbours.
pub const MAX_NEIGHBORS: u32 = 100;
/// The most reference rows that can be asked for.
pub const MAX_REFERENCES: u32 = 16_384;

/// Parameters of nearest neighbours (Ramaswamy, Rastogi & Shim 2000; Angiulli & Pizzuti 2002).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NearestNeighborsConfig {
    /// The number of neighbours whose mean distance is taken.
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

impl Default for NearestNeighborsConfig {
    fn default() -> Self {
        Self { neighbors: 20, references: None, seed: 0 }
    }
}

/// Parameters of a detector that compares rows with reference rows, all within their ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighborsParameters {
    neighbors: u32,
    references: Option<u32>,
    seed: u64,
}

impl NearestNeighborsConfig {
    /// Checks every parameter's range.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn check(&self) -> Result<NeighborsParameters, ConfigError> {
        let &Self { neighbors, references, seed } = self;
        integer("detector.nearestNeighbors.neighbors", neighbors.into(), 1, MAX_NEIGHBORS.into())?;
        if let Some(references) = references {
            integer("detector.nearestNeighbors.references", references.into(), 2, MAX_REFERENCES.into())?;
        }
        integer("detector.nearestNeighbors.seed", seed, 0, MAX_SEED)?;
        Ok(NeighborsParameters::new(neighbors, references, seed))
    }
}

impl NeighborsParameters {
    /// Of numbers that have been checked.
    pub(super) fn new(neighbors: u32, references: Option<u32>, seed: u64) -> Self {
        Self { neighbors, references, seed }
    }

    /// k, before clipping to the references there are.
    pub fn neighbors(&self) -> usize {
        self.neighbors as usize
    }

    /// The number of references asked for.
    pub fn references(&self) -> Option<usize> {
        self.references.map(|references| references as usize)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}
