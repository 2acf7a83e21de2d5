//! Basic authentication on the port `public`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};

use super::fixture::{self, Answer, ORDINARY, directory, public, send};
use crate::app;
use crate::auth::{Gate, read_once, watch};
use crate::base_path::BasePath;
use crate::edge::Edge;

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

async fn predict(router: &Arc<Edge>, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::post(path);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    send(router, request.body(Body::from(ORDINARY)).unwrap()).await
}

async fn status(router: &Arc<Edge>, user: &str, password: &str) -> StatusCode {
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

    // Two are checked; eight that say ann and eight that say bob wait; the others are refused at once.
    let wrong = (0..30).map(|n| {
        let router = router.clone();
        async move { status(&router, if n % 2 == 0 { "ann" } else { "bob" }, &n.to_string()).await }
    });
    let (wrong, right) = futures::join!(futures::future::join_all(wrong), status(&router, "ann", "secret"));
    let count = |code: StatusCode| wrong.iter().filter(|status| **status == code).count();
    assert_eq!((count(StatusCode::UNAUTHORIZED), count(StatusCode::TOO_MANY_REQUESTS)), (18, 12));
    assert_eq!(right, StatusCode::OK);
}

/// A gate that checks every header again.
fn forgetful(name: &str) -> Arc<Edge> {
    let line = |user: &str| format!("{user}:{}\n", bcrypt::hash("secret", 4).unwrap());
    let gate = Arc::new(Gate::keeping("machine", Duration::ZERO));
    let _ = read_once(&gate, &file(name, &["ann", "bob", "eve"].map(line).concat()));
    app::public(&fixture::loaded(Some(Arc::clone(&gate))), gate, BasePath::default())
}

/// Wrong passwords for these names, far more than are checked; it goes on until it is dropped.
struct Flood(Vec<tokio::task::JoinHandle<()>>);

