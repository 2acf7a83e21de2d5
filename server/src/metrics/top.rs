//! Which feature made a row anomalous, counted for some of the anomalous rows.
//!
//! An explanation costs as much as some tens of scores, so that not all anomalies of a flood are explained: 8 every 10 ms,
//! one or two percent of a CPU.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use detectors::{Model, Scored};
use prometheus::{IntCounter, IntCounterVec};

/// How many rows are explained in one window.
const ROWS: u64 = 8;
/// A window's length.
const WINDOW_MS: u128 = 10;
/// All features without a counter of their own.
const OTHER: &str = "other";

/// Counters of the features, `other` behind them.
#[derive(Debug)]
pub(crate) struct TopFeatures {
    /// For each column its counter.
    counters: Vec<IntCounter>,
    budget: Budget,
}

impl TopFeatures {
    /// With a series for each of the watched columns and, if there are others, one for all of those.
    pub(crate) fn new(family: &IntCounterVec, features: &[String], watched: &[usize]) -> Self {
        let counter = |(column, name): (usize, &String)| {
            let name = if watched.contains(&column) { name } else { OTHER };
            family.with_label_values(&[name])
        };
        Self { counters: features.iter().enumerate().map(counter).collect(), budget: Budget::new() }
    }

    /// Explains the anomalous ones among the rows, as many as the budget has.
    pub(crate) fn count_rows(&self, model: &Model, values: &[f64], scored: &[Scored]) {
        let mut contributions = Vec::new();
        let rows = values.chunks_exact(self.counters.len());
        for (row, _) in rows.zip(scored).filter(|(_, scored)| !scored.is_inlier) {
            if !self.budget.take() {
                return;
            }
            contributions.resize(row.len(), 0.0);
            if model.explain_into(row, &mut contributions).is_err() {
                return;
            }
            let largest = contributions.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            match largest {
                Some((column, &contribution)) if contribution > 0.0 => self.counters[column].inc(),
                // Nothing makes it anomalous: a threshold that flags what is ordinary.
                _ => {}
            }
        }
    }
}

/// So many in each window of time; a window's number and what is used of it are one atomic number.
#[derive(Debug)]
struct Budget {
    start: Instant,
    used: AtomicU64,
}

impl Budget {
    fn new() -> Self {
        Self { start: Instant::now(), used: AtomicU64::new(0) }
    }

    fn take(&self) -> bool {
        // Far below 2⁶¹ for millions of years.
        self.take_in((self.start.elapsed().as_millis() / WINDOW_MS) as u64)
    }

    fn take_in(&self, window: u64) -> bool {
        let next = |seen: u64| match seen {
            seen if seen / ROWS < window => Some(window * ROWS + 1),
            // The last one of a window is the next window's none.
            seen if seen < window * ROWS + ROWS => Some(seen + 1),
            _ => None,
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_room_for_eight_and_the_next_one_again() {
        let budget = Budget::new();
        for window in [0, 1, 2, 7, 1_000_000] {
            let taken = (0..100).filter(|_| budget.take_in(window)).count();
            assert_eq!(taken, 8, "window {window}");
        }
        // A thread whose clock was read earlier finds the window over.
        assert!(!budget.take_in(999_999));
    }
}
