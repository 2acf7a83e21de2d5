//! Parameters of the ensemble.

use serde::{Deserialize, Serialize};

use super::check::ConfigError;
use super::{IsolationForestConfig, NearestNeighborsConfig, Parameters, RobustCovarianceConfig};
use crate::every::single_detectors;

/// The largest weight.
const MAX_WEIGHT: f64 = 1_000.0;

/// Parameters of an ensemble: the mean of how rare each of several detectors finds a row. The default of all models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = weights_have_members())))]
pub struct EnsembleConfig {
    /// The detectors, each with its parameters; at least two. Omitted: isolationForest, robustCovariance and
    /// nearestNeighbors with their defaults, without robustCovariance if there are more than 512 features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<EnsembleMembers>,
    /// How much each member counts; 1 where nothing is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<EnsembleWeights>,
}

/// Parameters of an ensemble, all within their ranges. Made by [`EnsembleConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct EnsembleParameters {
    members: Vec<(Parameters, f64)>,
    is_default: bool,
}

impl EnsembleParameters {
    /// The members with their weights, in the order of the resource; at least two.
    pub fn members(&self) -> &[(Parameters, f64)] {
        &self.members
    }

    /// Whether the members are those that an ensemble has that names none.
    pub fn is_default(&self) -> bool {
        self.is_default
    }
}

macro_rules! ensemble_members {
    ($($(#[$about:meta])+ $member:ident $kind:literal $tag:literal $name:ident $config:ident $parameters:ident $range:ident;)+) => {
        /// The members of an ensemble.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = two_or_more())))]
        pub struct EnsembleMembers {
            $(
                $(#[$about])+
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $member: Option<super::$config>,
            )+
        }

        /// The weights of an ensemble's members.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct EnsembleWeights {
            $(
                #[doc = concat!("How much `", $kind, "` counts, above 0.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[cfg_attr(feature = "schema", schemars(extend(
                    "minimum" = 0, "exclusiveMinimum" = true, "maximum" = 1000
                )))]
                pub $member: Option<f64>,
            )+
        }

        /// The names of all that can be members, as in the resource.
        #[cfg(feature = "schema")]
        const MEMBERS: &[&str] = &[$($kind),+];

        impl EnsembleConfig {
            /// Checks that there are at least two members, each with valid parameters, and that weights are of members.
            ///
            /// # Errors
            /// Fewer than two members, a parameter of a member or a weight out of range, a weight without its member.
            pub fn check(&self) -> Result<EnsembleParameters, ConfigError> {
                let chosen = self.members.clone().unwrap_or_else(usual_members);
                let weights = self.weights.clone().unwrap_or_default();
                let mut members = Vec::new();
                $(
                    let weight = checked_weight($kind, weights.$member, chosen.$member.is_some())?;
                    if let Some(config) = &chosen.$member {
                        let parameters = config.check().map_err(|error| ConfigError::Member(Box::new(error)))?;
                        members.push((Parameters::$name(parameters), weight));
                    }
                )+
                if members.len() < 2 {
                    return Err(ConfigError::TooFewMembers { given: members.len() });
                }
                Ok(EnsembleParameters { members, is_default: self.canonical().members.is_none() })
            }

            /// The same ensemble without what need not be said: the usual members, and weights of 1. The model files of
            /// configurations with one canonical form are the same.
            #[must_use]
            pub fn canonical(&self) -> Self {
                let members = self.members.clone().filter(|members| *members != usual_members());
                let counts = |weight: &f64| *weight != 1.0;
                let weights = self.weights.as_ref().map(|weights| EnsembleWeights {
                    $($member: weights.$member.filter(counts),)+
                });
                Self { members, weights: weights.filter(|weights| *weights != EnsembleWeights::default()) }
            }
        }
    };
}

single_detectors!(ensemble_members);

/// Those of an ensemble that names none.
fn usual_members() -> EnsembleMembers {
    EnsembleMembers {
        isolation_forest: Some(IsolationForestConfig::default()),
        robust_covariance: Some(RobustCovarianceConfig::default()),
        nearest_neighbors: Some(NearestNeighborsConfig::default()),
        ..Default::default()
    }
}

