//! How large a model will be, before it is fitted: for forests, whose size their parameters decide.

use super::{Facts, Model};
use crate::config::{DetectorConfig, Parameters};
use crate::detector::Fitted;
use crate::matrix::CheckedMatrix;
use crate::threshold::Line;

/// Trees that are grown to see what a tree of these rows takes: the difference between so many and twice as many.
const TREES: u32 = 8;
/// Trees of the same rows differ in size by a few percent: of the estimate this part is sure.
const SURE: f64 = 0.9;

impl Model {
    /// The least bytes that the file of a model trained on these rows will have, if these are more than `most`. Known of
    /// forests, alone or in an ensemble, from a few of their trees: real data makes smaller trees than random numbers do.
    /// `None` says that the model may fit, not that it will.
    pub fn sure_to_exceed(
        most: u64,
        features: &[String],
        detector: &DetectorConfig,
        rows: &CheckedMatrix,
    ) -> Option<u64> {
        let least = least_bytes(most, features, &detector.check().ok()?, rows)?;
        (least > most).then_some(least)
    }
}

/// The least bytes of the trees; none where even the most that they can take is within `most`.
fn least_bytes(most: u64, features: &[String], parameters: &Parameters, rows: &CheckedMatrix) -> Option<u64> {
    // (the fit refuses them, or has other trees for them)
    if rows.may_lack_values() {
        return None;
    }
    let count = rows.rows() as u64;
    let (trees, with_trees): (u32, Box<dyn Fn(u32) -> Parameters>) = match parameters {
        // Of forests that draw columns for each tree, a few trees say little about the others.
        Parameters::IsolationForest(forest) if forest.max_features() < 1.0 => return None,
        Parameters::IsolationForest(forest) if forest.estimated_bytes(count) > most => {
            (forest.trees(), Box::new(|trees| Parameters::IsolationForest(forest.with_trees(trees))))
        }
        Parameters::ExtendedIsolationForest(forest) if forest.estimated_bytes(count) > most => {
            (forest.trees(), Box::new(|trees| Parameters::ExtendedIsolationForest(forest.with_trees(trees))))
        }
        Parameters::Ensemble(ensemble) => {
            let members = ensemble.members().iter();
            return members.filter_map(|(member, _)| least_bytes(most, features, member, rows)).max();
        }
        _ => return None,
    };
    // Growing these would take as long as the fit.
    if trees <= 4 * TREES {
        return None;
    }
    let bytes = |trees| {
        let (fitted, _) = Fitted::fit(&with_trees(trees), features, rows).ok()?;
        let facts = Facts { features: features.to_vec(), ..Facts::default() };
        let line = Line { threshold: 0.0, cut: 0.0 };
        Some(Model::from_parts(facts, fitted, line, None, Vec::new(), None).encode().len())
    };
    let more = bytes(2 * TREES)?.saturating_sub(bytes(TREES)?);
    Some((more as f64 / f64::from(TREES) * f64::from(trees) * SURE) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EnsembleConfig, EnsembleMembers, ExtendedIsolationForestConfig};
    use crate::config::{IsolationForestConfig, RobustZScoreConfig};
    use crate::random::Random;

    fn names() -> Vec<String> {
        (0..4).map(|column| format!("c{column}")).collect()
    }

    /// 3,000 rows of four columns with so many different values each.
    fn rows(values: u32) -> CheckedMatrix {
        let mut random = Random::new(1, b"size-of-a-forest", 0);
        CheckedMatrix::from_vec((0..12_000).map(|_| f64::from(random.below(values))).collect(), 4).unwrap()
    }

    fn forests() -> [DetectorConfig; 2] {
        [
            IsolationForestConfig { trees: 100, sample_size: 1_000, ..Default::default() }.into(),
            ExtendedIsolationForestConfig { trees: 100, sample_size: 1_000, ..Default::default() }.into(),
        ]
    }

    #[test]
    fn what_a_forest_will_take_is_known_before_it_is_fitted_to_a_fifth_and_never_overstated() {
        for values in [5, 30, u32::MAX] {
            for forest in forests() {
                let rows = rows(values);
                let bytes =
                    Model::train(&names(), &forest, &Default::default(), &rows).unwrap().encode().len();
                let least = least_bytes(1_000, &names(), &forest.check().unwrap(), &rows).unwrap();
                // The rest of the file is some tens of kilobytes.
                assert!(least < bytes as u64, "{least} of {bytes}");
                assert!(least as f64 > 0.8 * bytes as f64 - 40_000.0, "{least} of {bytes}");
            }
        }
    }

    #[test]
    fn only_what_is_sure_to_be_too_large_is_told() {
        let [forest, _] = forests();
        let tell = |most, detector: &DetectorConfig| {
            Model::sure_to_exceed(most, &names(), detector, &rows(u32::MAX))
        };
        let least = tell(20_000, &forest).unwrap();
        assert_eq!((tell(least, &forest), tell(least - 1, &forest)), (None, Some(least)));
        let some_columns =
            IsolationForestConfig { max_features: 0.5, ..forest.isolation_forest.clone().unwrap() };
        assert_eq!(tell(20_000, &some_columns.into()), None);
        let small: DetectorConfig = IsolationForestConfig::default().into();
        assert_eq!(tell(1_000_000, &small), None);
        let members = EnsembleMembers {
            isolation_forest: forest.isolation_forest,
            robust_z_score: Some(RobustZScoreConfig::default()),
            ..Default::default()
        };
        let ensemble = EnsembleConfig { members: Some(members), ..Default::default() };
        assert_eq!(tell(least - 1, &ensemble.into()), Some(least));
    }
}
