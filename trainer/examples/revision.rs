//! From a CSV file in memory to a revision's bytes, as the training Job does it: digest, reading, fit, threshold,
//! calibration, file and self-check. `revision ROWS COLUMNS` prints megabytes, and the median seconds of some runs: of the
//! processor where Linux tells them, so that other work on the machine does not count.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a script")]

use std::fmt::Write as _;
use std::time::Instant;

use api::job::{DataFile, INPUT_VERSION, RevisionTarget, TrainingInput};
use api::training_key::digest;
use detectors::{DetectorConfig, IsolationForestConfig, ThresholdConfig};

const RUNS: usize = 5;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|word| word.parse().unwrap()).collect();
    let [rows, columns] = numbers[..] else { panic!("usage: revision ROWS COLUMNS") };
    let csv = csv(rows, columns);
    let features: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let input = TrainingInput {
        version: INPUT_VERSION,
        revision: RevisionTarget::default(),
        key: "k".repeat(64),
        features: features.clone(),
        detector: DetectorConfig::from(IsolationForestConfig::default()),
        threshold: ThresholdConfig { contamination: Some(0.01), ..ThresholdConfig::default() },
        missing: None,
        min_rows: 32,
        data: DataFile {
            path: String::new(),
            origin: "made here".to_owned(),
            digest: digest(csv.as_bytes()),
        },
    };
    let whole = median(|| drop(trainer::train(&input, csv.as_bytes()).unwrap()));
    let read = median(|| {
        drop(trainer::data::read_csv(csv.as_bytes(), &features, "made here", Default::default()).unwrap())
    });
    println!("megabytes={} seconds={whole} read={read}", csv.len() as f64 / 1e6);
}

/// What this program's one thread has run for, in seconds.
fn processor_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

/// Seconds.
fn median(run: impl Fn()) -> f64 {
    let time = |_| {
        let (begin, before) = (Instant::now(), processor_seconds());
        run();
        match (before, processor_seconds()) {
            (Some(before), Some(after)) => after - before,
            _ => begin.elapsed().as_secs_f64(),
        }
    };
    let mut times: Vec<f64> = (0..RUNS).map(time).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

/// Time stamps, which are not read, and numbers of six decimals.
fn csv(rows: usize, columns: usize) -> String {
    let mut csv = String::from("time");
    (0..columns).for_each(|column| write!(csv, ",c{column}").unwrap());
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    for row in 0..rows {
        write!(csv, "\n{}", 1_700_000_000 + row).unwrap();
        for column in 0..columns {
            let value = (0..4).map(|_| uniform()).sum::<f64>() - 2.0;
            write!(csv, ",{:.6}", value * 10_f64.powi(column as i32 % 5 - 1)).unwrap();
        }
    }
    csv.push('\n');
    csv
}
