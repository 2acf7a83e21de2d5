//! From rows to a model: check, fit, score the training rows, draw the line, calibrate, choose golden rows.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Facts, Model};
use crate::calibration::Calibration;
use crate::config::{ConfigError, DetectorConfig, ThresholdConfig};
use crate::description::{Warning, reasons};
use crate::detector::{FitError, Fitted};
use crate::golden::{self, GoldenRow};
use crate::matrix::CheckedMatrix;
use crate::random::{Random, Urn};
use crate::reference::Reference;
use crate::threshold::{self, Line};

/// Rows beyond which threshold and calibration come from a sample of this many.
const MAX_CALIBRATION_ROWS: usize = 1_000_000;
const SAMPLE_PURPOSE: &[u8; 16] = b"calibration-rows";
/// The longest name of a feature, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 1_024;

/// Why training failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The rows cannot be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Rows that may lack values, for a detector that needs every value.
    #[error("{kind} needs every value, so missing ones cannot be routed: isolationForest can")]
    Missing {
        /// The detector's name.
        kind: &'static str,
    },
    /// Not one name for each column.
    #[error("there are {features} features, but the rows have {columns} columns")]
    FeatureCount {
        /// The number of names.
        features: usize,
        /// The number of columns.
        columns: usize,
    },
    /// A name that is empty, too long or not the only one of its kind.
    #[error("feature name {name:?} is empty, longer than {MAX_NAME_BYTES} bytes or given twice")]
    FeatureName {
        /// The name, cut to 64 characters.
        name: String,
    },
}

impl Model {
    /// Trains a model on rows of shape (n, d) with d features' names. The same arguments give the same model, to the
    /// byte of its file.
    ///
    /// # Errors
    /// An invalid configuration, names that do not fit the columns, or rows beyond the detector's bounds.
    pub fn train(
        features: &[String],
        detector: &DetectorConfig,
        threshold: &ThresholdConfig,
        rows: &CheckedMatrix,
    ) -> Result<Self, TrainError> {
        let parameters = detector.check()?;
        let asked = threshold.check(detector)?;
        check_features(features, rows.columns())?;
        if rows.may_lack_values() && detector.isolation_forest.is_none() {
            return Err(TrainError::Missing { kind: detector.kind().unwrap_or_default() });
        }
        let (fitted, mut warnings) = Fitted::fit(&parameters, features, rows)?;
        warnings.extend(fitted.inspect(rows, features));

        let measured = Measured::new(&fitted, rows, Fitted::seed(&parameters), MAX_CALIBRATION_ROWS);
        warnings.extend(measured.sampled_warning(rows.rows()));
        let by_rank: Vec<f64> = measured.ascending.iter().map(|&measure| fitted.score(measure)).collect();
        let ascending = in_order(&by_rank);
        let line = Line::find(asked, &ascending, |measure| fitted.score(measure));
        let flagged = measured.ascending.iter().filter(|&&measure| !line.is_inlier(measure)).count();
        warnings.extend(threshold::tied_scores(asked, flagged, ascending.len()));

        let facts = Facts {
            features: features.to_vec(),
            detector: detector.canonical(),
            threshold_config: threshold.clone(),
            training_rows: rows.rows() as u64,
            flagged_training_share: flagged as f64 / ascending.len() as f64,
            warnings,
        };
        let chosen = choose_golden_rows(&fitted, &measured, &by_rank, &line);
        let reference = Reference::new(rows, &ascending, Fitted::seed(&parameters));
        let outlyingness: Vec<f64> = ascending.iter().rev().map(|score| -score).collect();
        let calibration = Calibration::new(&outlyingness);
        let mut model = Self::from_parts(facts, fitted, line, Some(calibration), Vec::new(), Some(reference));
        model.golden = chosen
            .into_iter()
            .map(|values| {
                let result = model.outcome(model.fitted.measure_row(&values));
                GoldenRow { values, result }
            })
            .collect();
        Ok(model)
    }
}

/// The names that a model file can hold and that a request can be told apart by.
pub(crate) fn check_features(features: &[String], columns: usize) -> Result<(), TrainError> {
    if features.len() != columns {
        return Err(TrainError::FeatureCount { features: features.len(), columns });
    }
    let mut seen = HashSet::new();
    for name in features {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !seen.insert(name) {
            return Err(TrainError::FeatureName { name: name.chars().take(64).collect() });
        }
    }
    Ok(())
}

