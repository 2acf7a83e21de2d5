//! The features among a table's columns, and their numbers.

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Schema};
use trainer::data::{Problem, number};

use super::{Chunk, TableError};

/// Where a model's features stand in a table.
pub struct Columns {
    /// (index in the table, name), in the order of the vector.
    features: Vec<(usize, String)>,
}

/// The rows of a chunk as numbers.
pub struct Rows {
    /// Those that can be scored, one after the other.
    pub values: Vec<f64>,
    /// For each row of the chunk, why it cannot be scored.
    pub faults: Vec<Option<String>>,
}

impl Columns {
    /// Finds `features` by name, in any order; further columns are left alone.
    ///
    /// # Errors
    /// A feature that no column, or more than one, is called after, or whose column holds no numbers.
    pub fn find(schema: &Schema, features: &[String], file: &str) -> Result<Self, TableError> {
        let fault = |reason| TableError::Columns { file: file.to_owned(), reason };
        let find = |feature: &String| {
            let mut found = schema.fields().iter().enumerate().filter(|(_, field)| field.name() == feature);
            let Some((index, field)) = found.next() else {
                let names: Vec<&str> =
                    schema.fields().iter().take(20).map(|field| field.name().as_str()).collect();
                return Err(fault(format!(
                    "there is no column {feature:?}, a feature of the model; the first columns are {}",
                    names.join(", ")
                )));
            };
            if found.next().is_some() {
                return Err(fault(format!("two columns are called {feature:?}: rename or remove one")));
            }
            if !is_number(field.data_type()) {
                let kind = field.data_type();
                return Err(fault(format!("column {feature:?} is {kind}: a feature's values are numbers")));
            }
            Ok((index, feature.clone()))
        };
        Ok(Self { features: features.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// The numbers of a chunk's rows, as far as these are accepted; an empty cell and no value are NaN.
    pub fn read(&self, chunk: &Chunk, accepts: impl Fn(f64) -> bool) -> Rows {
        let mut faults = chunk.faults.clone();
        let columns: Vec<Vec<f64>> = (self.features.iter())
            .map(|(index, name)| read(&chunk.batch, *index, name, &accepts, &mut faults))
            .collect();
        let good = faults.iter().enumerate().filter(|(_, fault)| fault.is_none()).map(|(row, _)| row);
        let values = good.flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        Rows { values, faults }
    }
}

fn is_number(kind: &DataType) -> bool {
    // Texts are read as a CSV's cells are.
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    text || kind.is_numeric() && can_cast_types(kind, &DataType::Float64)
}

/// One column's values; a row that has none gets a fault, if it has not one already.
fn read(
    batch: &RecordBatch,
    index: usize,
    name: &str,
    accepts: impl Fn(f64) -> bool,
    faults: &mut [Option<String>],
) -> Vec<f64> {
    let column = batch.column(index);
    let mut values = vec![0.0; column.len()];
    let mut note = |row: usize, problem: String| {
        faults[row].get_or_insert_with(|| format!("column {name:?}: {problem}"));
    };
    if column.data_type().is_numeric() {
        let numbers = to_f64(column);
        let numbers = numbers.as_primitive::<Float64Type>();
        for (row, value) in numbers.iter().enumerate() {
            match value {
                // (NaN is what NumPy and pandas write for a missing value)
                Some(value) if accepts(value) => values[row] = value,
                Some(value) => note(row, format!("{value} is not finite and within ±3.4028234e38")),
                None if accepts(f64::NAN) => values[row] = f64::NAN,
                None => note(row, "there is no value: every row needs a number here".to_owned()),
            }
        }
        return values;
    }
    let texts = to_text(column);
    for (row, text) in texts.as_string::<i32>().iter().enumerate() {
        let text = text.unwrap_or_default();
        match number(text) {
            Ok(value) => values[row] = value,
            Err(Problem::EmptyCell) if accepts(f64::NAN) => values[row] = f64::NAN,
            Err(problem) => match text.trim().parse::<f64>() {
                // Beyond 32 bits, or an infinity; the word NaN is no value.
                Ok(value) if !value.is_nan() && accepts(value) => values[row] = value,
                _ => note(row, problem.to_string()),
            },
        }
    }
    values
}

fn to_f64(column: &ArrayRef) -> ArrayRef {
    cast_with_options(column, &DataType::Float64, &CastOptions::default())
        .expect("checked when it was opened")
}

fn to_text(column: &ArrayRef) -> ArrayRef {
    cast_with_options(column, &DataType::Utf8, &CastOptions::default()).expect("checked when it was opened")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray};

    use super::*;

    /// The values of numbers and of texts, and how many rows cannot be scored.
    fn read(accepts: impl Fn(f64) -> bool) -> (Vec<u64>, usize) {
        let numbers = [Some(1e39), Some(f64::NEG_INFINITY), None, Some(f64::NAN), Some(2.0)];
        let texts = ["-1e39", "inf", "", "nan", "2"];
        let columns: [(&str, ArrayRef); 2] = [
            ("number", Arc::new(Float64Array::from(numbers.to_vec()))),
            ("text", Arc::new(StringArray::from(texts.to_vec()))),
        ];
        let mut scored = (Vec::new(), 0);
        for (name, column) in columns {
            let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
            let columns = Columns::find(&batch.schema(), &[name.to_owned()], "rows").unwrap();
            let rows = columns.read(&Chunk { batch, faults: vec![None; 5] }, &accepts);
            scored.0.extend(rows.values.iter().map(|value| value.to_bits()));
            scored.1 += rows.faults.iter().filter(|fault| fault.is_some()).count();
        }
        scored
    }

    #[test]
    fn values_are_read_as_far_as_the_model_accepts_them() {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(read(|value| value.abs() < 1e38), (bits(&[2.0, 2.0]), 8));
        let infinite = bits(&[1e39, f64::NEG_INFINITY, 2.0, -1e39, f64::INFINITY, 2.0]);
        assert_eq!(read(|value| !value.is_nan()), (infinite, 4));
        // The word NaN is no value in a text, while it is how numbers say that there is none.
        let missing = bits(&[f64::NAN, f64::NAN, 2.0, f64::NAN, 2.0]);
        assert_eq!(read(|value| value.is_nan() || value == 2.0), (missing, 5));
    }
}
