//! Principal components: rows that lie far out along the directions in which the training rows vary, or that leave the
//! subspace these directions span, are anomalous.
//!
//! M.-L. Shyu, S.-C. Chen, K. Sarinnapakorn, L. Chang: *A Novel Anomaly Detection Scheme Based on Principal Component
//! Classifier*, IEEE Foundations and New Directions of Data Mining Workshop, 2003. With z the row in units of median and
//! interquartile range, m the mean of the training rows' z, λ_j and v_j the eigenvalues and eigenvectors of their
//! covariance, and t_j = v_j·(z − m), the outlyingness of a row is
//!
//! Σ_{j ≤ k} t_j² / (λ_j + ε) + Σ_{j > k} t_j² / (ρ + ε)
//!
//! k is the fewest components that have `variance` of the variance, ρ the mean of the other eigenvalues, and ε 10⁻⁹ of
//! the mean of all. The second sum is the squared residual: what the components kept do not explain.
//!
//! This is a quadratic form (z − m)ᵀA(z − m). The model holds the upper triangle R with RᵀR = A, so that a row takes half as
//! many multiplications as A has entries, and a row's columns contribute (z − m)_j (A (z − m))_j, which sum to the
//! outlyingness. Constant columns are left out. Columns beyond [`MAX_COLUMNS`] are refused; beyond [`EXACT_COLUMNS`] R is
//! rounded to f32, so that the model fits a revision.

mod triangle;

use ndarray::ArrayView2;

use crate::columns;
use crate::config::PrincipalComponentsParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::linear::{Square, add_scaled, covariance, dot, eigen, means};
use crate::matrix::CheckedMatrix;
use crate::scaling::{Scale, Width, scales};
use crate::scratch::with_scratch;

/// The most columns there may be.
pub(crate) const MAX_COLUMNS: usize = 512;
/// The most columns that vary whose matrix is kept in f64.
pub(crate) const EXACT_COLUMNS: usize = 256;
/// ε, as a part of the mean eigenvalue.
const EPSILON: f64 = 1e-9;
/// ε is not below, whatever the eigenvalues: columns of denormal numbers have tiny ones.
const LEAST_EPSILON: f64 = 1e-18;
/// Beyond that many widths all values are alike; the squares of such numbers stay finite.
const FARTHEST: f64 = 1e30;
/// No entry of R is beyond: it is at most the root of 1 / ε.
const LARGEST: f64 = 2e9;

/// Fitted principal components.
#[derive(Clone, Debug, PartialEq)]
pub struct PrincipalComponents {
    scales: Vec<Scale>,
    /// The columns that are not constant.
    live: Vec<u32>,
    /// The means of the scaled columns that are not constant.
    means: Vec<f64>,
    /// R, row by row from the diagonal on.
    triangle: Vec<f64>,
}

impl PrincipalComponents {
    /// `triangle` is R, row by row from the diagonal on, over the columns whose width is not 0.
    pub(crate) fn from_parts(
        scales: Vec<Scale>,
        means: Vec<f64>,
        triangle: Vec<f64>,
    ) -> Result<Self, String> {
        let columns = scales.len();
        if !(1..=MAX_COLUMNS).contains(&columns) || !scales.iter().all(|scale| scale.is_valid()) {
            return Err(format!("{columns} columns are not 1 to {MAX_COLUMNS}, or one has no scale"));
        }
        let live: Vec<u32> =
            (0..columns as u32).filter(|&column| scales[column as usize].width > 0.0).collect();
        if means.len() != live.len() || triangle.len() != entries(live.len()) {
            return Err(format!(
                "{} means and {} entries for {} columns",
                means.len(),
                triangle.len(),
                live.len()
            ));
        }
        let within = |values: &[f64], most: f64| values.iter().all(|value| value.abs() <= most);
        if !within(&means, FARTHEST) || !within(&triangle, LARGEST) {
            return Err("a mean or an entry of the matrix is out of range".to_owned());
        }
        Ok(Self { scales, live, means, triangle })
    }

    pub(crate) fn parts(&self) -> (&[Scale], &[f64], &[f64]) {
        (&self.scales, &self.means, &self.triangle)
    }

    /// Calls `work` with z − m of the columns that are not constant.
    fn centred<R>(&self, row: &[f64], work: impl FnOnce(&[f64]) -> R) -> R {
        assert_eq!(row.len(), self.columns(), "a row has all columns");
        with_scratch(self.live.len(), |centred: &mut [f64]| {
            for (centred, (&column, mean)) in centred.iter_mut().zip(self.live.iter().zip(&self.means)) {
                let column = column as usize;
                *centred = scaled(self.scales[column], row[column]) - mean;
            }
            work(centred)
        })
    }

