//! Scoring and training as `make bench` measures them, beside other programs that take turns: commands come by the
//! standard input, one a line, and each is answered by one line, for most of them the nanoseconds it took.
//!
//! `forest FILE` (a scikit-learn forest as [`ImportedForest`] in JSON), `rows FILE COLUMNS` (f32, row by row),
//! `score ROWS THREADS KERNEL`, `one ROWS KERNEL`, `cold ROWS KERNEL`, `explain ROWS`, `fit TREES SAMPLE`,
//! `train TREES SAMPLE`, `served ROWS` (with severity, by the model trained last), `kernels`, `results FILE` (what was
//! scored last: f64 scores, then a byte for each verdict), `memory` (the most that was resident, in bytes).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a script")]

use std::hint::black_box;
use std::io::BufRead;
use std::sync::LazyLock;
use std::time::Instant;

use detectors::forest::{ImportedForest, Kernel};
use detectors::{
    CheckedMatrix, Detector, DetectorConfig, IsolationForest, IsolationForestConfig, Model, ThresholdConfig,
};
use ndarray::ArrayView2;

/// Rows whose sums are held at a time: memory is bounded by this and not by the table.
const CHUNK: usize = 4_096;

/// Threads beside the main one.
static HELPERS: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    let count = std::thread::available_parallelism().map_or(1, |all| all.get() - 1).max(1);
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap()
});

#[derive(Default)]
struct State {
    forest: Option<(IsolationForest, f64)>,
    values: Vec<f32>,
    columns: usize,
    /// How many were fitted: each has a seed and rows of its own, as that of others would still be in the caches.
    fits: u64,
    /// The rows once more, as training takes them.
    table: Option<CheckedMatrix>,
    scores: Vec<f64>,
    anomalies: Vec<u8>,
    model: Option<Model>,
    /// 4 MiB that are written to between single rows.
    other_work: Vec<u64>,
}

fn main() {
    LazyLock::force(&HELPERS);
    let mut state = State { other_work: vec![0; 1 << 19], ..State::default() };
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{}", state.answer(&words));
    }
}

fn number(word: &str) -> usize {
    word.parse().unwrap()
}

/// Nanoseconds.
fn time(run: impl FnOnce()) -> u128 {
    let begin = Instant::now();
    run();
    begin.elapsed().as_nanos()
}

impl State {
    fn answer(&mut self, words: &[&str]) -> String {
        match *words {
            ["forest", file] => self.read_forest(file),
            ["rows", file, columns] => self.read_rows(file, number(columns)),
            ["score", rows, threads, name] => self.score(number(rows), number(threads), self.kernel(name)),
            ["one", rows, name] => self.one(number(rows), self.kernel(name)),
            ["cold", rows, name] => self.cold(number(rows), self.kernel(name)),
            ["explain", rows] => self.explain(number(rows)),
            ["fit", trees, sample] => self.fit(config(trees, sample)),
            ["train", trees, sample] => self.train(config(trees, sample)),
            ["served", rows] => self.served(number(rows)),
            ["kernels"] => {
                let names: Vec<&str> = Kernel::all().iter().map(|kernel| kernel.name()).collect();
                let chosen = self.forest.as_ref().map_or("", |(forest, _)| forest.kernel());
                format!("{} chosen:{chosen}", names.join(" "))
            }
            ["results", file] => {
                let scores = self.scores.iter().flat_map(|score| score.to_le_bytes());
                std::fs::write(file, scores.chain(self.anomalies.iter().copied()).collect::<Vec<u8>>())
                    .unwrap();
                "ok".to_owned()
            }
            ["memory"] => {
                let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
                let line = status.lines().find(|line| line.starts_with("VmHWM"));
                let kib = line.and_then(|line| line.split_whitespace().nth(1)).map_or(0, number);
                (kib * 1024).to_string()
            }
            _ => format!("unknown: {words:?}"),
        }
    }

    /// Of that name, or the one that this processor would choose.
    fn kernel(&self, name: &str) -> Kernel {
        let named = Kernel::all().iter().find(|kernel| kernel.name() == name);
        named.copied().unwrap_or_else(|| self.forest.as_ref().unwrap().0.fastest_kernel())
    }

    fn read_forest(&mut self, file: &str) -> String {
        let given: ImportedForest = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let forest = IsolationForest::import(&given).unwrap();
        let cut = forest.cut(given.offset);
        self.forest = Some((forest, cut));
        "ok".to_owned()
    }

    fn read_rows(&mut self, file: &str, columns: usize) -> String {
        let bytes = std::fs::read(file).unwrap();
        self.values = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        self.columns = columns;
        self.table = None;
        let rows = self.values.len() / columns;
        // As a caller would who scores one batch after the other; and their pages exist.
        self.scores = vec![1.0; rows];
        self.anomalies = vec![2; rows];
        rows.to_string()
    }

