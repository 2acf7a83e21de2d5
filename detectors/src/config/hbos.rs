//! Parameters of HBOS.

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::check::integer;

/// The fewest and the most bins of a column that can be asked for.
const BINS: std::ops::RangeInclusive<u32> = 2..=1_000;

/// Parameters of HBOS (Goldstein & Dengel 2012). There is no randomness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HbosConfig {
    /// The number of bins of each column. Omitted: by Freedman and Diaconis' rule, at least 5 and at most 100. A column
    /// of at most 20 different values has a bin for each of them in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 2, max = 1000)))]
    pub bins: Option<u32>,
}

/// Parameters of HBOS, within their ranges. Made by [`HbosConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct HbosParameters {
    bins: Option<u32>,
}

impl HbosConfig {
    /// Checks the number of bins.
    ///
    /// # Errors
    /// It is out of its range.
    pub fn check(&self) -> Result<HbosParameters, ConfigError> {
        if let Some(bins) = self.bins {
            integer("detector.hbos.bins", bins.into(), (*BINS.start()).into(), (*BINS.end()).into())?;
        }
        Ok(HbosParameters { bins: self.bins })
    }
}

impl HbosParameters {
    /// The number of bins that was asked for.
    pub fn bins(&self) -> Option<usize> {
        self.bins.map(|bins| bins as usize)
    }
}
