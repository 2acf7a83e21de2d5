//! From the bytes of a body to the vector that the model takes, or to a problem that names what is wrong.
//!
//! The good case is one pass of serde_json into numbers. Only when that fails is the body looked at again, to tell
//! malformed JSON (400) from valid JSON that is not a vector of finite numbers (422). Nothing here scores.

use std::fmt;

use detectors::Model;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::{FieldError, MAX_FIELD_ERRORS, Problem};

/// Values beyond this are infinite in 32 bits, and models hold 32-bit floating point.
const LARGEST: f64 = f32::MAX as f64;

/// What is shown of a wrong value.
const SHOWN_CHARACTERS: usize = 40;

/// Which values a model takes: finite ones within the range of 32-bit floating point, and what is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepts {
    /// Missing values: null, an empty cell, NaN in a tensor; NaN here.
    pub(crate) missing: bool,
    /// Infinities, and whatever is one in 32 bits.
    pub(crate) infinite: bool,
}

impl Accepts {
    pub(crate) fn of(model: &Model) -> Self {
        Self { missing: model.accepts(f64::NAN), infinite: model.accepts(f64::INFINITY) }
    }

    /// Whether a value can be scored; NaN stands for a missing one.
    pub(crate) fn takes(self, value: f64) -> bool {
        if value.is_nan() { self.missing } else { self.infinite || is_usual(value) }
    }

    /// The largest number that can be written as one; JSON has no infinities.
    pub(crate) const fn largest(self) -> f64 {
        if self.infinite { f64::MAX } else { LARGEST }
    }

    /// What is told to whoever sent something else.
    pub(crate) const fn expected(self) -> &'static str {
        if self.infinite {
            "a number within ±1.7976931348623157e308"
        } else {
            "a finite number within ±3.4028234e38"
        }
    }
}