    /// The rows of R, each from the diagonal on.
    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        let mut rest = self.triangle.as_slice();
        (1..=self.live.len()).rev().map(move |length| {
            let (row, below) = rest.split_at(length);
            rest = below;
            row
        })
    }

    /// |R·centred|².
    fn outlyingness(&self, centred: &[f64]) -> f64 {
        let projections = self.rows().enumerate().map(|(at, row)| dot(row, &centred[at..]));
        projections.fold(0.0, |sum, projection| sum + projection * projection)
    }
}

/// The entries of a triangle.
pub(crate) fn entries(size: usize) -> usize {
    size * (size + 1) / 2
}

fn scaled(scale: Scale, value: f64) -> f64 {
    scale.apply(value).clamp(-FARTHEST, FARTHEST)
}

/// For each eigenvalue, in descending order, what a squared projection is divided by.
fn divisors(eigenvalues: &[f64], variance: f64) -> Vec<f64> {
    let positive = eigenvalues.iter().map(|value| value.max(0.0));
    let all: f64 = positive.clone().sum();
    let mut kept = 0.0;
    let mut count = 0;
    for value in positive.clone() {
        if kept >= variance * all {
            break;
        }
        kept += value;
        count += 1;
    }
    let left = eigenvalues.len() - count;
    let residual = positive.clone().skip(count).sum::<f64>() / left.max(1) as f64;
    let epsilon = (EPSILON * all / eigenvalues.len().max(1) as f64).max(LEAST_EPSILON);
    positive.enumerate().map(|(at, value)| if at < count { value } else { residual } + epsilon).collect()
}

impl Detector for PrincipalComponents {
    type Parameters = PrincipalComponentsParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let count = rows.columns();
        if count > MAX_COLUMNS {
            return Err(FitError::TooManyColumns { columns: count, max: MAX_COLUMNS });
        }
        let scales = scales(rows, Width::Iqr);
        let live: Vec<usize> = (0..count).filter(|&column| scales[column].width > 0.0).collect();
        let values = (0..rows.rows())
            .flat_map(|row| live.iter().map(move |&column| (row, column)))
            .map(|(row, column)| scaled(scales[column], rows.row(row)[column]));
        let values: Vec<f64> = values.collect();
        let (means, triangle) = if live.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let means = means(values.chunks_exact(live.len()), live.len());
            let spectrum = eigen(covariance(values.chunks_exact(live.len()), &means));
            let divisors = divisors(&spectrum.values, parameters.variance());
            let weighted = Square::from_fn(live.len(), |row, column| {
                spectrum.vectors[(row, column)] / divisors[row].sqrt()
            });
            (means, triangle::of(weighted))
        };
        let round = |value: f64| if live.len() > EXACT_COLUMNS { f64::from(value as f32) } else { value };
        let triangle = triangle.into_iter().map(round).collect();
        let constant = scales.iter().map(|scale| scale.width == 0.0).collect::<Vec<_>>();
        let fitted = Self::from_parts(scales, means, triangle).expect("fitted to rows that were checked");
        let warning = columns::constant_columns(constant.into_iter(), features);
        Ok((fitted, warning.into_iter().collect()))
    }

    fn columns(&self) -> usize {
        self.scales.len()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        -self.centred(row, |centred| self.outlyingness(centred))
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        assert_eq!(rows.dim(), (measures.len(), self.columns()), "one measure for each row, all columns");
        columns::row_by_row(rows, measures, |row| self.measure_row(row));
    }

    /// (z − m)_j (A (z − m))_j: they sum to the outlyingness, 0 − the measure. May be negative.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        contributions.fill(0.0);
        let mut explain = |centred: &[f64], pulls: &mut [f64]| {
            let mut outlyingness = 0.0;
            for (at, row) in self.rows().enumerate() {
                let projection = dot(row, &centred[at..]);
                outlyingness += projection * projection;
                add_scaled(&mut pulls[at..], projection, row);
            }
            for ((&column, centred), pull) in self.live.iter().zip(centred).zip(pulls) {
                contributions[column as usize] = centred * *pull;
            }
            Level { baseline: 0.0, value: -outlyingness }
        };
        self.centred(row, |centred| with_scratch(centred.len(), |pulls| explain(centred, pulls)))
    }
}

#[cfg(test)]
mod tests;
