//! CSV (RFC 4180, UTF-8, a header, CRLF or LF) from pieces: records are matched with the features by the header's
//! names. Holds one record; a record has at most as many cells as the header and a bounded length.

mod records;

use self::records::{Record, Records};
use super::answer::{is_reserved, passed_cell, text_member};
use super::format::Format;
use super::lines::{Next, longest, too_long};
use super::row::{reserved, unknown, wrong_length, wrong_value};
use super::table::Passed;
use crate::problem::{FieldError, MAX_FIELD_ERRORS};
use crate::state::Served;
use crate::vector::{Accepts, shown};

/// More columns than any table has that people make.
const MOST_COLUMNS: usize = 16 << 10;

/// The reader of one CSV; made without its header, which comes first.
#[derive(Debug)]
pub(super) struct Csv {
    records: Records,
    /// For each column of the file, what it is.
    columns: Vec<Column>,
    /// How cells that are passed through are written; none: columns that are no features are refused.
    passthrough: Option<Format>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    Feature(usize),
    Passed(String),
}

impl Csv {
    pub(super) fn new(passthrough: Option<Format>) -> Self {
        Self { records: Records::new(), columns: Vec::new(), passthrough }
    }

    /// The bytes that the header took; none if more are needed. Comes before everything else.
    pub(super) fn read_header(
        &mut self,
        input: &[u8],
        last: bool,
        served: &Served,
    ) -> (usize, Option<Result<(), Vec<FieldError>>>) {
        let (read, record) = self.records.next(input, last, longest(served), MOST_COLUMNS);
        let header = match record {
            Record::Incomplete => return (read, None),
            Record::TooLong => Err(vec![too_long(served)]),
            Record::AfterQuote => Err(vec![after_quote()]),
            Record::OpenQuote => Err(vec![open_quote()]),
            Record::End => Err(vec![no_header(served, "an empty body")]),
            Record::Whole => self.find(served).map(|columns| self.columns = columns),
        };
        (read, Some(header))
    }

    /// The names of the columns that are passed through, in their order.
    pub(super) fn passed(&self) -> Vec<String> {
        let names = self.columns.iter().filter_map(|column| match column {
            Column::Passed(name) => Some(name.clone()),
            Column::Feature(_) => None,
        });
        names.collect()
    }

    fn find(&self, served: &Served) -> Result<Vec<Column>, Vec<FieldError>> {
        let names: Vec<String> = self.records.cells().map(|cell| name(cell, served)).collect();
        let is_feature = |name: &String| served.positions.contains_key(name);
        if names.iter().all(|name| name.parse::<f64>().is_ok()) && !names.iter().any(is_feature) {
            return Err(vec![no_header(served, &format!("{} (numbers)", shown(&names.join(","))))]);
        }
        let mut errors = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for name in &names {
            if !seen.insert(name) {
                let expected = "each name once".to_owned();
                let feature = Some(shown(name));
                let got = "given twice".to_owned();
                errors.push(FieldError { feature, expected, got, ..FieldError::default() });
            } else if !is_feature(name) {
                match self.passthrough {
                    None => errors.push(unknown(name)),
                    Some(_) if is_reserved(name) => errors.push(reserved(name)),
                    Some(_) => {}
                }
            }
        }
        for name in served.model.features().iter().filter(|name| !seen.contains(name)) {
            let expected = "a column of this name".to_owned();
            let feature = Some(name.clone());
            errors.push(FieldError { feature, expected, got: "missing".to_owned(), ..FieldError::default() });
        }
        errors.truncate(MAX_FIELD_ERRORS);
        if !errors.is_empty() {
            return Err(errors);
        }
        let column = |name: String| match served.positions.get(&name) {
            Some(position) => Column::Feature(*position),
            None => Column::Passed(name),
        };
        Ok(names.into_iter().map(column).collect())
    }

    /// See [`super::lines::Parser::next`].
    pub(super) fn next(
        &mut self,
        input: &[u8],
        last: bool,
        served: &Served,
        values: &mut Vec<f64>,
        passed: &mut Passed,
    ) -> (usize, Next) {
        let (read, record) = self.records.next(input, last, longest(served), self.columns.len());
        let next = match record {
            Record::Incomplete => return (read, Next::More),
            Record::End => return (read, Next::End),
            Record::TooLong => Next::Bad(self.too_long(served)),
            Record::AfterQuote => Next::Bad(after_quote()),
            Record::OpenQuote => Next::Bad(open_quote()),
            Record::Whole => self.row(served, values),
        };
        if let Some(format) = self.passthrough {
            // A bad row keeps what identifies it, where its cells can be told apart.
            let whole = self.records.ended == self.columns.len() && matches!(record, Record::Whole);
            self.pass(format, whole, passed.text());
            passed.end_row();
        }
        (read, next)
    }

