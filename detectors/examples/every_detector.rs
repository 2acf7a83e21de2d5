//! What each detector costs: fitting, scoring and explaining a row, and the size of its model file.
//!
//! `cargo run --release -p detectors --example every_detector [KIND…]`, all where none is named. The best of alternating runs: other work on the machine
//! only ever adds. One thread.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program to run by hand")]

use std::hint::black_box;
use std::time::Instant;

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, Model, ThresholdConfig};

const TRAINING: usize = 20_000;
const ROWS: usize = 1_024;
const RUNS: usize = 15;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let asked = |kind: &&&str| named.is_empty() || named.iter().any(|name| name == **kind);
    println!(
        "| detector | columns | training, s | many rows, µs a row | one row, µs | explained, µs | model, kB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for columns in [2, 10, 100] {
        let (training, rows) = (table(1, TRAINING, columns), table(2, ROWS, columns));
        for kind in KINDS.iter().filter(asked) {
            let config: DetectorConfig = serde_json::from_value(serde_json::json!({ *kind: {} })).unwrap();
            let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
            let begin = Instant::now();
            let model = Model::train(&names, &config, &ThresholdConfig::default(), &training).unwrap();
            let seconds = begin.elapsed().as_secs_f64();
            let mut contributions = vec![0.0; columns];
            let [mut many, mut one, mut explained] = [f64::INFINITY; 3];
            for _ in 0..RUNS {
                many = many.min(time(|| model.score_rows(&rows)[0].anomaly_score));
                one = one.min(time(|| each(|row| model.score_row(rows.row(row)).unwrap().anomaly_score)));
                explained = explained.min(time(|| {
                    each(|row| model.explain_into(rows.row(row), &mut contributions).unwrap().value)
                }));
            }
            println!(
                "| {kind} | {columns} | {seconds:.3} | {many:.2} | {one:.2} | {explained:.2} | {:.0} |",
                model.encode().len() as f64 / 1e3
            );
        }
    }
}

fn each(mut work: impl FnMut(usize) -> f64) -> f64 {
    (0..ROWS).map(&mut work).sum()
}

/// Microseconds a row.
fn time(mut run: impl FnMut() -> f64) -> f64 {
    let begin = Instant::now();
    black_box(run());
    begin.elapsed().as_secs_f64() * 1e6 / ROWS as f64
}

/// Roughly normal numbers; every third column follows the one before it.
fn table(seed: u64, rows: usize, columns: usize) -> CheckedMatrix {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut values: Vec<f64> = Vec::with_capacity(rows * columns);
    for at in 0..rows * columns {
        let own = (0..4).map(|_| uniform()).sum::<f64>() - 2.0;
        let before = if at % columns % 3 == 2 { values[at - 1] } else { 0.0 };
        values.push(own + before);
    }
    CheckedMatrix::from_vec(values, columns).unwrap()
}
