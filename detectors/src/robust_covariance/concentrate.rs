//! Minimum covariance determinant: from a start to the subset of rows whose scatter is smallest, and the estimate that
//! follows from it.
//!
//! A C-step takes the mean and the covariance of a subset and then the h rows nearest by them; the determinant never
//! grows (Rousseeuw & Van Driessen 1999). Where the rows do not determine a covariance, it is
//! K = ρ·I + (1 − ρ)·c·S on columns of a common scale, for which the same holds (Boudt et al. 2020).

use super::chi_squared;
use super::factor::Factor;
use super::starts;
use super::table::{Table, nearest};
use crate::linear::{Square, cholesky, covariance, eigen, means};

/// A covariance is taken as it is if there are at least this many rows for each column, and if of no column's variance
/// all but this part follows from the columns before it. Otherwise it is regularised.
pub(super) const ROWS_PER_COLUMN: usize = 5;
const LEAST_PIVOT: f64 = 1e-8;
/// What the ratio of the largest to the smallest eigenvalue of a regularised covariance is to be at most.
const CONDITION: f64 = 50.0;
/// ρ that all starts are given, if theirs are larger.
const USUAL_SHRINKAGE: f64 = 0.1;
/// C-steps from one start. Ten are usual; of very many rows a few change places for longer, and it does not matter.
const MOST_STEPS: usize = 30;
/// Rows within this share of the χ² distribution have weight 1 in the last step.
const REWEIGHTED: f64 = 0.975;

/// A center and the factor of a covariance around it.
pub(super) struct Estimate {
    pub(super) center: Vec<f64>,
    pub(super) factor: Factor,
    /// ρ: above 0 only if the rows do not determine the covariance alone.
    pub(super) shrinkage: f64,
    log_determinant: f64,
}

/// The rows do not determine a covariance.
struct Singular;

/// The reweighted estimate; `share` of the rows, more than half, are in the subset.
pub(super) fn estimate(table: &Table, share: f64) -> Estimate {
    let rows = table.len();
    let size = ((share * rows as f64).ceil() as usize).clamp(rows / 2 + 1, rows);
    let search = Search {
        table,
        size,
        correction: chi_squared::consistency(size as f64 / rows as f64, table.columns()),
    };
    let subsets = search.starts();
    let plain =
        if rows >= ROWS_PER_COLUMN * table.columns() { search.plain(&subsets) } else { Err(Singular) };
    plain.unwrap_or_else(|Singular| search.regularised(&subsets))
}

struct Search<'a> {
    table: &'a Table,
    /// h.
    size: usize,
    /// What the covariance of h rows is multiplied by.
    correction: f64,
}

impl Search<'_> {
    /// The h rows nearest by the mean and the covariance of the half that each start chooses.
    fn starts(&self) -> Vec<Vec<u32>> {
        let halves = starts::halves(self.table, self.table.len().div_ceil(2));
        let nearest = |half: &Vec<u32>| {
            let (center, scatter) = self.moments(half, 1.0);
            let estimate = factorised(center.clone(), &scatter, 0.0)
                .or_else(|Singular| factorised(center, &scatter, shrinkage(&scatter)))
                .unwrap_or_else(|Singular| self.target());
            self.nearest(&estimate)
        };
        halves.iter().map(nearest).collect()
    }

    /// Without regularisation.
    fn plain(&self, subsets: &[Vec<u32>]) -> Result<Estimate, Singular> {
        let mut best: Option<Estimate> = None;
        for subset in subsets {
            keep_smaller(&mut best, self.concentrate(subset.clone(), 0.0)?);
        }
        self.reweighted(&best.ok_or(Singular)?, |_| 0.0)
    }

    fn regularised(&self, subsets: &[Vec<u32>]) -> Estimate {
        let shrinkages: Vec<f64> =
            subsets.iter().map(|subset| shrinkage(&self.moments(subset, self.correction).1)).collect();
        let common = common_shrinkage(&shrinkages);
        let mut best = None;
        for (subset, _) in subsets.iter().zip(&shrinkages).filter(|(_, own)| **own <= common) {
            if let Ok(estimate) = self.concentrate(subset.clone(), common) {
                keep_smaller(&mut best, estimate);
            }
        }
        let best = best.unwrap_or_else(|| self.target());
        self.reweighted(&best, shrinkage).unwrap_or(best)
    }

    /// C-steps from a subset until it stays the same or its determinant no longer falls.
    fn concentrate(&self, mut subset: Vec<u32>, shrinkage: f64) -> Result<Estimate, Singular> {
        let mut estimate = self.of(&subset, shrinkage)?;
        for _ in 0..MOST_STEPS {
            let next = self.nearest(&estimate);
            if next == subset {
                break;
            }
            let candidate = self.of(&next, shrinkage)?;
            if candidate.log_determinant >= estimate.log_determinant {
                break;
            }
            (subset, estimate) = (next, candidate);
        }
        Ok(estimate)
    }

    /// Mean and covariance of the rows that the estimate does not call outliers, but of no fewer than h.
    fn reweighted(&self, raw: &Estimate, shrinkage: impl Fn(&Square) -> f64) -> Result<Estimate, Singular> {
        let distances = raw.factor.distances(self.table, &raw.center);
        let limit = chi_squared::quantile(REWEIGHTED, self.table.columns());
        let within = distances.iter().filter(|&&distance| distance <= limit).count();
        let kept = nearest(&distances, within.max(self.size));
        let correction = chi_squared::consistency(REWEIGHTED, self.table.columns());
        let (center, scatter) = self.moments(&kept, correction);
        factorised(center, &scatter, shrinkage(&scatter))
    }

    fn nearest(&self, estimate: &Estimate) -> Vec<u32> {
        nearest(&estimate.factor.distances(self.table, &estimate.center), self.size)
    }

    fn of(&self, subset: &[u32], shrinkage: f64) -> Result<Estimate, Singular> {
        let (center, scatter) = self.moments(subset, self.correction);
        factorised(center, &scatter, shrinkage)
    }

    /// Mean and corrected covariance of some rows.
    fn moments(&self, rows: &[u32], correction: f64) -> (Vec<f64>, Square) {
        let center = means(self.table.chosen(rows), self.table.columns());
        let mut scatter = covariance(self.table.chosen(rows), &center);
        scatter.values_mut().iter_mut().for_each(|value| *value *= correction);
        (center, scatter)
    }

    /// What is left where nothing can be estimated: the medians and the columns' own widths.
    fn target(&self) -> Estimate {
        let size = self.table.columns();
        let factor = Factor::new(&Square::identity(size));
        Estimate { center: vec![0.0; size], factor, shrinkage: 1.0, log_determinant: 0.0 }
    }
}

