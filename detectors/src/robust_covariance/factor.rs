//! Squared distances by a triangular factor: forward substitution, for one row and for eight rows side by side.

use super::table::Table;
use crate::forest::{Work, wide};
use crate::linear::Square;

/// Rows that are solved for at once.
pub(super) const LANES: usize = 8;

/// L of a matrix Σ = L·Lᵀ, packed twice, for both orders of substitution.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factor {
    size: usize,
    /// Row after row, each up to its diagonal entry.
    rows: Vec<f64>,
    /// Column after column, each from its diagonal entry on.
    columns: Vec<f64>,
}

impl Factor {
    /// Of the lower triangle of a matrix, whose diagonal is positive.
    pub(super) fn new(lower: &Square) -> Self {
        let rows = (0..lower.size()).flat_map(|row| &lower.row(row)[..=row]).copied().collect();
        Self::packed(lower.size(), rows)
    }

    /// Of entries row after row, size · (size + 1) / 2 of them.
    pub(super) fn packed(size: usize, rows: Vec<f64>) -> Self {
        let entry = |row: usize, column: usize| rows[row * (row + 1) / 2 + column];
        let columns = (0..size).flat_map(|column| (column..size).map(move |row| entry(row, column)));
        Self { size, columns: columns.collect(), rows }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Row after row.
    pub(super) fn entries(&self) -> &[f64] {
        &self.rows
    }

    /// x ← L⁻¹·x.
    pub(super) fn solve(&self, x: &mut [f64]) {
        let mut columns = &self.columns[..];
        for at in 0..self.size {
            let (column, rest) = columns.split_at(self.size - at);
            columns = rest;
            let (solved, open) = x[at..].split_at_mut(1);
            solved[0] /= column[0];
            for (open, entry) in open.iter_mut().zip(&column[1..]) {
                *open -= entry * solved[0];
            }
        }
    }

    /// x ← L⁻ᵀ·x.
    pub(super) fn solve_transposed(&self, x: &mut [f64]) {
        for at in (0..self.size).rev() {
            let row = &self.rows[at * (at + 1) / 2..][..=at];
            let (open, solved) = x[..=at].split_at_mut(at);
            solved[0] /= row[at];
            for (open, entry) in open.iter_mut().zip(row) {
                *open -= entry * solved[0];
            }
        }
    }

    /// [`Factor::solve`] for eight rows, entry i of all in `x[i]`, and the sums of their squares: the same operations
    /// in the same order for each.
    pub(super) fn squares(&self, x: &mut [[f64; LANES]]) -> [f64; LANES] {
        wide(Squares { rows: &self.rows, x })
    }

    /// (x − center)ᵀ·Σ⁻¹·(x − center) of all rows.
    pub(super) fn distances(&self, table: &Table, center: &[f64]) -> Vec<f64> {
        let mut distances = Vec::with_capacity(table.len());
        let mut block = vec![[0.0; LANES]; self.size];
        for first in (0..table.len()).step_by(LANES) {
            let count = LANES.min(table.len() - first);
            for lane in 0..count {
                for ((to, value), center) in block.iter_mut().zip(table.row(first + lane)).zip(center) {
                    to[lane] = value - center;
                }
            }
            distances.extend_from_slice(&self.squares(&mut block)[..count]);
        }
        distances
    }
}

struct Squares<'a> {
    rows: &'a [f64],
    x: &'a mut [[f64; LANES]],
}

impl Work for Squares<'_> {
    type Output = [f64; LANES];

    #[inline(always)]
    fn run(self) -> [f64; LANES] {
        let Self { mut rows, x } = self;
        let mut sums = [0.0; LANES];
        for at in 0..x.len() {
            let (row, rest) = rows.split_at(at + 1);
            rows = rest;
            let (solved, open) = x[..=at].split_at_mut(at);
            let mut lanes = open[0];
            for (entry, solved) in row.iter().zip(&*solved) {
                for lane in 0..LANES {
                    lanes[lane] -= entry * solved[lane];
                }
            }
            for lane in 0..LANES {
                lanes[lane] /= row[at];
                sums[lane] += lanes[lane] * lanes[lane];
            }
            open[0] = lanes;
        }
        sums
    }
}

/// The sum of squares, first to last.
pub(super) fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value * value)
}
