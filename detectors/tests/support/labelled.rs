//! Labelled data sets, and how well scores tell their anomalies from ordinary rows.
#![allow(dead_code, unreachable_pub, reason = "each program that includes this file uses a part")]

use detectors::CheckedMatrix;

use super::npz;

/// scikit-learn's figures, a line a set: name, rows, features, anomalies, mean AUROC, its standard deviation over ten
/// seeds, mean average precision; fitted and scored on all rows.
const REFERENCE: &str = include_str!("../data/adbench/sklearn-1.9.1-auroc.csv");

/// A data set with its labels.
pub struct Labelled {
    pub rows: CheckedMatrix,
    pub is_anomaly: Vec<bool>,
}

/// What scikit-learn's isolation forest reaches on a set.
pub struct Reference {
    pub auroc: f64,
    /// The standard deviation over seeds.
    pub deviation: f64,
    pub average_precision: f64,
}

impl Reference {
    pub fn of(set: &str) -> Self {
        let line = REFERENCE.lines().find(|line| line.split(',').next() == Some(set)).unwrap();
        let number = |field: usize| line.split(',').nth(field).unwrap().parse().unwrap();
        Self { auroc: number(4), deviation: number(5), average_precision: number(6) }
    }

    /// How far the mean AUROC of `seeds` seeds may be from this one: four standard errors of the difference of two
    /// means, and the rounding.
    pub fn bound(&self, seeds: u64) -> f64 {
        4.0 * self.deviation * (2.0 / seeds as f64).sqrt() + 0.002
    }
}

/// The names of all sets.
pub fn sets() -> Vec<&'static str> {
    REFERENCE.lines().skip(1).filter_map(|line| line.split(',').next()).collect()
}

impl Labelled {
    /// From a NumPy archive with `X` and `y`; 1 is an anomaly.
    pub fn read(archive: &[u8]) -> Self {
        let (x, y) = (npz::read(archive, "X"), npz::read(archive, "y"));
        let rows = CheckedMatrix::from_vec(x.values, x.columns).unwrap();
        Self { rows, is_anomaly: y.values.iter().map(|&label| label == 1.0).collect() }
    }

    pub fn anomalies(&self) -> usize {
        self.is_anomaly.iter().filter(|&&is_anomaly| is_anomaly).count()
    }

    /// Two halves drawn by a seed, each with half of the anomalies.
    pub fn halves(&self, seed: u64) -> [Self; 2] {
        let mut halves = [Vec::new(), Vec::new()];
        for label in [false, true] {
            let mut rows: Vec<usize> =
                (0..self.is_anomaly.len()).filter(|&row| self.is_anomaly[row] == label).collect();
            rows.sort_by_key(|&row| scattered(row as u64, seed));
            let (first, second) = rows.split_at(rows.len() / 2);
            halves[0].extend_from_slice(first);
            halves[1].extend_from_slice(second);
        }
        halves.map(|mut rows| {
            rows.sort_unstable();
            self.select(&rows)
        })
    }

    fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| self.rows.row(row)).copied().collect();
        Self {
            rows: CheckedMatrix::from_vec(values, self.rows.columns()).unwrap(),
            is_anomaly: rows.iter().map(|&row| self.is_anomaly[row]).collect(),
        }
    }

    /// The area under the ROC curve of scores, higher = more ordinary: how often an anomaly is ranked before an ordinary
    /// row, ties counting half.
    pub fn auroc(&self, scores: &[f64]) -> f64 {
        let (mut anomalies, mut ordinary, mut wins) = (0.0, 0.0, 0.0);
        for (anomalous, others) in self.tied(scores) {
            wins += others * (anomalies + anomalous / 2.0);
            anomalies += anomalous;
            ordinary += others;
        }
        wins / (anomalies * ordinary)
    }

    /// The average precision of scores, higher = more ordinary, as scikit-learn defines it: Σ (Rₙ − Rₙ₋₁) Pₙ over the
    /// distinct scores.
    pub fn average_precision(&self, scores: &[f64]) -> f64 {
        let (mut found, mut flagged, mut sum) = (0.0, 0.0, 0.0);
        for (anomalous, others) in self.tied(scores) {
            found += anomalous;
            flagged += anomalous + others;
            sum += anomalous * found / flagged;
        }
        sum / found
    }

    /// Anomalies and ordinary rows of each distinct score, from the most anomalous on.
    fn tied(&self, scores: &[f64]) -> Vec<(f64, f64)> {
        let mut ranked: Vec<_> = scores.iter().copied().zip(self.is_anomaly.iter().copied()).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        let groups = ranked.chunk_by(|a, b| a.0 == b.0);
        groups
            .map(|group| {
                let anomalies = group.iter().filter(|(_, is_anomaly)| *is_anomaly).count();
                (anomalies as f64, (group.len() - anomalies) as f64)
            })
            .collect()
    }
}

/// A number that looks random: splitmix64.
fn scattered(row: u64, seed: u64) -> u64 {
    let mut bits = row.wrapping_add(seed << 32).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
