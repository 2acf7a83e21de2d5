//! Checks against a listener on this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use clap::Parser;
use tokio::net::TcpListener;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: CheckArgs,
}

/// `/ok`, `/login` for user and password, `/third` which is fine at the third try.
async fn listen() -> SocketAddr {
    let tries = Arc::new(AtomicUsize::new(0));
    let third = move || async move {
        if tries.fetch_add(1, Ordering::SeqCst) < 2 {
            (StatusCode::NOT_FOUND, "not yet")
        } else {
            (StatusCode::OK, "now")
        }
    };
    let login = |headers: HeaderMap| async move {
        let expected = format!("Basic {}", STANDARD.encode("user:pass word"));
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given == Some(&expected) {
            (StatusCode::OK, "welcome")
        } else {
            (StatusCode::UNAUTHORIZED, "who are you?")
        }
    };
    let app = Router::new()
        .route("/ok", get(|| async { "all is well\n" }))
        .route("/silent", get(std::future::pending::<&'static str>))
        .route("/third", get(third))
        .route("/login", get(login));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

/// What is printed, and what comes of `check URL options`.
async fn check(url: &str, options: &[&str]) -> (String, Result<(), String>) {
    let line = ["check", url].iter().chain(options).copied().collect::<Vec<_>>();
    let arguments = Line::try_parse_from(line).unwrap().arguments;
    let mut out = Vec::new();
    let outcome = run(&arguments, &mut out).await.map_err(|error| error.to_string());
    (String::from_utf8(out).unwrap(), outcome)
}

#[tokio::test]
async fn the_answer_is_printed_and_compared() {
    let url = format!("http://{}/ok", listen().await);
    let (printed, outcome) = check(&url, &["--contains", "is well"]).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(printed, format!("{url} 200 OK\nall is well\n"));
    let (_, outcome) = check(&url, &["--contains", "is lost"]).await;
    assert_eq!(outcome.unwrap_err(), r#"the body does not contain "is lost""#);
}

#[tokio::test]
async fn another_status_than_the_expected_one_fails() {
    let url = format!("http://{}/login", listen().await);
    let (printed, outcome) = check(&url, &[]).await;
    assert_eq!(outcome.unwrap_err(), "expected status 200 OK, got 401 Unauthorized");
    assert!(printed.contains("who are you?"), "{printed}");
    assert_eq!(check(&url, &["--status", "401"]).await.1, Ok(()));
}

#[tokio::test]
async fn the_password_comes_from_a_file_and_is_never_printed() {
    let url = format!("http://{}/login", listen().await);
    let path = std::env::temp_dir().join(format!("anomaly-operator-check-{}", std::process::id()));
    std::fs::write(&path, "pass word\n").unwrap();
    let file = path.to_string_lossy().into_owned();
    let (printed, outcome) = check(&url, &["--user", "user", "--password-file", &file]).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outcome, Ok(()));
    assert!(!printed.contains("pass word") && !printed.contains("Basic"), "{printed}");
    let (_, outcome) = check(&url, &["--user", "user", "--password-file", &file]).await;
    assert!(outcome.unwrap_err().contains(&file));
}

#[tokio::test]
async fn retries_go_on_until_the_answer_is_as_expected() {
    let url = format!("http://{}/third", listen().await);
    let (printed, outcome) = check(&url, &["--retries", "2"]).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(printed.matches("trying again").count(), 2);
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_, outcome) = check(&format!("http://{free}/"), &[]).await;
    assert!(outcome.unwrap_err().contains("refused"));
    let (_, outcome) = check(&format!("http://{}/silent", listen().await), &["--timeout", "200ms"]).await;
    assert!(outcome.unwrap_err().contains("took longer than 200ms"));
}

#[tokio::test]
async fn https_and_half_urls_are_refused_with_the_reason() {
    for url in ["https://localhost/", "localhost:8080", "/readyz"] {
        let error = check(url, &[]).await.1.unwrap_err();
        assert!(error.contains("begins with http://"), "{url}: {error}");
    }
}

#[test]
fn a_user_without_a_password_file_is_refused() {
    assert!(Line::try_parse_from(["check", "http://x/", "--user", "u"]).is_err());
    assert!(Line::try_parse_from(["check", "http://x/", "--password-file", "f"]).is_err());
    assert!(Line::try_parse_from(["check", "http://x/", "--timeout", "0s"]).is_err());
}
