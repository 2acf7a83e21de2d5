//! The largest robust z-score of a row: how far its most unusual value is from the median of its column.
//!
//! B. Iglewicz, D. C. Hoaglin: *How to Detect and Handle Outliers*, ASQC Basic References in Quality Control 16, 1993.
//! The outlyingness is the maximum over the columns of |x − median| / scale. The scale is 1.4826 · MAD, the median of
//! the absolute deviations from the median, made comparable with a standard deviation; where more than half of the
//! values are equal, and the MAD therefore 0, the interquartile range / 1.349; where that is 0 too, the standard
//! deviation. A column of one value only has no scale: it is ignored, and a warning names it.
//!
//! Up to half of the rows may be anomalies of any size without moving median and MAD. Columns are looked at one by one: a
//! row whose values are each ordinary and only together unusual is not found.

use ndarray::ArrayView2;

use crate::columns::{self, interpolated};
use crate::config::RobustZScoreParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError, MAX_OUTLYINGNESS};
use crate::explanation::Level;
use crate::matrix::{CheckedMatrix, in_range};

/// Makes the median absolute deviation of normal values their standard deviation.
const OF_MAD: f64 = 1.4826;
/// Makes the interquartile range of normal values their standard deviation.
const OF_IQR: f64 = 1.349;

/// Medians and scales.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustZScore {
    medians: Vec<f64>,
    /// Above 0; +∞ where the column is ignored, so that its term is 0.
    scales: Vec<f64>,
}

impl RobustZScore {
    /// From stored parts; an error in words if they are not a detector.
    pub(crate) fn from_parts(medians: Vec<f64>, scales: Vec<f64>) -> Result<Self, String> {
        if medians.is_empty() || medians.len() != scales.len() {
            return Err(format!("it has {} medians and {} scales", medians.len(), scales.len()));
        }
        let possible = |(&median, &scale): (&f64, &f64)| in_range(median) && scale > 0.0;
        match medians.iter().zip(&scales).position(|pair| !possible(pair)) {
            None => Ok(Self { medians, scales }),
            Some(column) => Err(format!("column {column} has no median or no scale")),
        }
    }

    /// Medians and scales of the columns.
    pub(crate) fn parts(&self) -> (&[f64], &[f64]) {
        (&self.medians, &self.scales)
    }

    fn terms(&self, row: &[f64]) -> impl Iterator<Item = f64> {
        let columns = self.medians.iter().zip(&self.scales);
        row.iter()
            .zip(columns)
            .map(|(value, (median, scale))| ((value - median).abs() / scale).min(MAX_OUTLYINGNESS))
    }
}

impl Detector for RobustZScore {
    type Parameters = RobustZScoreParameters;

    fn fit(
        _parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let (mut medians, mut scales) = (Vec::new(), Vec::new());
        columns::each_sorted(rows, |sorted| {
            let median = columns::median(sorted);
            medians.push(median);
            scales.push(scale(sorted, median));
        });
        let ignored = scales.iter().map(|scale| scale.is_infinite());
        let warning = columns::constant_columns(ignored, features);
        Ok((Self { medians, scales }, warning.into_iter().collect()))
    }

    fn columns(&self) -> usize {
        self.medians.len()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        -self.terms(row).fold(0.0, f64::max)
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        columns::row_by_row(rows, measures, |row| self.measure_row(row));
    }

    /// Each column's own z-score: they do not sum to the value, which is the largest of them.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        contributions.iter_mut().zip(self.terms(row)).for_each(|(to, term)| *to = term);
        Level { baseline: 0.0, value: self.measure_row(row) }
    }

    /// The row with one column moved onto its median, one step below or one above it.
    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let column = which % row.len();
        let mut moved = row.to_vec();
        moved[column] = match which % 3 {
            0 => self.medians[column],
            1 => self.medians[column].next_down(),
            _ => self.medians[column].next_up(),
        };
        in_range(moved[column]).then_some(moved)
    }
}

/// The scale of ascending values; +∞ if all are equal.
fn scale(sorted: &[f64], median: f64) -> f64 {
    let mut deviations: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    let range = interpolated(sorted, 0.75) - interpolated(sorted, 0.25);
    let choices =
        [OF_MAD * columns::median(&deviations), range / OF_IQR, columns::standard_deviation(sorted)];
    choices.into_iter().find(|&scale| scale > 0.0).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests;
