//! The upper triangle R with RᵀR = WᵀW of a square matrix W, by Householder's reflections (Golub & Van Loan, *Matrix
//! Computations*, 5.2): as exact as W, where a Cholesky decomposition of WᵀW would lose half of the digits.

use crate::linear::{Square, add_scaled, dot};

/// Row by row from the diagonal on; the diagonal is not negative.
pub(super) fn of(mut matrix: Square) -> Vec<f64> {
    let size = matrix.size();
    let mut triangle = Vec::with_capacity(size * (size + 1) / 2);
    let mut sums = vec![0.0; size];
    for at in 0..size {
        let mut reflector: Vec<f64> = (at..size).map(|row| matrix[(row, at)]).collect();
        let length = dot(&reflector, &reflector).sqrt();
        reflector[0] += if reflector[0] < 0.0 { -length } else { length };
        let squares = dot(&reflector, &reflector);
        if squares > 0.0 {
            sums[at..].fill(0.0);
            for (row, &part) in (at..size).zip(&reflector) {
                add_scaled(&mut sums[at..], part, &matrix.row(row)[at..]);
            }
            for (row, &part) in (at..size).zip(&reflector) {
                add_scaled(&mut matrix.row_mut(row)[at..], -2.0 * part / squares, &sums[at..]);
            }
        }
        let sign = if matrix[(at, at)] < 0.0 { -1.0 } else { 1.0 };
        triangle.extend(matrix.row(at)[at..].iter().map(|value| sign * value));
    }
    triangle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_triangle_has_the_same_square_as_the_matrix() {
        for size in [1, 2, 7, 40] {
            let mut random = Random::new(size as u64, b"test-of-triangle", 0);
            let mut matrix = Square::zeros(size);
            matrix.values_mut().iter_mut().for_each(|value| *value = random.bell().into());
            // A column that repeats another leaves a zero on the diagonal.
            if size > 2 {
                (0..size).for_each(|row| matrix[(row, 2)] = matrix[(row, 1)]);
            }
            let triangle = of(matrix.clone());
            let entry = |row: usize, column: usize| match column.checked_sub(row) {
                Some(right) => triangle[row * size - row * row.saturating_sub(1) / 2 + right],
                None => 0.0,
            };
            for a in 0..size {
                for b in 0..size {
                    let expected: f64 = (0..size).map(|row| matrix[(row, a)] * matrix[(row, b)]).sum();
                    let found: f64 = (0..size).map(|row| entry(row, a) * entry(row, b)).sum();
                    assert!((expected - found).abs() < 1e-9, "{size} {a} {b} {expected} {found}");
                }
                assert!(entry(a, a) >= 0.0);
            }
        }
    }
}
