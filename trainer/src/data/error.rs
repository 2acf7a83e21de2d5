//! What can be wrong with training data, in words that a user can act on. Says; never decides.

use std::fmt;

use super::header::MOST_COLUMNS;

/// Longest piece of the data that a message repeats, in characters.
const SHOWN: usize = 40;
/// Most column names that a message lists.
const LISTED: usize = 20;

/// Training data that cannot be used: what, where, and of which source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    origin: String,
    line: Option<u64>,
    column: Option<String>,
    problem: Box<Problem>,
    /// Whether no columns were named, so that all are read.
    every_column: bool,
}

/// What is wrong, without the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing but blank lines.
    #[error("empty: expected a header line and rows of numbers")]
    NoData,
    /// A header and no rows.
    #[error("there is a header but no row below it")]
    NoRows,
    /// The model asks for no column.
    #[error("no features are named: there is nothing to read")]
    NoFeatures,
    /// The first line is numbers.
    #[error("the first line holds numbers where the names of the columns are expected: add a header line")]
    NoHeader,
    /// The header has one column that looks like several.
    #[error("the header {header:?} is a single column: separate cells by ',' instead of {separator:?}")]
    Separator {
        /// What seems to separate the cells.
        separator: char,
        /// The header.
        header: String,
    },
    /// A feature that no column is named after.
    #[error("there is no column {feature:?}{}; its columns are {columns}", did_you_mean(.closest.as_deref()))]
    MissingColumn {
        /// The name that was looked for.
        feature: String,
        /// The nearest name in the header.
        closest: Option<String>,
        /// The header's names, joined.
        columns: String,
    },
    /// A feature that two columns are named after.
    #[error("two columns are called {name:?} (number {first} and {second}): rename or remove one")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// Number of the first such column, from 1.
        first: usize,
        /// Number of the second.
        second: usize,
    },
    /// A column without a name, where every column is read.
    #[error(
        "column {number} has no name in the header: give it one, or list the columns to read in spec.features"
    )]
    UnnamedColumn {
        /// Number of the column, from 1.
        number: usize,
    },
    /// More columns than can be read without being named.
    #[error(
        "the header has {columns} columns, of which at most {MOST_COLUMNS} can be read: list those to read in spec.features"
    )]
    TooManyColumns {
        /// Columns in the header.
        columns: usize,
    },
    /// A row with more or fewer cells than the header.
    #[error("{}, but the header has {header}", cells_of(*.cells))]
    Ragged {
        /// Cells in the row.
        cells: usize,
        /// Cells in the header.
        header: usize,
    },
    /// A cell with nothing in it.
    #[error("the cell is empty: every row needs a number here")]
    EmptyCell,
    /// A cell that is no number.
    #[error("{text:?} is not a number")]
    NotANumber {
        /// The cell.
        text: String,
    },
    /// NaN or an infinity.
    #[error("{text:?} is not a finite number: remove the row or fill in a value")]
    NotFinite {
        /// The cell.
        text: String,
    },
    /// A magnitude that single precision cannot hold.
    #[error("{text:?} is beyond ±3.4e38, the largest magnitude that can be used")]
    TooLarge {
        /// The cell.
        text: String,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text: save the file as CSV in UTF-8")]
    NotUtf8,
    /// A NUL byte.
    #[error("a NUL byte: this is not a text file in UTF-8")]
    Nul,
    /// A carriage return inside a line.
    #[error("a carriage return inside the header: end lines with LF or CR LF")]
    LoneCarriageReturn,
    /// A quoted cell that never ends.
    #[error("a quote (\") opened here is never closed")]
    OpenQuote,
    /// Text between a closing quote and the next comma.
    #[error("a closing quote (\") is followed by more text: double the quotes inside a quoted cell")]
    AfterQuote,
    /// A record that would not be bounded.
    #[error("longer than {limit} bytes: is this a CSV file?")]
    LongRecord {
        /// The most bytes that a record may have.
        limit: usize,
    },
    /// Fewer rows than the model asks for.
    #[error("{rows} of at least {needed} rows")]
    TooFewRows {
        /// Rows read.
        rows: u64,
        /// Rows wanted (`training.minRows`).
        needed: u64,
    },
    /// The matrix was refused for a reason that reading did not see.
    #[error("{0}")]
    Matrix(String),
    /// The source could not be read to its end.
    #[error("cannot be read: {0}")]
    Io(String),
}

impl InputError {
    /// A problem at a place of `origin`, the source as people know it.
    pub fn new(origin: &str, located: Located) -> Self {
        let Located { line, problem } = located;
        Self {
            origin: origin.to_owned(),
            line,
            column: None,
            problem: Box::new(problem),
            every_column: false,
        }
    }

    pub(super) fn at(origin: &str, line: u64, column: Option<String>, problem: Problem) -> Self {
        Self { line: Some(line), column, ..Self::new(origin, problem.into()) }
    }

    /// The error of a source with nothing in it.
    pub fn no_data(origin: &str) -> Self {
        Self::new(origin, Problem::NoData.into())
    }

    /// The error of a source that has `rows` rows where `needed` are asked for.
    pub(crate) fn too_few(origin: &str, rows: u64, needed: u64) -> Self {
        Self::new(origin, Problem::TooFewRows { rows, needed }.into())
    }

    /// The same, of data of which every column is read because none was named.
    pub(crate) fn of_every_column(self) -> Self {
        Self { every_column: true, ..self }
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The line of the file, from 1, if one is at fault.
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// The column's name, if one cell is at fault.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

impl std::error::Error for InputError {}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Problem::TooFewRows { .. } = *self.problem {
            return write!(f, "{} in {}", self.problem, self.origin);
        }
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {:?}", shown(column))?;
        }
        write!(f, ": {}", self.problem)?;
        if self.every_column && matches!(*self.problem, Problem::NotANumber { .. }) {
            f.write_str("; every column is read: list those to read in spec.features")?;
        }
        Ok(())
    }
}

/// A problem and the line on which it stands.
pub struct Located {
    pub(super) line: Option<u64>,
    pub(super) problem: Problem,
}

impl From<Problem> for Located {
    fn from(problem: Problem) -> Self {
        Self { line: None, problem }
    }
}

/// A piece of the data, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The names of a header, as many as fit a message.
pub(super) fn listed(names: &[&str]) -> String {
    let mut list = names.iter().take(LISTED).map(|n| shown(n)).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        list.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    list
}

fn did_you_mean(closest: Option<&str>) -> String {
    closest.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}

fn cells_of(cells: usize) -> String {
    if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") }
}
