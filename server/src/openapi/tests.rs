//! The description against the route table, and every example against the routes.

use std::sync::Arc;

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::edge::Edge;
use crate::route::Route;
use crate::tests::fixture::{Answer, directory, get, http, public, send};

const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// `{SHA}` of `secret`.
const ANN: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const BASIC: &str = "Basic YW5uOnNlY3JldA==";

async fn document(router: &Arc<Edge>) -> Value {
    let answer = get(router, "/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    answer.json()
}

/// The document of the port `public` under a path.
async fn public_document(test: &str) -> Value {
    let file = directory(&format!("openapi-{test}")).join("auth");
    std::fs::write(&file, ANN).unwrap();
    let (_, router) = public(&file, "/demo/machine");
    let request = Request::get("/demo/machine/openapi.json").header("authorization", BASIC);
    let answer = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// Without what depends on the release or on this machine's processor and mathematics.
fn portable(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            *value = format!("{:.9e}", number.as_f64().unwrap()).parse::<f64>().unwrap().into();
        }
        Value::String(text) if text == env!("CARGO_PKG_VERSION") => *text = "(version)".to_owned(),
        Value::Array(elements) => elements.iter_mut().for_each(portable),
        Value::Object(members) => {
            for (name, value) in members {
                portable(value);
                if name == "kernel" && value.is_string() {
                    *value = "(kernel)".into();
                }
            }
        }
        _ => {}
    }
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The paths of the routes; the Open Inference Protocol's share two labels.
fn labels(has: impl Fn(Route) -> bool) -> BTreeSet<&'static str> {
    let own = |route: &Route| *route != Route::Other && !route.is_inference() && has(*route);
    let labels = Route::ALL.into_iter().filter(own).map(Route::label);
    labels.chain(crate::oip::routes().map(|(path, _)| path)).collect()
}

/// A path with something in place of its parameters.
fn filled(path: &str) -> String {
    path.replace("{file}", "start.js")
        .replace("{model}", "machine")
        .replace("{version}", "machine-r-0a1b2c3d-1")
}

async fn ask(router: &Arc<Edge>, method: &Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(filled(path));
    send(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_route_of_each_port_is_described_and_no_other() {
    assert_eq!(keys(&document(&http()).await["paths"]), labels(|_| true));
    assert_eq!(keys(&public_document("routes").await["paths"]), labels(Route::is_public));
}

#[tokio::test]
async fn every_method_that_is_described_is_taken_and_no_other() {
    let router = http();
    for (path, operations) in document(&router).await["paths"].as_object().unwrap() {
        for method in METHODS {
            let described = operations.get(method.as_str().to_ascii_lowercase()).is_some();
            let status = ask(&router, &method, path).await.status;
            assert_eq!(described, status != StatusCode::METHOD_NOT_ALLOWED, "{method} {path}: {status}");
            assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_can_be_got_has_one_type_and_the_one_that_is_described() {
    let router = http();
    for (path, operations) in document(&router).await["paths"].as_object().unwrap() {
        let Some(content) = operations.pointer("/get/responses/200/content") else { continue };
        let answer = ask(&router, &Method::GET, path).await;
        let types: Vec<&str> =
            answer.headers.get_all("content-type").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(types.len(), 1, "{path}: {types:?}");
        assert!(keys(content).contains(types[0].split(';').next().unwrap()), "{path}: {types:?}");
    }
}

#[tokio::test]
async fn the_document_is_a_contract() {
    let mut document = public_document("contract").await;
    portable(&mut document);
    insta::assert_json_snapshot!(document);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    for document in [document(&http()).await, public_document("references").await] {
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        let missing: Vec<&str> = references.filter(|pointer| document.pointer(pointer).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}

#[tokio::test]
async fn before_the_model_is_loaded_there_is_no_description() {
    let router = crate::app::http(&crate::tests::fixture::empty(None));
    assert_eq!(get(&router, "/openapi.json").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&router, "/docs").await.status, StatusCode::OK);
}

/// A type and a body, one for each example of a request.
fn examples(operation: &Value) -> Vec<(&str, &str, String)> {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return Vec::new() };
    let text = content.iter().filter(|(content_type, _)| *content_type != "application/octet-stream");
    let each = text.flat_map(|(content_type, media)| {
        media["examples"].as_object().unwrap().iter().map(move |(name, example)| {
            let value = &example["value"];
            let body = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (content_type.as_str(), name.as_str(), body)
        })
    });
    each.collect()
}

#[tokio::test]
async fn every_example_of_a_request_is_accepted() {
    let router = http();
    let document = document(&router).await;
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (content_type, name, body) in examples(&operations["post"]) {
            let request = Request::post(filled(path)).header("content-type", content_type);
            let answer = send(&router, request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status, StatusCode::OK, "{path} {content_type} {name}: {}", answer.text());
            asked += 1;
        }
    }
    assert!(asked >= 10, "{asked} examples");
}

#[tokio::test]
async fn the_examples_of_answers_are_those_of_this_model() {
    let router = http();
    let document = document(&router).await;
    let operation = &document["paths"]["/prediction"]["post"];
    let (rows, answers) = (
        &operation["requestBody"]["content"]["application/json"]["examples"],
        &operation["responses"]["200"]["content"]["application/json"]["examples"],
    );
    for (name, inlier) in [("typical", true), ("strange", false)] {
        let request =
            Request::post("/prediction?score=true").body(Body::from(rows[name]["value"].to_string()));
        let answer = send(&router, request.unwrap()).await.json();
        assert_eq!(answer, answers[name]["value"]);
        assert_eq!(answer["is_inlier"], inlier, "{name}");
    }
}
