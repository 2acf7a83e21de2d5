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
        let mut best: Option<(f32, Self)> = None;
        for range in values.iter().flat_map(|value| value.split(',')) {
            if let Some((quality, format)) = Self::accepted(range, request)
                && best.is_none_or(|(most, _)| quality > most)
            {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(Problem::not_acceptable)
    }

    /// One media range of an Accept header and how much it is liked; none if it is nothing that we have.
    fn accepted(range: &str, request: Self) -> Option<(f32, Self)> {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next().unwrap_or_default() {
            "*/*" | "" => request,
            "application/*" if request != Self::Csv => request,
            "application/*" => Self::Json,
            "text/*" => Self::Csv,
            essence => Self::named(essence)?,
        };
        let quality =
            parts.find_map(|parameter| parameter.strip_prefix("q=")?.trim().parse().ok()).unwrap_or(1.0);
        (quality > 0.0).then_some((quality, format))
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
        ] {
            let answer = Format::of_answer(&headers(header::ACCEPT, accept), Format::Csv);
            assert_eq!(answer.ok(), expected, "{accept}");
        }
        assert_eq!(Format::of_answer(&HeaderMap::new(), Format::Ndjson).ok(), Some(Format::Ndjson));
    }
}
