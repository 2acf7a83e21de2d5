//! Parameters of Ecod: there are none.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Parameters of ECOD (Li et al. 2022): none, and no randomness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EcodConfig {}

/// Parameters of ECOD. Made by [`EcodConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct EcodParameters(());

impl EcodConfig {
    /// Nothing can be wrong with no parameters.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<EcodParameters, ConfigError> {
        Ok(EcodParameters(()))
    }
}
