//! Rows that have been checked once, so that nothing after has to check them again.

use ndarray::{Array2, ArrayView2};

/// A row-major table of n ≥ 1 rows and d ≥ 1 columns, each value finite and within ±`f32::MAX`; or, in a table that was
/// made for them, missing (NaN) or whatever a model accepts.
#[derive(Clone, Debug)]
pub struct CheckedMatrix {
    /// In standard (row-major) layout.
    values: Vec<f64>,
    columns: usize,
    kind: Kind,
}

/// Which values a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Finite and within ±`f32::MAX`.
    Numbers,
    /// Those, and NaN.
    Missing,
    /// What one model accepts.
    Accepted,
}

/// By bits, so that missing values are equal.
impl PartialEq for CheckedMatrix {
    fn eq(&self, other: &Self) -> bool {
        let bits = |table: &Self| table.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        (self.columns, self.kind) == (other.columns, other.kind) && bits(self) == bits(other)
    }
}

/// Why a table cannot be used. Rows and columns count from 0 in the fields and from 1 in the messages.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// No rows.
    #[error("the table has no rows: at least one is needed")]
    NoRows,
    /// No columns.
    #[error("the table has no columns: at least one is needed")]
    NoColumns,
    /// The number of values is no multiple of the number of columns.
    #[error("{values} values do not fill rows of {columns} columns")]
    Ragged {
        /// The number of values.
        values: usize,
        /// The number of columns.
        columns: usize,
    },
    /// A value that is not a number, infinite, or beyond what 32-bit floating point holds.
    #[error("row {}, column {} is {value}: values must be finite and within ±3.4028234e38", row + 1, column + 1)]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
}

impl CheckedMatrix {
    /// Checks a table of shape (n, d); any memory layout is accepted, row-major is not copied.
    ///
    /// # Errors
    /// No rows, no columns, or the first value that is not finite or beyond ±`f32::MAX`.
    pub fn new(values: Array2<f64>) -> Result<Self, MatrixError> {
        let (rows, columns) = values.dim();
        if rows == 0 {
            return Err(MatrixError::NoRows);
        }
        let values = if values.is_standard_layout() {
            // A standard layout may still start inside its buffer; only then does this copy.
            match values.into_raw_vec_and_offset() {
                (raw, None | Some(0)) if raw.len() == rows * columns => raw,
                (raw, offset) => raw[offset.unwrap_or(0)..][..rows * columns].to_vec(),
            }
        } else {
            values.iter().copied().collect()
        };
        Self::from_vec(values, columns)
    }

    /// Checks values in row-major order; their number must be a multiple of `columns`.
    ///
    /// # Errors
    /// As [`CheckedMatrix::new`], and for a last row that is not complete.
    pub fn from_vec(values: Vec<f64>, columns: usize) -> Result<Self, MatrixError> {
        Self::of_kind(values, columns, Kind::Numbers, in_range)
    }

    /// As [`CheckedMatrix::from_vec`], but NaN is a missing value: for training and scoring with missing values routed.
    ///
    /// # Errors
    /// As [`CheckedMatrix::from_vec`]; NaN is none.
    pub fn with_missing(values: Vec<f64>, columns: usize) -> Result<Self, MatrixError> {
        Self::of_kind(values, columns, Kind::Missing, |value| value.is_nan() || in_range(value))
    }

    /// A table of whatever `accepts` holds for.
    pub(crate) fn accepted(
        values: Vec<f64>,
        columns: usize,
        accepts: impl Fn(f64) -> bool,
    ) -> Result<Self, MatrixError> {
        let usual = values.iter().all(|&value| in_range(value));
        Self::of_kind(values, columns, if usual { Kind::Numbers } else { Kind::Accepted }, accepts)
    }

    /// Whether values may be missing (NaN); there need not be any.
    pub fn may_lack_values(&self) -> bool {
        self.kind != Kind::Numbers
    }

