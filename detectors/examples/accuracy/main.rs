//! How well each detector finds the anomalies of labelled data, and whether that is as it must be: the forest as
//! accurate as scikit-learn's, the ensemble better than the forest. Prints Markdown; ends with 1 if a bound is missed.
//!
//! `make accuracy`. On every set of `tests/data/adbench` each detector is fitted and scored on all rows, as scikit-learn's
//! figures were found, and fitted on one half and scored on the other, as rows are that a service is asked about: with ten
//! seeds, which draw the halves and whatever the detector draws. On as many threads as there are processors.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program to run by hand")]

#[path = "../../tests/support/labelled.rs"]
mod labelled;
#[path = "../../tests/support/npz.rs"]
mod npz;
mod report;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, Model, ThresholdConfig};
use labelled::Labelled;
use serde_json::{Map, json};

pub(crate) const SEEDS: u64 = 10;
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/adbench");

/// The members of an ensemble that names none.
const USUAL_MEMBERS: [&str; 3] = ["isolationForest", "robustCovariance", "nearestNeighbors"];

/// A detector with its defaults.
fn config(kind: &str, seed: u64) -> DetectorConfig {
    let seeded = json!({ "seed": seed });
    let parameters = match kind {
        "ensemble" => {
            let members = USUAL_MEMBERS.map(|member| (member.to_owned(), seeded.clone()));
            json!({ "members": members.into_iter().collect::<Map<_, _>>() })
        }
        _ => seeded,
    };
    serde_json::from_value(json!({ kind: parameters })).unwrap()
}

/// Whether a seed makes a difference: if not, one run on the same rows is enough.
fn is_seeded(kind: &str) -> bool {
    config(kind, 0) != config(kind, 1)
}

/// What one run reached.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) auroc: f64,
    pub(crate) average_precision: f64,
}

/// The runs of a detector on a set.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    /// Fitted and scored on all rows.
    pub(crate) all: Vec<Figures>,
    /// Fitted on one half, scored on the other.
    pub(crate) held_out: Vec<Figures>,
    pub(crate) fit: Duration,
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let names = labelled::sets();
    let read = |name: &&str| Labelled::read(&std::fs::read(format!("{FOLDER}/{name}.npz")).unwrap());
    let sets: Vec<Labelled> = names.iter().map(read).collect();

    // The largest first, so that no thread is left with one at the end.
    let mut jobs: Vec<(usize, usize)> =
        (0..KINDS.len()).flat_map(|candidate| (0..sets.len()).map(move |set| (candidate, set))).collect();
    jobs.sort_by_key(|&(_, set)| std::cmp::Reverse(sets[set].rows.rows()));
    let (next, found) =
        (AtomicUsize::new(0), Mutex::new(vec![vec![Runs::default(); sets.len()]; KINDS.len()]));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&(kind, set)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let runs = run(KINDS[kind], &sets[set]);
                    found.lock().unwrap()[kind][set] = runs;
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    let missed = report::print(&names, &sets, KINDS, &found);
    println!("{SEEDS} seeds on {threads} threads took {:.0} s.", begin.elapsed().as_secs_f64());
    for bound in &missed {
        println!("MISSED: {bound}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(kind: &str, set: &Labelled) -> Runs {
    let mut runs = Runs::default();
    for seed in 0..SEEDS {
        let config = config(kind, seed);
        if seed == 0 || is_seeded(kind) {
            let begin = Instant::now();
            let model = train(&config, &set.rows);
            runs.fit = runs.fit.max(begin.elapsed());
            runs.all.push(figures(&model, set));
        }
        let [fitted, held_out] = set.halves(seed);
        runs.held_out.push(figures(&train(&config, &fitted.rows), &held_out));
    }
    runs
}

fn train(config: &DetectorConfig, rows: &CheckedMatrix) -> Model {
    let names: Vec<String> = (0..rows.columns()).map(|column| format!("c{column}")).collect();
    Model::train(&names, config, &ThresholdConfig::default(), rows).unwrap()
}

fn figures(model: &Model, set: &Labelled) -> Figures {
    let scores: Vec<f64> = model.score_rows(&set.rows).iter().map(|scored| scored.anomaly_score).collect();
    Figures { auroc: set.auroc(&scores), average_precision: set.average_precision(&scores) }
}
