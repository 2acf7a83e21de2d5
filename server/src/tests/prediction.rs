//! `POST /prediction`.

use std::collections::BTreeMap;

use axum::body::Body;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Request, StatusCode};
use serde_json::Value;

use super::fixture::{self, Answer, FAR_AWAY, ORDINARY, get, http, post, send};

#[tokio::test]
async fn an_ordinary_row_is_an_inlier_and_nothing_else_is_said() {
    let answer = post(&http(), "/prediction", ORDINARY).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body, br#"{"is_inlier":true}"#);
}

#[tokio::test]
async fn a_row_far_away_is_an_outlier() {
    assert_eq!(post(&http(), "/prediction?score=false", FAR_AWAY).await.body, br#"{"is_inlier":false}"#);
}

#[tokio::test]
async fn the_score_asked_for_is_the_models_own_to_the_last_bit() {
    let (bytes, _) = fixture::trained();
    let expected = detectors::Model::decode(&bytes).unwrap().score_row(&[0.1, 0.9]).unwrap();
    let answer = post(&http(), "/prediction?score=true", "[0.1, 0.9]").await.json();
    assert_eq!(answer["anomaly_score"].as_f64().map(f64::to_bits), Some(expected.anomaly_score.to_bits()));
    assert_eq!(answer["severity"].as_f64().map(f64::to_bits), expected.severity.map(f64::to_bits));
    assert_eq!(answer["is_inlier"], expected.is_inlier);
    assert_eq!(answer.as_object().map(|members| members.len()), Some(3));
}

async fn with_type(content_type: &str) -> Answer {
    let request = Request::post("/prediction").header(CONTENT_TYPE, content_type);
    send(&http(), request.body(Body::from(ORDINARY)).unwrap()).await
}

#[tokio::test]
async fn json_and_no_type_at_all_are_taken() {
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
        assert_eq!(with_type(content_type).await.status, StatusCode::OK, "{content_type}");
    }
    assert_eq!(post(&http(), "/prediction", ORDINARY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn curls_default_type_is_told_which_header_to_add() {
    let answer = with_type("application/x-www-form-urlencoded").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("-H 'Content-Type: application/json'"), "{detail}");
}

/// Whatever is wrong with a request, the answer says so in the same form.
#[tokio::test]
async fn every_refusal_is_a_problem_that_says_what_was_expected() {
    let mut answers = BTreeMap::new();
    let router = http();
    for (name, body) in [
        ("a body that is cut", "[0.1,"),
        ("a null", "[0.1, null]"),
        ("a number beyond f32", "[1e39, 0.1]"),
        ("a number beyond f64", "[0.1, 1e999]"),
        ("a row in a row", "[[0.1, 0.1]]"),
        ("a text", "[\"hot\", 0.1]"),
        ("a vector too long", "[1, 2, 3]"),
        ("an empty body", ""),
        ("an object", r#"{"mean": 0.1, "sd": 0.1}"#),
        ("two values that are no numbers", "[NaN, -Infinity]"),
    ] {
        answers.insert(name, post(&router, "/prediction", body).await);
    }
    let gzip =
        Request::post("/prediction").header(CONTENT_ENCODING, "gzip").body(Body::from(ORDINARY)).unwrap();
    answers.insert("a compressed body", send(&router, gzip).await);
    answers.insert("a form", with_type("application/x-www-form-urlencoded").await);
    answers.insert("a path that is not there", get(&router, "/predict").await);
    answers.insert(
        "a score that is neither true nor false",
        post(&router, "/prediction?score=2", ORDINARY).await,
    );
    answers.insert("a wrong method", get(&router, "/prediction").await);
    answers.insert("more than a megabyte", post(&router, "/prediction", " ".repeat((1 << 20) + 1)).await);

    assert!(answers.values().all(|answer| answer.status.is_client_error() && answer.is_problem()));
    let bodies: BTreeMap<&str, Value> = answers.iter().map(|(name, answer)| (*name, answer.json())).collect();
    insta::assert_yaml_snapshot!(bodies);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    assert_eq!(get(&http(), "/prediction").await.header("allow"), "POST");
    assert_eq!(post(&http(), "/model_information", "").await.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn no_route_takes_a_write() {
    for path in ["/prediction", "/model_information", "/healthz", "/readyz", "/metrics", "/"] {
        for method in ["PUT", "PATCH", "DELETE"] {
            let request = Request::builder().method(method).uri(path).body(Body::from("x")).unwrap();
            assert!(send(&http(), request).await.status.is_client_error(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let request =
        Request::post("/prediction").header("x-request-id", "mine-7").body(Body::from("[")).unwrap();
    assert_eq!(send(&http(), request).await.header("x-request-id"), "mine-7");
    assert!(!get(&http(), "/nothing").await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn at_most_twenty_errors_are_listed() {
    let row = format!("[{}]", ["null"; 2].join(","));
    assert_eq!(post(&http(), "/prediction", row).await.json()["errors"].as_array().map(Vec::len), Some(2));
    let many = (0..100).map(|_| crate::problem::FieldError::default()).collect();
    let problem = crate::problem::Problem::invalid_vector("many", many);
    let body = axum::response::IntoResponse::into_response(problem).into_body();
    let body: Value = serde_json::from_slice(&axum::body::to_bytes(body, 1 << 20).await.unwrap()).unwrap();
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn a_bug_is_a_500_that_tells_nothing_and_ends_nothing() {
    let broken = async || -> &'static str { panic!("a secret of the code") };
    let router = std::sync::Arc::new(crate::edge::Edge {
        app: fixture::loaded(None),
        port: crate::metrics::PortName::Http,
        base: crate::base_path::BasePath::default(),
        gate: None,
        routes: axum::Router::new().route("/", axum::routing::get(broken)),
    });
    for _ in 0..2 {
        let answer = get(&router, "/").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.is_problem());
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_json_is_skipped() {
    let router = http();
    for (path, body) in [("/prediction", ORDINARY.to_owned()), ("/predictions", format!("[{ORDINARY}]"))] {
        let marked = post(&router, path, format!("\u{feff}{body}")).await;
        assert_eq!(marked.status, StatusCode::OK, "{path}: {}", marked.text());
        assert_eq!(marked.text(), post(&router, path, body).await.text());
        assert_eq!(post(&router, path, "\u{feff}").await.status, StatusCode::BAD_REQUEST);
    }
}
