//! The Open Inference Protocol over REST, without sockets.

pub(super) mod grpc;
mod grpc_sockets;
mod hostile;
mod inputs;
mod metadata;
mod outputs;

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::fixture::{Answer, post, send};
use crate::edge::Edge;

const INFER: &str = "/v2/models/machine/infer";

/// JSON, then binary data, with the header that says where it begins.
async fn infer_binary(router: &Arc<Edge>, json: &Value, binary: &[u8]) -> Answer {
    let json = json.to_string();
    let request = Request::post(INFER)
        .header("content-type", "application/octet-stream")
        .header("inference-header-content-length", json.len());
    send(router, request.body(Body::from([json.as_bytes(), binary].concat())).unwrap()).await
}

async fn infer(router: &Arc<Edge>, json: &Value) -> Answer {
    post(router, INFER, json.to_string()).await
}

/// A request with one tensor of doubles.
fn doubles(shape: &[usize], data: &Value) -> Value {
    json!({ "inputs": [{ "name": "x", "datatype": "FP64", "shape": shape, "data": data }] })
}

/// An output's data from an answer in JSON.
fn data(answer: &Answer, name: &str) -> Vec<f64> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let outputs = answer.json();
    let outputs = outputs["outputs"].as_array().unwrap();
    let output = outputs.iter().find(|output| output["name"] == name).unwrap();
    let data = output["data"].as_array().unwrap();
    assert_eq!(output["shape"], json!([data.len()]));
    data.iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The error's text, which is all that the body has.
fn error(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["error"].as_str().unwrap().to_owned()
}
