//! What is known about the columns of the training rows: medians, how many values 32 bits can tell apart, and the
//! warnings that follow from it.

use ndarray::ArrayView2;

use crate::description::{Warning, reasons};
use crate::matrix::CheckedMatrix;
use crate::random::{Random, Urn};

/// The most columns that a warning names.
const NAMED: usize = 5;
/// Rows that a typical value comes from.
const TYPICAL: usize = 1_024;
const TYPICAL_PURPOSE: &[u8; 16] = b"typical-values\0\0";

/// One column of the training rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnSummary {
    /// The middle value, or the mean of the two middle ones.
    pub(crate) median: f64,
    /// Different values as they were read.
    pub(crate) distinct: usize,
    /// Different values after the median was subtracted and the rest cast to f32.
    pub(crate) distinct_f32: usize,
}

/// Summarises every column: one sort each.
pub(crate) fn summarise(rows: &CheckedMatrix) -> Vec<ColumnSummary> {
    let mut summaries = Vec::with_capacity(rows.columns());
    each_sorted(rows, |sorted| summaries.push(summarise_column(sorted)));
    summaries
}

/// Hands over the values of each column in turn, in ascending order.
pub(crate) fn each_sorted(rows: &CheckedMatrix, mut with: impl FnMut(&[f64])) {
    let mut values = Vec::with_capacity(rows.rows());
    for column in 0..rows.columns() {
        values.clear();
        values.extend(rows.as_slice().iter().skip(column).step_by(rows.columns()));
        drop_missing(rows, &mut values);
        values.sort_unstable_by(f64::total_cmp);
        with(&values);
    }
}

/// The middle of ascending values, or the mean of the two middle ones.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        // Both are within ±f32::MAX: the sum cannot overflow.
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// The quantile of ascending values at a share in [0, 1], linear between neighbours as numpy's is.
pub(crate) fn interpolated(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// The standard deviation (divided by n) of some values; 0 exactly if all are equal. Deviations are divided by the
/// largest before they are squared, so that neither tiny nor huge ones are lost.
pub(crate) fn standard_deviation(values: &[f64]) -> f64 {
    let first = values[0];
    let count = values.len() as f64;
    let mean = first + values.iter().map(|value| value - first).sum::<f64>() / count;
    let largest = values.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
    if largest == 0.0 || values.iter().all(|&value| value == first) {
        return 0.0;
    }
    let squares: f64 = values.iter().map(|value| (value - mean) / largest).map(|part| part * part).sum();
    largest * (squares / count).sqrt()
}

/// Measures a matrix by a function of single rows, copying only rows that do not lie together.
pub(crate) fn row_by_row(rows: ArrayView2<'_, f64>, measures: &mut [f64], measure: impl Fn(&[f64]) -> f64) {
    let mut together = Vec::with_capacity(rows.ncols());
    for (row, to) in rows.rows().into_iter().zip(measures) {
        *to = match row.as_slice() {
            Some(row) => measure(row),
            None => {
                together.clear();
                together.extend(row);
                measure(&together)
            }
        };
    }
}

fn summarise_column(values: &[f64]) -> ColumnSummary {
    let median = median(values);
    let steps =
        |differ: &dyn Fn(f64, f64) -> bool| 1 + values.windows(2).filter(|w| differ(w[0], w[1])).count();
    ColumnSummary {
        median,
        distinct: steps(&|a, b| a != b),
        distinct_f32: steps(&|a, b| centre(a, median) != centre(b, median)),
    }
}

/// Leaves out the missing values of a column; of one without any value 0 is left.
pub(crate) fn drop_missing(rows: &CheckedMatrix, values: &mut Vec<f64>) {
    if rows.may_lack_values() {
        values.retain(|value| !value.is_nan());
        if values.is_empty() {
            values.push(0.0);
        }
    }
}

/// The median of each column over at most 1,024 rows, drawn by the seed: what is in the midst of a column, for
/// subtracting. All rows of a large table could not be read in the time that growing trees takes.
pub(crate) fn typical(rows: &CheckedMatrix, seed: u64) -> Vec<f64> {
    let mut drawn: Vec<u32> = (0..rows.rows().min(TYPICAL) as u32).collect();
    if rows.rows() > TYPICAL {
        Urn::new(rows.rows() as u32).draw(
            TYPICAL as u32,
            &mut Random::new(seed, TYPICAL_PURPOSE, 0),
            &mut drawn,
        );
    }
    let drawn: Vec<&[f64]> = drawn.iter().map(|&row| rows.row(row as usize)).collect();
    let mut values = Vec::with_capacity(drawn.len());
    let median = |column: usize| {
        values.clear();
        values.extend(drawn.iter().map(|row| row[column]));
        drop_missing(rows, &mut values);
        let odd = values.len() % 2;
        let middle = values.len() / 2;
        let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
        match odd {
            1 => upper,
            _ => (below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper) + upper) / 2.0,
        }
    };
    (0..rows.columns()).map(median).collect()
}

