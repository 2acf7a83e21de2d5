//! Nearest neighbours: rows far from the training rows nearest to them are anomalous.
//!
//! S. Ramaswamy, R. Rastogi, K. Shim: *Efficient Algorithms for Mining Outliers from Large Data Sets*, SIGMOD 2000;
//! F. Angiulli, C. Pizzuti: *Fast Outlier Detection in High Dimensional Spaces*, PKDD 2002. The outlyingness is the mean
//! Euclidean distance to the k nearest of up to 1,024 reference rows, which are drawn from the training rows: see
//! [`crate::neighbors`]. A training row that is a reference itself does not count as its own neighbour.
//!
//! The model contains its reference rows.

use ndarray::ArrayView2;

use crate::columns;
use crate::config::NeighborsParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::matrix::CheckedMatrix;
use crate::neighbors::{MAX_BYTES, Nearest, References};

/// References and the number of neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct NearestNeighbors {
    references: References,
    neighbors: usize,
}

impl NearestNeighbors {
    /// [`Detector::fit`] with references of at most so many bytes.
    pub(crate) fn fit_within(
        parameters: &NeighborsParameters,
        features: &[String],
        rows: &CheckedMatrix,
        most_bytes: usize,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        if rows.rows() > u32::MAX as usize {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        }
        let references = References::draw(parameters, rows, most_bytes);
        let constant = references.scales().iter().map(|scale| scale.width == 0.0);
        let warning = columns::constant_columns(constant, features);
        let neighbors = references.neighbors(parameters.neighbors());
        Ok((Self { references, neighbors }, warning.into_iter().collect()))
    }

    /// From stored parts; an error in words if they are not a detector.
    pub(crate) fn from_parts(references: References, neighbors: usize) -> Result<Self, String> {
        if neighbors == 0 || neighbors > references.neighbors(neighbors) {
            return Err(format!("{neighbors} neighbours of {} references", references.count()));
        }
        Ok(Self { references, neighbors })
    }

    /// The references and the number of neighbours.
    pub(crate) fn parts(&self) -> (&References, usize) {
        (&self.references, self.neighbors)
    }
}

/// The mean distance, nearest first; 0 without neighbours.
fn mean(nearest: &Nearest) -> f64 {
    let squares = nearest.squares();
    squares.iter().map(|square| square.sqrt()).sum::<f64>() / squares.len().max(1) as f64
}

impl Detector for NearestNeighbors {
    type Parameters = NeighborsParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        Self::fit_within(parameters, features, rows, MAX_BYTES)
    }

    fn seed(parameters: &Self::Parameters) -> u64 {
        parameters.seed()
    }

    fn columns(&self) -> usize {
        self.references.columns()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        let nearest = |row: &[f32]| self.references.nearest(row, self.neighbors, None);
        0.0 - self.references.with_scaled(row.into(), |row| mean(&nearest(row)))
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        assert_eq!(rows.nrows(), measures.len(), "one measure for each row");
        let take = |row: usize, nearest: &Nearest| measures[row] = 0.0 - mean(nearest);
        self.references.nearest_to_each(rows, self.neighbors, |_| None, take);
    }

    fn measure_training(&self, rows: ArrayView2<'_, f64>, at: &[u32], measures: &mut [f64]) {
        assert_eq!([rows.nrows(), at.len()], [measures.len(); 2], "one measure and one place for each row");
        let itself = |row: usize| self.references.at_place(at[row]);
        let take = |row: usize, nearest: &Nearest| measures[row] = 0.0 - mean(nearest);
        self.references.nearest_to_each(rows, self.neighbors, itself, take);
    }

    /// The distance, shared among the columns by their squared differences from the neighbours.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        self.references.with_scaled(row.into(), |row| {
            let nearest = self.references.nearest(row, self.neighbors, None);
            let distance = mean(&nearest);
            self.references.share(row, &nearest, distance, contributions);
            Level { baseline: 0.0, value: 0.0 - distance }
        })
    }
}

#[cfg(test)]
mod tests;
