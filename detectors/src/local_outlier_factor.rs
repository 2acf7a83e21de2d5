//! Local outlier factor: rows in a sparser place than their neighbours are anomalous.
//!
//! M. M. Breunig, H.-P. Kriegel, R. T. Ng, J. Sander: *LOF: Identifying Density-Based Local Outliers*, SIGMOD 2000.
//! A row's reachability from a neighbour o is its distance, but at least o's distance to its own k-th neighbour; its
//! density is 1 / (mean reachability from its k nearest + 10⁻¹⁰), the addend as in scikit-learn; its factor is the
//! mean density of these neighbours divided by its own. About 1 is ordinary.
//!
//! Neighbours are searched among up to 1,024 reference rows drawn from the training rows: see [`crate::neighbors`]. Each
//! has its density without itself. Exactly k neighbours are taken, of equally distant ones the first. The model
//! contains its reference rows.

use ndarray::ArrayView2;

use crate::columns;
use crate::config::NeighborsParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::matrix::CheckedMatrix;
use crate::neighbors::{MAX_BYTES, Nearest, References};

/// What is added to a mean reachability, in units of scaled columns: rows that are all equal have no other.
const LEAST_REACH: f64 = 1e-10;

/// References, each with the distance to its k-th neighbour and its density.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalOutlierFactor {
    references: References,
    neighbors: usize,
    reaches: Vec<f64>,
    densities: Vec<f64>,
}

impl LocalOutlierFactor {
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
        Ok((Self::of(references, neighbors), warning.into_iter().collect()))
    }

    fn of(references: References, neighbors: usize) -> Self {
        let nearest: Vec<Nearest> = (0..references.count() as u32)
            .map(|at| references.with_reference(at, |row| references.nearest(row, neighbors, Some(at))))
            .collect();
        let reach = |nearest: &Nearest| nearest.squares().last().map_or(0.0, |square| square.sqrt());
        let reaches = nearest.iter().map(reach).collect();
        let mut made = Self { references, neighbors, reaches, densities: Vec::new() };
        made.densities = nearest.iter().map(|nearest| 1.0 / made.reachability(nearest)).collect();
        made
    }

    /// From stored parts; an error in words if they are not a detector.
    pub(crate) fn from_parts(
        references: References,
        neighbors: usize,
        reaches: Vec<f64>,
        densities: Vec<f64>,
    ) -> Result<Self, String> {
        if neighbors == 0 || neighbors > references.neighbors(neighbors) {
            return Err(format!("{neighbors} neighbours of {} references", references.count()));
        }
        if [reaches.len(), densities.len()] != [references.count(); 2] {
            return Err("not every reference has its reach and its density".to_owned());
        }
        // A distance of d columns, each of at most twice the largest f32.
        let farthest = 2.0 * f64::from(f32::MAX) * references.columns() as f64;
        if !reaches.iter().all(|reach| (0.0..=farthest).contains(reach)) {
            return Err("a reach is no distance".to_owned());
        }
        if !densities.iter().all(|density| *density > 0.0 && *density <= 1.0 / LEAST_REACH) {
            return Err("a density is out of range".to_owned());
        }
        Ok(Self { references, neighbors, reaches, densities })
    }

    /// The references, the number of neighbours, and each reference's reach and density.
    pub(crate) fn parts(&self) -> (&References, usize, &[f64], &[f64]) {
        (&self.references, self.neighbors, &self.reaches, &self.densities)
    }

    /// 1 / density: the mean reachability from the nearest references.
    fn reachability(&self, nearest: &Nearest) -> f64 {
        let each = nearest
            .squares()
            .iter()
            .zip(nearest.references())
            .map(|(square, reference)| square.sqrt().max(self.reaches[reference as usize]));
        each.sum::<f64>() / nearest.squares().len().max(1) as f64 + LEAST_REACH
    }

    /// 1 without neighbours.
    fn factor(&self, nearest: &Nearest) -> f64 {
        let count = nearest.squares().len();
        if count == 0 {
            return 1.0;
        }
        let densities = nearest.references().map(|reference| self.densities[reference as usize]);
        densities.sum::<f64>() / count as f64 * self.reachability(nearest)
    }
}

impl Detector for LocalOutlierFactor {
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
        0.0 - self.references.with_scaled(row.into(), |row| self.factor(&nearest(row)))
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        assert_eq!(rows.nrows(), measures.len(), "one measure for each row");
        let take = |row: usize, nearest: &Nearest| measures[row] = 0.0 - self.factor(nearest);
        self.references.nearest_to_each(rows, self.neighbors, |_| None, take);
    }

    fn measure_training(&self, rows: ArrayView2<'_, f64>, at: &[u32], measures: &mut [f64]) {
        assert_eq!([rows.nrows(), at.len()], [measures.len(); 2], "one measure and one place for each row");
        let itself = |row: usize| self.references.at_place(at[row]);
        let take = |row: usize, nearest: &Nearest| measures[row] = 0.0 - self.factor(nearest);
        self.references.nearest_to_each(rows, self.neighbors, itself, take);
    }

    /// What the factor is above 1, shared among the columns by their squared differences from the neighbours.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        self.references.with_scaled(row.into(), |row| {
            let nearest = self.references.nearest(row, self.neighbors, None);
            let factor = self.factor(&nearest);
            self.references.share(row, &nearest, factor - 1.0, contributions);
            Level { baseline: -1.0, value: 0.0 - factor }
        })
    }
}

#[cfg(test)]
mod tests;
