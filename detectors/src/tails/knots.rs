//! Which values of a column are kept, and what is known about its ends.

use super::Rank;
use crate::columns::{median, standard_deviation};

/// At most `most` of some ascending values, with their ranks: all different ones if they are few enough, else the
/// quantiles whose logits are evenly spaced, which are close to each other in both tails.
pub(super) fn choose(sorted: &[f64], most: usize) -> (Vec<f64>, Vec<Rank>) {
    let different = 1 + sorted.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let mut values: Vec<f64> = if different <= most {
        sorted.to_vec()
    } else {
        places(sorted.len(), most).map(|place| sorted[place]).collect()
    };
    values.dedup();
    let rank = |&value: &f64| Rank {
        below: sorted.partition_point(|&other| other < value) as u32,
        not_above: sorted.partition_point(|&other| other <= value) as u32,
    };
    let ranks = values.iter().map(rank).collect();
    (values, ranks)
}

/// Ascending places in 0..rows, the first and the last among them.
fn places(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let last = (rows - 1) as f64;
    let steepest = libm::log(rows as f64);
    let inner = move |step: usize| {
        let logit = steepest * (2.0 * step as f64 / (most - 1) as f64 - 1.0);
        ((last / (1.0 + libm::exp(-logit))) as usize).min(rows - 1)
    };
    std::iter::once(0).chain((1..most - 1).map(inner)).chain(std::iter::once(rows - 1))
}

/// The mean excess above the 95 % quantile of ascending values; where nothing exceeds that, above the median; where
/// nothing exceeds that either, the standard deviation. The values must not all be equal.
pub(super) fn right_excess(sorted: &[f64]) -> f64 {
    let quantile = sorted[(19 * sorted.len()).div_ceil(20) - 1];
    excess([quantile, median(sorted)], |from| {
        let above = &sorted[sorted.partition_point(|&value| value <= from)..];
        above.iter().map(|value| value - from).sum::<f64>() / above.len() as f64
    })
    .unwrap_or_else(|| spread(sorted))
}

/// As [`right_excess`], below the 5 % quantile.
pub(super) fn left_excess(sorted: &[f64]) -> f64 {
    let quantile = sorted[sorted.len() - (19 * sorted.len()).div_ceil(20)];
    excess([quantile, median(sorted)], |from| {
        let below = &sorted[..sorted.partition_point(|&value| value < from)];
        below.iter().rev().map(|value| from - value).sum::<f64>() / below.len() as f64
    })
    .unwrap_or_else(|| spread(sorted))
}

fn excess(starts: [f64; 2], mean: impl Fn(f64) -> f64) -> Option<f64> {
    starts.into_iter().map(mean).find(|&mean| mean > 0.0)
}

/// Positive even where the deviations of the smallest numbers round to 0.
fn spread(sorted: &[f64]) -> f64 {
    standard_deviation(sorted).max(f64::MIN_POSITIVE)
}

/// Whether the third central moment is negative. Deviations are divided by the largest, so that none is lost.
pub(super) fn left_skewed(sorted: &[f64]) -> bool {
    let first = sorted[0];
    let mean = first + sorted.iter().map(|value| value - first).sum::<f64>() / sorted.len() as f64;
    let largest = (mean - first).abs().max((sorted[sorted.len() - 1] - mean).abs());
    let cube = |value: &f64| {
        let part = (value - mean) / largest;
        part * part * part
    };
    sorted.iter().map(cube).sum::<f64>() < 0.0
}