/// The value that 32-bit detectors see. Two values within ±`f32::MAX` can differ by more; the difference stays finite.
#[inline(always)]
pub(crate) fn centre(value: f64, median: f64) -> f32 {
    let max = f64::from(f32::MAX);
    (value - median).clamp(-max, max) as f32
}

/// The warning for a forest in which that many trees of all could not split anything.
pub(crate) fn no_splits(
    unsplit: usize,
    trees: usize,
    summaries: &[ColumnSummary],
    names: &[String],
) -> Warning {
    let constant: Vec<&str> = summaries
        .iter()
        .zip(names)
        .filter(|(summary, _)| summary.distinct_f32 == 1)
        .map(|(_, name)| name.as_str())
        .collect();
    let cause = match constant.len() {
        0 => "in their subsamples no column varies: raise sampleSize".to_owned(),
        len if len == summaries.len() => "every column is constant: check the data".to_owned(),
        _ => format!("constant columns: {}; remove them or check the data", list(&constant)),
    };
    Warning {
        reason: reasons::NO_SPLITS.to_owned(),
        message: format!("{unsplit} of {trees} trees cannot split anything; {cause}"),
    }
}

/// The warning for columns that a detector ignores because all their values are equal, if there are any.
pub(crate) fn constant_columns(ignored: impl Iterator<Item = bool>, names: &[String]) -> Option<Warning> {
    let constant: Vec<&str> =
        ignored.zip(names).filter_map(|(ignored, name)| ignored.then_some(name.as_str())).collect();
    let message = match constant.len() {
        0 => return None,
        len if len == names.len() => {
            "every column is constant, so no row is an anomaly: check the data".to_owned()
        }
        _ => format!("constant columns are ignored: {}; remove them or check the data", list(&constant)),
    };
    Some(Warning { reason: reasons::CONSTANT_COLUMNS.to_owned(), message })
}

/// The warning for columns of which a detector knows one value only, and any other is an anomaly, if there are any.
pub(crate) fn constant_columns_kept(
    constant: impl Iterator<Item = bool>,
    names: &[String],
) -> Option<Warning> {
    let constant: Vec<&str> =
        constant.zip(names).filter_map(|(constant, name)| constant.then_some(name.as_str())).collect();
    let message = match constant.len() {
        0 => return None,
        len if len == names.len() => "every column is constant: check the data".to_owned(),
        _ => format!(
            "constant columns: {}; any other value there is unusual. Remove them or check the data",
            list(&constant)
        ),
    };
    Some(Warning { reason: reasons::CONSTANT_COLUMNS.to_owned(), message })
}

