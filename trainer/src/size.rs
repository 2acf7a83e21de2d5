//! Whether a model fits the ConfigMap of a revision, and what to change if it does not. Pure.

use detectors::config::{HbosConfig, LocalOutlierFactorConfig, NearestNeighborsConfig};
use detectors::{Description, DetectorConfig};

use crate::train::{Trained, description_json};

/// Most bytes of model and description that a revision holds. The API server takes 1,048,576 in a ConfigMap; the rest
/// is for metadata.
pub const MOST_BYTES: usize = 1_000_000;

/// Most bytes of a description. It is repeated in an annotation, and the API server takes 262,144 in all annotations of
/// an object; the rest is for the others.
pub const MOST_DESCRIPTION_BYTES: usize = 250_000;

/// A model that does not fit a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// Model and description together.
    #[error("the model takes {bytes} bytes, a revision holds at most {MOST_BYTES}: {remedy}")]
    Model {
        /// Bytes of model and description.
        bytes: usize,
        /// What to do.
        remedy: String,
    },
    /// The description alone.
    #[error(
        "the model's description takes {bytes} bytes, an annotation holds at most {MOST_DESCRIPTION_BYTES}: choose fewer \
         than {features} features, or shorter names for them"
    )]
    Description {
        /// Its bytes.
        bytes: usize,
        /// The number of features, whose names are in it.
        features: usize,
    },
}

/// Whether the model can be published.
///
/// # Errors
/// [`TooLarge`] with what to do.
pub fn check(trained: &Trained) -> Result<(), TooLarge> {
    let description = description_json(&trained.description).len();
    if description > MOST_DESCRIPTION_BYTES {
        let features = trained.description.features.len();
        return Err(TooLarge::Description { bytes: description, features });
    }
    let bytes = trained.model.len() + description;
    if bytes > MOST_BYTES {
        return Err(TooLarge::Model { bytes, remedy: remedy(&trained.description) });
    }
    Ok(())
}

/// What makes the model smaller: the parameters that decide its size, with those values that are given.
pub(crate) fn remedy(description: &Description) -> String {
    let features = format!("the number of features ({})", description.features.len());
    let forest = |trees, sample_size| format!("lower trees ({trees}) or sampleSize ({sample_size})");
    let given = |name: &str, value: &Option<u32>| {
        let name = value.map_or_else(|| name.to_owned(), |value| format!("{name} ({value})"));
        format!("lower {name} or {features}")
    };
    match &description.detector {
        DetectorConfig { imported: Some(_), .. } => {
            "fit it in scikit-learn with a smaller n_estimators or max_samples, and export it again"
                .to_owned()
        }
        DetectorConfig { isolation_forest: Some(f), .. } => forest(f.trees, f.sample_size),
        DetectorConfig { extended_isolation_forest: Some(f), .. } => forest(f.trees, f.sample_size),
        DetectorConfig { nearest_neighbors: Some(NearestNeighborsConfig { references, .. }), .. }
        | DetectorConfig {
            local_outlier_factor: Some(LocalOutlierFactorConfig { references, .. }), ..
        } => given("references", references),
        DetectorConfig { hbos: Some(HbosConfig { bins }), .. } => given("bins", bins),
        DetectorConfig { ensemble: Some(_), .. } => {
            format!(
                "leave out a member in ensemble.members, lower trees, sampleSize or references of one, or {features}"
            )
        }
        _ => format!("lower {features}"),
    }
}

#[cfg(test)]
mod tests {
    use detectors::IsolationForestConfig;
    use detectors::config::{EcodConfig, EnsembleConfig, ExtendedIsolationForestConfig, ImportedConfig};

    use super::*;

    fn description(detector: DetectorConfig, features: Vec<String>) -> Description {
        Description {
            format_version: 1,
            revision: "m-r-0123abcd-1".into(),
            key: String::new(),
            detector,
            features,
            rows: 980,
            threshold: -0.625,
            threshold_config: Default::default(),
            flagged_training_share: None,
            data_digest: String::new(),
            model_digest: String::new(),
            model_bytes: 0,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn every_detector_names_what_makes_it_smaller() {
        let neighbors = |references| NearestNeighborsConfig { references, ..Default::default() };
        let outliers = LocalOutlierFactorConfig { references: Some(9_000), ..Default::default() };
        let forest = "lower trees (100) or sampleSize (256)";
        for (detector, expected) in [
            (DetectorConfig::from(IsolationForestConfig::default()), forest),
            (ExtendedIsolationForestConfig::default().into(), forest),
            (neighbors(None).into(), "lower references or the number of features (2)"),
            (neighbors(Some(16_384)).into(), "lower references (16384) or the number of features (2)"),
            (outliers.into(), "lower references (9000) or the number of features (2)"),
            (HbosConfig { bins: Some(1_000) }.into(), "lower bins (1000) or the number of features (2)"),
            (EcodConfig::default().into(), "lower the number of features (2)"),
            (
                EnsembleConfig::default().into(),
                "leave out a member in ensemble.members, lower trees, sampleSize or references of one, or the number of \
                 features (2)",
            ),
            (
                ImportedConfig::default().into(),
                "fit it in scikit-learn with a smaller n_estimators or max_samples, and export it again",
            ),
        ] {
            assert_eq!(remedy(&description(detector, vec!["mean".into(), "sd".into()])), expected);
        }
    }

    #[test]
    fn names_that_no_annotation_holds_are_refused_although_the_model_is_small() {
        let trained = |features: usize| {
            let names = (0..features).map(|index| format!("{index:0>200}")).collect();
            let description = description(ImportedConfig::default().into(), names);
            Trained { model: vec![0; 1_000], description }
        };
        assert_eq!(check(&trained(1_000)), Ok(()));
        let bytes = description_json(&trained(1_300).description).len();
        assert!((250_001..MOST_BYTES).contains(&bytes), "{bytes}");
        assert_eq!(
            check(&trained(1_300)).unwrap_err().to_string(),
            format!(
                "the model's description takes {bytes} bytes, an annotation holds at most 250000: choose fewer than 1300 \
                 features, or shorter names for them"
            )
        );
    }
}