    fn of_kind(
        values: Vec<f64>,
        columns: usize,
        kind: Kind,
        accepts: impl Fn(f64) -> bool,
    ) -> Result<Self, MatrixError> {
        if columns == 0 {
            return Err(MatrixError::NoColumns);
        }
        if values.is_empty() {
            return Err(MatrixError::NoRows);
        }
        if !values.len().is_multiple_of(columns) {
            return Err(MatrixError::Ragged { values: values.len(), columns });
        }
        // Without a way out in its midst, the check of a chunk is several values a step.
        let good = |chunk: &[f64]| chunk.iter().fold(true, |good, &value| good & accepts(value));
        let bad = values.chunks(1_024).position(|chunk| !good(chunk)).map_or(values.len(), |at| 1_024 * at);
        match values[bad..].iter().position(|&value| !accepts(value)).map(|at| bad + at) {
            None => Ok(Self { values, columns, kind }),
            Some(at) => {
                Err(MatrixError::NotFinite { row: at / columns, column: at % columns, value: values[at] })
            }
        }
    }

    /// n ≥ 1.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// d ≥ 1.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row, of d values. Panics if there is no such row, as a slice would.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// Some of the rows, in the order of their indices. Panics if a row does not exist or none is asked for.
    pub(crate) fn select(&self, rows: &[u32]) -> Self {
        assert!(!rows.is_empty(), "a table has at least one row");
        let values = rows.iter().flat_map(|&row| self.row(row as usize)).copied().collect();
        Self { values, columns: self.columns, kind: self.kind }
    }

    /// All values, row by row.
    pub fn as_slice(&self) -> &[f64] {
        &self.values
    }

    /// Shape (n, d).
    pub fn view(&self) -> ArrayView2<'_, f64> {
        ArrayView2::from_shape((self.rows(), self.columns), &self.values)
            .expect("whole rows, checked when made")
    }
}

/// Whether a value can be scored: finite, and still finite in 32 bits.
pub(crate) fn in_range(value: f64) -> bool {
    value.abs() <= f64::from(f32::MAX)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_bad_value_is_named_with_its_row_and_column() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -3.5e38] {
            let error = CheckedMatrix::new(array![[1.0, 2.0], [3.0, bad]]).unwrap_err();
            assert!(
                matches!(error, MatrixError::NotFinite { row: 1, column: 1, value } if value.to_bits() == bad.to_bits())
            );
        }
        let message = CheckedMatrix::new(array![[1.0, f64::NAN]]).unwrap_err().to_string();
        assert_eq!(message, "row 1, column 2 is NaN: values must be finite and within ±3.4028234e38");
    }

    #[test]
    fn missing_values_are_accepted_only_where_they_are_meant() {
        let values = vec![1.0, f64::NAN, 3.0, 4.0];
        let table = CheckedMatrix::with_missing(values.clone(), 2).unwrap();
        assert!(table.may_lack_values() && table == CheckedMatrix::with_missing(values.clone(), 2).unwrap());
        assert!(matches!(
            CheckedMatrix::from_vec(values, 2),
            Err(MatrixError::NotFinite { row: 0, column: 1, .. })
        ));
        for bad in [f64::INFINITY, 1e300] {
            assert!(CheckedMatrix::with_missing(vec![bad], 1).is_err());
        }
        assert!(!CheckedMatrix::accepted(vec![1.0], 1, |_| true).unwrap().may_lack_values());
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_are_accepted() {
        let max = f64::from(f32::MAX);
        assert!(CheckedMatrix::new(array![[max, -max], [f64::MIN_POSITIVE, -0.0]]).is_ok());
    }

    #[test]
    fn tables_without_rows_or_columns_are_refused() {
        assert_eq!(CheckedMatrix::new(Array2::zeros((0, 3))), Err(MatrixError::NoRows));
        assert_eq!(CheckedMatrix::new(Array2::zeros((3, 0))), Err(MatrixError::NoColumns));
        assert_eq!(
            CheckedMatrix::from_vec(vec![1.0; 5], 2),
            Err(MatrixError::Ragged { values: 5, columns: 2 })
        );
    }

    #[test]
    fn column_major_and_sliced_tables_keep_their_values() {
        let table = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let transposed = table.clone().reversed_axes();
        assert_eq!(CheckedMatrix::new(transposed.clone()).unwrap().view(), transposed);
        let mut sliced = table.clone();
        sliced.slice_axis_inplace(ndarray::Axis(0), ndarray::Slice::from(1..));
        assert_eq!(CheckedMatrix::new(sliced).unwrap().row(0), [4.0, 5.0, 6.0]);
    }
}