impl Flood {
    async fn begin(router: &Arc<Edge>, users: &'static [&'static str]) -> Self {
        let busy = Arc::new(tokio::sync::Notify::new());
        let tasks = (0..60).map(|task| {
            let (router, busy) = (router.clone(), Arc::clone(&busy));
            tokio::spawn(async move {
                for n in 0_u64.. {
                    let password = format!("{task} {n}");
                    if status(&router, users[task % users.len()], &password).await
                        == StatusCode::TOO_MANY_REQUESTS
                    {
                        busy.notify_one();
                    }
                    tokio::task::yield_now().await;
                }
            })
        });
        let flood = Self(tasks.collect());
        busy.notified().await;
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn a_flood_of_guesses_never_keeps_out_who_was_in_before_not_even_under_the_same_name() {
    let router = forgetful("flood-proven");
    assert_eq!(status(&router, "ann", "secret").await, StatusCode::OK);
    let _flood = Flood::begin(&router, &["ann", "nobody"]).await;
    for _ in 0..20 {
        assert_eq!(status(&router, "ann", "secret").await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_flood_of_guesses_never_keeps_out_another_name_that_comes_for_the_first_time() {
    let router = forgetful("flood-other");
    let _flood = Flood::begin(&router, &["ann", "nobody", "eve"]).await;
    assert_eq!(status(&router, "bob", "secret").await, StatusCode::OK);
    // And then never again.
    assert_eq!(status(&router, "bob", "secret").await, StatusCode::OK);
}

/// Nothing tells the right password from a guess before it is checked: all have the same chance.
#[tokio::test]
async fn who_comes_for_the_first_time_under_a_name_that_is_guessed_at_gets_in_by_trying_again() {
    let router = forgetful("flood-same");
    let _flood = Flood::begin(&router, &["ann"]).await;
    loop {
        match status(&router, "ann", "secret").await {
            StatusCode::OK => break,
            refused => assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS),
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        assert_eq!(status(&router, "ann", "secret").await, StatusCode::OK);
    }
}

/// As in docs/security.md: the new line beside the old one, then without it.
#[tokio::test]
async fn passwords_are_rotated_under_load_and_under_a_flood_without_one_refusal() {
    let line = |password: &str| format!("ann:{}\n", bcrypt::hash(password, 4).unwrap());
    let (old, new) = (line("old"), line("new"));
    let mounted = Mounted::new("rotated", &format!("{ANN}{old}"));
    let gate = Arc::new(Gate::new("machine"));
    let content = read_once(&gate, &mounted.auth());
    let router =
        app::public(&fixture::loaded(Some(Arc::clone(&gate))), Arc::clone(&gate), BasePath::default());
    let watching = tokio::spawn(watch(gate, mounted.auth(), Duration::from_millis(5), content));
    assert_eq!(status(&router, "ann", "old").await, StatusCode::OK);
    let _flood = Flood::begin(&router, &["nobody", "ann"]).await;

    // Each client goes on with its password until it is told of the new one.
    let (told, _) = tokio::sync::watch::channel("old");
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (router, told, answered) = (router.clone(), told.subscribe(), answered.clone());
            tokio::spawn(async move {
                loop {
                    let password = *told.borrow();
                    if password.is_empty() {
                        return;
                    }
                    assert_eq!(status(&router, "ann", password).await, StatusCode::OK, "{password}");
                    answered.send((client, password)).unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut all_are_at = async |password: &str| {
        let mut there = std::collections::BTreeSet::new();
        while there.len() < 8 {
            let (client, with) = answers.recv().await.unwrap();
            if with == password {
                there.insert(client);
            }
        }
    };
    all_are_at("old").await;
    mounted.swap("..both", &format!("{ANN}{old}{new}"));
    until(&router, "ann", "new", StatusCode::OK).await;
    told.send_replace("new");
    all_are_at("new").await;
    mounted.swap("..new", &new);
    until(&router, "ann", "old", StatusCode::UNAUTHORIZED).await;
    all_are_at("new").await;
    told.send_replace("");
    for client in clients {
        client.await.unwrap();
    }
    watching.abort();
}

#[tokio::test]
async fn what_is_not_let_in_is_counted_by_its_reason() {
    let (app, router) = public(&file("counted", ANN), "/");
    status(&router, "ann", "secret").await;
    status(&router, "ann", "wrong").await;
    predict(&router, "/prediction", None).await;
    predict(&router, "/prediction", Some("Bearer x")).await;
    let (locked, closed) = public(Path::new("/nowhere/auth"), "/");
    status(&closed, "ann", "secret").await;
    let counted = |app: &crate::state::App, reason: &str, count: u64| {
        let series = format!("anomaly_auth_refused_total{{reason=\"{reason}\"}} {count}\n");
        assert!(app.metrics.render().unwrap().contains(&series), "{series}");
    };
    counted(&app, "wrong", 1);
    counted(&app, "missing", 2);
    counted(&app, "busy", 0);
    counted(&locked, "unreadable", 1);
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

/// A refusal because of too many checks is none.
async fn until(router: &Arc<Edge>, user: &str, password: &str, expected: StatusCode) {
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

/// Otherwise anybody who can reach `public` could shut out the cluster, and the kubelet.
#[tokio::test]
async fn who_waits_for_a_password_to_be_checked_holds_no_place_of_requests_or_probes() {
    let slow = bcrypt::hash("secret", 12).unwrap();
    let (app, router) = public(&file("waiting", &format!("ann:{slow}\n")), "/");
    let wrong = basic("ann", "wrong");
    let paths = ["/prediction", "/healthz", "/readyz", "/metrics"];
    let mut waiting: Vec<_> =
        (0..1_100).map(|n| Box::pin(predict(&router, paths[n % paths.len()], Some(&wrong)))).collect();
    for asked in &mut waiting {
        assert!(futures::poll!(asked).is_pending());
    }
    let http = app::http(&app);
    assert_eq!(fixture::post(&http, "/prediction", ORDINARY).await.status, StatusCode::OK);
    assert_eq!(fixture::get(&http, "/readyz").await.status, StatusCode::OK);
    drop(waiting);
}
