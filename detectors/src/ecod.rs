//! ECOD: how far out each value lies in its column, by the empirical distribution, summed over the columns.
//!
//! Z. Li, Y. Zhao, X. Hu, N. Botta, C. Ionescu, G. H. Chen: *ECOD: Unsupervised Outlier Detection Using Empirical
//! Cumulative Distribution Functions*, IEEE TKDE 35(12), 2022. With L and R the tails of a value ([`crate::tails`]) and S
//! that of the two on the side to which the column is skewed,
//!
//! outlyingness = Σ over the columns of max(−ln S, (−ln L − ln R)/2).
//!
//! This is the form, column by column, of the authors' own implementation; the largest of three sums over the columns,
//! which their papers have for ECOD and COPOD alike, is [`crate::Copod`]. Stateless: a row is compared with the training
//! rows and not, as theirs is, with those and the rows that it comes with.

use ndarray::ArrayView2;

use crate::columns;
use crate::config::EcodParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::matrix::CheckedMatrix;
use crate::tails::{Surprise, Tails};

/// The tails of the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Ecod {
    pub(crate) tails: Tails,
}

impl Ecod {
    fn terms(&self, row: &[f64]) -> impl Iterator<Item = f64> {
        self.tails.surprises(row).map(|Surprise { left, right, skewed }| skewed.max((left + right) / 2.0))
    }
}

impl Detector for Ecod {
    type Parameters = EcodParameters;

    fn fit(
        _parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let (tails, warnings) = Tails::fit(rows, features)?;
        Ok((Self { tails }, warnings))
    }

    fn columns(&self) -> usize {
        self.tails.columns()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        -self.terms(row).fold(0.0, |sum, term| sum + term)
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        columns::row_by_row(rows, measures, |row| self.measure_row(row));
    }

    /// Each column's own term.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        contributions.iter_mut().zip(self.terms(row)).for_each(|(to, term)| *to = term);
        Level { baseline: 0.0, value: self.measure_row(row) }
    }

    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        self.tails.edge(row, which)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EcodConfig;

    #[test]
    fn each_column_adds_the_skewed_tail_or_the_mean_of_both_if_that_is_larger() {
        let rows = CheckedMatrix::from_vec(vec![1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 9.0, 5.0], 2).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let (ecod, _) = Ecod::fit(&EcodConfig {}.check().unwrap(), &names, &rows).unwrap();
        let ln = |share: f64| -libm::log(share);
        // a is skewed to the right, b (1 3 4 5) to the left.
        let (mut terms, row) = ([0.0; 2], [1.0, 5.0]);
        let level = ecod.explain_row(&row, &mut terms);
        assert_eq!(terms, [(ln(0.2) + ln(0.8)) / 2.0, (ln(0.8) + ln(0.2)) / 2.0]);
        ecod.explain_row(&[9.0, 1.0], &mut terms);
        assert_eq!(terms, [ln(0.2); 2]);
        assert_eq!((level.baseline, level.value), (0.0, ecod.measure_row(&row)));
    }
}