fn checked_weight(member: &'static str, weight: Option<f64>, is_member: bool) -> Result<f64, ConfigError> {
    match weight {
        None => Ok(1.0),
        Some(_) if !is_member => Err(ConfigError::WeightWithoutMember { member }),
        Some(weight) if weight > 0.0 && weight <= MAX_WEIGHT => Ok(weight),
        Some(value) => {
            Err(ConfigError::OutOfRange { field: "detector.ensemble.weights", value, range: "(0, 1000]" })
        }
    }
}

/// The CEL rule that an ensemble has two members.
#[cfg(feature = "schema")]
fn two_or_more() -> serde_json::Value {
    let given: Vec<String> = MEMBERS.iter().map(|member| format!("has(self.{member})")).collect();
    serde_json::json!([{
        "rule": format!("[{}].filter(given, given).size() >= 2", given.join(", ")),
        "message": "an ensemble has at least two members",
    }])
}

/// The CEL rule that every weight is of a member.
#[cfg(feature = "schema")]
fn weights_have_members() -> serde_json::Value {
    let usual = ["isolationForest", "robustCovariance", "nearestNeighbors"];
    let rules: Vec<serde_json::Value> = MEMBERS
        .iter()
        .map(|member| {
            let without_members = if usual.contains(member) { "true" } else { "false" };
            serde_json::json!({
                "rule": format!(
                    "!has(self.weights) || !has(self.weights.{member}) || \
                     (has(self.members) ? has(self.members.{member}) : {without_members})"
                ),
                "message": format!("weights.{member} is given, but {member} is no member"),
            })
        })
        .collect();
    rules.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> EnsembleConfig {
        serde_json::from_str(json).unwrap()
    }

    fn error(json: &str) -> String {
        config(json).check().unwrap_err().to_string()
    }

    #[test]
    fn an_ensemble_that_names_nothing_has_three_members_of_equal_weight() {
        let parameters = EnsembleConfig::default().check().unwrap();
        let kinds: Vec<bool> = parameters
            .members()
            .iter()
            .map(|(member, weight)| {
                *weight == 1.0
                    && matches!(
                        member,
                        Parameters::IsolationForest(_)
                            | Parameters::RobustCovariance(_)
                            | Parameters::NearestNeighbors(_)
                    )
            })
            .collect();
        assert_eq!(kinds, [true; 3]);
        assert!(parameters.is_default());
        assert_eq!(serde_json::to_string(&EnsembleConfig::default()).unwrap(), "{}");
    }

    #[test]
    fn an_ensemble_that_spells_out_what_it_need_not_is_the_default() {
        let usual = r#"{"members": {"nearestNeighbors": {}, "isolationForest": {"trees": 100}, "robustCovariance": {}}"#;
        for same in [format!("{usual}}}"), format!(r#"{usual}, "weights": {{"robustCovariance": 1}}}}"#)] {
            assert_eq!(config(&same).canonical(), EnsembleConfig::default(), "{same}");
            assert_eq!(config(&same).check(), EnsembleConfig::default().check(), "{same}");
        }
        for other in [
            r#"{"members": {"isolationForest": {"seed": 1}, "robustCovariance": {}, "nearestNeighbors": {}}}"#,
            r#"{"members": {"isolationForest": {}, "nearestNeighbors": {}}}"#,
            r#"{"weights": {"isolationForest": 2.0}}"#,
        ] {
            assert_eq!(config(other).canonical(), config(other), "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(
            error(r#"{"members": {"robustCovariance": {}}}"#),
            "detector.ensemble.members has 1 member: give at least two"
        );
        assert_eq!(
            error(r#"{"members": {"isolationForest": {"trees": 0}, "robustCovariance": {}}}"#),
            "detector.ensemble.members: detector.isolationForest.trees is 0, but must be between 1 and 1000"
        );
        assert_eq!(
            error(r#"{"weights": {"localOutlierFactor": 2}}"#),
            "detector.ensemble.weights has localOutlierFactor, which is no member: add it to members or remove its \
             weight"
        );
        assert_eq!(
            error(r#"{"weights": {"isolationForest": 0}}"#),
            "detector.ensemble.weights is 0, but must be in (0, 1000]"
        );
    }

    #[test]
    fn members_keep_their_weights() {
        let json = r#"{"members": {"isolationForest": {}, "localOutlierFactor": {}}, "weights": {"localOutlierFactor": 3}}"#;
        let parameters = config(json).check().unwrap();
        let weights: Vec<f64> = parameters.members().iter().map(|(_, weight)| *weight).collect();
        assert_eq!(weights, [1.0, 3.0]);
        assert!(!parameters.is_default());
    }
}
