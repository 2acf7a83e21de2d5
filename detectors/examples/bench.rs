//! Nanoseconds a row, by every kernel that this processor has: many rows in blocks, one row after the other, and one
//! row after other work has emptied the caches next to the processor; and what explaining a row takes.
//!
//! `cargo run --release -p detectors --example bench`. The best of alternating runs and their median: other work on
//! the machine only ever adds.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program to run by hand")]

use std::hint::black_box;
use std::time::Instant;

use detectors::forest::Kernel;
use detectors::{CheckedMatrix, Detector, IsolationForest, IsolationForestConfig};

const ROWS: usize = 4_096;
const RUNS: usize = 31;
const COLD_ROWS: usize = 20;

fn main() {
    // 4 MiB.
    let mut other_work = vec![0_u64; 1 << 19];
    println!("a score from a sum: {:.1}", score());
    println!(
        "{:>8} {:>8} {:>10} {:>18} {:>18} {:>18}",
        "sample", "columns", "kernel", "many rows", "one row", "one row, cold"
    );
    for (sample_size, columns) in [(256, 2), (256, 10), (256, 100), (4_096, 10)] {
        let (forest, rows) = fitted(sample_size, columns);
        println!("{sample_size:>8} {columns:>8} {:>10} is the processor's choice", forest.kernel());
        let mut times = vec![[const { Vec::new() }; 3]; Kernel::all().len()];
        for _ in 0..RUNS {
            for (kernel, [many, one, cold]) in Kernel::all().iter().zip(&mut times) {
                many.push(time(|| {
                    let mut sums = vec![0.0; ROWS];
                    forest.measure_by(*kernel, rows.view(), &mut sums);
                    sums[0]
                }));
                one.push(time(|| (0..ROWS).map(|row| forest.measure_row_by(*kernel, rows.row(row))).sum()));
                cold.extend((0..COLD_ROWS).map(|row| {
                    other_work.iter_mut().step_by(8).for_each(|word| *word += 1);
                    black_box(&other_work);
                    ROWS as f64 * time(|| forest.measure_row_by(*kernel, rows.row(row)))
                }));
            }
        }
        for (kernel, times) in Kernel::all().iter().zip(&mut times) {
            let [many, one, cold] = times.each_mut().map(|times| best_and_median(times));
            println!("{sample_size:>8} {columns:>8} {:>10} {many:>18} {one:>18} {cold:>18}", kernel.name());
        }
        println!("{sample_size:>8} {columns:>8} {:>10} {:>37}", "explained", explained(&forest, &rows));
    }
}

/// What each column contributes, one row after the other.
fn explained(forest: &IsolationForest, rows: &CheckedMatrix) -> String {
    let run = |_| {
        time(|| {
            let mut contributions = vec![0.0; rows.columns()];
            (0..ROWS).map(|row| forest.explain_row(rows.row(row), &mut contributions).value).sum()
        })
    };
    best_and_median(&mut (0..RUNS).map(run).collect::<Vec<f64>>())
}

/// From the sum of path lengths to the score.
fn score() -> f64 {
    let (forest, rows) = fitted(256, 2);
    let mut sums = vec![0.0; ROWS];
    forest.measure(rows.view(), &mut sums);
    let times = (0..RUNS).map(|_| time(|| sums.iter().map(|&sum| forest.score(sum)).sum()));
    times.fold(f64::INFINITY, f64::min)
}

/// 100 trees, and rows that they have not seen.
fn fitted(sample_size: u32, columns: usize) -> (IsolationForest, CheckedMatrix) {
    let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let config = IsolationForestConfig { sample_size, ..Default::default() };
    let (forest, _) =
        IsolationForest::fit(&config.check().unwrap(), &names, &table(1, 20_000, columns)).unwrap();
    (forest, table(2, ROWS, columns))
}

/// Roughly normal numbers.
fn table(seed: u64, rows: usize, columns: usize) -> CheckedMatrix {
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let values = (0..rows * columns).map(|_| (0..4).map(|_| uniform()).sum::<f64>() - 2.0).collect();
    CheckedMatrix::from_vec(values, columns).unwrap()
}

/// Nanoseconds a row.
fn time(run: impl Fn() -> f64) -> f64 {
    let begin = Instant::now();
    black_box(run());
    begin.elapsed().as_nanos() as f64 / ROWS as f64
}

fn best_and_median(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    format!("{:.0} / {:.0}", times[0], times[times.len() / 2])
}
