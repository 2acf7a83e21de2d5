//! Scoring takes memory for its results and for a chunk of rows, whatever the table. A program of its own: the most
//! memory that was resident is that of the whole process.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::{CheckedMatrix, DetectorConfig, Model, Scored};
use support::{bell, contamination, matrix, names};

const ROWS: usize = 2_000_000;

/// The most bytes that were resident; `None` where the system does not tell.
fn most_resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib * 1_024)
}

#[test]
fn scoring_a_table_takes_no_number_for_each_of_its_rows() {
    let models = ["robustZScore", "ensemble"].map(|kind| {
        let detector: DetectorConfig = match kind {
            "ensemble" => serde_json::from_value(serde_json::json!({
                kind: {"members": {"robustZScore": {}, "hbos": {}}}
            })),
            kind => serde_json::from_value(serde_json::json!({ kind: {} })),
        }
        .unwrap();
        Model::train(&names(1), &detector, &contamination(0.01), &matrix(500, 1, bell)).unwrap()
    });
    let table =
        CheckedMatrix::from_vec((0..ROWS).map(|row| (row % 977) as f64 / 100.0).collect(), 1).unwrap();
    let Some(before) = most_resident() else { return };
    for model in models {
        let scored = model.score_rows(&table);
        let taken = most_resident().unwrap() - before;
        let results = ROWS * size_of::<Scored>();
        // One number a row would be 16 MB.
        assert!(taken < results + (4 << 20), "{taken} bytes for {results} bytes of results");
        assert_eq!(scored[ROWS - 1], model.score_row(table.row(ROWS - 1)).unwrap());
    }
}
