//! One row of JSON, an array or an object, into numbers; or what is wrong with it.
//!
//! The good case is one pass of serde_json into the numbers. Only a row that fails is looked at again.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::answer::{is_reserved, member};
use crate::problem::{FieldError, MAX_FIELD_ERRORS};
use crate::state::Served;
use crate::vector::{elements_with_nan, expected_vector, is_value, shown};

/// Where the numbers of a row go, and what of it is passed through (none: unknown members are refused).
pub(super) struct RowSeed<'a> {
    pub(super) served: &'a Served,
    pub(super) values: &'a mut Vec<f64>,
    pub(super) passed: Option<&'a mut Vec<u8>>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut left = self.served.width();
        let accepts = self.served.accepts;
        let mut next = || {
            if accepts.missing {
                return Ok(elements.next_element::<Option<f64>>()?.map(|value| value.unwrap_or(f64::NAN)));
            }
            elements.next_element::<f64>()
        };
        while let Some(value) = next()? {
            if left == 0 || !accepts.takes(value) {
                return Err(A::Error::custom("a wrong row"));
            }
            left -= 1;
            self.values.push(value);
        }
        if left == 0 { Ok(()) } else { Err(A::Error::custom("a short row")) }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let start = self.values.len();
        // JSON has no infinities: one marks what has not come yet.
        self.values.resize(start + self.served.width(), f64::INFINITY);
        let accepts = self.served.accepts;
        while let Some(key) = members.next_key_seed(Key(self.served))? {
            match (key, &mut self.passed) {
                (Ok(position), _) => {
                    let value: f64 = if accepts.missing {
                        members.next_value::<Option<f64>>()?.unwrap_or(f64::NAN)
                    } else {
                        members.next_value()?
                    };
                    let slot = &mut self.values[start + position];
                    if !slot.is_infinite() || !accepts.takes(value) {
                        return Err(A::Error::custom("a wrong member"));
                    }
                    *slot = value;
                }
                (Err(name), Some(passed)) if !is_reserved(&name) => {
                    member(&name, members.next_value::<&RawValue>()?.get(), passed);
                }
                (Err(_), _) => return Err(A::Error::custom("an unknown member")),
            }
        }
        if self.values[start..].iter().any(|value| value.is_infinite()) {
            return Err(A::Error::custom("a missing member"));
        }
        Ok(())
    }
}

/// A member's name: the position of the feature, or a name that is none.
struct Key<'a>(&'a Served);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.positions.get(name).copied().ok_or_else(|| name.to_owned()))
    }
}

/// Reads one row; what is wrong with it is told by [`explain`].
pub(super) fn read(text: &[u8], seed: RowSeed<'_>) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    seed.deserialize(&mut deserializer).and_then(|()| deserializer.end()).is_ok()
}

/// Why a row was not read: at least one error. `passthrough` says that unknown members were allowed.
pub(super) fn explain(text: &[u8], served: &Served, passthrough: bool) -> Vec<FieldError> {
    if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(text) {
        return of_array(elements.iter().map(|element| element.get()), served);
    }
    if let Ok(Members(members)) = serde_json::from_slice(text) {
        return of_object(&members, served, passthrough);
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(text).is_ok();
    if !is_json && let Some(elements) = elements_with_nan(text) {
        return of_array(elements, served);
    }
    let expected = format!("{}, or an object with these members", expected_vector(served.model.features()));
    let got = shown(String::from_utf8_lossy(text).trim());
    let got = if is_json { got } else { format!("{got} (not JSON)") };
    vec![FieldError { expected, got, ..FieldError::default() }]
}

fn of_array<'a>(elements: impl Iterator<Item = &'a str> + Clone, served: &Served) -> Vec<FieldError> {
    let (expected, got) = (served.width(), elements.clone().count());
    if expected != got {
        return vec![wrong_length(expected, got)];
    }
    let wrong = elements.enumerate().filter(|(_, element)| !is_value(element, served.accepts));
    wrong
        .take(MAX_FIELD_ERRORS)
        .map(|(column, element)| wrong_value(column, served, shown(element)))
        .collect()
}

fn of_object(members: &[(String, &RawValue)], served: &Served, passthrough: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = vec![false; served.width()];
    for (name, value) in members {
        match served.positions.get(name) {
            Some(&column) if seen[column] => {
                errors.push(wrong_value(column, served, "given twice".to_owned()))
            }
            Some(&column) => {
                seen[column] = true;
                if !is_value(value.get(), served.accepts) {
                    errors.push(wrong_value(column, served, shown(value.get())));
                }
            }
            None if !passthrough => errors.push(unknown(name)),
            None if is_reserved(name) => errors.push(reserved(name)),
            None => {}
        }
        if errors.len() == MAX_FIELD_ERRORS {
            return errors;
        }
    }
    let missing = seen.iter().enumerate().filter(|(_, seen)| !**seen);
    errors.extend(missing.map(|(column, _)| wrong_value(column, served, "missing".to_owned())));
    errors.truncate(MAX_FIELD_ERRORS);
    errors
}

/// A row with more or fewer values than the model, or the CSV's header, has.
pub(super) fn wrong_length(expected: usize, got: usize) -> FieldError {
    let (expected, got) = (format!("{expected} values"), format!("{got} values"));
    FieldError { expected, got, ..FieldError::default() }
}

/// A value that cannot be scored.
pub(super) fn wrong_value(column: usize, served: &Served, got: String) -> FieldError {
    let feature = served.model.features().get(column).cloned();
    FieldError {
        column: Some(column),
        feature,
        expected: served.accepts.expected().to_owned(),
        got,
        ..FieldError::default()
    }
}

/// A name that is not a feature's.
pub(super) fn unknown(name: &str) -> FieldError {
    let expected =
        "only the model's features; /predictions?passthrough=true passes others through".to_owned();
    FieldError { feature: Some(shown(name)), expected, got: "unknown".to_owned(), ..FieldError::default() }
}

/// A name that cannot be passed through.
pub(super) fn reserved(name: &str) -> FieldError {
    let expected = "another name".to_owned();
    let got = "a name of the answer's own".to_owned();
    FieldError { feature: Some(shown(name)), expected, got, ..FieldError::default() }
}

/// An object's members in their order, names that are given twice included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(All)
    }
}