    fn row(&self, served: &Served, values: &mut Vec<f64>) -> Next {
        if self.records.ended != self.columns.len() {
            return Next::Bad(wrong_length(self.columns.len(), self.records.ended));
        }
        let start = values.len();
        values.resize(start + served.width(), 0.0);
        for (column, cell) in self.columns.iter().zip(self.records.cells()) {
            let Column::Feature(position) = column else { continue };
            match number(cell, served.accepts) {
                Some(value) => values[start + position] = value,
                None => {
                    values.truncate(start);
                    let got = String::from_utf8_lossy(cell);
                    let got = if got.trim().is_empty() { "empty".to_owned() } else { shown(got.trim()) };
                    return Next::Bad(wrong_value(*position, served, got));
                }
            }
        }
        Next::Row
    }

    fn pass(&self, format: Format, whole: bool, out: &mut Vec<u8>) {
        let mut cells = self.records.cells();
        for column in &self.columns {
            let cell = if whole { cells.next().unwrap_or_default() } else { &[] };
            match column {
                Column::Feature(_) => {}
                Column::Passed(_) if format == Format::Csv => passed_cell(cell, out),
                Column::Passed(name) => text_member(name, cell, out),
            }
        }
    }

    /// The record was given up: for its bytes or for its cells.
    fn too_long(&self, served: &Served) -> FieldError {
        if self.records.too_many_cells {
            let expected = format!("{} values", self.columns.len());
            return FieldError { expected, got: "more".to_owned(), ..FieldError::default() };
        }
        too_long(served)
    }
}

/// A column's name: without the spaces around it, unless they belong to a feature's.
fn name(cell: &[u8], served: &Served) -> String {
    let name = String::from_utf8_lossy(cell);
    if served.positions.contains_key(&*name) { name.into_owned() } else { name.trim().to_owned() }
}

/// What the trainer takes for a number, too: a finite one within the range of 32-bit floating point,
/// spaces around it not counting. Where values may be missing an empty cell is one: NaN. Where infinities are routed, `inf`
/// and `-inf` are such, as most programs write them.
fn number(cell: &[u8], accepts: Accepts) -> Option<f64> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    if accepts.missing && text.is_empty() {
        return Some(f64::NAN);
    }
    let value: f64 = text.parse().ok()?;
    // The word NaN is no value anywhere: a missing one is an empty cell.
    (!value.is_nan() && accepts.takes(value)).then_some(value)
}

/// `"1"2` is no number and no text that anyone meant.
fn after_quote() -> FieldError {
    let expected = "a comma or the end of the line behind a quoted cell".to_owned();
    FieldError { expected, got: "something else".to_owned(), ..FieldError::default() }
}

/// Everything behind the quote was taken for its cell.
fn open_quote() -> FieldError {
    let expected =
        "a quote that ends the cell which begins with one: what follows it was not read as rows".to_owned();
    FieldError { expected, got: "the end of the body".to_owned(), ..FieldError::default() }
}

fn no_header(served: &Served, got: &str) -> FieldError {
    let names = served.model.features().join(",");
    let expected = format!("a header line that names the columns, such as {}", shown(&names));
    FieldError { expected, got: got.to_owned(), ..FieldError::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_finite_number_in_any_usual_spelling() {
        for (text, expected) in [
            ("1", Some(1.0)),
            (" -0.5 ", Some(-0.5)),
            ("1e-3", Some(0.001)),
            ("+2", Some(2.0)),
            ("3.4028234e38", Some(3.4028234e38)),
            ("1e39", None),
            ("1e999", None),
            ("nan", None),
            ("-inf", None),
            ("Infinity", None),
            ("", None),
            ("0x10", None),
            ("1,5", None),
        ] {
            assert_eq!(number(text.as_bytes(), Accepts::default()), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_cell_and_infinities_are_values_where_they_are_routed() {
        let missing = Accepts { missing: true, infinite: false };
        assert!(number(b" ", missing).is_some_and(f64::is_nan));
        assert_eq!((number(b"nan", missing), number(b"inf", missing)), (None, None));
        let infinite = Accepts { missing: false, infinite: true };
        for (text, expected) in [
            ("1e39", Some(1e39)),
            ("inf", Some(f64::INFINITY)),
            (" -Infinity ", Some(f64::NEG_INFINITY)),
            ("1e999", Some(f64::INFINITY)),
            ("nan", None),
            ("", None),
        ] {
            assert_eq!(number(text.as_bytes(), infinite), expected, "{text}");
        }
    }
}
