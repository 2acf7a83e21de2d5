//! The histogram of scores: shares of the training rows, and counts of the rows scored since the start, in the same bins
//! of one width. The outermost bins take what is beyond them.

use std::sync::atomic::{AtomicU64, Ordering};

use detectors::{Model, Scored};
use serde::Serialize;

const BINS: usize = 60;

/// Counted at all times: an addition a row, and for chunks one atomic one a bin.
#[derive(Debug)]
pub(crate) struct Scores {
    from: f64,
    to: f64,
    training: Vec<f64>,
    live: Vec<AtomicU64>,
    anomalous: AtomicU64,
}

/// What is shown.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    from: f64,
    to: f64,
    /// Shares of the training rows, which sum to 1; all 0 if they are not known.
    training: &'a [f64],
    /// Rows scored.
    live: Vec<u64>,
    /// How many of them were anomalous.
    anomalous: u64,
}

impl Scores {
    pub(crate) fn new(model: &Model) -> Self {
        let (lowest, highest) = model.training_scores();
        // Few training rows of a detector without bounds may be far below all others: the first bin takes them.
        let threshold = model.threshold();
        let lowest = lowest.max(threshold - 4.0 * (highest - threshold).abs()).min(threshold);
        // Where all scores are equal, something around them.
        let span = (highest - lowest).max(highest.abs() / 10.0).max(1e-9);
        // Anomalies of the future are lower than those of the training.
        let (from, to) = (lowest - 0.35 * span, highest + 0.05 * span);
        let edge = |bin: usize| from + (to - from) * bin as f64 / BINS as f64;
        let below = |bin: usize| match model.training_share_below(edge(bin)) {
            Some(_) if bin == 0 => 0.0,
            Some(_) if bin == BINS => 1.0,
            // Of a model that is not calibrated no shares are known.
            share => share.unwrap_or_default(),
        };
        Self {
            from,
            to,
            training: (0..BINS).map(|bin| (below(bin + 1) - below(bin)).max(0.0)).collect(),
            live: (0..BINS).map(|_| AtomicU64::new(0)).collect(),
            anomalous: AtomicU64::new(0),
        }
    }

    fn bin(&self, score: f64) -> usize {
        // Casts saturate, and NaN is 0.
        ((((score - self.from) / (self.to - self.from)) * BINS as f64) as usize).min(BINS - 1)
    }

    pub(crate) fn count(&self, scored: &[Scored]) {
        if let [one] = scored {
            self.live[self.bin(one.anomaly_score)].fetch_add(1, Ordering::Relaxed);
            self.anomalous.fetch_add(u64::from(!one.is_inlier), Ordering::Relaxed);
            return;
        }
        let mut counts = [0_u64; BINS];
        scored.iter().for_each(|scored| counts[self.bin(scored.anomaly_score)] += 1);
        for (live, count) in self.live.iter().zip(counts).filter(|(_, count)| *count > 0) {
            live.fetch_add(count, Ordering::Relaxed);
        }
        let anomalous = scored.iter().map(|scored| u64::from(!scored.is_inlier)).sum();
        self.anomalous.fetch_add(anomalous, Ordering::Relaxed);
    }

    pub(super) fn told(&self) -> Told<'_> {
        let Self { from, to, training, live, anomalous } = self;
        Told {
            from: *from,
            to: *to,
            training,
            live: live.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            anomalous: anomalous.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use detectors::config::RobustZScoreConfig;
    use detectors::{CheckedMatrix, DetectorConfig};

    use super::*;

    #[test]
    fn a_training_row_far_below_all_others_leaves_them_room() {
        let values = (0..400).map(|row| if row == 7 { 1e9 } else { f64::from(row * 37 % 101) }).collect();
        let rows = CheckedMatrix::from_vec(values, 1).unwrap();
        let detector = DetectorConfig::from(RobustZScoreConfig {});
        let model = Model::train(&["x".to_owned()], &detector, &Default::default(), &rows).unwrap();
        let scores = Scores::new(&model);
        assert!(scores.from > -50.0, "{}", scores.from);
        assert!((scores.training.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        // Shares are interpolated between the quantiles that the model keeps.
        assert!(scores.training[0] > 0.0 && scores.training[0] < 0.02, "{:?}", scores.training);
        assert!(scores.training.iter().filter(|share| **share > 0.05).count() > 5, "{:?}", scores.training);
        scores.count(&model.score_rows(&rows));
        assert_eq!(scores.told().live[0], 1);
    }
}
