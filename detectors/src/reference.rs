//! How the training rows are distributed: what drift is measured against, and the range in which a column was seen.
//!
//! For each of the first 1,024 columns, and for the score, a [`Bins`]: at most ten bins between quantiles of the training
//! rows, each with the number of training rows in it. No detector reads this; it is counted and shown.

use crate::columns::drop_missing;
use crate::matrix::CheckedMatrix;
use crate::random::{Random, Urn};

/// The most bins of a column, missing values apart.
pub const MAX_BINS: usize = 10;
/// Columns beyond these have no bins: models of very many columns would double in size.
pub const MAX_COLUMNS: usize = 1_024;
/// The most quantiles of the score.
pub const MAX_SCORE_QUANTILES: usize = 20;
/// Quantiles of a column come from this many rows at most; what is counted is counted over all.
const MOST_SORTED: usize = 65_536;
/// Which quantiles of a column are looked at, deciles among them.
const PERCENTS: [usize; 11] = [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99];
/// Columns whose quantiles are found at a time.
const SORTED_AT_ONCE: usize = 16;
const SAMPLE_PURPOSE: &[u8; 16] = b"reference-sample";

/// Which quantiles of the score are kept, in thousandths: anomalies have low scores, so the low end is closer.
const SCORE_QUANTILES: [usize; MAX_SCORE_QUANTILES] =
    [1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 950, 990, 999, 1_000];

/// The distribution of the training rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub(crate) columns: Vec<ColumnReference>,
    pub(crate) score: Bins,
    pub(crate) score_quantiles: Vec<f64>,
}

/// One column of the training rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnReference {
    /// The smallest value.
    pub min: f64,
    /// The 1 % quantile.
    pub low: f64,
    /// The 50 % quantile.
    pub median: f64,
    /// The 99 % quantile.
    pub high: f64,
    /// The largest value.
    pub max: f64,
    /// Its bins.
    pub bins: Bins,
}

/// Bins of numbers, in ascending order, and how many of the training rows fell into each.
///
/// Bin 0 holds what is at most the first edge, bin i what is above edge i − 1 and at most edge i, the last what is above
/// all edges. Where many rows have the smallest value, that value has a bin of its own and bin 0 is for what is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    edges: Vec<f64>,
    counts: Vec<u32>,
    missing: u32,
}

impl Reference {
    /// Of training rows and their scores in ascending order (of all rows or of a sample).
    pub(crate) fn new(rows: &CheckedMatrix, ascending_scores: &[f64], seed: u64) -> Self {
        Self::of(columns(rows, seed), ascending_scores)
    }

    /// Of columns that are known, and scores in ascending order.
    pub(crate) fn of(columns: Vec<ColumnReference>, ascending_scores: &[f64]) -> Self {
        let mut score = Bins::between_deciles(ascending_scores, ascending_scores[0]);
        score.count_ascending(ascending_scores);
        Self {
            columns,
            score,
            score_quantiles: distinct(
                SCORE_QUANTILES.iter().map(|&thousandths| quantile(ascending_scores, thousandths, 1_000)),
            ),
        }
    }

    /// The first columns, at most 1,024, in the order of the features.
    pub fn columns(&self) -> &[ColumnReference] {
        &self.columns
    }

    /// Bins of the score of the training rows.
    pub fn score(&self) -> &Bins {
        &self.score
    }

    /// Up to 20 quantiles of the score of the training rows, ascending and each once: from 0.1 % to the largest, closer
    /// at the low end, where anomalies are.
    pub fn score_quantiles(&self) -> &[f64] {
        &self.score_quantiles
    }

    /// Whether the parts fit each other and a model of this many columns that was trained on this many rows.
    pub(crate) fn check(&self, columns: usize, rows: u64) -> Result<(), String> {
        if self.columns.len() != columns.min(MAX_COLUMNS) {
            return Err(format!("bins of {} columns for {columns} columns", self.columns.len()));
        }
        for ColumnReference { min, low, median, high, max, bins } in &self.columns {
            let ordered = [min, low, median, high, max].windows(2).all(|pair| pair[0] <= pair[1]);
            if !ordered || !min.is_finite() || !max.is_finite() || bins.rows() != rows {
                return Err(
                    "a column's quantiles are out of order or its rows are not those of the training"
                        .to_owned(),
                );
            }
        }
        let quantiles = &self.score_quantiles;
        let possible = (1..=MAX_SCORE_QUANTILES).contains(&quantiles.len()) && self.score.rows() > 0;
        if !possible || !ascending(quantiles) {
            return Err("the quantiles of the score are out of order".to_owned());
        }
        Ok(())
    }
}

