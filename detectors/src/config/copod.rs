//! Parameters of Copod: there are none.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Parameters of COPOD (Li et al. 2020): none, and no randomness.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CopodConfig {}

/// Parameters of COPOD. Made by [`CopodConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct CopodParameters(());

impl CopodConfig {
    /// Nothing can be wrong with no parameters.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<CopodParameters, ConfigError> {
        Ok(CopodParameters(()))
    }
}
