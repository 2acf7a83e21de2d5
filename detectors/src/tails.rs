//! Tail probabilities of single columns, for the detectors that are made of them (ECOD and COPOD).
//!
//! With n training rows, the left tail of a value x is #{xᵢ ≤ x}/(n + 1), the right tail #{xᵢ ≥ x}/(n + 1): the ranks of
//! the training values, so that the largest has a right tail of 1/(n + 1). Beyond the range of training both go on
//! falling: 1/(n + 1)·exp(−distance/β), β the mean excess beyond the 5 % or 95 % quantile. So no logarithm is ever that of
//! 0, and a farther value always has the smaller tail.
//!
//! A column with few different values keeps them all and is exact. Of one with many, quantiles are kept, the closer the
//! farther out; between them the logarithm of the tail is linear. A column of one value has no tails: it is ignored.
//!
//! The sign of the skewness (of the third central moment) says which tail is the long one, where anomalies are looked for.

use crate::columns;
use crate::description::Warning;
use crate::detector::FitError;
use crate::matrix::{CheckedMatrix, in_range};

mod knots;

use knots::choose;

/// The most knots in all columns: about 450 kB in a model file.
const MOST_KNOTS: usize = 40_000;
/// Knots of a column: at least, if it has as many different values, and at most.
const KNOTS: std::ops::RangeInclusive<usize> = 4..=1_024;
/// No term is beyond: the sum over all columns stays finite.
const MAX_TERM: f64 = 1e90;

/// The tails of all columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tails {
    rows: u32,
    /// `None` is ignored.
    columns: Vec<Option<Column>>,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    /// Ascending values of the training rows.
    values: Vec<f64>,
    /// For each value −ln of its tails, just below, at and just above it.
    terms: Vec<Terms>,
    /// Training rows below each value, and not above it.
    ranks: Vec<Rank>,
    /// Mean excess beyond the 5 % and the 95 % quantile; positive.
    decay: [f64; 2],
    /// Whether the skewness is negative: the left tail is the long one.
    left_skewed: bool,
    /// −ln 1/(n + 1) and −ln n/(n + 1): what a value just outside has on its own side and on the other.
    outside: [f64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Terms {
    left_below: f64,
    left_at: f64,
    right_at: f64,
    right_above: f64,
}

/// Training rows with a smaller value, and with one that is not larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    pub(crate) below: u32,
    pub(crate) not_above: u32,
}

/// What a column's tails say of a value: −ln of each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Surprise {
    pub(crate) left: f64,
    pub(crate) right: f64,
    /// That of the longer tail.
    pub(crate) skewed: f64,
}

/// A column as the model file has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredColumn {
    pub(crate) values: Vec<f64>,
    pub(crate) ranks: Vec<Rank>,
    pub(crate) decay: [f64; 2],
    pub(crate) left_skewed: bool,
}

impl Tails {
    /// The tails of the columns of training rows, and what to warn of.
    pub(crate) fn fit(rows: &CheckedMatrix, features: &[String]) -> Result<(Self, Vec<Warning>), FitError> {
        let Ok(count) = u32::try_from(rows.rows()) else {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        };
        let most = (MOST_KNOTS / rows.columns()).clamp(*KNOTS.start(), *KNOTS.end());
        let mut columns = Vec::with_capacity(rows.columns());
        columns::each_sorted(rows, |sorted| columns.push(Column::fit(sorted, most)));
        let warning = columns::constant_columns(columns.iter().map(Option::is_none), features);
        Ok((Self { rows: count, columns }, warning.into_iter().collect()))
    }

    /// From stored parts; an error in words if they are not tails of that many rows.
    pub(crate) fn from_parts(rows: u32, stored: Vec<Option<StoredColumn>>) -> Result<Self, String> {
        if rows == 0 || stored.is_empty() {
            return Err(format!("it has {rows} rows and {} columns", stored.len()));
        }
        let column = |(at, stored): (usize, Option<StoredColumn>)| match stored {
            None => Ok(None),
            Some(stored) => {
                stored.check(rows).map_err(|problem| format!("column {at}: {problem}"))?;
                Ok(Some(Column::new(rows, stored)))
            }
        };
        let columns = stored.into_iter().enumerate().map(column).collect::<Result<_, String>>()?;
        Ok(Self { rows, columns })
    }