/// The measures of the training rows, or of a sample of them.
struct Measured<'a> {
    rows: Cow<'a, CheckedMatrix>,
    measures: Vec<f64>,
    /// The same in order: a rank is a place here.
    ascending: Vec<f64>,
}

impl<'a> Measured<'a> {
    fn new(fitted: &Fitted, rows: &'a CheckedMatrix, seed: u64, most: usize) -> Self {
        let (rows, places) = chosen_rows(rows, seed, most);
        let mut measures = vec![0.0; rows.rows()];
        fitted.measure_training(rows.view(), &places, &mut measures);
        let mut ascending = measures.clone();
        ascending.sort_unstable_by(f64::total_cmp);
        Self { rows, measures, ascending }
    }

    /// The row with the measure of a rank; of equal ones the first row has the first rank.
    fn row(&self, rank: usize) -> &[f64] {
        let measure = self.ascending[rank];
        let first = self.ascending.partition_point(|other| other.total_cmp(&measure).is_lt());
        let equal = |(_, other): &(usize, &f64)| other.to_bits() == measure.to_bits();
        let place = self.measures.iter().enumerate().filter(equal).nth(rank - first).map(|(place, _)| place);
        self.rows.row(place.unwrap_or_default())
    }

    fn sampled_warning(&self, all: usize) -> Option<Warning> {
        let sampled = self.rows.rows();
        (sampled < all).then(|| Warning {
            reason: reasons::THRESHOLD_SAMPLED.to_owned(),
            message: format!(
                "the threshold was found on {sampled} of {all} training rows, drawn by the seed: a share of 1 % is \
                 exact to about {:.2} percentage points",
                100.0 * (0.01_f64 * 0.99 / sampled as f64).sqrt()
            ),
        })
    }
}

/// The rows that threshold and calibration come from, and their places: all, or a sample of very many.
pub(crate) fn calibration_rows(rows: &CheckedMatrix, seed: u64) -> (Cow<'_, CheckedMatrix>, Vec<u32>) {
    chosen_rows(rows, seed, MAX_CALIBRATION_ROWS)
}

fn chosen_rows(rows: &CheckedMatrix, seed: u64, most: usize) -> (Cow<'_, CheckedMatrix>, Vec<u32>) {
    if rows.rows() <= most {
        return (Cow::Borrowed(rows), (0..rows.rows() as u32).collect());
    }
    let places = sample(rows.rows(), seed, most);
    (Cow::Owned(rows.select(&places)), places)
}

/// The places of a sample of rows without replacement, in their order.
fn sample(rows: usize, seed: u64, count: usize) -> Vec<u32> {
    let mut drawn = Vec::new();
    let mut random = Random::new(seed, SAMPLE_PURPOSE, 0);
    Urn::new(rows as u32).draw(count as u32, &mut random, &mut drawn);
    drawn.sort_unstable();
    drawn
}

/// Scores in ascending order. They are, by rank, unless the rounding of a score put two neighbours out of it.
fn in_order(by_rank: &[f64]) -> Cow<'_, [f64]> {
    if by_rank.is_sorted_by(|a, b| a.total_cmp(b).is_le()) {
        return Cow::Borrowed(by_rank);
    }
    let mut ascending = by_rank.to_vec();
    ascending.sort_by(f64::total_cmp);
    Cow::Owned(ascending)
}