    fn score(&mut self, rows: usize, threads: usize, kernel: Kernel) -> String {
        let (forest, cut) = self.forest.as_ref().unwrap();
        let (columns, each) = (self.columns, rows.div_ceil(threads));
        let values = self.values[..rows * columns].chunks(each * columns);
        let places = self.scores[..rows].chunks_mut(each).zip(self.anomalies[..rows].chunks_mut(each));
        let parts = values.zip(places);
        let nanoseconds = time(|| {
            let work = |values: &[f32], scores: &mut [f64], anomalies: &mut [u8]| {
                score_many(
                    forest,
                    *cut,
                    kernel,
                    ArrayView2::from_shape((scores.len(), columns), values).unwrap(),
                    scores,
                    anomalies,
                );
            };
            if threads == 1 {
                parts.for_each(|(values, (scores, anomalies))| work(values, scores, anomalies));
                return;
            }
            // By threads that wait for work, as those of the others do, and of a server.
            let (mut parts, work) = (parts, &work);
            let (values, (scores, anomalies)) = parts.next().unwrap();
            HELPERS.in_place_scope(|scope| {
                for (values, (scores, anomalies)) in parts {
                    scope.spawn(move |_| work(values, scores, anomalies));
                }
                work(values, scores, anomalies);
            });
        });
        nanoseconds.to_string()
    }

    fn one(&mut self, rows: usize, kernel: Kernel) -> String {
        let (forest, cut) = self.forest.as_ref().unwrap();
        let rows =
            self.values.chunks_exact(self.columns).zip(&mut self.scores).zip(&mut self.anomalies).take(rows);
        time(|| rows.for_each(|((row, score), anomaly)| score_one(forest, *cut, kernel, row, score, anomaly)))
            .to_string()
    }

    fn cold(&mut self, rows: usize, kernel: Kernel) -> String {
        let (forest, cut) = self.forest.as_ref().unwrap();
        let rows =
            self.values.chunks_exact(self.columns).zip(&mut self.scores).zip(&mut self.anomalies).take(rows);
        let times = rows.map(|((row, score), anomaly)| {
            self.other_work.iter_mut().step_by(8).for_each(|word| *word += 1);
            black_box(&self.other_work);
            time(|| score_one(forest, *cut, kernel, row, score, anomaly))
        });
        times.sum::<u128>().to_string()
    }

    fn explain(&self, rows: usize) -> String {
        let (forest, _) = self.forest.as_ref().unwrap();
        let rows: Vec<f64> = self.values[..rows * self.columns].iter().map(|&value| value.into()).collect();
        let mut contributions = vec![0.0; self.columns];
        time(|| {
            for row in rows.chunks_exact(self.columns) {
                black_box(forest.explain_row(row, &mut contributions));
            }
        })
        .to_string()
    }

    fn table(&mut self) -> &CheckedMatrix {
        let Self { values, columns, table, .. } = self;
        table.get_or_insert_with(|| {
            let values = values.iter().map(|&value| value.into());
            CheckedMatrix::from_vec(values.collect(), *columns).unwrap()
        })
    }

    fn names(&self) -> Vec<String> {
        (0..self.columns).map(|column| format!("c{column}")).collect()
    }

    fn fit(&mut self, config: IsolationForestConfig) -> String {
        let config = IsolationForestConfig { seed: self.fits, ..config };
        self.fits += 1;
        let (names, table, parameters) = (self.names(), self.table(), config.check().unwrap());
        time(|| drop(black_box(IsolationForest::fit(&parameters, &names, table).unwrap()))).to_string()
    }

    fn train(&mut self, config: IsolationForestConfig) -> String {
        let names = self.names();
        let detector = DetectorConfig::from(config);
        let threshold = ThresholdConfig { contamination: Some(0.01), ..ThresholdConfig::default() };
        let (table, mut model) = (self.table(), None);
        let nanoseconds = time(|| model = Some(Model::train(&names, &detector, &threshold, table).unwrap()));
        self.model = model;
        nanoseconds.to_string()
    }

    fn served(&self, rows: usize) -> String {
        let table = CheckedMatrix::from_vec(
            self.values[..rows * self.columns].iter().map(|&value| value.into()).collect(),
            self.columns,
        );
        let (model, table) = (self.model.as_ref().unwrap(), table.unwrap());
        time(|| drop(black_box(model.score_rows(&table)))).to_string()
    }
}

fn config(trees: &str, sample: &str) -> IsolationForestConfig {
    let (trees, sample_size) = (trees.parse().unwrap(), sample.parse().unwrap());
    IsolationForestConfig { trees, sample_size, ..IsolationForestConfig::default() }
}

fn score_many(
    forest: &IsolationForest,
    cut: f64,
    kernel: Kernel,
    rows: ArrayView2<'_, f32>,
    scores: &mut [f64],
    anomalies: &mut [u8],
) {
    let mut sums = [0.0; CHUNK];
    let chunks = rows.axis_chunks_iter(ndarray::Axis(0), CHUNK);
    for (rows, (scores, anomalies)) in chunks.zip(scores.chunks_mut(CHUNK).zip(anomalies.chunks_mut(CHUNK))) {
        let sums = &mut sums[..scores.len()];
        forest.measure_by(kernel, rows, sums);
        for ((sum, score), anomaly) in sums.iter().zip(scores).zip(anomalies) {
            *score = forest.score(*sum);
            *anomaly = u8::from(*sum < cut);
        }
    }
}

fn score_one(
    forest: &IsolationForest,
    cut: f64,
    kernel: Kernel,
    row: &[f32],
    score: &mut f64,
    anomaly: &mut u8,
) {
    let sum = forest.measure_row_by(kernel, row);
    *score = forest.score(sum);
    *anomaly = u8::from(sum < cut);
}
