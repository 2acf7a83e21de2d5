//! Dense linear algebra for a few hundred columns: products, covariance, Cholesky, and the symmetric eigenproblem.
//!
//! Every sum is taken in an order that the code fixes, without fused operations and with square roots as the only
//! function: the same bits on every machine. Matrices are row-major; inner loops run along rows, so that a compiler
//! can vectorise them without changing any order.

mod eigen;

pub(crate) use eigen::eigen;

use std::ops::{Index, IndexMut};

use crate::forest::{Work, wide};

/// Numbers added side by side by [`dot`].
const LANES: usize = 8;
/// Rows that [`covariance`] turns into columns at a time.
const BLOCK: usize = 64;

/// A square matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Square {
    size: usize,
    values: Vec<f64>,
}

impl Square {
    pub(crate) fn zeros(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    pub(crate) fn identity(size: usize) -> Self {
        let mut matrix = Self::zeros(size);
        (0..size).for_each(|at| matrix[(at, at)] = 1.0);
        matrix
    }

    pub(crate) fn from_fn(size: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..size * size).map(|at| value(at / size, at % size)).collect();
        Self { size, values }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.size..][..self.size]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.size..][..self.size]
    }

    /// Two different rows, the first above the second.
    fn two_rows_mut(&mut self, above: usize, below: usize) -> (&mut [f64], &mut [f64]) {
        let (head, tail) = self.values.split_at_mut(below * self.size);
        (&mut head[above * self.size..][..self.size], &mut tail[..self.size])
    }

    pub(crate) fn transposed(&self) -> Self {
        Self::from_fn(self.size, |row, column| self[(column, row)])
    }

    pub(crate) fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.size).map(|at| self[(at, at)])
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }
}

impl Index<(usize, usize)> for Square {
    type Output = f64;

    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        &self.values[row * self.size + column]
    }
}

impl IndexMut<(usize, usize)> for Square {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        &mut self.values[row * self.size + column]
    }
}

/// Σ aᵢ·bᵢ in eight lanes: lane l adds the products at l, l + 8, …, the rest goes to the first lanes, and lanes are
/// added in pairs.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += a * b;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// target += factor · source, one by one.
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

/// The means of the columns of these rows, each of `columns` values; rows are added in their order.
pub(crate) fn means<'a>(rows: impl Iterator<Item = &'a [f64]>, columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    let mut count = 0_usize;
    for row in rows {
        add_scaled(&mut sums, 1.0, row);
        count += 1;
    }
    sums.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
    sums
}

/// Σ (x − center)(x − center)ᵀ / n over these n rows: their covariance around a center, zero without rows.
pub(crate) fn covariance<'a>(rows: impl Iterator<Item = &'a [f64]>, center: &[f64]) -> Square {
    let columns = center.len();
    let mut sums = Square::zeros(columns);
    // Column by column: a block of centred rows, turned over.
    let mut block = vec![0.0; columns * BLOCK];
    let (mut filled, mut count) = (0, 0_usize);
    for row in rows {
        for (column, (value, center)) in row.iter().zip(center).enumerate() {
            block[column * BLOCK + filled] = value - center;
        }
        filled += 1;
        count += 1;
        if filled == BLOCK {
            add_products(&mut sums, &block, filled);
            filled = 0;
        }
    }
    add_products(&mut sums, &block, filled);
    let count = count.max(1) as f64;
    for row in 0..columns {
        for column in 0..=row {
            let value = sums[(row, column)] / count;
            sums[(row, column)] = value;
            sums[(column, row)] = value;
        }
    }
    sums
}

/// Adds the products of all pairs of columns to the lower triangle.
fn add_products(sums: &mut Square, block: &[f64], filled: usize) {
    wide(Products { sums, block, filled });
}

struct Products<'a> {
    sums: &'a mut Square,
    block: &'a [f64],
    filled: usize,
}

impl Work for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { sums, block, filled } = self;
        for row in 0..sums.size {
            let of_row = &block[row * BLOCK..][..filled];
            for other in 0..=row {
                sums.values[row * sums.size + other] += dot(of_row, &block[other * BLOCK..][..filled]);
            }
        }
    }
}

/// L, lower triangular with a positive diagonal and L·Lᵀ = A, of a symmetric A whose lower triangle is read. `None` if
/// a pivot, the square of a diagonal entry of L, is not above `least` times the entry of A in its place.
pub(crate) fn cholesky(matrix: &Square, least: f64) -> Option<Square> {
    let mut lower = Square::zeros(matrix.size());
    for row in 0..matrix.size() {
        for column in 0..row {
            let known = dot(&lower.row(row)[..column], &lower.row(column)[..column]);
            lower[(row, column)] = (matrix[(row, column)] - known) / lower[(column, column)];
        }
        let known = &lower.row(row)[..row];
        let pivot = matrix[(row, row)] - dot(known, known);
        // Also false for NaN.
        if !(pivot > least * matrix[(row, row)] && pivot < f64::INFINITY) {
            return None;
        }
        lower[(row, row)] = pivot.sqrt();
    }
    Some(lower)
}

#[cfg(test)]
mod tests;
