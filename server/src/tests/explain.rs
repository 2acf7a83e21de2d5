//! `POST /explain`.

use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{self, FAR_AWAY, ORDINARY, get, http, limited, post};
use crate::app;
use crate::config::Limits;

const ROUTE: &str = "/explain";

fn contributions(explained: &Value) -> Vec<f64> {
    let contributions = explained["contributions"].as_array().unwrap().iter();
    contributions.map(|one| one["contribution"].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn a_row_is_explained_as_the_model_does_to_the_last_bit() {
    let model = detectors::Model::decode(&fixture::trained().0).unwrap();
    let (scored, expected) =
        (model.score_row(&[90.0, -90.0]).unwrap(), model.explain(&[90.0, -90.0]).unwrap());
    let answer = post(&http(), ROUTE, FAR_AWAY).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    let part = |column: usize, feature: &str| json!({ "feature": feature, "contribution": expected.contributions[column], "share": expected.shares[column] });
    let whole = json!({
        "revision": "machine-r-0a1b2c3d-1",
        "is_inlier": scored.is_inlier,
        "anomaly_score": scored.anomaly_score,
        "severity": scored.severity,
        "baseline": expected.baseline,
        "value": expected.value,
        "contributions": [part(0, "mean"), part(1, "sd")],
    });
    assert_eq!(answer.json(), whole);
}

#[tokio::test]
async fn contributions_sum_to_the_difference_of_the_path_lengths() {
    for row in [ORDINARY, FAR_AWAY, "[0.1, 7]"] {
        let explained = post(&http(), ROUTE, row).await.json();
        let difference = explained["baseline"].as_f64().unwrap() - explained["value"].as_f64().unwrap();
        assert!((contributions(&explained).iter().sum::<f64>() - difference).abs() < 1e-9, "{row}");
    }
}

#[tokio::test]
async fn rows_in_any_form_of_a_batch_are_explained_as_one_by_one_and_in_their_order() {
    let router = http();
    let mut one = post(&router, ROUTE, "[0.1, 7]").await.json();
    one.as_object_mut().unwrap().remove("revision");
    for body in [
        format!("[{ORDINARY}, [0.1, 7], {FAR_AWAY}]"),
        format!(" {{\"rows\": [{ORDINARY}, {{\"sd\": 7, \"mean\": 0.1}}, {FAR_AWAY}]}}"),
    ] {
        let answer = post(&router, ROUTE, body).await.json();
        assert_eq!(answer["revision"], "machine-r-0a1b2c3d-1");
        assert_eq!(answer["explanations"].as_array().unwrap().len(), 3);
        assert_eq!(answer["explanations"][1], one);
        assert_eq!(answer["explanations"][2]["is_inlier"], false);
    }
}

#[tokio::test]
async fn a_large_batch_comes_in_chunks_that_fit_together() {
    let rows: Vec<Value> = (0..9_999).map(|row| json!([f64::from(row) / 100.0, 0.5])).collect();
    let router = http();
    let answer = post(&router, ROUTE, Value::from(rows.clone()).to_string()).await.json();
    let explanations = answer["explanations"].as_array().unwrap();
    assert_eq!(explanations.len(), rows.len());
    for row in [0, 2_047, 2_048, 9_998] {
        let alone = post(&router, ROUTE, rows[row].to_string()).await.json();
        assert_eq!(contributions(&explanations[row]), contributions(&alone), "row {row}");
    }
}

#[tokio::test]
async fn the_largest_contributions_come_first_when_asked_for() {
    let answer = post(&http(), "/explain?top=1", "[0.5, 90]").await.json();
    assert_eq!(answer["contributions"].as_array().unwrap().len(), 1);
    assert_eq!(answer["contributions"][0]["feature"], "sd");
    let all = post(&http(), "/explain?top=7", "[0.5, 90]").await.json();
    assert_eq!(all["contributions"].as_array().unwrap().len(), 2);
    for wrong in ["0", "-1", "all", ""] {
        let answer = post(&http(), &format!("/explain?top={wrong}"), ORDINARY).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(answer.is_problem());
    }
}

#[tokio::test]
async fn an_empty_batch_has_no_explanations() {
    let answer = post(&http(), ROUTE, "{\"rows\": []}").await.json();
    assert_eq!(answer["explanations"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_scored_is_refused_as_predictions_are() {
    let few = Limits { max_batch_rows: 2, max_body_bytes: 200, ..Limits::default() };
    let router = app::http(&limited(few));
    for (body, status, said) in [
        ("[1]", 422, "the vector has 1"),
        ("[]", 422, "the vector has 0"),
        ("7", 422, "an array of 2 numbers"),
        ("[1, 1e39]", 422, "value 1 (feature sd)"),
        ("[[1, 2], [1]]", 422, "row 1"),
        ("{\"mean\": 1, \"sd\": 2}", 422, "rows"),
        ("[1, 2", 400, "not JSON"),
        ("[[1, 2], ", 400, "not JSON"),
        ("[[1, 2], [1, 2], [1, 2]]", 413, "at most 2 rows"),
    ] {
        let answer = post(&router, ROUTE, body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        assert!(answer.is_problem() && answer.text().contains(said), "{body}: {}", answer.text());
    }
    let long = format!("[1, {}]", "2".repeat(300));
    assert_eq!(post(&router, ROUTE, long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get(&router, ROUTE).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn explaining_counts_no_predictions_and_has_a_route_of_its_own_in_the_metrics() {
    let router = http();
    post(&router, ROUTE, FAR_AWAY).await;
    let text = get(&router, "/metrics").await.text();
    assert!(text.contains("anomaly_predictions_total{verdict=\"outlier\"} 0"));
    assert!(text.contains("anomaly_http_requests_total{code=\"200\",port=\"http\",route=\"/explain\"} 1"));
}
