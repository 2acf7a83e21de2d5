//! `/v2/…`: the Open Inference Protocol, and only as far as its own description leaves open what this server does.

use serde_json::{Value, json};

use super::about::About;
use super::answers::{inference_answers, json_body, schema_named};
use crate::oip::{datatypes, outputs};

const ONE: &str = "/v2/models/{model}";
const VERSION: &str = "/v2/models/{model}/versions/{version}";

/// Where verdicts are asked for.
pub(super) fn infer(about: &About<'_>) -> Vec<(String, Value)> {
    with_versions(about, "/infer", |suffix| ("post", inference(about, suffix)))
}

/// All others.
pub(super) fn metadata(about: &About<'_>) -> Vec<(String, Value)> {
    let get = |path: &str, id: &str, summary: &str, problems: &[u16]| {
        let good = json!({
            "description": "As the protocol has it.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        });
        let operation = operation(about, id, summary, good, problems);
        (path.to_owned(), json!({"get": operation}))
    };
    let mut paths = vec![
        get("/v2", "serverMetadata", "Name, version and extensions of the server", &[]),
        get("/v2/health/live", "serverLive", "Does the process answer?", &[]),
        get("/v2/health/ready", "serverReady", "May it get traffic?", &[]),
    ];
    for (path, id, summary) in
        [("", "modelMetadata", "The model's tensors"), ("/ready", "modelReady", "Can this model be asked?")]
    {
        paths.extend(with_versions(about, path, |suffix| {
            let (_, mut path) = get("", &format!("{id}{suffix}"), summary, &[404]);
            ("get", path["get"].take())
        }));
    }
    paths
}

/// The same for the model and for a version of it.
fn with_versions(
    about: &About<'_>,
    path: &str,
    operation: impl Fn(&str) -> (&'static str, Value),
) -> Vec<(String, Value)> {
    let parameter = |name: &str, value: &str| {
        let description = format!("The only one here is {value}.");
        let schema = json!({"type": "string", "enum": [value]});
        json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
    };
    let model = parameter("model", &about.app.name);
    let version = parameter("version", &about.served.revision);
    [(ONE, "", vec![model.clone()]), (VERSION, "OfVersion", vec![model, version])]
        .into_iter()
        .map(|(base, suffix, parameters)| {
            let (method, operation) = operation(suffix);
            (format!("{base}{path}"), json!({method: operation, "parameters": parameters}))
        })
        .collect()
}

fn operation(about: &About<'_>, id: &str, summary: &str, good: Value, problems: &[u16]) -> Value {
    json!({
        "tags": ["Open Inference Protocol"],
        "operationId": id,
        "summary": summary,
        "responses": inference_answers(about, good, problems),
    })
}

fn inference(about: &About<'_>, suffix: &str) -> Value {
    let rows = [&about.typical.row, &about.strange.row];
    let (count, width) = (rows.len(), about.features().len());
    let matrix = json!({"inputs": [
        {"name": "input", "datatype": "FP64", "shape": [count, width], "data": rows},
    ]});
    let column = |(name, column): (&String, usize)| {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.get(column)).copied().collect();
        json!({"name": name, "datatype": "FP32", "shape": [count], "data": values})
    };
    let columns: Vec<Value> = about.features().iter().zip(0..).map(column).collect();
    let outputs = [json!({"name": "is_outlier"}), json!({"name": "contributions"})];
    let mut content = json_body(
        "InferenceRequest",
        json!({
            "matrix": {"summary": "one tensor", "value": matrix},
            "columns": {"summary": "a tensor a feature", "value": {"id": "7", "inputs": columns, "outputs": outputs}},
        }),
    );
    content["application/octet-stream"] =
        binary("JSON, then the little-endian data of the inputs in their order.");
    let mut answer = json_body("InferenceAnswer", json!({}));
    if let Some(media) = answer["application/json"].as_object_mut() {
        media.remove("examples");
    }
    answer["application/octet-stream"] = binary("JSON, then the data of outputs asked for in binary.");
    let good = json!({
        "description": "A tensor for each output asked for.",
        "headers": {"Inference-Header-Content-Length": {
            "description": "The length of the JSON that binary data follows; absent without.",
            "schema": {"type": "integer"},
        }},
        "content": answer,
    });
    let mut operation = operation(
        about,
        &format!("infer{suffix}"),
        "Which of these rows are anomalies? (tensors)",
        good,
        &[400, 404, 408, 413, 415],
    );
    operation["description"] = json!(format!(
        "Inputs are one tensor of any name and of shape `[n, {width}]` or `[{width}]`, or {width} tensors `[n]` named as the \
         features; data is flat, or an array a row. Tensors that do not fit are 400. All rows are scored, or none: at most {rows} rows and {bytes} bytes.",
        rows = about.app.limits.max_batch_rows,
        bytes = about.app.limits.max_body_bytes,
    ));
    operation["parameters"] = json!([{
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "The length of the JSON, where binary data follows it.",
        "schema": {"type": "integer", "minimum": 0},
    }]);
    operation["requestBody"] = json!({"required": true, "content": content});
    operation
}

fn binary(description: &str) -> Value {
    json!({"schema": {"type": "string", "contentMediaType": "application/octet-stream", "description": description}})
}

/// The schemas of tensors.
pub(super) fn schemas() -> [(String, Value); 4] {
    let shape = json!({"type": "array", "items": {"type": "integer", "minimum": 0}});
    let request = json!({
        "title": "InferenceRequest",
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Comes back."},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "minItems": 1, "items": schema_named("InputTensor")},
            "outputs": {
                "description": "predict, score_samples and severity, if absent or empty.",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"enum": outputs()}, "parameters": {"type": "object"}},
                    "required": ["name"],
                },
            },
        },
        "required": ["inputs"],
    });
    let input = json!({
        "title": "InputTensor",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "datatype": {"enum": datatypes()},
            "shape": shape,
            "parameters": {"type": "object"},
            "data": {"type": "array", "items": {"type": ["number", "array", "null"]}},
        },
        "required": ["name", "datatype", "shape"],
    });
    let answer = json!({
        "title": "InferenceAnswer",
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string", "description": "The revision."},
            "id": {"type": "string"},
            "parameters": {
                "type": "object",
                "properties": {"threshold": {"type": "number", "description": "Of score_samples; below it is an outlier."}},
                "required": ["threshold"],
            },
            "outputs": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "name": {"enum": outputs()},
                    "datatype": {"enum": ["INT64", "FP64"]},
                    "shape": shape,
                    "data": {"type": "array", "items": {"type": ["number", "null"]}},
                    "parameters": {"type": "object"},
                },
                "required": ["name", "datatype", "shape"],
            }},
        },
        "required": ["model_name", "model_version", "parameters", "outputs"],
    });
    let error = json!({
        "title": "InferenceError",
        "type": "object",
        "properties": {"error": {"type": "string"}},
        "required": ["error"],
    });
    let named = |(name, schema): (&str, Value)| (name.to_owned(), schema);
    [
        ("InferenceRequest", request),
        ("InputTensor", input),
        ("InferenceAnswer", answer),
        ("InferenceError", error),
    ]
    .map(named)
}
