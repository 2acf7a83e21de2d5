//! Which tensors are answered, what is in them, and how they are written.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::super::fixture::{Answer, http, limited, loaded};
use super::{data, error, infer};
use crate::app;
use crate::config::Limits;

/// One ordinary row and one far away.
fn request(more: &Value) -> Value {
    let mut body = json!({ "inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [0.5, 0.5, 90, -90]}] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn names(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let outputs = body["outputs"].as_array().unwrap().iter();
    outputs.map(|output| output["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn verdict_score_and_severity_are_the_default_with_what_the_model_is_beside_them() {
    let answer = infer(&http(), &request(&json!({"id": "a \"b\""}))).await;
    let body = answer.json();
    assert_eq!(names(&answer), ["predict", "score_samples", "severity"]);
    let model = loaded(None).model().unwrap().model.clone();
    assert_eq!(body["model_name"], "machine");
    assert_eq!(body["model_version"], "machine-r-0a1b2c3d-1");
    assert_eq!(body["id"], "a \"b\"");
    assert_eq!(body["parameters"], json!({ "threshold": model.threshold() }));
    assert_eq!(data(&answer, "predict"), [1.0, -1.0]);
    assert!(infer(&http(), &request(&json!({}))).await.json().get("id").is_none());
}

#[tokio::test]
async fn the_outputs_asked_for_are_answered_in_their_order() {
    let all = ["is_outlier", "severity", "decision_function", "score_samples", "predict"];
    let asked: Vec<Value> = all.iter().map(|name| json!({ "name": name })).collect();
    let answer = infer(&http(), &request(&json!({ "outputs": asked }))).await;
    assert_eq!(names(&answer), all);
    let model = loaded(None).model().unwrap().model.clone();
    let scored = [[0.5, 0.5], [90.0, -90.0]].map(|row| model.score_row(&row).unwrap());
    assert_eq!(data(&answer, "is_outlier"), [0.0, 1.0]);
    assert_eq!(data(&answer, "severity"), scored.map(|row| row.severity.unwrap()));
    assert_eq!(data(&answer, "score_samples"), scored.map(|row| row.anomaly_score));
    let decisions = scored.map(|row| row.anomaly_score - model.threshold());
    assert_eq!(data(&answer, "decision_function"), decisions);
    assert!(decisions[0] >= 0.0 && decisions[1] < 0.0);
    assert_eq!(names(&infer(&http(), &request(&json!({ "outputs": [] }))).await).len(), 3);
}

#[tokio::test]
async fn outputs_that_do_not_exist_or_are_asked_for_twice_are_refused() {
    for (outputs, expected) in [
        (
            json!([{"name": "scores"}]),
            "there is no output scores; expected some of predict, score_samples, decision_function, severity, is_outlier, contributions",
        ),
        (json!([{"name": "predict"}, {"name": "predict"}]), "output predict is asked for twice"),
    ] {
        let answer = infer(&http(), &request(&json!({ "outputs": outputs }))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(error(&answer).starts_with(expected), "{}", error(&answer));
    }
}

/// An answer's JSON and its binary data.
fn split(answer: &Answer) -> (Value, Vec<u8>) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let length: usize = answer.header("inference-header-content-length").parse().unwrap();
    let (json, binary) = answer.body.split_at(length);
    (serde_json::from_slice(json).unwrap(), binary.to_vec())
}

#[tokio::test]
async fn all_outputs_are_binary_if_the_request_says_so() {
    let text = infer(&http(), &request(&json!({}))).await;
    let answer = infer(&http(), &request(&json!({"parameters": {"binary_data_output": true}}))).await;
    let (json, binary) = split(&answer);
    assert_eq!(
        json["outputs"][0],
        json!({"name": "predict", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}})
    );
    let predict: Vec<u8> = [1_i64, -1].into_iter().flat_map(i64::to_le_bytes).collect();
    let floats = [data(&text, "score_samples"), data(&text, "severity")].concat();
    let floats: Vec<u8> = floats.into_iter().flat_map(f64::to_le_bytes).collect();
    assert_eq!(binary, [predict, floats].concat());
}

#[tokio::test]
async fn each_output_can_be_binary_or_json_for_itself() {
    let outputs = json!([{"name": "severity", "parameters": {"binary_data": true}}, {"name": "predict"}]);
    let (json, binary) = split(&infer(&http(), &request(&json!({ "outputs": outputs }))).await);
    assert_eq!(json["outputs"][1]["data"], json!([1, -1]));
    assert_eq!(binary.len(), 16);
    let outputs = json!([{"name": "severity"}, {"name": "predict", "parameters": {"binary_data": false}}]);
    let body = request(&json!({ "outputs": outputs, "parameters": {"binary_data_output": true} }));
    let (json, binary) = split(&infer(&http(), &body).await);
    assert_eq!(json["outputs"][1]["data"], json!([1, -1]));
    assert_eq!(binary.len(), 16);
}

/// As many rows as take several chunks.
#[tokio::test]
async fn contributions_are_those_of_the_explanations_one_a_feature_and_only_when_asked_for() {
    let rows: Vec<[f64; 2]> = (0..300).map(|row| [f64::from(row) * 0.01, 0.5]).collect();
    let input = json!({"name": "x", "datatype": "FP64", "shape": [300, 2], "data": rows});
    let answer = infer(&http(), &json!({"inputs": [input], "outputs": [{"name": "contributions"}]})).await;
    let output = &answer.json()["outputs"][0];
    assert_eq!(output["shape"], json!([300, 2]));
    let model = loaded(None).model().unwrap().model.clone();
    let expected: Vec<f64> = rows.iter().flat_map(|row| model.explain(row).unwrap().contributions).collect();
    assert_eq!(output["data"], json!(expected));
}

#[tokio::test]
async fn contributions_that_would_not_fit_the_memory_for_bodies_are_refused() {
    let limits = Limits { max_body_bytes: 1_000, max_bodies_bytes: 1_000, ..Limits::default() };
    let router = app::http(&limited(limits));
    let input = json!({"name": "x", "datatype": "FP64", "shape": [100, 2], "data": vec![1; 200]});
    let mut body = json!({"inputs": [input]});
    assert_eq!(infer(&router, &body).await.status, StatusCode::OK);
    body["outputs"] = json!([{"name": "contributions"}]);
    let answer = infer(&router, &body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    error(&answer);
}

#[tokio::test]
async fn the_memory_of_contributions_is_held_until_they_have_been_read() {
    let limits = Limits { max_body_bytes: 20_000, max_bodies_bytes: 200_000, ..Limits::default() };
    let app = limited(limits);
    let input = json!({"name": "x", "datatype": "FP64", "shape": [2_000, 2], "data": vec![1; 4_000]});
    let body = json!({"inputs": [input], "outputs": [{"name": "contributions", "parameters": {"binary_data": true}}]});
    let request = Request::post(super::INFER).body(Body::from(body.to_string())).unwrap();
    let answer = app::http(&app).serve(request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let whole = || app.bodies.raise(&mut None, 200_000);
    assert!(whole().is_err());
    let sent = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(whole().is_err(), "the connection has not written it yet");
    drop(sent);
    assert!(whole().is_ok());
}
