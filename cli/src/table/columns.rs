//! The features among a table's columns, and their numbers.

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, Schema};
use detectors::CheckedMatrix;
use trainer::data::{Problem, number};

use super::{Chunk, TableError};

/// Where a model's features stand in a table.
pub struct Columns {
    /// (index in the table, name), in the order of the vector.
    features: Vec<(usize, String)>,
}

/// The rows of a chunk as numbers.
pub struct Rows {
    /// Those that can be scored; none if there is none.
    pub matrix: Option<CheckedMatrix>,
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

    /// The numbers of a chunk's rows.
    /// With `missing`, an empty cell or no value is a missing one, NaN.
    pub fn read(&self, chunk: &Chunk, missing: bool) -> Rows {
        let mut faults = chunk.faults.clone();
        let columns: Vec<Vec<f64>> = (self.features.iter())
            .map(|(index, name)| read(&chunk.batch, *index, name, missing, &mut faults))
            .collect();
        let good = faults.iter().enumerate().filter(|(_, fault)| fault.is_none()).map(|(row, _)| row);
        let values: Vec<f64> = good.flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        // Every value has been checked; only an empty table is refused.
        let width = self.features.len();
        let matrix = if missing {
            CheckedMatrix::with_missing(values, width)
        } else {
            CheckedMatrix::from_vec(values, width)
        };
        let matrix = matrix.ok();
        Rows { matrix, faults }
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
    missing: bool,
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
                Some(value) if value.is_finite() && value.abs() <= f64::from(f32::MAX) => values[row] = value,
                // (what NumPy and pandas write for a missing value)
                Some(value) if missing && value.is_nan() => values[row] = f64::NAN,
                Some(value) => note(row, format!("{value} is not finite and within ±3.4028234e38")),
                None if missing => values[row] = f64::NAN,
                None => note(row, "there is no value: every row needs a number here".to_owned()),
            }
        }
        return values;
    }
    let texts = to_text(column);
    for (row, text) in texts.as_string::<i32>().iter().enumerate() {
        match number(text.unwrap_or_default()) {
            Err(Problem::EmptyCell) if missing => values[row] = f64::NAN,
            Ok(value) => values[row] = value,
            Err(problem) => note(row, problem.to_string()),
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
