//! Robust covariance: rows far from the center of the bulk of the data, measured by its covariance, are anomalous.
//!
//! The outlyingness is the squared Mahalanobis distance (x − μ)ᵀ·Σ⁻¹·(x − μ), where μ and Σ are the minimum covariance
//! determinant estimate: mean and covariance of those h rows, 75 % unless asked otherwise, whose covariance has the
//! smallest determinant. Up to 25 % of the rows may be anomalies without moving it. The search is deterministic and
//! draws nothing: M. Hubert, P. J. Rousseeuw, T. Verdonck: *A Deterministic Algorithm for Robust Location and Scatter*,
//! JCGS 21(3), 2012; six starts, each followed by C-steps. The covariance is corrected for consistency at the normal
//! distribution, and one reweighting step takes in all rows within the 97.5 % quantile.
//!
//! Columns are first brought to a common scale by median and MAD, or the standard deviation where the MAD is 0. A column
//! of one value only is left out, and a warning names it. Where the rows do not determine a covariance (fewer than five
//! for each column, or columns that follow from others), it is mixed with the identity as in K. Boudt, P. J.
//! Rousseeuw, S. Vanduffel, T. Verdonck: *The minimum regularized covariance determinant estimator*, Statistics and
//! Computing 30, 2020, just so much that its eigenvalues differ by no more than a factor of 50.

mod chi_squared;
mod concentrate;
mod factor;
mod starts;
mod table;

use ndarray::ArrayView2;

use crate::columns;
use crate::config::RobustCovarianceParameters;
use crate::description::{Warning, reasons};
use crate::detector::{Detector, FitError, MAX_OUTLYINGNESS};
use crate::explanation::Level;
use crate::matrix::CheckedMatrix;
use crate::scaling::{FARTHEST, Scale, Width, scales};
use crate::scratch::with_scratch;

use factor::{Factor, LANES, sum_of_squares};
use table::Table;

/// The most columns: the model is half a square of them, and fitting takes their cube.
pub(crate) const MAX_COLUMNS: usize = 512;
/// The most rows that take part in fitting, and the most rows · columns².
const MAX_ROWS: usize = 65_536;
const MAX_WORK: usize = 1 << 30;
/// From so many columns on, the factor has 32-bit entries.
const WIDE: usize = 257;

/// A center and a covariance.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustCovariance {
    /// d.
    columns: usize,
    /// The columns that vary, ascending, with their scales.
    used: Vec<u32>,
    scales: Vec<Scale>,
    /// Of the scaled columns.
    center: Vec<f64>,
    factor: Factor,
}

/// All that it is made of, unchecked.
pub(crate) struct Parts {
    pub(crate) columns: usize,
    pub(crate) used: Vec<u32>,
    /// Of the used columns, as the others.
    pub(crate) scales: Vec<Scale>,
    pub(crate) center: Vec<f64>,
    /// The lower triangle, row after row.
    pub(crate) factor: Vec<f64>,
}

impl RobustCovariance {
    /// From stored parts; an error in words if they are not a detector.
    pub(crate) fn from_parts(parts: Parts) -> Result<Self, String> {
        let Parts { columns, used, scales, center, factor } = parts;
        let size = used.len();
        if columns == 0 || columns > MAX_COLUMNS {
            return Err(format!("it has {columns} columns: 1 to {MAX_COLUMNS} are expected"));
        }
        let ascending = used.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || used.last().is_some_and(|&last| last as usize >= columns) {
            return Err("its columns are not ascending or do not exist".to_owned());
        }
        if scales.len() != size || !scales.iter().all(|scale| scale.is_valid() && scale.width > 0.0) {
            return Err("a column has no scale".to_owned());
        }
        if center.len() != size || !center.iter().all(|value| value.abs() <= FARTHEST) {
            return Err("its center is not within the scaled values".to_owned());
        }
        if factor.len() != size * (size + 1) / 2 || !factor.iter().all(|entry| entry.is_finite()) {
            return Err("its covariance is not complete".to_owned());
        }
        let mut diagonal = (0..size).map(|row| factor[row * (row + 3) / 2]);
        if !diagonal.all(|entry| entry > 0.0) {
            return Err("its covariance is not definite".to_owned());
        }
        Ok(Self { columns, used, scales, center, factor: Factor::packed(size, factor) })
    }

    /// The columns that are used, their scales, the center and the factor.
    pub(crate) fn parts(&self) -> (&[u32], &[Scale], &[f64], &[f64]) {
        (&self.used, &self.scales, &self.center, self.factor.entries())
    }

    /// The bytes of one entry of the factor in a model file.
    pub(crate) fn entry_bytes(used: usize) -> usize {
        if used < WIDE { 8 } else { 4 }
    }

    /// The bytes of the factor in a model file.
    pub(crate) fn factor_bytes(&self) -> usize {
        self.factor.entries().len() * Self::entry_bytes(self.used.len())
    }

    /// The used columns of a row, scaled and centred.
    fn centred(&self, row: impl Fn(usize) -> f64) -> impl Iterator<Item = f64> {
        let columns = self.used.iter().zip(&self.scales).zip(&self.center);
        columns.map(move |((&column, scale), center)| scale.apply(row(column as usize)) - center)
    }

