//! HBOS: how rare each value is in a histogram of its column, summed over the columns.
//!
//! M. Goldstein, A. Dengel: *Histogram-based Outlier Score (HBOS): A fast unsupervised anomaly detection algorithm*, KI
//! 2012. Each column has a histogram whose tallest bin has height 1;
//!
//! outlyingness = Σ over the columns of −ln height(x), the height at least 1/(n + 1) for n training rows.
//!
//! Bins are equally wide, as many as Freedman and Diaconis' rule says (width 2·IQR/∛n), at least 5 and at most 100, unless
//! their number is given. A column of at most 20 different values has a bin for each of them. What no bin holds, an empty
//! bin and a value outside all of them have the height 1/(n + 1). A column of one value has one bin: another value is as
//! rare as can be. For threshold and calibration training rows are scored as all others are.

use ndarray::ArrayView2;

use crate::columns::{self, interpolated};
use crate::config::HbosParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::matrix::{CheckedMatrix, in_range};

/// A column with at most so many different values has a bin for each.
const MOST_DISCRETE: usize = 20;
/// The fewest and the most bins of Freedman and Diaconis' rule.
const BINS: std::ops::RangeInclusive<usize> = 5..=100;
/// The most bins in all columns: about 400 kB in a model file. Wide tables have fewer a column, but at least five.
const MOST_BINS: usize = 200_000;
/// Of the least distance between two discrete values: so close to one, a value is taken for it.
const NEAR: f64 = 1e-3;
/// The same where there is one value only, of that value: a step of 32-bit floating point and more.
const NEAR_ONE: f64 = 1e-6;

/// The histograms of all columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Hbos {
    rows: u32,
    /// −ln 1/(n + 1).
    floor: f64,
    columns: Vec<Histogram>,
}

/// One column's histogram.
#[derive(Clone, Debug, PartialEq)]
struct Histogram {
    places: Places,
    counts: Vec<u32>,
    /// −ln of each bin's height.
    terms: Vec<f64>,
}

/// Where the bins are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Places {
    /// From the smallest to the largest value, equally wide.
    Equal {
        /// The smallest.
        from: f64,
        /// The largest; greater.
        to: f64,
    },
    /// A bin for each of these ascending values, and for what is no farther from it than `near`.
    Discrete {
        /// The values.
        values: Vec<f64>,
        /// Less than half of the least distance between them.
        near: f64,
    },
}

impl Hbos {
    /// From stored parts: rows, and for each column its bins and the training rows in each; an error in words if they
    /// are no histograms of that many rows.
    pub(crate) fn from_parts(rows: u32, columns: Vec<(Places, Vec<u32>)>) -> Result<Self, String> {
        if rows == 0 || columns.is_empty() {
            return Err(format!("it has {rows} rows and {} columns", columns.len()));
        }
        for (at, (places, counts)) in columns.iter().enumerate() {
            places.check(counts.len()).map_err(|problem| format!("column {at}: {problem}"))?;
            if counts.iter().map(|&count| u64::from(count)).sum::<u64>() != u64::from(rows) {
                return Err(format!("column {at}: its bins do not hold all rows"));
            }
        }
        let floor = libm::log(f64::from(rows) + 1.0);
        let columns = columns.into_iter().map(|(places, counts)| Histogram::new(places, counts, floor));
        Ok(Self { rows, floor, columns: columns.collect() })
    }

    /// Rows, and each column's bins with the training rows in each.
    pub(crate) fn parts(&self) -> (u32, impl ExactSizeIterator<Item = (&Places, &[u32])>) {
        (self.rows, self.columns.iter().map(|column| (&column.places, &column.counts[..])))
    }

    fn terms(&self, row: &[f64]) -> impl Iterator<Item = f64> {
        let of = |(column, &value): (&Histogram, &f64)| match column.places.bin(value, column.terms.len()) {
            Some(bin) => column.terms[bin],
            None => self.floor,
        };
        self.columns.iter().zip(row).map(of)
    }
}