/// What every model takes.
pub(crate) fn is_usual(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// The numbers of `[0.1, 0.1]`, one a feature, all of which can be scored.
pub(crate) fn parse(body: &[u8], features: &[String], accepts: Accepts) -> Result<Vec<f64>, Problem> {
    let vector = numbers(body, features.len(), accepts.missing)
        .map_err(|error| explain(body, features, accepts, &error))?;
    if vector.len() != features.len() {
        return Err(wrong_length(features, vector.len()));
    }
    let wrong = |value: &f64| !accepts.takes(*value);
    if vector.iter().any(wrong) {
        let wrong = vector.iter().enumerate().filter(|(_, value)| wrong(value));
        let wrong = wrong.map(|(column, value)| (column, format!("{value:e}")));
        return Err(wrong_values(wrong, features, accepts));
    }
    Ok(vector)
}

/// The numbers of a flat array, into a vector that has room for as many as are expected. Where values may be missing, null is
/// NaN, which JSON has no other word for.
fn numbers(body: &[u8], expected: usize, missing: bool) -> serde_json::Result<Vec<f64>> {
    struct Numbers(usize);
    impl<'de> Visitor<'de> for Numbers {
        type Value = Vec<f64>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<f64>, A::Error> {
            let mut numbers = Vec::with_capacity(self.0);
            while let Some(number) = elements.next_element()? {
                numbers.push(number);
            }
            Ok(numbers)
        }
    }
    if missing {
        let values: Vec<Option<f64>> = serde_json::from_slice(body)?;
        return Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let numbers = json.deserialize_seq(Numbers(expected))?;
    json.end().map(|()| numbers)
}

/// Why the fast way failed. Only called for bodies that are refused.
fn explain(body: &[u8], features: &[String], accepts: Accepts, error: &serde_json::Error) -> Problem {
    if let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(body) {
        let wrong = elements.iter().enumerate().filter(|(_, element)| !is_value(element.get(), accepts));
        return wrong_values(
            wrong.map(|(column, element)| (column, shown(element.get()))),
            features,
            accepts,
        );
    }
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        let got = shown(String::from_utf8_lossy(body).trim());
        let expected = expected_vector(features);
        let error = FieldError { expected: expected.clone(), got, ..FieldError::default() };
        return Problem::invalid_vector(format!("the body must be {expected}"), vec![error]);
    }
    if let Some(elements) = elements_with_nan(body) {
        let wrong = elements.enumerate().filter(|(_, element)| !is_value(element, accepts));
        return wrong_values(wrong.map(|(column, element)| (column, shown(element))), features, accepts);
    }
    Problem::malformed(format!("the body is not JSON ({error}); send {}", expected_vector(features)))
}

/// Whether an element of JSON can be scored: a number within range, or null where values may be missing.
pub(crate) fn is_value(element: &str, accepts: Accepts) -> bool {
    (accepts.missing && element == "null")
        || serde_json::from_str::<f64>(element).is_ok_and(|value| accepts.takes(value))
}

/// The elements of a flat array that is JSON but for `NaN` and `Infinity`, which Python's `json.dumps` writes:
/// such a body is a wrong vector rather than malformed.
pub(crate) fn elements_with_nan(body: &[u8]) -> Option<impl Iterator<Item = &str> + Clone> {
    let inner = std::str::from_utf8(body).ok()?.trim().strip_prefix('[')?.strip_suffix(']')?;
    let elements = inner.split(',').map(str::trim);
    let not_finite = |element: &str| {
        let name = element.trim_start_matches(['-', '+']);
        ["nan", "inf", "infinity"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let is_json = |element: &str| serde_json::from_str::<IgnoredAny>(element).is_ok();
    let any = elements.clone().any(not_finite);
    let all = any && elements.clone().all(|element| not_finite(element) || is_json(element));
    all.then_some(elements)
}

fn wrong_length(features: &[String], got: usize) -> Problem {
    let expected = expected_vector(features);
    let detail = format!("the model takes {expected}, but the vector has {got}");
    let error = FieldError {
        expected: format!("{} values", features.len()),
        got: format!("{got} values"),
        ..FieldError::default()
    };
    Problem::invalid_vector(detail, vec![error])
}

fn wrong_values(
    wrong: impl Iterator<Item = (usize, String)>,
    features: &[String],
    accepts: Accepts,
) -> Problem {
    let expected = accepts.expected();
    // No more than are told: a body may have hundreds of thousands, each costing many times its own bytes.
    let errors: Vec<FieldError> = wrong
        .take(MAX_FIELD_ERRORS)
        .map(|(column, got)| FieldError {
            column: Some(column),
            feature: features.get(column).cloned(),
            expected: expected.to_owned(),
            got,
            ..FieldError::default()
        })
        .collect();
    let detail = errors.first().map_or_else(String::new, |first| {
        let feature = first.feature.as_deref().unwrap_or("none");
        let column = first.column.unwrap_or_default();
        format!("value {column} (feature {feature}) is {}; expected {expected}", first.got)
    });
    Problem::invalid_vector(detail, errors)
}

/// `an array of 2 numbers [mean, sd]`, shortened for models with many features.
pub(crate) fn expected_vector(features: &[String]) -> String {
    const NAMED: usize = 8;
    let mut names: Vec<&str> = features.iter().take(NAMED).map(String::as_str).collect();
    if features.len() > NAMED {
        names.push("…");
    }
    format!("an array of {} numbers [{}]", features.len(), names.join(", "))
}

pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::StatusCode;

    use super::*;

    const USUAL: Accepts = Accepts { missing: false, infinite: false };

    fn features() -> Vec<String> {
        vec!["mean".to_owned(), "sd".to_owned()]
    }

    fn status(body: &[u8]) -> StatusCode {
        match parse(body, &features(), USUAL) {
            Ok(_) => StatusCode::OK,
            Err(problem) => problem.into_response().status(),
        }
    }

    #[test]
    fn numbers_of_every_json_form_are_taken_to_the_last_bit() {
        let parsed = parse(b" [ 0.1 , -12345678901234567890e-3 ] ", &features(), USUAL).unwrap();
        assert_eq!(parsed, [0.1, -1.234_567_890_123_456_8e16]);
        assert_eq!(
            parse(b"[1, 340282346638528859811704183484516925440]", &features(), USUAL).unwrap()[0],
            1.0
        );
    }

    #[test]
    fn what_is_json_but_no_vector_is_unprocessable() {
        let bodies: [&[u8]; 16] = [
            b"[]",
            b"[0.1]",
            b"[0.1,0.1,0.1]",
            b"[\"a\",0.1]",
            b"[null,0.1]",
            b"[[0.1,0.1]]",
            b"{}",
            b"0.1",
            b"null",
            b"\"x\"",
            b"[1e999,0]",
            b"[1e39,0]",
            b"[0,-3.5e38]",
            b"[NaN,0]",
            b"[0,-Infinity]",
            b"[true,0]",
        ];
        for body in bodies {
            assert_eq!(status(body), StatusCode::UNPROCESSABLE_ENTITY, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn null_is_a_missing_value_where_values_may_be_missing() {
        let accepts = Accepts { missing: true, ..USUAL };
        let parsed = parse(b"[null, 1.5]", &features(), accepts).unwrap();
        assert!(parsed[0].is_nan() && parsed[1] == 1.5);
        for body in [&b"[NaN, 1]"[..], b"[\"\", 1]", b"[null]", b"[null, 1e39]", b"[null, true]"] {
            let problem = parse(body, &features(), accepts).unwrap_err();
            assert_eq!(problem.into_response().status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
    }

    #[test]
    fn what_is_infinite_in_32_bits_is_taken_where_infinities_are_routed() {
        let accepts = Accepts { infinite: true, ..USUAL };
        assert_eq!(
            parse(b"[1e39, -1.7976931348623157e308]", &features(), accepts).unwrap(),
            [1e39, f64::MIN]
        );
        for body in [&b"[Infinity, 1]"[..], b"[1e999, 1]", b"[null, 1e39]", b"[NaN, 1e39]"] {
            let problem = parse(body, &features(), accepts).unwrap_err();
            assert_eq!(problem.into_response().status(), StatusCode::UNPROCESSABLE_ENTITY);
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_descending() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(status(&deep), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn of_many_wrong_values_no_more_are_looked_at_than_told() {
        let mut looked_at = 0;
        let wrong = (0..100_000).map(|column| {
            looked_at += 1;
            (column, "null".to_owned())
        });
        wrong_values(wrong, &features(), USUAL);
        assert_eq!(looked_at, MAX_FIELD_ERRORS);
    }

    #[test]
    fn the_range_that_an_error_names_is_accepted_itself() {
        for accepts in [USUAL, Accepts { infinite: true, ..USUAL }] {
            let named = accepts.expected().rsplit('±').next().unwrap();
            assert!(parse(format!("[{named},-{named}]").as_bytes(), &features(), accepts).is_ok(), "{named}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let bodies: [&[u8]; 8] =
            [b"", b"[0.1,", b"[0.1 0.1]", b"hello", b"[0.1,0.1]x", b"[\xff\xfe]", b"[nancy,0]", b"[,]"];
        for body in bodies {
            assert_eq!(status(body), StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_long_wrong_value_is_shown_shortened() {
        let shown = shown(&"é".repeat(1_000));
        assert_eq!(shown.chars().count(), SHOWN_CHARACTERS + 1);
    }
}
