//! Parameters of the robust z-score: there are none.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Parameters of the robust z-score (Iglewicz & Hoaglin 1993): none, and no randomness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RobustZScoreConfig {}

/// Parameters of a robust z-score. Made by [`RobustZScoreConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct RobustZScoreParameters(());

impl RobustZScoreConfig {
    /// Nothing can be wrong with no parameters.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<RobustZScoreParameters, ConfigError> {
        Ok(RobustZScoreParameters(()))
    }
}