fn keep_smaller(best: &mut Option<Estimate>, estimate: Estimate) {
    if best.as_ref().is_none_or(|best| estimate.log_determinant < best.log_determinant) {
        *best = Some(estimate);
    }
}

/// The estimate with K = ρ·I + (1 − ρ)·S.
fn factorised(center: Vec<f64>, scatter: &Square, shrinkage: f64) -> Result<Estimate, Singular> {
    let mut mixed = scatter.clone();
    if shrinkage > 0.0 {
        mixed.values_mut().iter_mut().for_each(|value| *value *= 1.0 - shrinkage);
        (0..mixed.size()).for_each(|at| mixed[(at, at)] += shrinkage);
    }
    let lower = cholesky(&mixed, LEAST_PIVOT).ok_or(Singular)?;
    let log_determinant = 2.0 * lower.diagonal().map(libm::log).sum::<f64>();
    Ok(Estimate { center, factor: Factor::new(&lower), shrinkage, log_determinant })
}

/// The smallest ρ with which the ratio of the eigenvalues of ρ·I + (1 − ρ)·S is at most [`CONDITION`]; 1 if S is 0.
fn shrinkage(scatter: &Square) -> f64 {
    let values = eigen(scatter.clone()).values;
    let (largest, smallest) = (values[0], values[values.len() - 1].max(0.0));
    if largest <= 0.0 {
        return 1.0;
    }
    let excess = (largest - CONDITION * smallest).max(0.0);
    excess / (excess + CONDITION - 1.0)
}

/// The ρ for all starts: the largest of theirs, unless that is more than 0.1; then their median, if it is more.
fn common_shrinkage(shrinkages: &[f64]) -> f64 {
    let mut sorted = shrinkages.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let largest = sorted[sorted.len() - 1];
    if largest <= USUAL_SHRINKAGE {
        return largest;
    }
    let middle = sorted.len() / 2;
    USUAL_SHRINKAGE.max((sorted[middle - 1] + sorted[middle]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_shrinkage_that_is_needed_is_taken() {
        let mut scatter = Square::identity(3);
        assert_eq!(shrinkage(&scatter), 0.0);
        scatter[(2, 2)] = 0.0;
        let rho = shrinkage(&scatter);
        assert!(((rho + (1.0 - rho)) / rho - CONDITION).abs() < 1e-9, "{rho}");
        assert_eq!(shrinkage(&Square::zeros(2)), 1.0);
    }

    #[test]
    fn one_start_that_needs_much_does_not_decide_for_all() {
        assert_eq!(common_shrinkage(&[0.0, 0.02, 0.05, 0.01, 0.0, 0.0]), 0.05);
        assert_eq!(common_shrinkage(&[0.0, 0.02, 0.9, 0.01, 0.0, 0.0]), 0.1);
        assert_eq!(common_shrinkage(&[0.5, 0.3, 0.9, 0.5, 0.3, 0.2]), 0.4);
    }
}
