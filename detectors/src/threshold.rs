//! Where the line is drawn: the percentile of the training scores, and the cut on the measure that is equal to it.
//!
//! Verdicts are taken on the measure (a forest's sum of path lengths), never on the rounded score: a row is anomalous
//! iff its measure is below the cut. The cut is the smallest measure for which `score(measure) − threshold < 0` is
//! false, the expression scikit-learn decides by, and is found by bisection over the floats.

use crate::config::Threshold;
use crate::description::{Warning, reasons};

/// A threshold on the score and the equal cut on the measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// A row is anomalous iff its score is below; in the scale of the score.
    pub(crate) threshold: f64,
    /// A row is anomalous iff its measure is below; +∞ if every row is.
    pub(crate) cut: f64,
}

impl Line {
    /// The line that was asked for. `ascending` are the scores of the training rows.
    pub(crate) fn find(asked: Threshold, ascending: &[f64], score: impl Fn(f64) -> f64) -> Self {
        let threshold = match asked {
            Threshold::Contamination(share) => percentile(ascending, 100.0 * share),
            Threshold::Score(score) => score,
        };
        Self::at(threshold, score)
    }

    pub(crate) fn at(threshold: f64, score: impl Fn(f64) -> f64) -> Self {
        Self { threshold, cut: smallest_float(|measure| score(measure) - threshold >= 0.0) }
    }

    pub(crate) fn is_inlier(&self, measure: f64) -> bool {
        measure >= self.cut
    }
}

/// `numpy.percentile(ascending, percent)` with its default method, linear, to the bit. `ascending` must not be empty.
fn percentile(ascending: &[f64], percent: f64) -> f64 {
    let last = ascending.len() - 1;
    let position = (percent / 100.0) * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    let fraction = position - below as f64;
    let step = ascending[above] - ascending[below];
    // The two forms that numpy uses, so that either end is met exactly.
    if fraction >= 0.5 {
        ascending[above] - step * (1.0 - fraction)
    } else {
        ascending[below] + step * fraction
    }
}

/// The smallest finite float for which a condition holds that never stops to hold as floats grow; +∞ if none.
fn smallest_float(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut fails, mut found) = (ordinal(f64::NEG_INFINITY), ordinal(f64::INFINITY));
    while found - fails > 1 {
        let middle = fails + (found - fails) / 2;
        if holds(from_ordinal(middle)) {
            found = middle;
        } else {
            fails = middle;
        }
    }
    from_ordinal(found)
}

/// The place of a float among all floats: neighbours differ by 1. Within ±2⁶³, in i128 so that sums cannot overflow.
fn ordinal(float: f64) -> i128 {
    let magnitude = i128::from(float.to_bits() & (u64::MAX >> 1));
    if float.is_sign_negative() { -magnitude } else { magnitude }
}

fn from_ordinal(ordinal: i128) -> f64 {
    let magnitude = f64::from_bits(ordinal.unsigned_abs() as u64);
    if ordinal < 0 { -magnitude } else { magnitude }
}

/// The warning for a share of flagged rows that is far from the contamination asked for, by more than half of it.
///
/// One row more or less is the granularity of few rows and not a tie.
pub(crate) fn tied_scores(asked: Threshold, flagged: usize, rows: usize) -> Option<Warning> {
    let Threshold::Contamination(contamination) = asked else { return None };
    let share = flagged as f64 / rows as f64;
    if (share - contamination).abs() <= (contamination / 2.0).max(1.0 / rows as f64) {
        return None;
    }
    Some(Warning {
        reason: reasons::TIED_SCORES.to_owned(),
        message: format!(
            "{flagged} of {rows} training rows ({:.2} %) are flagged instead of {:.2} %: many rows have the same \
             score; add features that tell them apart, or set threshold.score",
            100.0 * share,
            100.0 * contamination
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_percentile_is_numpys_linear_one() {
        // numpy.percentile([1, 2, 4, 8, 16], q) for q = 0, 10, 37.5, 50, 99, 100.
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        let found = [0.0, 10.0, 37.5, 50.0, 99.0, 100.0].map(|percent| percentile(&values, percent));
        assert_eq!(found, [1.0, 1.4, 3.0, 4.0, 15.68, 16.0]);
        assert_eq!(percentile(&[-0.5], 1.0), -0.5);
    }

    #[test]
    fn the_threshold_of_a_contamination_is_scikit_learns() {
        use std::io::Read;
        let file = include_bytes!("../tests/data/sklearn/contamination-training-rows.json.gz");
        let mut json = String::new();
        flate2::read::GzDecoder::new(&file[..]).read_to_string(&mut json).unwrap();
        let case: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut scores: Vec<f64> = serde_json::from_value(case["score_samples"].clone()).unwrap();
        scores.sort_by(f64::total_cmp);
        assert_eq!(Some(percentile(&scores, 10.0)), case["model"]["offset"].as_f64());
    }

    #[test]
    fn neighbouring_floats_have_neighbouring_ordinals() {
        for float in [0.0, 1.0, -1.0, f64::MIN_POSITIVE, -f64::from_bits(1), f64::MAX, 1e-300] {
            assert_eq!(ordinal(float.next_up()) - ordinal(float), 1, "{float}");
            assert_eq!(from_ordinal(ordinal(float)), float);
        }
    }

    #[test]
    fn a_line_that_no_measure_reaches_flags_everything() {
        let line = Line::at(-0.3, |_| -0.5);
        assert_eq!(line.cut, f64::INFINITY);
        assert!(!line.is_inlier(f64::MAX));
    }

    #[test]
    fn a_line_that_every_measure_reaches_flags_nothing() {
        assert!(Line::at(-0.5, |_| -0.5).is_inlier(0.0));
    }

    #[test]
    fn few_rows_are_not_called_ties() {
        let asked = Threshold::Contamination(0.01);
        assert_eq!(tied_scores(asked, 1, 10), None);
        assert_eq!(tied_scores(asked, 0, 10), None);
        assert_eq!(tied_scores(asked, 14, 1000), None);
        assert_eq!(tied_scores(Threshold::Score(-0.5), 900, 1000), None);
        let message = tied_scores(asked, 0, 1000).unwrap().message;
        assert!(
            message.starts_with("0 of 1000 training rows (0.00 %) are flagged instead of 1.00 %"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn the_cut_decides_exactly_as_the_scores_do(threshold in -0.999_f64..-0.001, measures in prop::collection::vec(0.0_f64..3000.0, 1..40)) {
            let score = |measure: f64| -libm::exp2(-(measure / 1024.0));
            let line = Line::at(threshold, score);
            for measure in measures.into_iter().chain([line.cut, line.cut.next_down(), line.cut.next_up()]) {
                prop_assert_eq!(line.is_inlier(measure), score(measure) >= threshold);
            }
        }

        #[test]
        fn the_percentile_lies_between_its_neighbours(mut values in prop::collection::vec(-1.0_f64..0.0, 1..50), percent in 0.0_f64..50.0) {
            values.sort_unstable_by(f64::total_cmp);
            let found = percentile(&values, percent);
            let below = values.iter().filter(|&&value| value < found).count();
            prop_assert!(below as f64 <= (percent / 100.0 * (values.len() - 1) as f64).floor() + 1.0);
            prop_assert!(found >= values[0] && found <= values[values.len() - 1]);
        }
    }
}
