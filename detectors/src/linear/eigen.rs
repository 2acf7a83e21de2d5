//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to three diagonals, then QL steps with
//! Wilkinson's shift (Golub & Van Loan, *Matrix Computations*, 8.3). About 9 n³ multiply-adds, a second for 512 columns.

use super::{Square, add_scaled, dot};

/// QL steps that one eigenvalue may take; two are usual.
const MOST_STEPS: usize = 60;
/// What is added to a tolerance relative to the neighbours, in units of the largest entry.
const NEGLIGIBLE: f64 = 1e-22;

/// A = Σ λᵢ·vᵢ·vᵢᵀ.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Eigen {
    /// In descending order.
    pub(crate) values: Vec<f64>,
    /// Row i is the unit vector vᵢ; its largest entry in magnitude is positive, the first if several are.
    pub(crate) vectors: Square,
}

/// The eigenvalues and eigenvectors of a symmetric matrix of finite numbers.
pub(crate) fn eigen(mut matrix: Square) -> Eigen {
    let size = matrix.size();
    let largest = matrix.values().iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return Eigen { values: vec![0.0; size], vectors: Square::identity(size) };
    }
    matrix.values_mut().iter_mut().for_each(|value| *value /= largest);
    let mut tridiagonal = reduce(matrix);
    tridiagonal.diagonalise();
    let Tridiagonal { diagonal, mut vectors, .. } = tridiagonal;
    for row in 0..size {
        orient(vectors.row_mut(row));
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    Eigen {
        values: order.iter().map(|&at| diagonal[at] * largest).collect(),
        vectors: Square::from_fn(size, |row, column| vectors[(order[row], column)]),
    }
}

fn orient(vector: &mut [f64]) {
    let mut largest = 0.0_f64;
    for &value in &*vector {
        if value.abs() > largest.abs() {
            largest = value;
        }
    }
    if largest < 0.0 {
        vector.iter_mut().for_each(|value| *value = -*value);
    }
}

/// A = Q·T·Qᵀ with T of three diagonals.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Entry i stands between i and i + 1; the last is 0.
    beside: Vec<f64>,
    /// Qᵀ, and after [`Tridiagonal::diagonalise`] the eigenvectors, row by row.
    vectors: Square,
}

/// Householder's reduction, one column after the other.
fn reduce(mut matrix: Square) -> Tridiagonal {
    let size = matrix.size();
    let mut beside = vec![0.0; size];
    // Reflections I − factor·v·vᵀ; v is kept in the column's place in the upper triangle, as row k from k + 1 on.
    let mut factors = vec![0.0; size];
    for k in 0..size.saturating_sub(2) {
        let mut v = matrix.row(k)[k + 1..].to_vec();
        let beyond = dot(&v[1..], &v[1..]);
        if beyond == 0.0 {
            beside[k] = v[0];
            continue;
        }
        let norm = (v[0] * v[0] + beyond).sqrt();
        let target = if v[0] > 0.0 { -norm } else { norm };
        v[0] -= target;
        let factor = 2.0 / (v[0] * v[0] + beyond);
        reflect_both_sides(&mut matrix, k + 1, &v, factor);
        (beside[k], factors[k]) = (target, factor);
        matrix.row_mut(k)[k + 1..].copy_from_slice(&v);
    }
    if size >= 2 {
        beside[size - 2] = matrix[(size - 2, size - 1)];
    }
    let diagonal = matrix.diagonal().collect();
    Tridiagonal { diagonal, beside, vectors: accumulate(&matrix, &factors).transposed() }
}

/// B ← H·B·H with H = I − factor·v·vᵀ, B the part of the matrix from row and column `from` on.
fn reflect_both_sides(matrix: &mut Square, from: usize, v: &[f64], factor: f64) {
    let mut w: Vec<f64> =
        (from..matrix.size()).map(|row| factor * dot(&matrix.row(row)[from..], v)).collect();
    let along = dot(v, &w);
    add_scaled(&mut w, -0.5 * factor * along, v);
    for (at, row) in (from..matrix.size()).enumerate() {
        let values = matrix.row_mut(row)[from..].iter_mut();
        for (value, (v_other, w_other)) in values.zip(v.iter().zip(&w)) {
            // The same number on both sides of the diagonal: the two products are added, whose order is free.
            *value -= v[at] * w_other + w[at] * v_other;
        }
    }
}

/// Q, the product of the reflections, from the last to the first.
fn accumulate(matrix: &Square, factors: &[f64]) -> Square {
    let size = matrix.size();
    let mut q = Square::identity(size);
    let mut sums = vec![0.0; size];
    for k in (0..size.saturating_sub(2)).rev() {
        if factors[k] == 0.0 {
            continue;
        }
        let (v, from) = (&matrix.row(k)[k + 1..], k + 1);
        let sums = &mut sums[from..];
        sums.fill(0.0);
        for (at, v) in v.iter().enumerate() {
            add_scaled(sums, *v, &q.row(from + at)[from..]);
        }
        for (at, v) in v.iter().enumerate() {
            add_scaled(&mut q.row_mut(from + at)[from..], -factors[k] * v, sums);
        }
    }
    q
}

impl Tridiagonal {
    /// QL steps until nothing is left beside the diagonal.
    fn diagonalise(&mut self) {
        for first in 0..self.diagonal.len() {
            for _ in 0..MOST_STEPS {
                let last = self.end_of_block(first);
                if last == first {
                    break;
                }
                self.step(first, last);
            }
        }
    }

    /// The first entry from `first` on that is not coupled to the next.
    fn end_of_block(&self, first: usize) -> usize {
        let coupled = |at: &usize| {
            let neighbours = self.diagonal[*at].abs() + self.diagonal[at + 1].abs();
            self.beside[*at].abs() > f64::EPSILON * neighbours + NEGLIGIBLE
        };
        (first..self.diagonal.len() - 1).find(|at| !coupled(at)).unwrap_or(self.diagonal.len() - 1)
    }

    /// One implicit QL step on the block from `first` to `last`: rotations from its end to its start.
    fn step(&mut self, first: usize, last: usize) {
        let (d, e) = (&mut self.diagonal, &mut self.beside);
        let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
        let root = (half * half + 1.0).sqrt();
        let shift = d[first] - e[first] / (half + if half < 0.0 { -root } else { root });
        let (mut sine, mut cosine, mut carried) = (1.0, 1.0, 0.0);
        let mut g = d[last] - shift;
        for at in (first..last).rev() {
            let (f, b) = (sine * e[at], cosine * e[at]);
            let radius = (f * f + g * g).sqrt();
            e[at + 1] = radius;
            if radius == 0.0 {
                // The block falls apart here.
                d[at + 1] -= carried;
                e[last] = 0.0;
                return;
            }
            (sine, cosine) = (f / radius, g / radius);
            g = d[at + 1] - carried;
            let r = (d[at] - g) * sine + 2.0 * cosine * b;
            carried = sine * r;
            d[at + 1] = g + carried;
            g = cosine * r - b;
            rotate(&mut self.vectors, at, sine, cosine);
        }
        d[first] -= carried;
        e[first] = g;
        e[last] = 0.0;
    }
}

/// Rotates row `at` and the next in their plane.
fn rotate(vectors: &mut Square, at: usize, sine: f64, cosine: f64) {
    let (above, below) = vectors.two_rows_mut(at, at + 1);
    for (above, below) in above.iter_mut().zip(below) {
        let (x, y) = (*above, *below);
        *below = sine * x + cosine * y;
        *above = cosine * x - sine * y;
    }
}
