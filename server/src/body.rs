//! Reading a JSON body within its limit.
//!
//! What the headers already decide (type, encoding, length) is decided before a byte of the body is read, so that a
//! client that waits for `100 Continue` never sends it. Never holds more than the limit in memory.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http::header::{self, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;

/// The whole body of a JSON request.
pub(crate) async fn read_json(request: Request, limit: usize) -> Result<Bytes, Problem> {
    require_json(request.headers())?;
    let body: Body = request.into_body();
    // For a request with Content-Length the lower bound is that length.
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::too_large(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Err(_) => Err(Problem::malformed("the body broke off before its end")),
    }
}

/// JSON or no type at all, as FastAPI has it; no content encoding.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(Problem::unsupported_type(format!(
            "the body has Content-Encoding {encoding}; send it without an encoding"
        )));
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence.is_empty() || essence == "application/json" || is_json_suffixed(&essence) {
        return Ok(());
    }
    Err(Problem::unsupported_type(format!(
        "the body has Content-Type {essence}; send the header `Content-Type: application/json` (curl: -H 'Content-Type: application/json')"
    )))
}

fn is_json_suffixed(essence: &str) -> bool {
    essence.starts_with("application/") && essence.ends_with("+json")
}