impl Detector for Hbos {
    type Parameters = HbosParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let Ok(count) = u32::try_from(rows.rows()) else {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        };
        let most = (MOST_BINS / rows.columns()).max(*BINS.start());
        let mut columns = Vec::with_capacity(rows.columns());
        columns::each_sorted(rows, |sorted| {
            let bins = parameters.bins().unwrap_or_else(|| freedman_diaconis(sorted)).min(most);
            let places = Places::choose(sorted);
            let counts = places.count(sorted, bins);
            columns.push((places, counts));
        });
        let constant = columns.iter().map(|(_, counts)| counts.len() == 1);
        let warning = columns::constant_columns_kept(constant, features);
        let hbos = Self::from_parts(count, columns).expect("histograms of all rows");
        Ok((hbos, warning.into_iter().collect()))
    }

    fn columns(&self) -> usize {
        self.columns.len()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        -self.terms(row).fold(0.0, |sum, term| sum + term)
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        columns::row_by_row(rows, measures, |row| self.measure_row(row));
    }

    /// Each column's own term.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        contributions.iter_mut().zip(self.terms(row)).for_each(|(to, term)| *to = term);
        Level { baseline: 0.0, value: self.measure_row(row) }
    }

    /// The row with one value moved onto the edge of a bin, one step below or one above it.
    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let at = which % row.len();
        let Histogram { places, terms, .. } = &self.columns[at];
        let edge = match places {
            Places::Equal { from, to } => {
                from + (to - from) * ((which % (terms.len() + 1)) as f64 / terms.len() as f64)
            }
            Places::Discrete { values, near } => values[which % values.len()] + near,
        };
        let mut moved = row.to_vec();
        moved[at] = match which % 3 {
            0 => edge,
            1 => edge.next_down(),
            _ => edge.next_up(),
        };
        in_range(moved[at]).then_some(moved)
    }
}

impl Histogram {
    fn new(places: Places, counts: Vec<u32>, floor: f64) -> Self {
        let tallest = f64::from(counts.iter().copied().max().unwrap_or(1));
        // The tallest bin's is +0 and not −0.
        let term = |count: u32| if count == 0 { floor } else { 0.0 - libm::log(f64::from(count) / tallest) };
        let terms = counts.iter().map(|&count| term(count)).collect();
        Self { places, counts, terms }
    }
}

impl Places {
    /// Of ascending values.
    fn choose(sorted: &[f64]) -> Self {
        let mut values = Vec::with_capacity(MOST_DISCRETE + 1);
        for &value in sorted {
            if values.last() != Some(&value) {
                values.push(value);
            }
            if values.len() > MOST_DISCRETE {
                return Self::Equal { from: sorted[0], to: sorted[sorted.len() - 1] };
            }
        }
        let least = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let near = if least.is_finite() { least * NEAR } else { values[0].abs() * NEAR_ONE };
        Self::Discrete { values, near }
    }

    /// The training rows in each bin.
    fn count(&self, sorted: &[f64], bins: usize) -> Vec<u32> {
        let bins = match self {
            Self::Equal { .. } => bins,
            Self::Discrete { values, .. } => values.len(),
        };
        let mut counts = vec![0; bins];
        for &value in sorted {
            let bin = self.bin(value, bins).expect("every training value has a bin");
            counts[bin] += 1;
        }
        counts
    }

    /// The bin of a value, of that many.
    fn bin(&self, value: f64, bins: usize) -> Option<usize> {
        match self {
            Self::Equal { from, to } => {
                // At most 1: of two numbers within ±f32::MAX the difference is finite.
                let share = (value - from) / (to - from);
                (*from <= value && value <= *to).then(|| ((share * bins as f64) as usize).min(bins - 1))
            }
            Self::Discrete { values, near } => {
                let above = values.partition_point(|&known| known + near < value);
                (above < values.len() && values[above] - near <= value).then_some(above)
            }
        }
    }

    fn check(&self, bins: usize) -> Result<(), String> {
        let possible = match self {
            Self::Equal { from, to } => in_range(*from) && in_range(*to) && from < to && bins > 0,
            Self::Discrete { values, near } => {
                let least = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
                values.len() == bins
                    && bins > 0
                    && values.iter().all(|&value| in_range(value))
                    && (0.0..=f64::from(f32::MAX)).contains(near)
                    && 2.0 * near < least
            }
        };
        if possible { Ok(()) } else { Err("its bins are out of order or out of range".to_owned()) }
    }
}

/// How many bins some ascending values have by Freedman and Diaconis' rule.
fn freedman_diaconis(sorted: &[f64]) -> usize {
    let range = sorted[sorted.len() - 1] - sorted[0];
    let width =
        2.0 * (interpolated(sorted, 0.75) - interpolated(sorted, 0.25)) / libm::cbrt(sorted.len() as f64);
    // A width of 0 gives infinitely many, or no number at all where the range is 0, too.
    let bins = (range / width).ceil();
    if bins.is_nan() { *BINS.start() } else { bins.clamp(*BINS.start() as f64, *BINS.end() as f64) as usize }
}

#[cfg(test)]
mod tests;
