//! `POST /predictions`: many rows, in three forms on either side.

use serde_json::{Value, json};

use super::about::{About, Example};
use super::answers::{answers, json_body};

const COLUMNS: [&str; 3] = ["is_inlier", "anomaly_score", "severity"];

pub(super) fn post(about: &About<'_>) -> Value {
    json!({
        "tags": ["scoring"],
        "operationId": "predictMany",
        "summary": "Which of these rows are anomalies?",
        "description": description(about),
        "parameters": parameters(),
        "requestBody": {"required": true, "content": rows(about)},
        "responses": answers(about, verdicts(about), &[400, 406, 408, 413, 415, 422]),
    })
}

fn description(about: &About<'_>) -> String {
    format!(
        "`Content-Type` says what is sent, `Accept` what is answered; without it the answer has the request's type.\n\n\
         - With JSON on either side every row is scored or none is: at most {rows} rows and {bytes} bytes, and 422 lists the \
         first twenty errors.\n\
         - NDJSON or CSV answered as NDJSON or CSV is a stream without a limit of rows. The status is sent before the rows \
         are read: a bad row is told in its place (`{{\"row\": 17, \"error\": \"…\"}}`, or the column `error`), and the next is \
         read; after 1,000 bad rows the stream ends and says so. The trailer `X-Anomaly-Errors` counts them for clients that \
         send `TE: trailers`. Read while you send.\n\
         - `Content-Encoding: gzip` or `zstd` is unpacked.",
        rows = about.app.limits.max_batch_rows,
        bytes = about.app.limits.max_body_bytes,
    )
}

fn parameters() -> Value {
    json!([
        {
            "name": "columns",
            "in": "query",
            "description": "What an answer in NDJSON or CSV tells of each row, and in which order; JSON tells all.",
            "schema": {
                "type": "array",
                "items": {"type": "string", "enum": COLUMNS},
                "minItems": 1,
                "uniqueItems": true,
            },
            "style": "form",
            "explode": false,
        },
        {
            "name": "passthrough",
            "in": "query",
            "description": "Columns and members that are no features stand before the answer's own instead of being refused. \
                            Not from JSON or NDJSON into CSV.",
            "schema": {"type": "boolean", "default": false},
        },
    ])
}

/// What may be sent.
fn rows(about: &About<'_>) -> Value {
    let (typical, strange) = (&about.typical, &about.strange);
    let object = strange.object(about.features());
    let mut content = json_body(
        "Rows",
        json!({
            "arrays": {"summary": "rows as arrays", "value": [typical.row, strange.row]},
            "objects": {"summary": "a row as an object", "value": {"rows": [typical.row, object]}},
        }),
    );
    content["application/x-ndjson"] = json!({
        "schema": {"type": "string", "description": "A Row a line."},
        "examples": {"lines": {"value": format!("{}\n{object}\n", json!(typical.row))}},
    });
    content["text/csv"] = json!({
        "schema": {
            "type": "string",
            "description": "RFC 4180 in UTF-8: a header with all features in any order, then a row a line.",
        },
        "examples": {"table": {"value": table(about)}},
    });
    content
}

fn table(about: &About<'_>) -> String {
    let quoted = |name: &String| {
        let special = name.contains([',', '"', '\n', '\r']);
        if special { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() }
    };
    let numbers = |row: &[f64]| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    let header: Vec<String> = about.features().iter().map(quoted).collect();
    format!("{}\n{}\n{}\n", header.join(","), numbers(&about.typical.row), numbers(&about.strange.row))
}

/// What is answered.
fn verdicts(about: &About<'_>) -> Value {
    let both = [&about.typical, &about.strange];
    let mut content = json_body(
        "Predictions",
        json!({"both": {"value": {
            "revision": about.served.revision,
            "threshold": about.served.model.threshold(),
            "predictions": both.map(Example::verdict),
        }}}),
    );
    let lines: String = both.iter().map(|example| format!("{}\n", example.verdict())).collect();
    content["application/x-ndjson"] = json!({
        "schema": {
            "type": "string",
            "description": "A Prediction a line, or `{\"row\": 0, \"error\": \"…\"}` for a row that is none.",
        },
        "examples": {"lines": {"value": lines}},
    });
    let cells = both.map(|Example { scored, .. }| {
        let severity = scored.severity.map(|severity| severity.to_string()).unwrap_or_default();
        format!("{},{},{severity},\n", scored.is_inlier, scored.anomaly_score)
    });
    content["text/csv"] = json!({
        "schema": {
            "type": "string",
            "description": "A header, then a line for each row; `error` says why a row has no verdict.",
        },
        "examples": {"table": {"value": format!("{},error\n{}", COLUMNS.join(","), cells.concat())}},
    });
    json!({"description": "A verdict for each row, in their order.", "content": content})
}