fn choose_golden_rows(
    fitted: &Fitted,
    measured: &Measured<'_>,
    scores_by_rank: &[f64],
    line: &Line,
) -> Vec<Vec<f64>> {
    let distances = scores_by_rank.iter().map(|score| (score - line.threshold).abs()).enumerate();
    let nearest = distances.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(rank, _)| rank);
    let quantiles = golden::quantiles(scores_by_rank.len()).map(|rank| measured.row(rank));
    let mut chosen = golden::choose(measured.row(nearest), quantiles, |row, which| fitted.edge(row, which));
    if fitted.accepts(f64::NAN) {
        // One row lacks a value, in the place of an extreme.
        let mut lacking = chosen[0].clone();
        lacking[0] = f64::NAN;
        chosen[1] = lacking;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{IsolationForestConfig, RobustZScoreConfig};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn ramp(rows: usize) -> CheckedMatrix {
        CheckedMatrix::from_vec((0..rows * 2).map(|value| value as f64).collect(), 2).unwrap()
    }

    fn forest() -> DetectorConfig {
        IsolationForestConfig::default().into()
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert_eq!(
            check_features(&names(&["a"]), 2),
            Err(TrainError::FeatureCount { features: 1, columns: 2 })
        );
        for bad in [names(&["a", ""]), names(&["a", "a"]), names(&["a", &"x".repeat(1025)])] {
            assert!(matches!(check_features(&bad, 2), Err(TrainError::FeatureName { .. })), "{bad:?}");
        }
        assert_eq!(check_features(&names(&["a", "b"]), 2), Ok(()));
    }

    #[test]
    fn an_invalid_configuration_is_an_error_and_not_a_model() {
        let train = |detector: &DetectorConfig, threshold: &ThresholdConfig| {
            Model::train(&names(&["a", "b"]), detector, threshold, &ramp(10)).map(drop)
        };
        let none = DetectorConfig::default();
        assert_eq!(train(&none, &Default::default()), Err(ConfigError::NoDetector.into()));
        let both = ThresholdConfig { contamination: Some(0.1), score: Some(-0.5), auto: false };
        assert_eq!(train(&forest(), &both), Err(ConfigError::TwoThresholds.into()));
    }

    #[test]
    fn a_golden_row_that_comes_out_otherwise_is_found_wherever_it_is() {
        let model =
            Model::train(&names(&["a", "b"]), &forest(), &ThresholdConfig::default(), &ramp(50)).unwrap();
        for row in 0..model.golden.len() {
            let mut other = model.clone();
            other.golden[row].result.measure = other.golden[row].result.measure.next_up();
            assert_eq!(other.verify_golden_rows().unwrap_err().row, row);
            // A single row fills the lanes, too.
            let mut single = model.clone();
            single.golden = vec![single.golden.swap_remove(row)];
            assert_eq!(single.verify_golden_rows(), Ok(()));
        }
    }

    #[test]
    fn an_ensemble_that_spells_out_its_defaults_is_the_default_to_the_byte() {
        let file = |detector: &str| {
            let detector = serde_json::from_str(detector).unwrap();
            Model::train(&names(&["a", "b"]), &detector, &Default::default(), &ramp(60)).unwrap().encode()
        };
        let members = r#"{"isolationForest": {}, "robustCovariance": {}, "nearestNeighbors": {}}"#;
        let spelled_out =
            format!(r#"{{"ensemble": {{"members": {members}, "weights": {{"isolationForest": 1}}}}}}"#);
        assert_eq!(file(&spelled_out), file(r#"{"ensemble": {}}"#));
    }

    #[test]
    fn a_rank_is_that_of_a_stable_sort() {
        let parameters = DetectorConfig::from(RobustZScoreConfig::default()).check().unwrap();
        let rows =
            CheckedMatrix::from_vec((0..3_000).map(|row| f64::from(row * 7_919 % 311)).collect(), 1).unwrap();
        let (fitted, _) = Fitted::fit(&parameters, &names(&["a"]), &rows).unwrap();
        let measured = Measured::new(&fitted, &rows, 7, 5_000);
        let mut ranked: Vec<usize> = (0..3_000).collect();
        ranked.sort_by(|&a, &b| measured.measures[a].total_cmp(&measured.measures[b]));
        // (places in memory, as many rows are equal)
        let places = (0..3_000).map(|rank| measured.row(rank).as_ptr());
        assert!(places.eq(ranked.iter().map(|&row| rows.row(row).as_ptr())));
        assert_eq!(*in_order(&[-2.0, -1.0, -1.5, -0.0, 0.0]), [-2.0, -1.5, -1.0, -0.0, 0.0]);
    }

    #[test]
    fn a_sample_for_the_threshold_is_drawn_by_the_seed_and_announced() {
        let rows = ramp(5_000);
        let parameters = forest().check().unwrap();
        let (fitted, _) = Fitted::fit(&parameters, &names(&["a", "b"]), &rows).unwrap();
        let measured = Measured::new(&fitted, &rows, 7, 1_000);
        assert_eq!(measured.rows, Measured::new(&fitted, &rows, 7, 1_000).rows);
        assert_ne!(measured.rows, Measured::new(&fitted, &rows, 8, 1_000).rows);
        let warning = measured.sampled_warning(5_000).unwrap();
        assert!(warning.message.starts_with("the threshold was found on 1000 of 5000 training rows"));
        assert_eq!(Measured::new(&fitted, &rows, 7, 5_000).sampled_warning(5_000), None);
    }
}
