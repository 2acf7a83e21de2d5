//! COPOD: how far out a row lies, to one side in all columns or to the side to which each column is skewed.
//!
//! Z. Li, Y. Zhao, N. Botta, C. Ionescu, X. Hu: *COPOD: Copula-Based Outlier Detection*, ICDM 2020. With L and R the tails
//! of a value ([`crate::tails`]) and S that of the two on the side to which the column is skewed,
//!
//! outlyingness = max(−Σ ln L, −Σ ln R, −Σ ln S), sums over the columns (algorithm 1 of the paper).
//!
//! Stateless: a row is compared with the training rows alone.

use ndarray::ArrayView2;

use crate::columns;
use crate::config::CopodParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::matrix::CheckedMatrix;
use crate::tails::{Surprise, Tails};

/// The tails of the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Copod {
    pub(crate) tails: Tails,
}

/// Which tail of a column is summed.
type Side = fn(&Surprise) -> f64;

impl Copod {
    /// The largest sum, and the side that it is of; of equal sums the skewed one, then the left.
    fn largest(&self, row: &[f64]) -> (f64, Side) {
        let (mut left, mut right, mut skewed) = (0.0, 0.0, 0.0);
        for surprise in self.tails.surprises(row) {
            left += surprise.left;
            right += surprise.right;
            skewed += surprise.skewed;
        }
        let mut largest: (f64, Side) = (skewed, |surprise| surprise.skewed);
        if left > largest.0 {
            largest = (left, |surprise| surprise.left);
        }
        if right > largest.0 {
            largest = (right, |surprise| surprise.right);
        }
        largest
    }
}

impl Detector for Copod {
    type Parameters = CopodParameters;

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
        -self.largest(row).0
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        columns::row_by_row(rows, measures, |row| self.measure_row(row));
    }

    /// Each column's term of the sum that is largest.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        let (sum, side) = self.largest(row);
        let surprises = self.tails.surprises(row);
        contributions.iter_mut().zip(surprises).for_each(|(to, surprise)| *to = side(&surprise));
        Level { baseline: 0.0, value: -sum }
    }

    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        self.tails.edge(row, which)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CopodConfig;

    #[test]
    fn the_largest_of_three_sums_decides_and_is_explained() {
        let rows = CheckedMatrix::from_vec(vec![1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 9.0, 5.0], 2).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let (copod, _) = Copod::fit(&CopodConfig {}.check().unwrap(), &names, &rows).unwrap();
        let ln = |share: f64| -libm::log(share);
        // a is skewed to the right, b (1 3 4 5) to the left.
        for (row, expected) in [
            ([1.0, 1.0], [ln(0.2), ln(0.2)]), // both on the left
            ([9.0, 5.0], [ln(0.2), ln(0.2)]), // both on the right
            ([9.0, 1.0], [ln(0.2), ln(0.2)]), // each on its longer side
            ([1.0, 5.0], [ln(0.2), ln(0.8)]), // the left sum: neither side is far in both
        ] {
            let mut terms = [0.0; 2];
            let level = copod.explain_row(&row, &mut terms);
            assert_eq!((terms, level.value), (expected, -(expected[0] + expected[1])), "{row:?}");
            assert_eq!(copod.measure_row(&row), level.value);
        }
    }
}
