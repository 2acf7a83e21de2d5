//! Basic authentication on the port `public`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};

use super::fixture::{self, Answer, ORDINARY, directory, public, send};
use crate::app;
use crate::auth::{Gate, read_once, watch};
use crate::base_path::BasePath;

/// `{SHA}` of `secret`.
const ANN: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

fn file(name: &str, content: &str) -> PathBuf {
    let path = directory(name).join("auth");
    std::fs::write(&path, content).unwrap();
    path
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

async fn predict(router: &Router, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::post(path);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    send(router, request.body(Body::from(ORDINARY)).unwrap()).await
}

async fn status(router: &Router, user: &str, password: &str) -> StatusCode {
    predict(router, "/prediction", Some(&basic(user, password))).await.status
}

#[tokio::test]
async fn the_right_password_is_let_in_and_no_other() {
    let (_, router) = public(&file("right", ANN), "/");
    assert_eq!(status(&router, "ann", "secret").await, StatusCode::OK);
    for (user, password) in [("ann", "Secret"), ("ann", ""), ("bob", "secret"), ("", "")] {
        assert_eq!(status(&router, user, password).await, StatusCode::UNAUTHORIZED, "{user} {password}");
    }
}

#[tokio::test]
async fn without_a_password_every_path_answers_with_the_challenge() {
    let (_, router) = public(&file("challenge", ANN), "/");
    for path in ["/prediction", "/model_information", "/metrics", "/readyz", "/nothing"] {
        let answer = predict(&router, path, None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"machine\", charset=\"UTF-8\"");
        assert!(answer.is_problem());
    }
}

#[tokio::test]
async fn the_refusal_is_a_contract() {
    let (_, router) = public(&file("refusal", ANN), "/");
    insta::assert_yaml_snapshot!(predict(&router, "/prediction", None).await.json());
}

#[tokio::test]
async fn two_authorization_headers_are_none() {
    let (_, router) = public(&file("two", ANN), "/");
    let request = Request::post("/prediction")
        .header(AUTHORIZATION, basic("ann", "secret"))
        .header(AUTHORIZATION, basic("ann", "secret"));
    let answer = send(&router, request.body(Body::from(ORDINARY)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_public_port_has_the_scoring_routes_only_and_under_its_path_only() {
    let (_, router) = public(&file("routes", ANN), "/a/b");
    let header = basic("ann", "secret");
    for (path, expected) in [
        ("/a/b/prediction", StatusCode::OK),
        ("/prediction", StatusCode::NOT_FOUND),
        ("/a/b/metrics", StatusCode::NOT_FOUND),
        ("/a/b/readyz", StatusCode::NOT_FOUND),
        ("/a/b/healthz", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(predict(&router, path, Some(&header)).await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn it_fails_closed() {
    for (name, content) in
        [("empty", ""), ("comments", "# nobody\n"), ("plain", "ann:secret\n"), ("garbage", "\0\0")]
    {
        let (app, router) = public(&file(name, content), "/");
        assert_eq!(status(&router, "ann", "secret").await, StatusCode::SERVICE_UNAVAILABLE, "{name}");
        assert!(app.ready().is_err(), "{name}");
    }
    let (app, router) = public(Path::new("/nowhere/auth"), "/");
    assert_eq!(status(&router, "ann", "secret").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(app.ready().is_err());
}

#[tokio::test]
async fn guessing_is_bounded_and_a_header_that_was_right_does_not_queue() {
    let hash = bcrypt::hash("secret", 10).unwrap();
    let (_, router) = public(&file("guessing", &format!("ann:{hash}\n")), "/");
    assert_eq!(status(&router, "ann", "secret").await, StatusCode::OK);

    // Two are checked, sixteen wait, the others are refused at once, whoever they claim to be.
    let wrong = (0..30).map(|n| {
        let router = router.clone();
        async move { status(&router, if n % 2 == 0 { "ann" } else { "bob" }, &n.to_string()).await }
    });
    let (wrong, right) = futures::join!(futures::future::join_all(wrong), status(&router, "ann", "secret"));
    let count = |code: StatusCode| wrong.iter().filter(|status| **status == code).count();
    assert_eq!((count(StatusCode::UNAUTHORIZED), count(StatusCode::TOO_MANY_REQUESTS)), (18, 12));
    assert_eq!(right, StatusCode::OK);
}

/// The Secret as the kubelet mounts it: `auth` → `..data/auth`, `..data` → a directory that is swapped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(name: &str, content: &str) -> Self {
        let mounted = Self(directory(name));
        mounted.swap("..first", content);
        std::os::unix::fs::symlink("..data/auth", mounted.auth()).unwrap();
        mounted
    }

    fn swap(&self, version: &str, content: &str) {
        std::fs::create_dir(self.0.join(version)).unwrap();
        std::fs::write(self.0.join(version).join("auth"), content).unwrap();
        std::os::unix::fs::symlink(version, self.0.join("..data_tmp")).unwrap();
        std::fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }

    fn auth(&self) -> PathBuf {
        self.0.join("auth")
    }
}

async fn until(router: &Router, user: &str, password: &str, expected: StatusCode) {
    while status(router, user, password).await != expected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_changed_secret_needs_no_restart_and_forgets_the_headers_it_knew() {
    let hash = |password: &str| format!("ann:{}\n", bcrypt::hash(password, 4).unwrap());
    let mounted = Mounted::new("mounted", &hash("old"));
    let gate = Arc::new(Gate::new("machine"));
    let content = read_once(&gate, &mounted.auth());
    let app = fixture::loaded(Some(Arc::clone(&gate)));
    let router = app::public(&app, Arc::clone(&gate), BasePath::default());
    let watching = tokio::spawn(watch(gate, mounted.auth(), Duration::from_millis(5), content));

    assert_eq!(status(&router, "ann", "old").await, StatusCode::OK);
    mounted.swap("..second", &hash("new"));
    until(&router, "ann", "new", StatusCode::OK).await;
    assert_eq!(status(&router, "ann", "old").await, StatusCode::UNAUTHORIZED);

    mounted.swap("..third", "");
    until(&router, "ann", "new", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(app.ready().is_err());

    mounted.swap("..fourth", ANN);
    until(&router, "ann", "secret", StatusCode::OK).await;
    assert!(app.ready().is_ok());
    watching.abort();
}
