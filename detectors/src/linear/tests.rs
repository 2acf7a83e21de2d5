use super::eigen::Eigen;
use super::*;
use crate::random::Random;

fn random(size: usize, seed: u64) -> Square {
    let mut random = Random::new(seed, b"linear-algebra-t", 0);
    let mut matrix = Square::zeros(size);
    for row in 0..size {
        for column in 0..=row {
            let value = random.unit() - 0.5;
            (matrix[(row, column)], matrix[(column, row)]) = (value, value);
        }
    }
    matrix
}

fn product(a: &Square, b: &Square) -> Square {
    let b = b.transposed();
    Square::from_fn(a.size(), |row, column| dot(a.row(row), b.row(column)))
}

fn difference(a: &Square, b: &Square) -> f64 {
    a.values().iter().zip(b.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Vᵀ·diag(values)·V.
fn compose(Eigen { values, vectors }: &Eigen) -> Square {
    let scaled = Square::from_fn(values.len(), |row, column| values[row] * vectors[(row, column)]);
    product(&vectors.transposed(), &scaled)
}

#[test]
fn eigenvectors_are_orthonormal_and_give_back_the_matrix() {
    for size in [1, 2, 3, 4, 5, 9, 33, 100] {
        let matrix = random(size, size as u64);
        let eigen = eigen(matrix.clone());
        assert!(difference(&compose(&eigen), &matrix) < 1e-13 * size as f64, "{size}");
        let gram = product(&eigen.vectors, &eigen.vectors.transposed());
        assert!(difference(&gram, &Square::identity(size)) < 1e-13 * size as f64, "{size}");
        assert!(eigen.values.windows(2).all(|pair| pair[0] >= pair[1]));
    }
}

#[test]
fn known_eigenvalues_are_found() {
    // The second difference with fixed ends: 2 − 2 cos(kπ/(n + 1)).
    let size = 20;
    let entry = |row: usize, column: usize| match row.abs_diff(column) {
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    };
    let eigen = eigen(Square::from_fn(size, entry));
    for (at, value) in eigen.values.iter().enumerate() {
        let angle = (size - at) as f64 * std::f64::consts::PI / (size + 1) as f64;
        assert!((value - (2.0 - 2.0 * libm::cos(angle))).abs() < 1e-13, "{at}: {value}");
    }
}

#[test]
fn ranks_that_lack_and_equal_eigenvalues_are_no_trouble() {
    let ones = eigen(Square::from_fn(50, |_, _| 1.0));
    assert!((ones.values[0] - 50.0).abs() < 1e-12);
    assert!(ones.values[1..].iter().all(|value| value.abs() < 1e-12));
    let same = eigen(Square::identity(7));
    assert_eq!(same.values, vec![1.0; 7]);
    assert_eq!(eigen(Square::zeros(3)).vectors, Square::identity(3));
    let mut blocks = Square::zeros(6);
    for (at, value) in [1e-200, 3.0, 0.0, 3.0, 1e-8, -2.0].into_iter().enumerate() {
        blocks[(at, at)] = value;
    }
    assert_eq!(eigen(blocks).values, [3.0, 3.0, 1e-8, 1e-200, 0.0, -2.0]);
}

#[test]
fn very_large_and_very_small_matrices_have_the_scaled_eigenvalues() {
    let matrix = random(6, 1);
    let expected = eigen(matrix.clone());
    for power in [-900, 900] {
        let factor = libm::ldexp(1.0, power);
        let scaled = eigen(Square::from_fn(6, |row, column| factor * matrix[(row, column)]));
        for (value, expected) in scaled.values.iter().zip(&expected.values) {
            assert!((value / factor - expected).abs() < 1e-14, "{power}");
        }
    }
}

#[test]
fn the_eigenvalues_of_a_fixed_matrix_never_change() {
    let found = eigen(random(4, 4));
    let bits: Vec<u64> = found.values.iter().map(|value| value.to_bits()).collect();
    let expected: [u64; 4] = [
        4_605_341_075_588_785_377,
        4_594_403_912_970_228_822,
        13_817_320_141_222_683_323,
        13_824_740_488_122_156_626,
    ];
    assert_eq!((&bits[..], found.vectors[(0, 0)].to_bits()), (&expected[..], 4_603_371_405_118_950_275));
}

#[test]
fn a_cholesky_factor_gives_back_the_matrix() {
    for size in [1, 2, 7, 30] {
        let root = random(size, 3);
        let mut matrix = product(&root, &root);
        (0..size).for_each(|at| matrix[(at, at)] += 0.1);
        let lower = cholesky(&matrix, 0.0).unwrap();
        assert!(difference(&product(&lower, &lower.transposed()), &matrix) < 1e-13);
        assert_eq!(lower[(0, size - 1)] == 0.0, size > 1);
    }
}

#[test]
fn a_matrix_that_is_not_definite_has_no_cholesky_factor() {
    assert_eq!(cholesky(&Square::from_fn(3, |_, _| 1.0), 1e-12), None);
    assert_eq!(cholesky(&Square::from_fn(2, |_, _| f64::NAN), 0.0), None);
    assert_eq!(cholesky(&Square::zeros(1), 0.0), None);
    assert_eq!(cholesky(&Square::zeros(0), 0.0), Some(Square::zeros(0)));
}

#[test]
fn the_covariance_is_that_of_the_definition() {
    let mut random = Random::new(5, b"linear-algebra-t", 0);
    let values: Vec<f64> = (0..130 * 3).map(|_| random.unit()).collect();
    let rows = || values.chunks_exact(3);
    let center = means(rows(), 3);
    let found = covariance(rows(), &center);
    for i in 0..3 {
        for j in 0..3 {
            let expected: f64 =
                rows().map(|row| (row[i] - center[i]) * (row[j] - center[j])).sum::<f64>() / 130.0;
            assert!((found[(i, j)] - expected).abs() < 1e-15);
        }
    }
    assert_eq!(covariance(std::iter::empty(), &[0.0, 0.0]), Square::zeros(2));
}

#[test]
fn a_dot_product_adds_every_product() {
    for length in 0..40 {
        let ones = vec![1.0; length];
        assert_eq!(dot(&ones, &ones), length as f64);
    }
}