    fn with_centred<R>(&self, row: &[f64], work: impl FnOnce(&mut [f64]) -> R) -> R {
        with_scratch(self.used.len(), |centred| {
            centred.iter_mut().zip(self.centred(|column| row[column])).for_each(|(to, value)| *to = value);
            work(centred)
        })
    }
}

/// Minus the outlyingness; also where a distance is beyond all numbers.
fn measure(square: f64) -> f64 {
    if square < MAX_OUTLYINGNESS { 0.0 - square } else { -MAX_OUTLYINGNESS }
}

impl Detector for RobustCovariance {
    type Parameters = RobustCovarianceParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let columns = rows.columns();
        if columns > MAX_COLUMNS {
            return Err(FitError::TooManyColumns { columns, max: MAX_COLUMNS });
        }
        if rows.rows() > u32::MAX as usize {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        }
        let all = scales(rows, Width::Mad);
        let used: Vec<u32> = (0..columns as u32).filter(|&column| all[column as usize].width > 0.0).collect();
        let scales: Vec<Scale> = used.iter().map(|&column| all[column as usize]).collect();
        let constant = columns::constant_columns(all.iter().map(|scale| scale.width == 0.0), features);
        let mut warnings: Vec<Warning> = constant.into_iter().collect();
        let (center, factor) = if used.is_empty() {
            (Vec::new(), Factor::packed(0, Vec::new()))
        } else {
            let most = MAX_ROWS.min(MAX_WORK / (used.len() * used.len()));
            let taken = table::spread(rows.rows(), most);
            let table = Table::scaled(rows, &taken, &used, &scales);
            let estimate = concentrate::estimate(&table, parameters.support_fraction());
            if estimate.shrinkage > 0.0 {
                warnings.push(regularised(estimate.shrinkage, rows.rows(), used.len()));
            }
            let factor = narrowed(estimate.factor).map_err(|row| FitError::Beyond32Bits {
                feature: features.get(used[row] as usize).cloned().unwrap_or_default(),
                columns: used.len(),
                exact: WIDE - 1,
            })?;
            (estimate.center, factor)
        };
        Ok((Self { columns, used, scales, center, factor }, warnings))
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        assert_eq!(row.len(), self.columns, "a row has all columns");
        self.with_centred(row, |centred| {
            self.factor.solve(centred);
            measure(sum_of_squares(centred))
        })
    }

    /// Eight rows at a time.
    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        assert_eq!(rows.dim(), (measures.len(), self.columns), "one measure for each row, all columns");
        let mut block = vec![[0.0; LANES]; self.used.len()];
        for (at, measures) in measures.chunks_mut(LANES).enumerate() {
            for lane in 0..measures.len() {
                let row = rows.row(at * LANES + lane);
                block
                    .iter_mut()
                    .zip(self.centred(|column| row[column]))
                    .for_each(|(to, value)| to[lane] = value);
            }
            let squares = self.factor.squares(&mut block);
            measures.iter_mut().zip(squares).for_each(|(to, square)| *to = measure(square));
        }
    }

    /// φⱼ = (xⱼ − μⱼ)·(Σ⁻¹(x − μ))ⱼ, the Shapley value of the squared distance (M. Mayrhofer, P. Filzmoser:
    /// *Multivariate outlier explanations using Shapley values and Mahalanobis distances*, Econometrics and Statistics,
    /// 2023). It is negative for a column that makes the others look more ordinary.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        assert_eq!([row.len(), contributions.len()], [self.columns; 2], "a row has all columns");
        contributions.fill(0.0);
        let value = self.with_centred(row, |centred| {
            self.factor.solve(centred);
            let value = measure(sum_of_squares(centred));
            self.factor.solve_transposed(centred);
            let weighted = self.used.iter().zip(self.centred(|column| row[column])).zip(&*centred);
            weighted.for_each(|((&column, from), weight)| contributions[column as usize] = from * weight);
            value
        });
        Level { baseline: 0.0, value }
    }
}

fn regularised(shrinkage: f64, rows: usize, columns: usize) -> Warning {
    let cause = if rows < concentrate::ROWS_PER_COLUMN * columns {
        format!("{rows} rows are too few for the covariance of {columns} columns")
    } else {
        "most rows have one value in some column, or columns follow from others".to_owned()
    };
    Warning {
        reason: reasons::REGULARISED_COVARIANCE.to_owned(),
        message: format!(
            "{cause}: {:.1} % of the identity is mixed in, so that a combination of values counts less; train on more \
             rows, or leave out columns that say the same as others or hardly vary",
            100.0 * shrinkage
        ),
    }
}

/// With 32-bit entries where the factor is large, so that the model file is half as large.
///
/// # Errors
/// The first row with an entry, or without a diagonal, that 32 bits can hold.
fn narrowed(factor: Factor) -> Result<Factor, usize> {
    if RobustCovariance::entry_bytes(factor.size()) == 8 {
        return Ok(factor);
    }
    let entries: Vec<f64> = factor.entries().iter().map(|&entry| f64::from(entry as f32)).collect();
    let lost = |&row: &usize| {
        let row = &entries[row * (row + 1) / 2..][..=row];
        !row.iter().all(|entry| entry.is_finite()) || row.last().is_none_or(|&diagonal| diagonal <= 0.0)
    };
    match (0..factor.size()).find(lost) {
        Some(row) => Err(row),
        None => Ok(Factor::packed(factor.size(), entries)),
    }
}

#[cfg(test)]
mod tests;
