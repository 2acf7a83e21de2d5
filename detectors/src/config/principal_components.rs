//! Parameters of principal components.

use serde::{Deserialize, Serialize};

use super::check::ConfigError;

/// Parameters of principal components (Shyu et al. 2003).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrincipalComponentsConfig {
    /// The share of the variance that the components kept have, in (0, 1]; what they leave over is measured as one.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 1)))]
    pub variance: f64,
}

impl Default for PrincipalComponentsConfig {
    fn default() -> Self {
        Self { variance: 0.999 }
    }
}

/// Parameters of principal components, within their range. Made by [`PrincipalComponentsConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct PrincipalComponentsParameters {
    variance: f64,
}

impl PrincipalComponentsConfig {
    /// Checks the range of the share.
    pub fn check(&self) -> Result<PrincipalComponentsParameters, ConfigError> {
        let variance = self.variance;
        if !(variance > 0.0 && variance <= 1.0) {
            let field = "detector.principalComponents.variance";
            return Err(ConfigError::OutOfRange { field, value: variance, range: "(0, 1]" });
        }
        Ok(PrincipalComponentsParameters { variance })
    }
}

impl PrincipalComponentsParameters {
    /// The share of the variance that the components kept have, in (0, 1].
    pub fn variance(&self) -> f64 {
        self.variance
    }
}
