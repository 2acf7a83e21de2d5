//! Rows from lines, whatever the pieces in which they arrive: NDJSON here, CSV in its own file.
//!
//! A parser holds no more than one row, and a row is bounded.

use super::csv::Csv;
use super::row::{self, RowSeed};
use super::table::Passed;
use crate::problem::FieldError;
use crate::state::Served;

/// What came out of some bytes.
#[derive(Debug)]
pub(super) enum Next {
    /// A row, whose values have been added.
    Row,
    /// A row that cannot be scored; nothing has been added.
    Bad(FieldError),
    /// No whole row: more bytes are needed.
    More,
    /// Nothing more will come.
    End,
}

/// One of the two.
#[derive(Debug)]
pub(super) enum Parser {
    Ndjson(Ndjson),
    Csv(Box<Csv>),
}

impl Parser {
    /// The next row and how many bytes it took; `last` says that nothing comes after these bytes. What is to be
    /// passed through is added for good and for bad rows.
    pub(super) fn next(
        &mut self,
        input: &[u8],
        last: bool,
        served: &Served,
        values: &mut Vec<f64>,
        passed: &mut Passed,
    ) -> (usize, Next) {
        match self {
            Self::Ndjson(ndjson) => ndjson.next(input, last, served, values, passed),
            Self::Csv(csv) => csv.next(input, last, served, values, passed),
        }
    }
}

/// The longest row, in bytes: numbers are rarely longer than 25.
pub(super) fn longest(served: &Served) -> usize {
    (64 << 10) + 64 * served.width()
}

/// A row that is too long to be held.
pub(super) fn too_long(served: &Served) -> FieldError {
    let expected = format!("a row of at most {} bytes", longest(served));
    FieldError { expected, got: "more".to_owned(), ..FieldError::default() }
}

/// A JSON array or object a line; blank lines are skipped.
#[derive(Debug)]
pub(super) struct Ndjson {
    passthrough: bool,
    begun: bool,
    /// How much of an incomplete line has been looked at.
    seen: usize,
    /// The rest of a line that was too long.
    skipping: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Ndjson {
    pub(super) const fn new(passthrough: bool) -> Self {
        Self { passthrough, begun: false, seen: 0, skipping: false }
    }

    fn next(
        &mut self,
        input: &[u8],
        last: bool,
        served: &Served,
        values: &mut Vec<f64>,
        passed: &mut Passed,
    ) -> (usize, Next) {
        let Some(mut at) = after_mark(&mut self.begun, input, last) else { return (0, Next::More) };
        loop {
            let rest = &input[at..];
            let seen = std::mem::take(&mut self.seen);
            let end = rest[seen..].iter().position(|byte| *byte == b'\n').map(|end| seen + end);
            let line = match end {
                Some(end) => &rest[..end],
                None if last => rest,
                None if self.skipping => return (input.len(), Next::More),
                None if rest.len() > longest(served) => {
                    self.skipping = true;
                    return (input.len(), Next::Bad(self.bad(too_long(served), passed)));
                }
                None => {
                    self.seen = rest.len();
                    return (at, Next::More);
                }
            };
            at += line.len() + usize::from(end.is_some());
            let skipped = std::mem::take(&mut self.skipping);
            if !skipped && !line.trim_ascii().is_empty() {
                return (at, self.row(line, served, values, passed));
            }
            if end.is_none() {
                return (at, Next::End);
            }
        }
    }

    fn row(&self, line: &[u8], served: &Served, values: &mut Vec<f64>, passed: &mut Passed) -> Next {
        if line.len() > longest(served) {
            return Next::Bad(self.bad(too_long(served), passed));
        }
        let before = values.len();
        let seed = RowSeed { served, values, passed: self.passthrough.then(|| passed.text()) };
        if row::read(line, seed) {
            if self.passthrough {
                passed.end_row();
            }
            return Next::Row;
        }
        values.truncate(before);
        let faults = row::explain(line, served, self.passthrough);
        Next::Bad(self.bad(faults.into_iter().next().unwrap_or_default(), passed))
    }

    /// Nothing of a bad row is passed through: it may not even be an object.
    fn bad(&self, fault: FieldError, passed: &mut Passed) -> FieldError {
        if self.passthrough {
            passed.drop_row();
            passed.end_row();
        }
        fault
    }
}

/// Where the text begins behind a byte order mark; none if that cannot be told yet.
pub(super) fn after_mark(begun: &mut bool, input: &[u8], last: bool) -> Option<usize> {
    if *begun {
        return Some(0);
    }
    if !last && input.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(input) {
        return None;
    }
    *begun = true;
    Some(if input.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 })
}
