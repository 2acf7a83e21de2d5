//! Golden rows: rows stored with the results that the model had when it was trained, to be compared wherever it is
//! served. A machine or a kernel that computes differently is refused rather than answering differently.

use crate::matrix::in_range;

/// The most golden rows of a model.
pub(crate) const MAX_ROWS: usize = 64;
/// The most values in all golden rows: models of very many columns keep fewer rows, but at least two.
const MAX_VALUES: usize = 16_384;
/// Scores may differ by this much, since their last digit is rounded; measures must not differ at all.
const SCORE_TOLERANCE: f64 = 1e-12;

/// A row and what it came out as.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GoldenRow {
    pub(crate) values: Vec<f64>,
    pub(crate) result: Outcome,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// The sum of path lengths of a forest; compared by bits.
    pub(crate) measure: f64,
    pub(crate) score: f64,
    pub(crate) is_inlier: bool,
}

/// A golden row that does not come out as it did when the model was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "golden row {row} has {what} {found} instead of {expected} by kernel {kernel}: this machine computes differently from the one that \
     trained the model, so the model must not be served here"
)]
pub struct GoldenError {
    /// The row, from 0.
    pub row: usize,
    /// The kernel that it was scored by.
    pub kernel: &'static str,
    /// What differs: measure, score or verdict.
    pub what: &'static str,
    /// What was stored, as text.
    pub expected: String,
    /// What came out, as text.
    pub found: String,
}

/// The ranks, of so many rows in ascending order of their measure, of those that become golden rows.
pub(crate) fn quantiles(rows: usize) -> impl Iterator<Item = usize> {
    (0..16).map(move |quantile| quantile * (rows - 1) / 15)
}

/// Chooses golden rows: the one nearest the threshold, the extremes, and those at the [`quantiles`], each as it is and
/// moved to an edge of the detector.
pub(crate) fn choose<'a>(
    nearest: &[f64],
    quantiles: impl Iterator<Item = &'a [f64]>,
    edge: impl Fn(&[f64], usize) -> Option<Vec<f64>>,
) -> Vec<Vec<f64>> {
    let columns = nearest.len();
    let mut chosen = vec![nearest.to_vec()];
    for extreme in [-f64::from(f32::MAX), f64::from(f32::MAX), 0.0] {
        chosen.push(vec![extreme; columns]);
    }
    for (quantile, row) in quantiles.enumerate() {
        chosen.extend(edge(row, quantile));
        chosen.push(row.to_vec());
    }
    chosen.truncate((MAX_VALUES / columns).clamp(2, MAX_ROWS));
    chosen
}

/// The lower median of a column, to four digits; 0 without rows.
pub(crate) fn median(rows: &[GoldenRow], column: usize) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(|row| row.values[column]).collect();
    values.retain(|value| value.abs() < f64::from(f32::MAX));
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    let median = values.get(middle).copied().unwrap_or_default();
    let rounded = format!("{median:.3e}").parse().unwrap_or(median);
    // What is at the end of the range may be rounded beyond it.
    if in_range(rounded) { rounded } else { median }
}

/// Compares what came out now with what was stored.
pub(crate) fn compare(
    row: usize,
    kernel: &'static str,
    expected: Outcome,
    found: Outcome,
) -> Result<(), GoldenError> {
    let differs =
        |what, expected: String, found: String| Err(GoldenError { row, kernel, what, expected, found });
    if expected.measure.to_bits() != found.measure.to_bits() {
        return differs("measure", expected.measure.to_string(), found.measure.to_string());
    }
    let difference = (expected.score - found.score).abs();
    if difference.is_nan() || difference > SCORE_TOLERANCE {
        return differs("score", expected.score.to_string(), found.score.to_string());
    }
    if expected.is_inlier != found.is_inlier {
        let verdict = |is_inlier| if is_inlier { "inlier" } else { "anomaly" }.to_owned();
        return differs("verdict", verdict(expected.is_inlier), verdict(found.is_inlier));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: Outcome = Outcome { measure: 812.5, score: -0.44, is_inlier: true };

    #[test]
    fn the_median_heeds_no_extremes_and_has_four_digits() {
        let row = |value| GoldenRow { values: vec![value], result: OUTCOME };
        let extreme = f64::from(f32::MAX);
        let rows = [row(-extreme), row(extreme), row(3.0), row(1.234_56), row(-7.0)];
        assert_eq!(median(&rows, 0), 1.235);
        assert_eq!(median(&rows[..2], 0), 0.0);
        assert_eq!(median(&[row(extreme * 0.999_99)], 0), extreme * 0.999_99);
    }

    #[test]
    fn one_bit_in_the_measure_is_a_difference() {
        let found = Outcome { measure: OUTCOME.measure.next_up(), ..OUTCOME };
        assert_eq!(compare(3, "portable", OUTCOME, found).unwrap_err().what, "measure");
    }

    #[test]
    fn the_last_digit_of_a_score_is_not_a_difference() {
        assert_eq!(
            compare(0, "portable", OUTCOME, Outcome { score: OUTCOME.score.next_up(), ..OUTCOME }),
            Ok(())
        );
        let found = Outcome { score: OUTCOME.score + 1e-11, ..OUTCOME };
        assert_eq!(compare(0, "portable", OUTCOME, found).unwrap_err().what, "score");
        assert_eq!(
            compare(0, "portable", OUTCOME, Outcome { score: f64::NAN, ..OUTCOME }).unwrap_err().what,
            "score"
        );
    }

    #[test]
    fn a_verdict_that_differs_is_named() {
        let error = compare(7, "portable", OUTCOME, Outcome { is_inlier: false, ..OUTCOME }).unwrap_err();
        assert!(
            error.to_string().starts_with("golden row 7 has verdict anomaly instead of inlier"),
            "{error}"
        );
    }

    #[test]
    fn very_wide_models_keep_few_golden_rows() {
        let chosen = |row: &[f64]| choose(row, quantiles(3).map(|_| row), |row, _| Some(row.to_vec())).len();
        assert_eq!(chosen(&[1.0; 10_000]), 2);
        assert_eq!(chosen(&[1.0]), 36);
    }
}
