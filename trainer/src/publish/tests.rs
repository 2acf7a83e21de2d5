//! Publishing against an API server that asserts what it is asked, and that nothing else is asked.

use std::pin::pin;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{self, Handle};

use super::*;

type ApiServer = Handle<Request<Body>, Response<Body>>;

fn revision() -> ConfigMap {
    serde_json::from_value(json!({
        "metadata": {"name": "m-r-0123abcd-1", "namespace": "demo", "labels": {"anomaly-operator.io/model": "m"}},
        "immutable": true,
        "binaryData": {"model.afm": "bW9kZWw="},
    }))
    .unwrap()
}

/// Publishes while `answers` are given one after the other; gives the result and the requests.
async fn publish_with(answers: Vec<(u16, Value)>) -> (Result<(), PublishError>, Vec<Request<Body>>) {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(serve(handle, answers));
    let result = publish(Client::new(service, "elsewhere"), &revision()).await;
    (result, server.await.unwrap())
}

/// Answers as told, then waits for the client to go: a further request would be seen.
async fn serve(handle: ApiServer, answers: Vec<(u16, Value)>) -> Vec<Request<Body>> {
    let mut handle = pin!(handle);
    let mut requests = Vec::new();
    for (code, body) in answers {
        let (request, send) = handle.next_request().await.expect("a request");
        let body = Body::from(serde_json::to_vec(&body).unwrap());
        send.send_response(
            Response::builder().status(StatusCode::from_u16(code).unwrap()).body(body).unwrap(),
        );
        requests.push(request);
    }
    assert!(handle.next_request().await.is_none(), "more requests than expected");
    requests
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

fn accepted() -> (u16, Value) {
    (200, serde_json::to_value(revision()).unwrap())
}

#[tokio::test]
async fn publishing_is_one_forced_apply_of_the_named_config_map() {
    let (result, mut requests) = publish_with(vec![accepted()]).await;
    result.unwrap();
    let request = requests.remove(0);
    assert_eq!(request.method(), "PATCH");
    assert_eq!(request.uri().path(), "/api/v1/namespaces/demo/configmaps/m-r-0123abcd-1");
    let query = request.uri().query().unwrap().trim_start_matches('&');
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    assert_eq!(parameters, ["fieldManager=anomaly-trainer", "force=true"]);
    assert_eq!(request.headers()["content-type"], "application/apply-patch+yaml");
    let sent: Value =
        serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let mut expected = serde_json::to_value(revision()).unwrap();
    expected["apiVersion"] = "v1".into();
    expected["kind"] = "ConfigMap".into();
    assert_eq!(sent, expected);
}

#[tokio::test(start_paused = true)]
async fn overload_and_server_errors_are_tried_again() {
    let answers = vec![
        status(429, "TooManyRequests", "slow down"),
        status(500, "InternalError", "etcd"),
        status(503, "ServiceUnavailable", "starting"),
        accepted(),
    ];
    let (result, requests) = publish_with(answers).await;
    result.unwrap();
    assert_eq!(requests.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stays_away_is_given_up() {
    let (result, requests) = publish_with(vec![status(503, "ServiceUnavailable", "starting"); 5]).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "cannot write ConfigMap demo/m-r-0123abcd-1 in 5 attempts: starting (503)"
    );
    assert_eq!(requests.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    let server = tokio::spawn(async move {
        let mut handle = pin!(handle);
        let mut unanswered = Vec::new();
        while let Some(request) = handle.next_request().await {
            unanswered.push(request);
        }
        unanswered.len()
    });
    let error = publish(Client::new(service, "demo"), &revision()).await.unwrap_err();
    assert!(error.to_string().ends_with("in 5 attempts: no answer in 10 s"), "{error}");
    assert_eq!(server.await.unwrap(), 5);
}

#[tokio::test]
async fn refusals_are_told_apart_and_not_tried_again() {
    let mut said = Vec::new();
    for answer in [
        status(403, "Forbidden", "configmaps \"m-r-0123abcd-1\" is forbidden: exceeded quota"),
        status(404, "NotFound", "namespaces \"demo\" not found"),
        status(409, "Conflict", "the object has been modified"),
        status(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set"),
        status(422, "Invalid", "[]: Too long: may not be more than 1048576 bytes"),
    ] {
        let (result, requests) = publish_with(vec![answer]).await;
        assert_eq!(requests.len(), 1);
        said.push(result.unwrap_err().to_string());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn an_error_is_told_with_its_causes_but_says_nothing_twice() {
    #[derive(Debug, thiserror::Error)]
    enum Layer {
        #[error("client error (Connect)")]
        Connect(#[source] Box<Layer>),
        #[error("tls: {0}")]
        Tls(#[source] Box<Layer>),
        #[error("invalid certificate")]
        Certificate,
    }
    let error = Layer::Connect(Box::new(Layer::Tls(Box::new(Layer::Certificate))));
    assert_eq!(with_causes(&error), "client error (Connect): tls: invalid certificate");
}
