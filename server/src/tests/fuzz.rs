//! Damaged bodies: never an answer of the 500s, never a panic. The tests that are ignored go on for a minute each:
//! `make fuzz`.

use axum::body::Body;
use fuzz::Fuzz;
use http::Request;
use tokio::runtime::{Builder, Runtime};

use super::fixture::{http, send};

const WORDS: &[&str] = &[
    "NaN",
    "null",
    "1e999",
    "\"mean\"",
    "[[",
    "]]",
    "{}",
    "\\u0000",
    "\"rows\":",
    "\n",
    "\r\n",
    "\u{feff}",
    "\"shape\":",
    "FP32",
    "BYTES",
    "-1",
    "18446744073709551616",
    "\"data\":",
    "\"parameters\":",
    "binary_data_size",
];

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The first byte chooses the route and the type, the rest is the body.
fn body(runtime: &Runtime, router: &std::sync::Arc<crate::edge::Edge>, input: &[u8]) -> String {
    let (&kind, body) = input.split_first().unwrap_or((&0, &[]));
    let (path, content_type) = match kind % 8 {
        0 => ("/prediction", "application/json"),
        1 => ("/explain", "application/json"),
        2 => ("/predictions", "application/json"),
        3 => ("/predictions", "application/x-ndjson"),
        4 => ("/predictions?passthrough=true", "text/csv"),
        5 => ("/predictions?passthrough=true", "application/x-ndjson"),
        6 => ("/v2/models/machine/infer", "application/json"),
        _ => ("/v2/models/machine/infer", "application/octet-stream"),
    };
    let mut request = Request::post(path).header("content-type", content_type);
    if kind % 8 == 7 {
        // The JSON ends where its braces say so.
        let end = body.iter().rposition(|&byte| byte == b'}').map_or(0, |at| at + 1);
        request = request.header("inference-header-content-length", end);
    }
    let answer = runtime.block_on(send(router, request.body(Body::from(body.to_vec())).unwrap()));
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status.as_u16() < 500, "{}: {text}", answer.status);
    format!("{kind} {} {}", answer.status, text.chars().take(200).collect::<String>())
}

fn bodies() -> Fuzz {
    Fuzz::new("body", WORDS)
}

#[test]
fn damaged_bodies_are_refused_or_answered() {
    let (runtime, router) = (runtime(), http());
    bodies().briefly(2_000, |input| body(&runtime, &router, input));
}

#[test]
#[ignore = "make fuzz"]
fn fuzz_body() {
    let (runtime, router) = (runtime(), http());
    bodies().run(|input| body(&runtime, &router, input));
}
