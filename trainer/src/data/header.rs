//! The header of the data: the names of its columns, and where each stands.

use std::collections::HashMap;
use std::io::Read;

use super::error::{self, InputError, Located, Problem};
use super::records::Records;

/// Most columns that are read without being named.
pub const MOST_COLUMNS: usize = 16_384;

/// The names of all columns in their order, for a model that names none.
///
/// # Errors
/// [`InputError`]: there is no header, a column has no name, two have the same, or there are more than [`MOST_COLUMNS`].
pub fn column_names(input: impl Read, origin: &str) -> Result<Vec<String>, InputError> {
    let located = |at: Located| InputError::new(origin, at);
    let mut records = Records::new(input);
    let header = records.next_record().map_err(located)?.ok_or_else(|| InputError::no_data(origin))?;
    let names: Vec<&str> = header.cells.iter().map(|cell| cell.trim()).collect();
    check(&names).map_err(|problem| located(problem.into()))?;
    Ok(names.into_iter().map(str::to_owned).collect())
}

fn check(names: &[&str]) -> Result<(), Problem> {
    if let Some(problem) = none(names) {
        return Err(problem);
    }
    if names.len() > MOST_COLUMNS {
        return Err(Problem::TooManyColumns { columns: names.len() });
    }
    if let Some(unnamed) = names.iter().position(|name| name.is_empty()) {
        return Err(Problem::UnnamedColumn { number: unnamed + 1 });
    }
    let known = Places::of(names);
    names.iter().try_for_each(|name| known.only(name).map(drop))
}

/// Why these are no names: numbers, or cells that something else than a comma separates.
pub(super) fn none(names: &[&str]) -> Option<Problem> {
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Some(Problem::NoHeader);
    }
    let [only] = names else { return None };
    let separator = [';', '\t', '|'].into_iter().find(|separator| only.contains(*separator))?;
    Some(Problem::Separator { separator, header: error::shown(only) })
}

/// Where each name stands: its first place, and its second if two columns have it.
pub(super) struct Places<'a>(HashMap<&'a str, (usize, Option<usize>)>);

impl<'a> Places<'a> {
    pub(super) fn of(names: &[&'a str]) -> Self {
        let mut places = HashMap::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            places
                .entry(*name)
                .and_modify(|(_, second): &mut (usize, Option<usize>)| *second = second.or(Some(at)))
                .or_insert((at, None));
        }
        Self(places)
    }

    /// The index of the one column with this name, if there is one.
    pub(super) fn only(&self, name: &str) -> Result<Option<usize>, Problem> {
        match self.0.get(name) {
            Some(&(first, Some(second))) => Err(Problem::DuplicateColumn {
                name: error::shown(name),
                first: first + 1,
                second: second + 1,
            }),
            other => Ok(other.map(|&(first, _)| first)),
        }
    }
}
