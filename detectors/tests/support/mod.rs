//! What several test files need.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "each test file is a crate of its own and uses a part"
)]

pub mod every;
pub mod labelled;
pub mod npz;
pub mod sklearn;

use detectors::{CheckedMatrix, DetectorConfig, IsolationForestConfig, Model, ThresholdConfig};

/// Names c0, c1, ….
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|column| format!("c{column}")).collect()
}

pub fn forest(config: IsolationForestConfig) -> DetectorConfig {
    config.into()
}

pub fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> CheckedMatrix {
    let values = (0..rows * columns).map(|at| value(at / columns, at % columns)).collect();
    CheckedMatrix::from_vec(values, columns).unwrap()
}

pub fn train(rows: &CheckedMatrix, config: IsolationForestConfig, threshold: ThresholdConfig) -> Model {
    Model::train(&names(rows.columns()), &forest(config), &threshold, rows).unwrap()
}

pub fn contamination(share: f64) -> ThresholdConfig {
    ThresholdConfig { contamination: Some(share), ..Default::default() }
}

/// Pseudo-random numbers in [0, 1) that need no library: exact on every machine.
pub fn noise(row: usize, column: usize) -> f64 {
    let mut bits = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (column as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    for shift in [30, 27, 31] {
        bits = (bits ^ (bits >> shift)).wrapping_mul(0x94d0_49bb_1331_11eb);
    }
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Roughly normal: the sum of twelve uniform numbers.
pub fn bell(row: usize, column: usize) -> f64 {
    (0..12).map(|part| noise(row, column * 12 + part)).sum::<f64>() - 6.0
}
