//! The form that the protocol gives to errors: `{"error": "…"}`. Under `/v2` every problem takes it, whoever made it.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

use crate::problem::Detail;

/// The same answer, in the protocol's form if it is a problem.
pub(crate) fn in_form(mut response: Response) -> Response {
    let Some(Detail(detail)) = response.extensions_mut().remove::<Detail>() else { return response };
    let body = serde_json::json!({ "error": detail }).to_string();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(CONTENT_LENGTH);
    response.map(|_| Body::from(body))
}
