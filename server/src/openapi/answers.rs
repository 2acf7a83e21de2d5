//! What is answered: bodies, and problems, whose examples are those that the server really makes.

use axum::response::IntoResponse as _;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

use super::about::About;
use crate::metrics::PortName;
use crate::problem::Problem;
use crate::vector;

/// The answers of a route: what it says when all is well, and the statuses of the problems that it has of its own.
pub(super) fn answers(about: &About<'_>, good: Value, problems: &[u16]) -> Value {
    with_problems(about, good, problems, "")
}

/// The same under `/v2`, where errors have the protocol's form.
pub(super) fn inference_answers(about: &About<'_>, good: Value, problems: &[u16]) -> Value {
    with_problems(about, good, problems, INFERENCE)
}

/// What the names of answers in the protocol's form begin with.
const INFERENCE: &str = "Inference";

fn with_problems(about: &About<'_>, good: Value, problems: &[u16], prefix: &str) -> Value {
    let mut answers = Map::from_iter([("200".to_owned(), good)]);
    let gate: &[u16] = if about.port == PortName::Public { &[401, 429] } else { &[] };
    // (500 is a defect; the limits of connections and requests answer any route with 503)
    for status in problems.iter().chain(gate).chain(&[500, 503]) {
        let answer = json!({"$ref": format!("#/components/responses/{prefix}{status}")});
        answers.insert(status.to_string(), answer);
    }
    Value::Object(answers)
}

/// A body of JSON with this schema of the components.
pub(super) fn json_body(schema: &str, examples: Value) -> Value {
    json!({"application/json": {"schema": schema_named(schema), "examples": examples}})
}

/// A reference to a schema of the components.
pub(super) fn schema_named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Every problem, by its status.
pub(super) fn problems(about: &About<'_>) -> Map<String, Value> {
    let limits = &about.app.limits;
    let accepts = about.served.accepts;
    // (for some models, null is a value)
    let wrong: &[u8] = if accepts.missing { b"[true]" } else { b"[null]" };
    let wrong_vector =
        vector::parse(wrong, about.features(), accepts).err().unwrap_or_else(Problem::internal);
    let all: [(&str, Vec<(&str, Problem)>); 11] = [
        (
            "What was sent cannot be read: not JSON, not packed as it says, or broken off.",
            vec![(
                "malformed",
                vector::parse(b"[0.1,", about.features(), accepts).err().unwrap_or_else(Problem::internal),
            )],
        ),
        (
            "User and password are missing or wrong.",
            vec![(
                "unauthorized",
                Problem::without_password(&HeaderValue::from_static("Basic realm=\"model\"")),
            )],
        ),
        ("`Accept` has no type that there is.", vec![("notAcceptable", Problem::not_acceptable())]),
        (
            "The body did not come in time.",
            vec![("timeout", Problem::timed_out(limits.request_timeout.as_secs_f64()))],
        ),
        (
            "More bytes or rows than the limit, or something that unpacks beyond its ratio.",
            vec![
                ("bytes", Problem::too_large(limits.max_body_bytes)),
                ("rows", Problem::too_many_rows(limits.max_batch_rows)),
            ],
        ),
        (
            "A type or an encoding that is not read here.",
            vec![(
                "type",
                Problem::unsupported_type("the body has Content-Type text/plain; send application/json"),
            )],
        ),
        (
            "Readable, but not what the model takes; `errors` says where, at most 20 times.",
            vec![
                ("vector", wrong_vector),
                ("parameter", Problem::invalid_parameter("the query parameter score must be true or false")),
            ],
        ),
        (
            "Too many passwords are being checked; try again after `Retry-After`.",
            vec![("checks", Problem::too_many_checks())],
        ),
        ("A defect of the server.", vec![("internal", Problem::internal())]),
        (
            "Not ready, or overloaded; try again after `Retry-After`.",
            vec![
                ("loading", Problem::not_ready("the model is being loaded")),
                ("overloaded", Problem::too_many_rows_in_flight()),
            ],
        ),
        ("There is nothing of this name.", vec![("notFound", Problem::not_found())]),
    ];
    let both = all.into_iter().filter_map(|(description, examples)| problem(description, examples));
    both.flatten().collect()
}

/// One status with examples of what it looks like on the wire, in the form of most routes and in the protocol's.
fn problem(description: &str, examples: Vec<(&str, Problem)>) -> Option<[(String, Value); 2]> {
    let status = examples.first()?.1.status().as_u16();
    let (mut bodies, mut errors, mut headers) = (Map::new(), Map::new(), Map::new());
    for (name, problem) in examples {
        let value: Value = serde_json::from_slice(&problem.body()).unwrap_or_default();
        errors.insert(name.to_owned(), json!({"value": {"error": value["detail"]}}));
        bodies.insert(name.to_owned(), json!({"value": value}));
        headers.extend(described(problem.into_response().headers()));
    }
    let answer = |content_type: &str, schema: &str, examples: Map<String, Value>| {
        json!({
            "description": description,
            "content": {content_type: {"schema": schema_named(schema), "examples": examples}},
            "headers": headers,
        })
    };
    Some([
        (status.to_string(), answer("application/problem+json", "Problem", bodies)),
        (format!("{INFERENCE}{status}"), answer("application/json", "InferenceError", errors)),
    ])
}

/// The headers that say what to do next.
fn described(headers: &HeaderMap) -> Map<String, Value> {
    let known = [
        ("Retry-After", json!({"schema": {"type": "integer"}, "description": "Seconds."})),
        ("WWW-Authenticate", json!({"schema": {"type": "string"}})),
    ];
    known
        .into_iter()
        .filter(|(name, _)| headers.contains_key(*name))
        .map(|(name, is)| (name.to_owned(), is))
        .collect()
}
