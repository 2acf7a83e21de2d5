//! The query parameters that are ours; others are nobody's business. Of a parameter given twice the last one counts.

use axum::extract::Query;
use http::Uri;

use crate::problem::Problem;

/// A boolean in the words that FastAPI takes for one; false without it.
pub(crate) fn flag(query: Option<&str>, name: &'static str) -> Result<bool, Problem> {
    let parameters = query.unwrap_or_default().split('&');
    let mut values = parameters.filter_map(|pair| match pair.split_once('=') {
        Some((given, value)) if given == name => Some(value),
        None if pair == name => Some(""),
        _ => None,
    });
    let Some(value) = values.next_back() else { return Ok(false) };
    let is_one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "1", "yes", "on", "t", "y"]) {
        Ok(true)
    } else if is_one_of(&["false", "0", "no", "off", "f", "n"]) {
        Ok(false)
    } else {
        Err(Problem::invalid_parameter(format!("the query parameter {name} must be true or false")))
    }
}

/// A parameter's text, decoded.
pub(crate) fn text(uri: &Uri, name: &str) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs.into_iter().rev().find(|(given, _)| given == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_set_only_when_asked_for() {
        for (query, expected) in [
            (None, false),
            (Some(""), false),
            (Some("other=1"), false),
            (Some("score=true"), true),
            (Some("score=True"), true),
            (Some("score=1&x=y"), true),
            (Some("score=true&score=false"), false),
        ] {
            assert_eq!(flag(query, "score").unwrap(), expected, "{query:?}");
        }
    }

    #[test]
    fn a_flag_that_is_neither_true_nor_false_is_refused() {
        for query in ["score=maybe", "score", "score="] {
            assert!(flag(Some(query), "score").is_err(), "{query}");
        }
    }

    #[test]
    fn a_text_is_decoded() {
        let uri = Uri::from_static("/predictions?columns=a&columns=severity%2Cis_inlier");
        assert_eq!(text(&uri, "columns").as_deref(), Some("severity,is_inlier"));
        assert_eq!(text(&uri, "other"), None);
    }
}
