//! How rare an outlyingness is, and the severity that follows: one scale for every detector.
//!
//! A calibration keeps up to 257 quantiles of the outlyingness a = −score of the training rows, each with the share
//! of rows above it plus half of those equal to it. The tail probability p(a) interpolates these up to the 95 %
//! quantile q, and beyond is p(q)·exp(−(a − q)/β), β the mean excess above q, so that it goes on falling outside the
//! training range. Surprise is u = −log10 p.
//!
//! With τ the threshold on a, severity is u(a)/u(τ) for inliers and 1 + u(a) − u(τ) for anomalies, at most 10: 0 is
//! ordinary, 1 the threshold, each further 1 ten times rarer than the threshold. Verdicts are not made here: severity
//! follows the verdict, so the two cannot disagree.

/// Quantiles that are kept: 192 equal steps to 95 %, then 64 geometric ones to 1 − 1/n, and the smallest value.
const QUANTILES: usize = 257;
const STEPS_BELOW: usize = 192;
/// The largest severity.
pub(crate) const MAX_SEVERITY: f64 = 10.0;
/// The least surprise of a threshold: below, severity would be noise magnified.
const LEAST_SURPRISE: f64 = 0.01;

/// The distribution of outlyingness over the training rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calibration {
    /// Rows it was made from.
    rows: u64,
    /// Ascending values, each once.
    knots: Vec<Knot>,
    /// The knot of the 95 % quantile q.
    tail: usize,
    /// The mean excess above q; positive.
    mean_excess: f64,
}

/// A value and the rows at or beyond it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Knot {
    pub(crate) value: f64,
    /// Twice the rows above plus the rows equal: 2 n p, a whole number.
    pub(crate) twice_rank: u64,
}

impl Calibration {
    /// From outlyingness in ascending order; there must be at least one.
    pub(crate) fn new(ascending: &[f64]) -> Self {
        let q = ascending[tail_index(ascending.len())];
        let mut knots: Vec<Knot> = Vec::with_capacity(QUANTILES);
        for index in quantile_indices(ascending.len()) {
            let value = ascending[index];
            if knots.last().is_none_or(|last| value > last.value) {
                knots.push(Knot { value, twice_rank: twice_rank(ascending, value) });
            }
        }
        let tail = knots.partition_point(|knot| knot.value < q);
        Self { rows: ascending.len() as u64, knots, tail, mean_excess: mean_excess(ascending, q) }
    }

    /// From stored parts; `None` if they are not a calibration.
    pub(crate) fn from_parts(rows: u64, knots: Vec<Knot>, tail: usize, mean_excess: f64) -> Option<Self> {
        let ordered = knots.windows(2).all(|w| w[0].value < w[1].value && w[0].twice_rank > w[1].twice_rank);
        let ranks = 1..rows.checked_mul(2)?;
        let finite = knots.iter().all(|knot| knot.value.is_finite() && ranks.contains(&knot.twice_rank));
        let positive = mean_excess > 0.0 && mean_excess.is_finite();
        (ordered && finite && positive && knots.len() <= QUANTILES && tail < knots.len()).then_some(Self {
            rows,
            knots,
            tail,
            mean_excess,
        })
    }

    /// Rows, knots, the tail's knot and the mean excess: what `from_parts` takes.
    pub(crate) fn parts(&self) -> (u64, &[Knot], usize, f64) {
        (self.rows, &self.knots, self.tail, self.mean_excess)
    }

    /// u(a) = −log10 p(a), at least 0 and never decreasing; strictly increasing from q on.
    pub(crate) fn surprise(&self, outlyingness: f64) -> f64 {
        let q = self.knots[self.tail];
        if outlyingness > q.value {
            let decades = (outlyingness - q.value) / self.mean_excess * std::f64::consts::LOG10_E;
            // Finite even where a tiny mean excess overflows: two infinite surprises would have no ratio.
            return (decades - libm::log10(self.probability(q.twice_rank as f64))).min(f64::MAX);
        }
        let above = self.knots.partition_point(|knot| knot.value <= outlyingness);
        let Some(below) = above.checked_sub(1).map(|below| self.knots[below]) else {
            return 0.0;
        };
        let mut rank = below.twice_rank as f64;
        if outlyingness > below.value {
            // There is a knot above: `outlyingness` is at most q.
            let above = self.knots[above];
            let fraction = (outlyingness - below.value) / (above.value - below.value);
            rank += fraction * (above.twice_rank as f64 - rank);
        }
        -libm::log10(self.probability(rank))
    }

