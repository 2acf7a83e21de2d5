//! The page and what it asks for. What it does in a browser is tested in `hack/clients`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fixture::{FAR_AWAY, ORDINARY, directory, empty, get, http, post, public, send, trained};
use crate::app;
use crate::edge::Edge;
use crate::model::Loaded;
use crate::page::{self, Keep};
use crate::state::App;

const DATA: &str = "/page/data";

fn keeping(keep: Keep) -> Arc<App> {
    let app = Arc::into_inner(empty(None)).unwrap().with_recent(Some(keep));
    let (bytes, description) = trained();
    app.serve(Loaded::check(&bytes, description).unwrap());
    Arc::new(app)
}

async fn data(router: &Arc<Edge>) -> Value {
    let answer = get(router, DATA).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    answer.json()
}

/// The anomalies, when there are so many.
async fn anomalies(router: &Arc<Edge>, wanted: usize) -> Value {
    for _ in 0..60_000 {
        let recent = data(router).await["recent"].take();
        if recent["rows"].as_array().unwrap().len() >= wanted {
            return recent;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("fewer than {wanted} anomalies are kept");
}

#[tokio::test]
async fn the_page_is_one_document_that_allows_nothing_but_what_is_in_it() {
    let answer = get(&http(), "/").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let html = answer.text();
    let policy = answer.header("content-security-policy");
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let inside = html.split(&open).nth(1).unwrap().split(&close).next().unwrap();
        assert_eq!(html.matches(&open).count(), 1);
        let digest = STANDARD.encode(Sha256::digest(inside));
        assert!(policy.contains(&format!("{directive} 'sha256-{digest}'")), "{policy}");
    }
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    // (the namespace of SVG is a name, not an address that is asked for)
    let outside = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!outside.contains("http:") && !outside.contains("https:") && !outside.contains("//cdn"));
    assert!(!html.contains("{{") && !html.contains("=\"/"), "every path is relative");
}

