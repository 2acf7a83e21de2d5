//! Configuration as users write it, and its checked counterpart.
//!
//! The types here are unchecked: they hold whatever was typed. `check` turns them into parameters, and only
//! parameters can be fitted. The rules are those of the schema (feature `schema`), so that a manifest means the
//! same with and without an API server.

use serde::{Deserialize, Serialize};

use crate::every::every_detector;

mod check;
mod copod;
mod ecod;
mod ensemble;
mod extended_isolation_forest;
mod hbos;
mod imported;
mod isolation_forest;
mod local_outlier_factor;
mod missing;
mod nearest_neighbors;
mod principal_components;
mod robust_covariance;
mod robust_z_score;
mod threshold;

pub use check::ConfigError;
pub use copod::{CopodConfig, CopodParameters};
pub use ecod::{EcodConfig, EcodParameters};
pub use ensemble::{EnsembleConfig, EnsembleMembers, EnsembleParameters, EnsembleWeights};
pub use extended_isolation_forest::{
    ExtendedIsolationForestConfig, ExtendedIsolationForestParameters, MAX_EXTENSION_LEVEL,
};
pub use hbos::{HbosConfig, HbosParameters};
pub use imported::{ImportedConfig, ImportedConfigMap};
pub use isolation_forest::{
    IsolationForestConfig, IsolationForestParameters, MAX_SAMPLES_IN_ALL, MAX_TREES, SAMPLE_SIZE,
};
pub use local_outlier_factor::LocalOutlierFactorConfig;
pub use missing::Missing;
pub use nearest_neighbors::{MAX_NEIGHBORS, MAX_REFERENCES, NearestNeighborsConfig, NeighborsParameters};
pub use principal_components::{PrincipalComponentsConfig, PrincipalComponentsParameters};
pub use robust_covariance::{RobustCovarianceConfig, RobustCovarianceParameters};
pub use robust_z_score::{RobustZScoreConfig, RobustZScoreParameters};
pub use threshold::{AUTO_SCORE, DEFAULT_CONTAMINATION, ScoreRange, Threshold, ThresholdConfig};

/// The largest seed: JSON numbers are exact up to here in every language.
pub const MAX_SEED: u64 = (1 << 53) - 1;

macro_rules! detector_config {
    ($($(#[$about:meta])+ $member:ident $kind:literal $tag:literal $name:ident $config:ident $parameters:ident $range:ident;)+) => {
        /// The detector and its parameters: one member. A resource that gives none gets an ensemble.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = check::at_most_one(KINDS, IMPORTED))))]
        pub struct DetectorConfig {
            $(
                $(#[$about])+
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $member: Option<$config>,
            )+
            /// An isolation forest that scikit-learn fitted, exported by `python/anomaly_operator.py`. It is not trained here:
            /// `training` is left out.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub imported: Option<ImportedConfig>,
        }

        /// The names of all detectors that are trained here, as in the resource.
        pub const KINDS: &[&str] = &[$($kind),+];

        impl DetectorConfig {
            /// The names of all members that are given, as in the resource.
            pub fn given(&self) -> Vec<&'static str> {
                let imported = self.imported.is_some().then_some(IMPORTED);
                let all = [$(self.$member.is_some().then_some($kind),)+ imported];
                all.into_iter().flatten().collect()
            }

            /// Checks that exactly one detector is given and that its parameters are within their ranges.
            ///
            /// # Errors
            /// None or several, the first parameter that is out of its range, or `imported`, which has none.
            pub fn check(&self) -> Result<Parameters, ConfigError> {
                let given = self.given();
                if given.len() > 1 {
                    return Err(ConfigError::SeveralDetectors { given: given.join(", ") });
                }
                $(
                    if let Some(config) = &self.$member {
                        return config.check().map(Parameters::$name);
                    }
                )+
                if self.imported.is_some() {
                    return Err(ConfigError::NotTrained);
                }
                Err(ConfigError::NoDetector)
            }

            /// Where its scores can lie; that of the first member that is given.
            pub fn score_range(&self) -> Option<ScoreRange> {
                $(
                    if self.$member.is_some() {
                        return Some(ScoreRange::$range);
                    }
                )+
                // Only forests can be imported.
                self.imported.as_ref().map(|_| ScoreRange::MinusOneToZero)
            }
        }

        /// Parameters of the detector that is asked for, all within their ranges.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Parameters {
            $(
                #[doc = concat!("Those of `", $kind, "`.")]
                $name($parameters),
            )+
        }

        impl Parameters {
            /// The name of their detector, as in the resource.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)+
                }
            }
        }

        $(
            impl From<$config> for DetectorConfig {
                fn from(config: $config) -> Self {
                    Self { $member: Some(config), ..Self::default() }
                }
            }
        )+

        impl From<ImportedConfig> for DetectorConfig {
            fn from(config: ImportedConfig) -> Self {
                Self { imported: Some(config), ..Self::default() }
            }
        }
    };
}

every_detector!(detector_config);

/// The name of a model that was fitted elsewhere, among the detectors.
pub const IMPORTED: &str = "imported";

impl DetectorConfig {
    /// Checks what is asked for: as [`DetectorConfig::check`], but an imported model is no error.
    ///
    /// # Errors
    /// As there.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.check() {
            Err(ConfigError::NotTrained) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The same detector without what need not be said: see [`EnsembleConfig::canonical`].
    #[must_use]
    pub fn canonical(&self) -> Self {
        Self { ensemble: self.ensemble.as_ref().map(EnsembleConfig::canonical), ..self.clone() }
    }

    /// The name of the member that is given, as in the resource; `None` if there is none or more than one.
    pub fn kind(&self) -> Option<&'static str> {
        match self.given().as_slice() {
            [kind] => Some(kind),
            _ => None,
        }
    }
}
