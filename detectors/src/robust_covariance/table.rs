//! Rows on a common scale, and which of them are nearest.

use crate::matrix::CheckedMatrix;
use crate::random::Random;
use crate::scaling::{Scale, Width, median, scale};

/// Row-major numbers, finite but of any size.
pub(super) struct Table {
    values: Vec<f64>,
    columns: usize,
}

impl Table {
    /// These columns of these rows, scaled. There must be at least one column.
    pub(super) fn scaled(rows: &CheckedMatrix, taken: &[u32], columns: &[u32], scales: &[Scale]) -> Self {
        let scaled = |row: &u32| {
            let row = rows.row(*row as usize);
            columns.iter().zip(scales).map(|(&column, scale)| scale.apply(row[column as usize]))
        };
        Self { values: taken.iter().flat_map(scaled).collect(), columns: columns.len() }
    }

    #[cfg(test)]
    pub(super) fn from_vec(values: Vec<f64>, columns: usize) -> Self {
        Self { values, columns }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    pub(super) fn chosen<'a>(&'a self, rows: &'a [u32]) -> impl Iterator<Item = &'a [f64]> {
        rows.iter().map(|&row| self.row(row as usize))
    }

    pub(super) fn column(&self, column: usize) -> Vec<f64> {
        self.values.iter().skip(column).step_by(self.columns).copied().collect()
    }

    /// A table of the same shape, each column made from its counterpart.
    pub(super) fn map_columns(&self, map: impl Fn(Vec<f64>) -> Vec<f64>) -> Self {
        let mut values = vec![0.0; self.values.len()];
        for column in 0..self.columns {
            let mapped = map(self.column(column));
            for (value, mapped) in values.iter_mut().skip(column).step_by(self.columns).zip(mapped) {
                *value = mapped;
            }
        }
        Self { values, columns: self.columns }
    }
}

/// Different numbers below `all`, ascending: all of them, or one drawn from each of `most` parts of equal length, so
/// that neither order nor period of the rows matters.
pub(super) fn spread(all: usize, most: usize) -> Vec<u32> {
    if all <= most {
        return (0..all as u32).collect();
    }
    let mut random = Random::new(0, b"covariance--rows", 0);
    let start = |part: usize| (part as u64 * all as u64 / most as u64) as u32;
    (0..most).map(|part| start(part) + random.below(start(part + 1) - start(part))).collect()
}

/// The rows of the `count` smallest distances, ascending; of equal ones the first.
pub(super) fn nearest(distances: &[f64], count: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..distances.len() as u32).collect();
    if count < rows.len() {
        rows.select_nth_unstable_by(count, |&a, &b| {
            distances[a as usize].total_cmp(&distances[b as usize]).then(a.cmp(&b))
        });
        rows.truncate(count);
        rows.sort_unstable();
    }
    rows
}

/// The robust width of numbers around their median: 1.4826 · MAD, or their standard deviation where that is 0.
pub(super) fn spread_of(values: &mut [f64]) -> f64 {
    scale(values, Width::Mad).width
}

/// The median of numbers, which are put in another order.
pub(super) fn middle(values: &mut [f64]) -> f64 {
    median(values)
}