#[tokio::test]
async fn under_a_base_path_the_page_asks_for_a_password_and_has_a_slash_at_its_end() {
    let file = directory("page").join("auth");
    std::fs::write(&file, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let (_, router) = public(&file, "/demo/machine");
    let with_password = async |path: &str| {
        let request = Request::get(path).header("authorization", "Basic YW5uOnNlY3JldA==");
        send(&router, request.body(axum::body::Body::empty()).unwrap()).await
    };
    for path in ["/demo/machine", "/demo/machine/", "/demo/machine/page/data"] {
        assert_eq!(get(&router, path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let redirected = with_password("/demo/machine").await;
    assert_eq!((redirected.status.as_u16(), redirected.header("location")), (308, "/demo/machine/"));
    for path in
        ["/demo/machine/", "/demo/machine/page/data", "/demo/machine/page/boundary?across=0&upwards=1"]
    {
        assert_eq!(with_password(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(with_password("/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_row_that_is_scored_is_in_the_histogram_and_those_explained_are_not() {
    let router = http();
    post(&router, "/prediction", ORDINARY).await;
    post(&router, "/predictions", format!("[{FAR_AWAY},{ORDINARY},{FAR_AWAY}]")).await;
    post(&router, "/explain", FAR_AWAY).await;
    get(&router, "/page/boundary?across=0&upwards=1").await;
    let scores = data(&router).await["scores"].take();
    let live: Vec<u64> = serde_json::from_value(scores["live"].clone()).unwrap();
    let training: Vec<f64> = serde_json::from_value(scores["training"].clone()).unwrap();
    assert_eq!((live.iter().sum::<u64>(), scores["anomalous"].as_u64()), (4, Some(2)));
    assert_eq!(live.len(), training.len());
    assert!((training.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(scores["from"].as_f64() < scores["to"].as_f64());
}

#[tokio::test]
async fn the_boundary_is_where_the_verdict_changes() {
    let router = http();
    let grid = get(&router, "/page/boundary?across=1&upwards=0").await.json();
    let number = |value: &Value| value.as_f64().unwrap();
    let size = |name: &str| grid[name].as_u64().unwrap() as usize;
    let severities = grid["severities"].as_array().unwrap();
    assert_eq!(severities.len(), size("columns") * size("rows"));
    assert_eq!((&grid["across"]["feature"], &grid["upwards"]["feature"]), (&"sd".into(), &"mean".into()));
    for cell in [0, 35, 71, 72 * 27 + 36, 72 * 53 + 71] {
        let place = |axis: &str, at: usize, cells: usize| {
            let (from, to) = (number(&grid[axis]["from"]), number(&grid[axis]["to"]));
            from + (to - from) * (at as f64 + 0.5) / cells as f64
        };
        let across = place("across", cell % 72, size("columns"));
        let upwards = place("upwards", cell / 72, size("rows"));
        let scored = post(&router, "/prediction?score=true", format!("[{upwards},{across}]")).await.json();
        assert!((number(&scored["severity"]) - number(&severities[cell])).abs() < 2e-3, "{cell}");
        assert_eq!(scored["is_inlier"], number(&severities[cell]) <= 1.0, "{cell}");
    }
    for wrong in ["?across=", "?across=0&upwards=2", "?across=-1&upwards=0", "?across=mean&upwards=sd"] {
        let answer = get(&router, &format!("/page/boundary{wrong}")).await;
        assert!(answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.is_problem(), "{wrong}");
    }
}

#[tokio::test]
async fn features_come_with_where_their_training_rows_lay() {
    let features = data(&http()).await["features"].take();
    for (at, name) in ["mean", "sd"].into_iter().enumerate() {
        let feature = &features[at];
        assert_eq!(feature["name"], name);
        assert!(feature["min"].as_f64() < feature["median"].as_f64());
        assert!(feature["median"].as_f64() < feature["max"].as_f64());
    }
}

#[tokio::test]
async fn anomalies_are_kept_only_when_that_is_switched_on() {
    let router = http();
    post(&router, "/prediction", FAR_AWAY).await;
    assert_eq!(data(&router).await["recent"], Value::Null);
}

#[tokio::test]
async fn the_latest_anomalies_are_kept_with_their_causes_and_no_values() {
    let app = keeping(Keep::Causes);
    let router = app::http(&app);
    let keeper = tokio::spawn(page::explain_recent(Arc::clone(&app)));
    post(&router, "/predictions", format!("[{ORDINARY}, {FAR_AWAY}, {ORDINARY}]")).await;
    anomalies(&router, 1).await;
    post(&router, "/prediction", "[-80, 70]").await;
    let recent = anomalies(&router, 2).await;
    assert_eq!(recent["rows"].as_array().unwrap().len(), 2);
    for (row, body) in ["[-80, 70]", FAR_AWAY].into_iter().enumerate() {
        let told = &recent["rows"][row];
        let explained = post(&router, "/explain?top=1", body).await.json();
        let (cause, expected) = (&told["features"][0], &explained["contributions"][0]);
        for member in ["feature", "contribution", "share"] {
            assert_eq!(cause[member], expected[member], "{member} of row {row}, the last one first");
        }
        assert_eq!(told["severity"], explained["severity"]);
        assert!(told["at"].as_str().unwrap().starts_with("20") && cause.get("value").is_none());
    }
    assert_eq!(recent["values"], false);
    keeper.abort();
}

#[tokio::test]
async fn values_are_kept_when_that_is_asked_for_and_no_more_than_a_hundred_rows() {
    let app = keeping(Keep::Values);
    let router = app::http(&app);
    let keeper = tokio::spawn(page::explain_recent(Arc::clone(&app)));
    let rows: Vec<String> = (0..150).map(|row| format!("[{}, -90]", 90 + row)).collect();
    post(&router, "/predictions", format!("[{}]", rows.join(","))).await;
    let recent = anomalies(&router, 100).await;
    assert_eq!(recent["rows"].as_array().unwrap().len(), 100);
    // The last row first.
    for (row, mean) in [(0, 239.0), (99, 140.0)] {
        let causes = recent["rows"][row]["features"].as_array().unwrap();
        let cause = causes.iter().find(|cause| cause["feature"] == "mean").unwrap();
        assert_eq!(cause["value"], mean);
    }
    keeper.abort();
}

#[tokio::test]
async fn what_the_page_asks_for_counts_among_the_bodies_until_it_has_been_read() {
    let app = keeping(Keep::Causes);
    let router = app::http(&app);
    let all = || {
        let mut held = None;
        app.bodies.raise(&mut held, app.limits.max_bodies_bytes).map(|()| held)
    };
    let others = all().unwrap();
    assert_eq!(get(&router, "/page/boundary").await.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(others);
    let answer = router.serve(Request::get("/page/boundary").body(Body::empty()).unwrap()).await;
    let taken = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert!(all().is_err());
    drop(taken);
    assert!(all().is_ok());
}

#[tokio::test]
async fn anomalies_that_nobody_explains_in_time_are_dropped_and_hold_nobody_up() {
    let app = keeping(Keep::Causes);
    let router = app::http(&app);
    for _ in 0..200 {
        assert_eq!(post(&router, "/prediction", FAR_AWAY).await.status, StatusCode::OK);
    }
    let keeper = tokio::spawn(page::explain_recent(Arc::clone(&app)));
    let kept = anomalies(&router, 1).await["rows"].as_array().unwrap().len();
    assert!(kept <= 8, "{kept}");
    keeper.abort();
}

/// Explaining costs far more than scoring: a flood of anomalies must not take the threads that answer.
#[tokio::test(start_paused = true)]
async fn many_anomalies_are_explained_a_few_at_a_time() {
    let app = keeping(Keep::Causes);
    let router = app::http(&app);
    let keeper = tokio::spawn(page::explain_recent(Arc::clone(&app)));
    post(&router, "/predictions", format!("[{}]", vec![FAR_AWAY; 100].join(","))).await;
    for wanted in [1, 9, 17] {
        let kept = anomalies(&router, wanted).await["rows"].as_array().unwrap().len();
        assert_eq!(kept, wanted + 7);
    }
    anomalies(&router, 100).await;
    keeper.abort();
}
