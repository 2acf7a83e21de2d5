//! From CSV text to a checked matrix: columns by name, one error that says where and what.
//!
//! Pure: reads what it is given, keeps the numbers and nothing else. Rows are counted as lines of the file, the
//! header being line 1, because that is what an editor shows. No number is ever made up: a cell that is empty, not
//! a number or not finite ends the reading.

mod error;
mod header;
mod plain;
pub mod records;
mod suggest;

use std::io::Read;

use detectors::CheckedMatrix;
use detectors::config::Missing;

pub use error::{InputError, Located, Problem};
pub use header::{MOST_COLUMNS, column_names};
use records::{Record, Records};

/// Largest magnitude a cell may have: detectors compare in single precision.
const LARGEST: f64 = f32::MAX as f64;

/// Reads the columns called `features`, in that order, from CSV (RFC 4180, UTF-8, with a header line).
///
/// Other columns are ignored, a time stamp column being the ordinary case; blank lines are skipped. `origin` names
/// the source in every error ("ConfigMap demo/x key train.csv"). An empty cell is an error, or a missing value (NaN) where
/// those are routed. Memory is the matrix and one line.
///
/// # Errors
/// [`InputError`], which names the origin and, where there is one, the line and the column.
pub fn read_csv(
    input: impl Read,
    features: &[String],
    origin: &str,
    missing: Missing,
) -> Result<CheckedMatrix, InputError> {
    let located = |at: Located| InputError::new(origin, at);
    let mut records = Records::new(input);
    let header = records.next_record().map_err(located)?.ok_or_else(|| InputError::no_data(origin))?;
    let mut columns = Columns::find(&header, features).map_err(|p| located(p.into()))?;
    columns.missing = missing == Missing::Route;

    let mut values = Vec::new();
    while let Some((line, text)) = records.next_text().map_err(located)? {
        if !columns.read_plain(text, &mut values) {
            let record = records::record(line, text).map_err(located)?;
            columns.read(&record, &mut values).map_err(|fault| fault.into_error(origin, line))?;
        }
    }
    if values.is_empty() {
        return Err(located(Problem::NoRows.into()));
    }
    let make = if columns.missing { CheckedMatrix::with_missing } else { CheckedMatrix::from_vec };
    make(values, features.len()).map_err(|e| located(Problem::Matrix(e.to_string()).into()))
}

/// Where the features stand in a record.
struct Columns {
    /// (index in the record, name), in the order of the features.
    wanted: Vec<(usize, String)>,
    width: usize,
    /// For each cell of a record, the place of its value in a row; none where it is not wanted.
    places: Vec<Option<usize>>,
    /// Whether an empty cell is a missing value.
    missing: bool,
}

/// A problem in one row; the column is absent when the row as a whole is at fault.
struct Fault {
    column: Option<String>,
    problem: Problem,
}

impl Fault {
    fn into_error(self, origin: &str, line: u64) -> InputError {
        InputError::at(origin, line, self.column, self.problem)
    }
}

impl Columns {
    fn find(header: &Record<'_>, features: &[String]) -> Result<Self, Problem> {
        let names: Vec<&str> = header.cells.iter().map(|c| c.trim()).collect();
        if features.is_empty() {
            return Err(Problem::NoFeatures);
        }
        let known = header::Places::of(&names);
        let wanted: Vec<(usize, String)> = features
            .iter()
            .map(|f| Ok((position(&known, &names, f)?, f.clone())))
            .collect::<Result<_, _>>()?;
        let mut places = vec![None; names.len()];
        wanted.iter().enumerate().for_each(|(place, (index, _))| places[*index] = Some(place));
        Ok(Self { wanted, width: names.len(), places, missing: false })
    }

    /// Appends the values of a record of numbers; false, and nothing appended, where it is not that simple.
    fn read_plain(&self, text: &str, values: &mut Vec<f64>) -> bool {
        let begin = values.len();
        values.resize(begin + self.wanted.len(), f64::NAN);
        let simple = self.fill(text, &mut values[begin..]);
        if !simple {
            values.truncate(begin);
        }
        simple
    }

    fn fill(&self, text: &str, row: &mut [f64]) -> bool {
        let mut rest = text;
        for (index, place) in self.places.iter().enumerate() {
            let ends = |end: usize| rest.as_bytes().get(end).is_none_or(|&byte| byte == b',');
            let plain = place.and_then(|_| plain::number(rest.as_bytes())).filter(|(_, end)| ends(*end));
            let end = match plain {
                Some((_, end)) => end,
                None => rest.bytes().position(|byte| byte == b',' || byte == b'"').unwrap_or(rest.len()),
            };
            if let Some(place) = *place {
                row[place] = match plain {
                    Some((value, _)) => value,
                    None => match number(&rest[..end]) {
                        Ok(value) => value,
                        Err(_) => return false,
                    },
                };
            }
            match rest.as_bytes().get(end) {
                Some(b',') => rest = &rest[end + 1..],
                // A feature that is named twice has been given a value once.
                None => return index + 1 == self.width && !row.iter().any(|value| value.is_nan()),
                Some(_) => return false,
            }
        }
        false
    }

    /// Appends one row's values.
    fn read(&self, record: &Record<'_>, values: &mut Vec<f64>) -> Result<(), Fault> {
        if record.cells.len() != self.width {
            let problem = Problem::Ragged { cells: record.cells.len(), header: self.width };
            return Err(Fault { column: None, problem });
        }
        for (index, name) in &self.wanted {
            let value = match number(&record.cells[*index]) {
                Err(Problem::EmptyCell) if self.missing => f64::NAN,
                value => value.map_err(|problem| Fault { column: Some(name.clone()), problem })?,
            };
            values.push(value);
        }
        Ok(())
    }
}

/// The index of the one column with this name.
fn position(known: &header::Places<'_>, names: &[&str], feature: &str) -> Result<usize, Problem> {
    known.only(feature)?.ok_or_else(|| missing(names, feature))
}

/// Why there is no such column: no header line, another separator, or simply another name.
fn missing(names: &[&str], feature: &str) -> Problem {
    if let Some(problem) = header::none(names) {
        return problem;
    }
    Problem::MissingColumn {
        feature: error::shown(feature),
        closest: suggest::closest(feature, names).map(error::shown),
        columns: error::listed(names),
    }
}

/// The finite number in a cell. Spaces around it are ignored; the value is the nearest double.
///
/// # Errors
/// [`Problem`]: an empty cell, no number, one that is not finite or beyond single precision.
pub fn number(cell: &str) -> Result<f64, Problem> {
    let text = cell.trim();
    if text.is_empty() {
        return Err(Problem::EmptyCell);
    }
    if let Some((value, length)) = plain::number(text.as_bytes())
        && length == text.len()
    {
        return Ok(value);
    }
    let value: f64 = text.parse().map_err(|_| Problem::NotANumber { text: error::shown(text) })?;
    let spelled_out = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_alphabetic());
    if spelled_out {
        return Err(Problem::NotFinite { text: error::shown(text) });
    }
    if value.abs() > LARGEST {
        return Err(Problem::TooLarge { text: error::shown(text) });
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
