//! What must never be in the log, at whatever level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;
use tracing::Level;

use super::fixture::{directory, public, send};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_authorization_nor_the_query_nor_the_body_nor_a_hash_is_logged() {
    let captured = Captured::default();
    let writer = captured.clone();
    let lines =
        tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(lines);

    let file = directory("logged").join("auth");
    std::fs::write(&file, "ann:topsecrethash\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let (_, router) = public(&file, "/");
    for authorization in ["Basic YW5uOnNlY3JldA==", "Basic d3Jvbmc6d3Jvbmc=", "Bearer topsecrettoken"] {
        let request = Request::post("/prediction?score=topsecretquery").header(AUTHORIZATION, authorization);
        send(&router, request.body(Body::from("topsecretbody")).unwrap()).await;
    }
    drop(guard);

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("a line of") && log.contains("a request was answered"), "{log}");
    for secret in ["topsecret", "YW5uOnNlY3JldA", "d3Jvbmc6", "5en6G6Mez"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