    /// The smallest and the largest outlyingness of the training rows.
    pub(crate) fn range(&self) -> (f64, f64) {
        let value = |knot: Option<&Knot>| knot.map_or(0.0, |knot| knot.value);
        (value(self.knots.first()), value(self.knots.last()))
    }

    /// The share of the training rows with a greater outlyingness, half of those with an equal one among them: 0 or 1
    /// beyond their range, interpolated between the knots.
    pub(crate) fn share_above(&self, outlyingness: f64) -> f64 {
        let above = self.knots.partition_point(|knot| knot.value < outlyingness);
        let rank = match (above.checked_sub(1).map(|below| self.knots[below]), self.knots.get(above)) {
            (_, Some(knot)) if knot.value == outlyingness => knot.twice_rank as f64,
            (Some(below), Some(above)) => {
                let fraction = (outlyingness - below.value) / (above.value - below.value);
                let (from, to) = (below.twice_rank as f64, above.twice_rank as f64);
                from + fraction * (to - from)
            }
            (Some(_), None) => 0.0,
            (None, _) => 2.0 * self.rows as f64,
        };
        self.probability(rank)
    }

    fn probability(&self, twice_rank: f64) -> f64 {
        twice_rank / (2.0 * self.rows as f64)
    }

    /// u(τ) of a threshold on outlyingness, at least 0.01.
    pub(crate) fn threshold_surprise(&self, threshold: f64) -> f64 {
        self.surprise(threshold).max(LEAST_SURPRISE)
    }
}

/// The severity that belongs to a verdict: in [0, 1] for inliers, in (1, 10] for anomalies.
pub(crate) fn severity(is_inlier: bool, surprise: f64, threshold_surprise: f64) -> f64 {
    if is_inlier {
        (surprise / threshold_surprise).clamp(0.0, 1.0)
    } else {
        (1.0 + surprise - threshold_surprise).clamp(1.0_f64.next_up(), MAX_SEVERITY)
    }
}

/// The index of the 95 % quantile: the smallest value that at least 95 % of the rows do not exceed.
fn tail_index(rows: usize) -> usize {
    (19 * rows).div_ceil(20) - 1
}

/// Ascending indices of the quantiles, with repetitions when there are few rows.
fn quantile_indices(rows: usize) -> impl Iterator<Item = usize> {
    let below = (0..=STEPS_BELOW).map(move |step| (19 * rows * step).div_ceil(20 * STEPS_BELOW).max(1) - 1);
    // From 5 % of the rows above down to one.
    let above = rows - 1 - tail_index(rows);
    let steps_above = QUANTILES - 1 - STEPS_BELOW;
    let upper = (1..=steps_above).map(move |step| {
        let exponent = 1.0 - step as f64 / steps_above as f64;
        let left = libm::exp(libm::log(above.max(1) as f64) * exponent) as usize;
        rows - left.clamp(1, rows)
    });
    below.chain(upper)
}

fn twice_rank(ascending: &[f64], value: f64) -> u64 {
    let not_above = ascending.partition_point(|&other| other <= value);
    let below = ascending.partition_point(|&other| other < value);
    (2 * (ascending.len() - not_above) + (not_above - below)) as u64
}

/// The mean excess above q. Where no row exceeds q, above the median, which is then below it; where no row exceeds
/// that either, all are tied and there is no scale: a hundredth of the value stands in.
fn mean_excess(ascending: &[f64], q: f64) -> f64 {
    let median = ascending[ascending.len() / 2];
    for start in [q, median] {
        let above = &ascending[ascending.partition_point(|&value| value <= start)..];
        let mean = above.iter().map(|value| value - start).sum::<f64>() / above.len() as f64;
        if mean > 0.0 {
            return mean;
        }
    }
    if q == 0.0 { 0.01 } else { q.abs() / 100.0 }
}

#[cfg(test)]
mod tests;
