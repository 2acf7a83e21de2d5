//! How many different values a column has, and how many of them 32 bits can tell apart, in one pass over the rows.
//!
//! Up to 8,192 different values are counted exactly. Of more, those are counted whose 32-bit value falls into a share of
//! all that a hash picks, halved as often as it takes (P. B. Gibbons: *Distinct sampling for highly-accurate answers to
//! distinct values queries*, VLDB 2001). Values that become one in 32 bits are picked together, so the share that is lost
//! is that of the whole: the standard error of a share of 1 % is 0.15 percentage points at most.

use crate::columns::{ColumnSummary, centre};
use crate::matrix::CheckedMatrix;

/// Different values that are kept of a column.
const MOST: usize = 8_192;
/// Columns that are counted in one pass: what is kept of them should stay near.
const COLUMNS: usize = 16;

/// The numbers of different values of every column, before and after its `centre` was subtracted and the rest cast to
/// f32. (The summaries' medians are these centres.)
pub(crate) fn count(rows: &CheckedMatrix, centres: &[f64]) -> Vec<ColumnSummary> {
    let mut summaries = Vec::with_capacity(centres.len());
    for first in (0..centres.len()).step_by(COLUMNS) {
        let block = first..centres.len().min(first + COLUMNS);
        let mut counters: Vec<Counter> = centres[block.clone()].iter().map(|&at| Counter::new(at)).collect();
        for row in rows.as_slice().chunks_exact(centres.len()) {
            counters.iter_mut().zip(&row[block.clone()]).for_each(|(counter, &value)| counter.add(value));
        }
        summaries.extend(counters.iter().map(Counter::summary));
    }
    summaries
}

/// A column's different values.
struct Counter {
    centre: f64,
    /// Those values are kept whose hash has as many leading zeros as this mask has ones.
    picked: u64,
    kept: usize,
    /// A table with open addressing; NaN is nothing.
    table: Vec<f64>,
    last: f64,
}

impl Counter {
    fn new(centre: f64) -> Self {
        Self { centre, picked: 0, kept: 0, table: vec![f64::NAN; 64], last: f64::NAN }
    }

    /// The same for values that are the same in 32 bits.
    fn hash(&self, value: f64) -> u64 {
        // +0 and −0 are one value.
        let short = centre(value, self.centre) + 0.0;
        let mixed = (u64::from(short.to_bits()) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[inline]
    fn add(&mut self, value: f64) {
        // A missing value is none.
        if value == self.last || value.is_nan() || self.hash(value) & self.picked != 0 {
            return;
        }
        self.last = value;
        self.insert(value);
        if 2 * self.kept > self.table.len() {
            self.grow();
        }
    }

    fn insert(&mut self, value: f64) {
        let mixed = (value + 0.0).to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // (the length is a power of two)
        let mask = self.table.len() - 1;
        let mut at = (mixed >> 40) as usize & mask;
        while !self.table[at].is_nan() {
            if self.table[at] == value {
                return;
            }
            at = (at + 1) & mask;
        }
        self.table[at] = value;
        self.kept += 1;
    }

    /// Makes room: by a larger table, or by keeping half of what there is.
    #[cold]
    fn grow(&mut self) {
        let mut size = self.table.len();
        if self.kept < MOST {
            size *= 2;
        } else {
            self.picked |= 1 << (63 - self.picked.count_ones());
        }
        let before = std::mem::replace(&mut self.table, vec![f64::NAN; size]);
        self.kept = 0;
        for value in before {
            if !value.is_nan() && self.hash(value) & self.picked == 0 {
                self.insert(value);
            }
        }
    }

    fn summary(&self) -> ColumnSummary {
        let kept = self.table.iter().filter(|value| !value.is_nan());
        let mut short: Vec<f32> = kept.map(|&value| centre(value, self.centre) + 0.0).collect();
        short.sort_unstable_by(f32::total_cmp);
        short.dedup();
        let scale = |kept: usize| kept << self.picked.count_ones();
        ColumnSummary { median: self.centre, distinct: scale(self.kept), distinct_f32: scale(short.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::summarise;

    fn table(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> CheckedMatrix {
        let values = (0..rows * columns).map(|at| value(at / columns, at % columns)).collect();
        CheckedMatrix::from_vec(values, columns).unwrap()
    }

    #[test]
    fn few_different_values_are_counted_exactly() {
        let rows = table(30_000, 19, |row, column| {
            let step = (row * 7_919) % (column * 200 + 1);
            match row % 3 {
                0 => 1e9 + step as f64,
                _ => -0.01 * step as f64,
            }
        });
        let expected = summarise(&rows);
        let centres: Vec<f64> = expected.iter().map(|summary| summary.median).collect();
        assert_eq!(count(&rows, &centres), expected);
        assert!(expected[18].distinct > 7_000 && expected[18].distinct_f32 < 5_000);
    }

    #[test]
    fn of_many_the_share_that_is_lost_is_estimated() {
        // Steps of 1 within 2^26: f32 holds every whole number to 2^24, then every second, then every fourth.
        let rows = table(300_000, 1, |row, _| ((row * 104_729) % (1 << 26)) as f64);
        let exact = {
            let mut values: Vec<f64> = rows.as_slice().to_vec();
            values.sort_unstable_by(f64::total_cmp);
            let short = values.windows(2).filter(|pair| pair[0] as f32 != pair[1] as f32).count() + 1;
            (values.len(), short)
        };
        let counted = &count(&rows, &[0.0])[0];
        let share = |(all, short): (usize, usize)| short as f64 / all as f64;
        let estimate = share((counted.distinct, counted.distinct_f32));
        assert!((estimate - share(exact)).abs() < 0.01, "{counted:?} instead of {exact:?}");
        assert!((counted.distinct as f64 / 300_000.0 - 1.0).abs() < 0.06, "{counted:?}");
    }
}
