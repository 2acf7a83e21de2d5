//! Standardised columns: (x − median) / standard deviation, in f64 and then rounded to f32.

use crate::forest::MAX_COLUMNS;
use crate::matrix::CheckedMatrix;
use crate::scaling::{Scale, Width, scales};

/// How rows are standardised, and which columns are left out because they are constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standard {
    scales: Vec<Scale>,
    /// The columns that vary; the first one if none does.
    live: Vec<u32>,
}

impl Standard {
    pub(super) fn fit(rows: &CheckedMatrix) -> Self {
        Self::new(scales(rows, Width::Deviation)).expect("the columns of a table that was checked")
    }

    pub(super) fn new(scales: Vec<Scale>) -> Result<Self, String> {
        let columns = scales.len();
        if !(1..=MAX_COLUMNS).contains(&columns) {
            return Err(format!("it has {columns} columns: 1 to {MAX_COLUMNS} are expected"));
        }
        if !scales.iter().all(|scale| scale.is_valid()) {
            return Err("a median or a standard deviation is out of range".to_owned());
        }
        let varies = |&column: &u32| scales[column as usize].width > 0.0;
        let mut live: Vec<u32> = (0..columns as u32).filter(varies).collect();
        if live.is_empty() {
            live.push(0);
        }
        Ok(Self { scales, live })
    }

    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// How many columns are looked at; at least 1.
    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    /// Writes the values of the columns that are looked at; what follows them stays as it is.
    pub(super) fn read(&self, row: &[f64], values: &mut [f64]) {
        for (value, &column) in values.iter_mut().zip(&self.live) {
            let column = column as usize;
            *value = self.scales[column].apply_f32(row[column]).into();
        }
    }

    /// Numbers of the columns that are looked at to all columns, 0 for the others.
    pub(super) fn spread(&self, live: &[f64], all: &mut [f64]) {
        all.fill(0.0);
        self.live.iter().zip(live).for_each(|(&column, &value)| all[column as usize] = value);
    }

    /// Moves a row by that many standard deviations in one of the columns that are looked at.
    pub(super) fn shift(&self, row: &mut [f64], live: usize, by: f64) {
        let column = self.live[live] as usize;
        row[column] += by * self.scales[column].width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_constants_still_has_a_column_to_look_at() {
        let rows = CheckedMatrix::from_vec(vec![7.0; 6], 2).unwrap();
        let standard = Standard::fit(&rows);
        let mut values = [1.0; 4];
        standard.read(&[9.0, 9.0], &mut values);
        assert_eq!((standard.live(), values), (1, [0.0, 1.0, 1.0, 1.0]));
    }

    #[test]
    fn only_columns_that_vary_are_looked_at() {
        let rows = CheckedMatrix::from_vec(vec![7.0, 1.0, 0.0, 7.0, 3.0, 0.0], 3).unwrap();
        let standard = Standard::fit(&rows);
        let mut values = [0.0];
        standard.read(&[9.0, 4.0, 9.0], &mut values);
        assert_eq!((standard.live(), values), (1, [2.0]));
        let mut all = [9.0; 3];
        standard.spread(&[5.0], &mut all);
        assert_eq!(all, [0.0, 5.0, 0.0]);
    }
}
