//! The answers to what is no HTTP/1.1, or too much of it.
//!
//! hyper writes them itself, without a body, and offers no hook. They are told by their form: nothing else is written
//! while no request is being answered and has a status 4xx, no content and none of the headers that are ours.

use axum::body::HttpBody as _;
use axum::response::IntoResponse as _;
use futures::FutureExt as _;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{StatusCode, Version};
use http_body_util::BodyExt as _;

use crate::problem::Problem;
use crate::request_id;

/// The status of an answer that hyper has made.
pub(super) fn status(bytes: &[u8]) -> Option<StatusCode> {
    let head = std::str::from_utf8(bytes).ok()?;
    let code = head.strip_prefix("HTTP/1.1 ")?.get(..3).filter(|code| code.starts_with('4'))?;
    let is_hypers = head.ends_with("\r\n\r\n")
        && head.contains("\r\ncontent-length: 0\r\n")
        && !head.contains(request_id::HEADER.as_str());
    StatusCode::from_bytes(code.as_bytes()).ok().filter(|_| is_hypers)
}

/// A problem as it is on the wire.
pub(super) fn answer(problem: Problem, id: HeaderValue) -> Vec<u8> {
    let mut response = problem.into_response();
    response.headers_mut().insert(request_id::HEADER, id);
    let length = response.body().size_hint().lower();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    let (head, body) = response.into_parts();
    let mut bytes = format!("{:?} {}\r\n", Version::HTTP_11, head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    // It is whole: nothing is waited for.
    if let Some(Ok(body)) = body.collect().now_or_never() {
        bytes.extend_from_slice(&body.to_bytes());
    }
    bytes
}