/// The warning for columns that lose more than 1 % of their different values in 32 bits, if there are any.
pub(crate) fn precision_loss(summaries: &[ColumnSummary], names: &[String]) -> Option<Warning> {
    let losing: Vec<String> = summaries
        .iter()
        .zip(names)
        .filter(|(summary, _)| (summary.distinct - summary.distinct_f32) * 100 > summary.distinct)
        .map(|(summary, name)| format!("{name} ({} of {} values)", summary.distinct_f32, summary.distinct))
        .collect();
    if losing.is_empty() {
        return None;
    }
    let names: Vec<&str> = losing.iter().map(String::as_str).collect();
    Some(Warning {
        reason: reasons::PRECISION_LOSS.to_owned(),
        message: format!(
            "32-bit floating point cannot tell all values apart in {}; subtract a typical value or use a coarser unit",
            list(&names)
        ),
    })
}

fn list(names: &[&str]) -> String {
    match names.len().checked_sub(NAMED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(values: &[f64]) -> ColumnSummary {
        summarise(&CheckedMatrix::from_vec(values.to_vec(), 1).unwrap()).remove(0)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|column| format!("c{column}")).collect()
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middle_values() {
        assert_eq!(summary(&[3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(summary(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        let max = f64::from(f32::MAX);
        assert_eq!(summary(&[max, max]).median, max);
    }

    #[test]
    fn the_typical_value_of_few_rows_is_the_median_and_of_many_near_it() {
        for rows in [1, 2, 3, 50, 1_024] {
            let values = (0..rows).map(|row| ((row * 37) % 101) as f64 - 0.5).collect();
            let table = CheckedMatrix::from_vec(values, 1).unwrap();
            assert_eq!(typical(&table, 5), [summarise(&table)[0].median], "{rows} rows");
        }
        let values = (0..200_000).map(|at| if at % 2 == 0 { (at / 2) as f64 } else { -7.0 }).collect();
        let found = typical(&CheckedMatrix::from_vec(values, 2).unwrap(), 5);
        // Six standard errors of the median of 1,024 rows are 9.4 percentage points.
        assert!((40_600.0..59_400.0).contains(&found[0]) && found[1] == -7.0, "{found:?}");
    }

    #[test]
    fn values_that_only_f64_tells_apart_are_counted() {
        let counted = summary(&[0.0, 3.0, 3.0 + 1e-12, 2.0, -0.0]);
        assert_eq!((counted.distinct, counted.distinct_f32), (4, 3));
    }

    #[test]
    fn centring_keeps_seconds_of_unix_time_apart() {
        let seconds: Vec<f64> = (0..10_000).map(|second| 1.75e9 + f64::from(second)).collect();
        assert_eq!(precision_loss(&[summary(&seconds)], &names(1)), None);
    }

    #[test]
    fn a_column_that_loses_values_is_named_with_the_figures() {
        let steps: Vec<f64> =
            (0..100).map(|step| if step < 50 { 0.0 } else { 1e12 } + f64::from(step)).collect();
        let warning = precision_loss(&[summary(&[1.0, 2.0]), summary(&steps)], &names(2)).unwrap();
        assert_eq!(warning.reason, "PrecisionLoss");
        assert!(
            warning.message.contains("c1 (") && warning.message.contains("of 100 values)"),
            "{warning:?}"
        );
        assert!(!warning.message.contains("c0"));
    }

    #[test]
    fn numbers_below_the_smallest_f32_are_reported_as_lost() {
        let warning = precision_loss(&[summary(&[1e-310, 2e-310, 3e-310])], &names(1)).unwrap();
        assert!(warning.message.contains("c0 (1 of 3 values)"), "{warning:?}");
    }

    #[test]
    fn constant_columns_are_named_and_long_lists_cut() {
        let columns: Vec<ColumnSummary> =
            (0..8).map(|column| summary(&[0.0, if column == 7 { 1.0 } else { 0.0 }])).collect();
        let warning = no_splits(2, 100, &columns, &names(8));
        assert_eq!(
            warning.message,
            "2 of 100 trees cannot split anything; constant columns: c0, c1, c2, c3, c4 and 2 more; remove them or \
             check the data"
        );
        let warning = no_splits(100, 100, &columns[..7], &names(7));
        assert_eq!(
            warning.message,
            "100 of 100 trees cannot split anything; every column is constant: check the data"
        );
    }
}
