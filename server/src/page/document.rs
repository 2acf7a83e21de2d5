//! The page's one document, put together from its files once.
//!
//! Its policy allows the script and the style that are in it, by their digests, requests to this server, and nothing else.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

const FRAME: &str = include_str!("assets/index.html");
const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = concat!(
    include_str!("assets/base.js"),
    include_str!("assets/card.js"),
    include_str!("assets/row.js"),
    include_str!("assets/histogram.js"),
    include_str!("assets/boundary.js"),
    include_str!("assets/recent.js"),
    include_str!("assets/main.js"),
);

struct Document {
    html: Bytes,
    policy: HeaderValue,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let html = FRAME.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        digest(SCRIPT),
        digest(STYLE)
    );
    // Base64 and ASCII: always a header's value.
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    Document { html: html.into(), policy }
});

/// `GET /`.
pub(crate) async fn show() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, DOCUMENT.policy.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, DOCUMENT.html.clone()).into_response()
}
