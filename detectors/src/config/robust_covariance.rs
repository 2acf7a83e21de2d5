//! Parameters of robust covariance.

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Parameters of robust covariance (deterministic MCD; Hubert, Rousseeuw & Verdonck 2012). It draws nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RobustCovarianceConfig {
    /// The share of the training rows that center and covariance are found in, those that lie closest together. The
    /// rest, up to a half, may be anomalies of any size.
    #[cfg_attr(feature = "schema", schemars(extend("minimum" = 0.5, "maximum" = 1)))]
    pub support_fraction: f64,
}

impl Default for RobustCovarianceConfig {
    fn default() -> Self {
        Self { support_fraction: 0.75 }
    }
}

/// Parameters of robust covariance, all within their ranges. Made by [`RobustCovarianceConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct RobustCovarianceParameters {
    support_fraction: f64,
}

impl RobustCovarianceConfig {
    /// Checks every parameter's range.
    ///
    /// # Errors
    /// `supportFraction` is not within [0.5, 1].
    pub fn check(&self) -> Result<RobustCovarianceParameters, ConfigError> {
        let support_fraction = self.support_fraction;
        if !(0.5..=1.0).contains(&support_fraction) {
            let field = "detector.robustCovariance.supportFraction";
            return Err(ConfigError::OutOfRange { field, value: support_fraction, range: "[0.5, 1]" });
        }
        Ok(RobustCovarianceParameters { support_fraction })
    }
}

impl RobustCovarianceParameters {
    /// The share of the rows in the subset, in [0.5, 1].
    pub fn support_fraction(&self) -> f64 {
        self.support_fraction
    }
}
