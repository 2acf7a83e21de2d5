//! What is told of the server and its model, and where.

use http::StatusCode;
use serde_json::json;

use super::super::fixture::{directory, empty, get, http, post, public, send};
use super::{INFER, error};
use crate::app;

#[tokio::test]
async fn server_and_model_describe_themselves() {
    let router = http();
    let version = env!("CARGO_PKG_VERSION");
    let server = json!({"name": "anomaly-server", "version": version, "extensions": ["binary_tensor_data"]});
    assert_eq!(get(&router, "/v2").await.json(), server);
    assert_eq!(get(&router, "/v2/health/live").await.json(), json!({"live": true}));
    assert_eq!(get(&router, "/v2/health/ready").await.json(), json!({"ready": true}));
    let model = get(&router, "/v2/models/machine").await;
    insta::assert_json_snapshot!(model.json());
    let versioned = get(&router, "/v2/models/machine/versions/machine-r-0a1b2c3d-1").await;
    assert_eq!(versioned.body, model.body);
    for path in ["/v2/models/machine/ready", "/v2/models/machine/versions/machine-r-0a1b2c3d-1/ready"] {
        assert_eq!(get(&router, path).await.json(), json!({"name": "machine", "ready": true}));
    }
}

#[tokio::test]
async fn another_model_or_version_is_not_found_and_says_which_there_is() {
    let router = http();
    for path in
        ["/v2/models/other", "/v2/models/other/ready", "/v2/models/other/versions/1", "/v2/models/m%FF"]
    {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        error(&answer);
    }
    let answer = post(&router, "/v2/models/other/infer", "{}").await;
    assert_eq!(
        (answer.status, error(&answer)),
        (StatusCode::NOT_FOUND, "there is no model other here, only machine".to_owned())
    );
    let answer = post(&router, "/v2/models/machine/versions/7/infer", "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(error(&answer), "model machine has no version 7 here, only machine-r-0a1b2c3d-1");
}

#[tokio::test]
async fn whatever_goes_wrong_below_v2_has_the_protocols_form_and_elsewhere_it_has_not() {
    let router = http();
    let nowhere = get(&router, "/v2/nothing").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    error(&nowhere);
    let method = get(&router, INFER).await;
    assert_eq!((method.status, method.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    error(&method);
    let malformed = post(&router, INFER, "[").await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
    error(&malformed);
    assert!(get(&router, "/v2x").await.is_problem());
}

#[tokio::test]
async fn without_a_model_the_server_lives_and_nothing_is_ready() {
    let router = app::http(&empty(None));
    assert_eq!(get(&router, "/v2/health/live").await.status, StatusCode::OK);
    for path in ["/v2/health/ready", "/v2/models/machine", "/v2/models/machine/ready"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(error(&answer), "the model is being loaded");
    }
}

#[tokio::test]
async fn on_the_public_port_the_routes_stand_under_the_base_path_behind_the_password() {
    let file = directory("oip").join("auth");
    std::fs::write(&file, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let (_, router) = public(&file, "/base");
    let answer = get(&router, "/base/v2/models/machine").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    error(&answer);
    let authorized =
        |request: http::request::Builder| request.header("authorization", "Basic YW5uOnNlY3JldA==");
    let request = authorized(http::Request::get("/base/v2/models/machine"));
    assert_eq!(send(&router, request.body(axum::body::Body::empty()).unwrap()).await.status, StatusCode::OK);
    let body = json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [0.5, 0.5]}]});
    let request = authorized(http::Request::post("/base/v2/models/machine/infer"));
    let answer = send(&router, request.body(body.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}