impl Bins {
    /// Empty bins between the deciles of some values, which are in their places; `min` is the smallest of all values.
    fn between_deciles(sorted: &[f64], min: f64) -> Self {
        let mut edges = distinct((1..MAX_BINS).map(|tenth| quantile(sorted, tenth, MAX_BINS)));
        // A bin that holds one value only says nothing of what is below it. Below is what is so in 32 bits, too.
        let below = f64::from((min as f32).next_down());
        if edges[0] == min && edges.len() + 1 < MAX_BINS && below.is_finite() {
            edges.insert(0, below);
        }
        Self { counts: vec![0; edges.len() + 1], edges, missing: 0 }
    }

    /// Of stored parts; an error if they are no bins.
    pub(crate) fn from_parts(edges: Vec<f64>, counts: Vec<u32>, missing: u32) -> Result<Self, String> {
        if edges.len() >= MAX_BINS || counts.len() != edges.len() + 1 || !ascending(&edges) {
            return Err("the edges of bins are too many or out of order".to_owned());
        }
        Ok(Self { edges, counts, missing })
    }

    /// The edges between the bins, ascending; one fewer than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The training rows in each bin.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The training rows without a value.
    pub fn missing(&self) -> u32 {
        self.missing
    }

    /// All training rows that were counted.
    pub fn rows(&self) -> u64 {
        self.counts.iter().chain([&self.missing]).map(|&count| u64::from(count)).sum()
    }

    /// The bin of a number. (NaN has none: it is a missing value.)
    pub fn bin(&self, value: f64) -> usize {
        self.edges.iter().map(|&edge| usize::from(value > edge)).sum()
    }

    /// The share of rows to expect in each bin, `missing` last where it is asked for: (n + ½)/(N + B/2) for n of N
    /// training rows in one of B bins. None is 0, and their sum is 1.
    pub fn expected_shares(&self, with_missing: bool) -> Vec<f64> {
        let missing = with_missing.then_some(&self.missing);
        let counts: Vec<f64> = self.counts.iter().chain(missing).map(|&count| f64::from(count)).collect();
        let all = counts.iter().sum::<f64>() + counts.len() as f64 / 2.0;
        counts.into_iter().map(|count| (count + 0.5) / all).collect()
    }

    fn count_ascending(&mut self, values: &[f64]) {
        let ends =
            self.edges.iter().map(|edge| values.partition_point(|value| value <= edge)).chain([values.len()]);
        let mut begin = 0;
        for (count, end) in self.counts.iter_mut().zip(ends) {
            *count += (end - begin) as u32;
            begin = end;
        }
    }
}

fn columns(rows: &CheckedMatrix, seed: u64) -> Vec<ColumnReference> {
    let width = rows.columns().min(MAX_COLUMNS);
    let ranges = ranges(rows, width);
    let mut sampled: Vec<u32> = (0..rows.rows() as u32).collect();
    if rows.rows() > MOST_SORTED {
        let mut random = Random::new(seed, SAMPLE_PURPOSE, 0);
        Urn::new(rows.rows() as u32).draw(MOST_SORTED as u32, &mut random, &mut sampled);
        // Their order does not matter, and in this one they are near each other in memory.
        sampled.sort_unstable();
    }
    let mut columns = Vec::with_capacity(width);
    let mut block = vec![Vec::with_capacity(sampled.len()); width.min(SORTED_AT_ONCE)];
    for first in (0..width).step_by(SORTED_AT_ONCE) {
        let ranges = &ranges[first..width.min(first + SORTED_AT_ONCE)];
        block.iter_mut().for_each(Vec::clear);
        for &row in &sampled {
            block
                .iter_mut()
                .zip(&rows.row(row as usize)[first..])
                .for_each(|(column, &value)| column.push(value));
        }
        columns.extend(block.iter_mut().zip(ranges).map(|(values, &range)| {
            drop_missing(rows, values);
            column(values, range)
        }));
    }
    let mut tallies: Vec<Tally> = columns.iter().map(|column| Tally::new(&column.bins)).collect();
    for row in rows.as_slice().chunks_exact(rows.columns()) {
        tallies.iter_mut().zip(row).for_each(|(tally, &value)| tally.count(value));
    }
    columns.iter_mut().zip(tallies).for_each(|(column, tally)| tally.into_bins(&mut column.bins));
    columns
}