    /// Rows and columns, as `from_parts` takes them.
    pub(crate) fn to_parts(&self) -> (u32, Vec<Option<StoredColumn>>) {
        let stored = |column: &Column| StoredColumn {
            values: column.values.clone(),
            ranks: column.ranks.clone(),
            decay: column.decay,
            left_skewed: column.left_skewed,
        };
        (self.rows, self.columns.iter().map(|column| column.as_ref().map(stored)).collect())
    }

    /// d.
    pub(crate) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// What each column says of a row of d values.
    pub(crate) fn surprises(&self, row: &[f64]) -> impl Iterator<Item = Surprise> {
        let of = |(column, &value): (&Option<Column>, &f64)| {
            column.as_ref().map(|column| column.surprise(value)).unwrap_or_default()
        };
        self.columns.iter().zip(row).map(of)
    }

    /// The row with one value moved onto a kept value, one step below or one above it.
    pub(crate) fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let at = which % row.len();
        let values = &self.columns[at].as_ref()?.values;
        let value = values[which * values.len() / 16 % values.len()];
        let mut moved = row.to_vec();
        moved[at] = match which % 3 {
            0 => value,
            1 => value.next_down(),
            _ => value.next_up(),
        };
        in_range(moved[at]).then_some(moved)
    }
}

impl Column {
    /// Of ascending values; `None` if all are equal.
    fn fit(sorted: &[f64], most: usize) -> Option<Self> {
        if sorted[0] == sorted[sorted.len() - 1] {
            return None;
        }
        let (values, ranks) = choose(sorted, most);
        let decay = [knots::left_excess(sorted), knots::right_excess(sorted)];
        let stored = StoredColumn { values, ranks, decay, left_skewed: knots::left_skewed(sorted) };
        Some(Self::new(sorted.len() as u32, stored))
    }

    fn new(rows: u32, StoredColumn { values, ranks, decay, left_skewed }: StoredColumn) -> Self {
        let all = f64::from(rows) + 1.0;
        // No rank of 0 is ever asked for: see `surprise`.
        let term = |rank: u32| -libm::log(f64::from(rank.max(1)) / all);
        let terms = ranks
            .iter()
            .map(|&Rank { below, not_above }| Terms {
                left_below: term(below),
                left_at: term(not_above),
                right_at: term(rows - below),
                right_above: term(rows - not_above),
            })
            .collect();
        Self { values, terms, ranks, decay, left_skewed, outside: [term(1), term(rows)] }
    }

    fn surprise(&self, value: f64) -> Surprise {
        let at = self.values.partition_point(|&known| known < value);
        let (left, right) = if at == self.values.len() {
            let beyond = (value - self.values[at - 1]) / self.decay[1];
            (self.outside[1], self.outside[0] + beyond.min(MAX_TERM))
        } else if self.values[at] == value {
            (self.terms[at].left_at, self.terms[at].right_at)
        } else if at == 0 {
            let beyond = (self.values[0] - value) / self.decay[0];
            (self.outside[0] + beyond.min(MAX_TERM), self.outside[1])
        } else {
            let (from, to) = (self.values[at - 1], self.values[at]);
            let (below, above) = (&self.terms[at - 1], &self.terms[at]);
            let fraction = (value - from) / (to - from);
            let between = |start: f64, end: f64| start + fraction * (end - start);
            (between(below.left_at, above.left_below), between(below.right_above, above.right_at))
        };
        Surprise { left, right, skewed: if self.left_skewed { left } else { right } }
    }
}

impl StoredColumn {
    fn check(&self, rows: u32) -> Result<(), String> {
        let Self { values, ranks, decay, left_skewed: _ } = self;
        let (Some(first), Some(last)) = (ranks.first(), ranks.last()) else {
            return Err("it has no values".to_owned());
        };
        if values.len() != ranks.len()
            || !values.iter().all(|&value| in_range(value))
            || !values.windows(2).all(|pair| pair[0] < pair[1])
        {
            return Err("its values are out of order or out of range".to_owned());
        }
        let counted = ranks.iter().all(|rank| rank.below < rank.not_above)
            && ranks.windows(2).all(|pair| pair[0].not_above <= pair[1].below);
        if !counted || first.below != 0 || last.not_above != rows {
            return Err("its ranks are out of order or not those of all rows".to_owned());
        }
        if !decay.iter().all(|&decay| decay > 0.0 && decay.is_finite()) {
            return Err("its tails do not fall".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
