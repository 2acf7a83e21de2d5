//! The three forms in which rows come and answers go, and how headers name them.

use http::header::{self, HeaderMap, HeaderValue};

use crate::body::is_json_suffixed;
use crate::problem::Problem;

/// A form of rows, in requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One value; read and answered as a whole.
    Json,
    /// A JSON value a line.
    Ndjson,
    /// A header, then a record a line.
    Csv,
}

impl Format {
    /// What is sent; JSON without a type, as FastAPI has it.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let format = match essence {
            "" => Some(Self::Json),
            other if is_json_suffixed(other) => Some(Self::Json),
            other => Self::named(other),
        };
        let format = format.ok_or_else(|| {
            Problem::unsupported_type(format!(
                "the body has Content-Type {essence}; send application/json, application/x-ndjson or text/csv (curl: -H 'Content-Type: text/csv')"
            ))
        })?;
        match parts.find(|parameter| !is_harmless(parameter)) {
            Some(parameter) if format == Self::Csv => Err(Problem::unsupported_type(format!(
                "the body has Content-Type text/csv with {parameter}; send UTF-8 with a header line"
            ))),
            _ => Ok(format),
        }
    }

    /// What is answered: the form that the client likes best, in doubt that of the request.
    pub(super) fn of_answer(headers: &HeaderMap, request: Self) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        if values.peek().is_none() {
            return Ok(request);
        }
        let values: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).collect();
        let ranges: Vec<(&str, f32)> =
            values.iter().flat_map(|value| value.split(',')).map(with_quality).collect();
        // (`application/json;q=0, */*`: anything but JSON)
        let refused = |format: &Self| {
            ranges.iter().any(|(range, quality)| *quality <= 0.0 && Self::named(range) == Some(*format))
        };
        let mut best: Option<(f32, Self)> = None;
        for (range, quality) in ranges.iter().filter(|(_, quality)| *quality > 0.0) {
            let format = Self::within(range, request).into_iter().find(|format| !refused(format));
            if let Some(format) = format
                && best.is_none_or(|(most, _)| *quality > most)
            {
                best = Some((*quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(Problem::not_acceptable)
    }

    /// What a media range of an Accept header has of ours, in the order in which it is chosen.
    fn within(range: &str, request: Self) -> Vec<Self> {
        match range {
            "*/*" | "" => vec![request, Self::Json, Self::Ndjson, Self::Csv],
            "application/*" if request == Self::Ndjson => vec![request, Self::Json],
            "application/*" => vec![Self::Json, Self::Ndjson],
            "text/*" => vec![Self::Csv],
            essence => Self::named(essence).into_iter().collect(),
        }
    }

    fn named(essence: &str) -> Option<Self> {
        match essence {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" => Some(Self::Ndjson),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    pub(super) const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        })
    }
}

/// A media range without its parameters, and how much it is liked: 1 if it does not say.
fn with_quality(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.trim().parse().ok());
    (essence, quality.unwrap_or(1.0))
}

/// Parameters of `text/csv` that say what is read anyway.
fn is_harmless(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some(("charset", charset)) => matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"),
        Some(("header", header)) => header.trim_matches('"') == "present",
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_requests_type_names_its_form() {
        for (value, expected) in [
            ("application/json; charset=utf-8", Some(Format::Json)),
            ("application/vnd.x+json", Some(Format::Json)),
            ("Application/X-NDJSON", Some(Format::Ndjson)),
            ("text/csv", Some(Format::Csv)),
            ("text/csv; charset=\"UTF-8\"; header=present", Some(Format::Csv)),
            ("text/csv; charset=utf-16", None),
            ("text/csv; header=absent", None),
            ("text/plain", None),
            ("application/x-www-form-urlencoded", None),
        ] {
            assert_eq!(Format::of_request(&headers(header::CONTENT_TYPE, value)).ok(), expected, "{value}");
        }
        assert_eq!(Format::of_request(&HeaderMap::new()).ok(), Some(Format::Json));
    }

    #[test]
    fn the_answer_has_the_form_that_is_liked_best_and_in_doubt_that_of_the_request() {
        for (accept, expected) in [
            ("*/*", Some(Format::Csv)),
            ("application/json", Some(Format::Json)),
            ("application/x-ndjson;q=0.5, application/json;q=0.4", Some(Format::Ndjson)),
            ("text/html, text/*;q=0.8", Some(Format::Csv)),
            ("application/*", Some(Format::Json)),
            ("text/html, */*;q=0.1", Some(Format::Csv)),
            ("application/problem+json, application/x-ndjson", Some(Format::Ndjson)),
            ("", Some(Format::Csv)),
            ("text/html", None),
            ("text/csv;q=0", None),
            ("text/csv;q=0, */*", Some(Format::Json)),
            ("*/*, text/csv;q=0, application/json;q=0.0", Some(Format::Ndjson)),
            ("text/*, text/csv;q=0", None),
            ("application/json;q=0, application/*", Some(Format::Ndjson)),
            ("text/csv;q=nonsense", Some(Format::Csv)),
            ("text/csv;q=nan", None),
        ] {
            let answer = Format::of_answer(&headers(header::ACCEPT, accept), Format::Csv);
            assert_eq!(answer.ok(), expected, "{accept}");
        }
        assert_eq!(Format::of_answer(&HeaderMap::new(), Format::Ndjson).ok(), Some(Format::Ndjson));
    }
}