/// A column's bins while they are counted in: as many for each, so that the loops over them have no end to look for.
struct Tally {
    /// What is not there is above all values.
    edges: [f64; MAX_BINS - 1],
    /// Those without a value last.
    counts: [u32; MAX_BINS + 1],
}

impl Tally {
    fn new(bins: &Bins) -> Self {
        let mut edges = [f64::INFINITY; MAX_BINS - 1];
        edges[..bins.edges.len()].copy_from_slice(&bins.edges);
        Self { edges, counts: [0; MAX_BINS + 1] }
    }

    fn into_bins(self, bins: &mut Bins) {
        bins.counts.iter_mut().zip(self.counts).for_each(|(to, count)| *to = count);
        bins.missing = self.counts[MAX_BINS];
    }

    fn count(&mut self, value: f64) {
        let bin: usize = self.edges.iter().map(|&edge| usize::from(value > edge)).sum();
        self.counts[if value.is_nan() { MAX_BINS } else { bin }] += 1;
    }
}

/// The smallest and the largest value of each column; zeros where no row has a value.
fn ranges(rows: &CheckedMatrix, width: usize) -> Vec<(f64, f64)> {
    let mut ranges = vec![(f64::MAX, f64::MIN); width];
    for row in rows.as_slice().chunks_exact(rows.columns()) {
        for (range, &value) in ranges.iter_mut().zip(row) {
            let (min, max) = *range;
            *range = (if value <= min { value } else { min }, if value >= max { value } else { max });
        }
    }
    ranges.into_iter().map(|range| if range.0 > range.1 { (0.0, 0.0) } else { range }).collect()
}

/// A column's quantiles from some of its values, and bins that nothing has been counted in.
fn column(values: &mut [f64], (min, max): (f64, f64)) -> ColumnReference {
    // (of a column that has hardly a value, the drawn rows may have none)
    values.iter_mut().for_each(|value| *value = value.clamp(min, max));
    let mut places = PERCENTS.map(|percent| place(values.len(), percent, 100)).to_vec();
    places.dedup();
    put_in_place(values, &places, 0);
    let at = |percent| quantile(values, percent, 100);
    ColumnReference {
        min,
        low: at(1),
        median: at(50),
        high: at(99),
        max,
        bins: Bins::between_deciles(values, min),
    }
}

/// Puts those values where they would be in ascending order that belong to some places, all different and ascending, in
/// a table of which these values begin at `first`.
fn put_in_place(values: &mut [f64], places: &[usize], first: usize) {
    let (lower, upper) = places.split_at(places.len() / 2);
    let Some((&place, upper)) = upper.split_first() else { return };
    let (below, _, above) = values.select_nth_unstable_by(place - first, f64::total_cmp);
    put_in_place(below, lower, first);
    put_in_place(above, upper, place + 1);
}

/// The smallest value that at least part/whole of the values do not exceed. They are in order, or that one is in its place.
fn quantile(sorted: &[f64], part: usize, whole: usize) -> f64 {
    sorted[place(sorted.len(), part, whole)]
}

fn place(count: usize, part: usize, whole: usize) -> usize {
    (part * count).div_ceil(whole).max(1) - 1
}

/// Ascending values, each once.
fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut distinct: Vec<f64> = values.collect();
    // +0 and −0 are one value.
    distinct.dedup_by(|next, kept| *next <= *kept);
    distinct
}

fn ascending(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite()) && values.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests;
