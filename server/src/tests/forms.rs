//! The same rows by every route and in every form, and what is told of them.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use detectors::{Model, Scored};
use http::Request;
use serde_json::{Value, json};

use super::fixture::{Answer, CSV, JSON, NDJSON, batch, post, send};
use super::oip::grpc;
use crate::app;
use crate::edge::Edge;
use crate::oip::grpc::inference::{InferTensorContents, ModelInferRequest, ModelInferResponse};
use crate::state::App;

/// What is told of a row, numbers by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) is_inlier: bool,
    pub(super) score: u64,
    pub(super) severity: Option<u64>,
}

impl From<Scored> for Told {
    fn from(scored: Scored) -> Self {
        let Scored { is_inlier, anomaly_score, severity } = scored;
        Self { is_inlier, score: anomaly_score.to_bits(), severity: severity.map(f64::to_bits) }
    }
}

/// One way of asking.
pub(super) struct Form {
    pub(super) name: &'static str,
    /// The rows as this form has them.
    pub(super) sent: Vec<Vec<f64>>,
    /// All rows, or why there are none.
    pub(super) answered: Result<Vec<Told>, String>,
}

impl Form {
    /// Whether rows that are asked for so are counted.
    pub(super) fn is_counted(&self) -> bool {
        !self.name.starts_with("/explain")
    }

    /// Told is what the library says of these rows, to the last bit.
    pub(super) fn agrees_with(&self, model: &Model) {
        let scored = self.sent.iter().map(|row| model.score_row(row).unwrap().into());
        assert_eq!(self.answered, Ok(scored.collect()), "{}", self.name);
    }
}

/// Rows in every form that scores. JSON has no infinities: there, 1e39 stands for one, which it is in 32 bits.
pub(super) async fn in_every_form(app: &Arc<App>, rows: &[Vec<f64>]) -> Vec<Form> {
    let (router, grpc) = (app::http(app), app::grpc(app));
    let names = app.model().unwrap().model.features().to_vec();
    let finite = |value: f64| if value.is_infinite() { 1e39_f64.copysign(value) } else { value };
    let json = of_each(rows, finite);
    let single = of_each(rows, |value| f64::from(value as f32));
    let arrays: Vec<String> = json.iter().map(|row| array(row)).collect();
    let objects: Vec<String> = json.iter().map(|row| object(&names, row)).collect();
    let (array, lines) = (format!("[{}]", arrays.join(",")), objects.join("\n"));
    let flat = format!("[{}]", array.replace(['[', ']'], ""));
    let shape = [rows.len(), names.len()];
    let form = |name, sent: &[Vec<f64>], answered| Form { name, sent: sent.to_vec(), answered };
    vec![
        form("/prediction", &json, each(&router, "/prediction?score=true", &arrays).await),
        form("/explain, a row", &json, each(&router, "/explain", &arrays).await),
        form(
            "/explain, rows",
            &json,
            members(&post(&router, "/explain", array.clone()).await, "explanations"),
        ),
        form("JSON", &json, members(&batch(&router, "", JSON, "", array.clone()).await, "predictions")),
        form("NDJSON", &json, of_lines(&batch(&router, "", NDJSON, "", lines).await)),
        form("CSV", rows, of_csv(&batch(&router, "", CSV, "", csv(&names, rows)).await)),
        form("FP64 in JSON", &json, of_tensors(&infer(&router, shape, "FP64", Ok(&flat)).await)),
        form("FP32 in JSON", &single_of(&json), of_tensors(&infer(&router, shape, "FP32", Ok(&array)).await)),
        form("FP64 in bytes", rows, of_tensors(&infer(&router, shape, "FP64", Err(&doubles(rows))).await)),
        form("FP32 in bytes", &single, of_tensors(&infer(&router, shape, "FP32", Err(&floats(rows))).await)),
        form("gRPC, FP64", rows, call(&grpc, typed(shape, rows)).await),
        form("gRPC, FP32 in bytes", &single, call(&grpc, raw(shape, floats(rows))).await),
    ]
}

fn of_each(rows: &[Vec<f64>], change: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    rows.iter().map(|row| row.iter().map(|&value| change(value)).collect()).collect()
}

/// As numbers of 32 bits; beyond them JSON keeps what was written.
fn single_of(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    of_each(rows, |value| if (value as f32).is_infinite() { value } else { f64::from(value as f32) })
}

/// A number of JSON, or null for what is missing.
fn number(value: f64) -> String {
    if value.is_nan() { "null".to_owned() } else { format!("{value:?}") }
}

fn array(row: &[f64]) -> String {
    format!("[{}]", row.iter().map(|value| number(*value)).collect::<Vec<_>>().join(","))
}

fn object(names: &[String], row: &[f64]) -> String {
    let members = names.iter().zip(row).map(|(name, value)| format!("\"{name}\":{}", number(*value)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn csv(names: &[String], rows: &[Vec<f64>]) -> String {
    let mut text = names.join(",");
    for row in rows {
        let cell = |value: &f64| if value.is_nan() { String::new() } else { format!("{value:?}") };
        let _ = write!(text, "\n{}", row.iter().map(cell).collect::<Vec<_>>().join(","));
    }
    text
}

fn doubles(rows: &[Vec<f64>]) -> Vec<u8> {
    rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(rows: &[Vec<f64>]) -> Vec<u8> {
    rows.iter().flatten().flat_map(|value| (*value as f32).to_le_bytes()).collect()
}

fn good(answer: &Answer) -> Result<Value, String> {
    if answer.status.is_success() { Ok(answer.json()) } else { Err(answer.text()) }
}

/// The severity is told, be it null.
fn told(row: &Value) -> Told {
    Told {
        is_inlier: row["is_inlier"].as_bool().unwrap(),
        score: row["anomaly_score"].as_f64().unwrap().to_bits(),
        severity: row.get("severity").unwrap().as_f64().map(f64::to_bits),
    }
}

async fn each(router: &Arc<Edge>, path: &str, rows: &[String]) -> Result<Vec<Told>, String> {
    let mut all = Vec::new();
    for row in rows {
        all.push(told(&good(&post(router, path, row.clone()).await)?));
    }
    Ok(all)
}

fn members(answer: &Answer, name: &str) -> Result<Vec<Told>, String> {
    good(answer).map(|body| body[name].as_array().unwrap().iter().map(told).collect())
}

fn of_lines(answer: &Answer) -> Result<Vec<Told>, String> {
    let line = |line: String| {
        let row: Value = serde_json::from_str(&line).unwrap();
        row.get("error").map_or_else(|| Ok(told(&row)), |error| Err(error.to_string()))
    };
    answer.lines().into_iter().map(line).collect()
}

fn of_csv(answer: &Answer) -> Result<Vec<Told>, String> {
    let lines = answer.lines();
    assert_eq!(lines[0], "is_inlier,anomaly_score,severity,error");
    let line = |line: &String| {
        let cells: Vec<&str> = line.splitn(4, ',').collect();
        let bits = |cell: &str| cell.parse::<f64>().unwrap().to_bits();
        match cells[3] {
            "" => Ok(Told {
                is_inlier: cells[0] == "true",
                score: bits(cells[1]),
                severity: Some(cells[2]).filter(|cell| !cell.is_empty()).map(bits),
            }),
            error => Err(error.to_owned()),
        }
    };
    lines[1..].iter().map(line).collect()
}

/// A tensor of JSON, or of bytes, which are answered with bytes.
async fn infer(router: &Arc<Edge>, shape: [usize; 2], datatype: &str, data: Result<&str, &[u8]>) -> Answer {
    let request = Request::post("/v2/models/machine/infer");
    let head = format!("\"name\":\"x\",\"datatype\":\"{datatype}\",\"shape\":[{},{}]", shape[0], shape[1]);
    let (request, body) = match data {
        Ok(data) => (request, format!("{{\"inputs\":[{{{head},\"data\":{data}}}]}}").into_bytes()),
        Err(bytes) => {
            let size = json!({ "binary_data_size": bytes.len() });
            let json = format!(
                "{{\"parameters\":{{\"binary_data_output\":true}},\"inputs\":[{{{head},\"parameters\":{size}}}]}}"
            );
            let request = request.header("inference-header-content-length", json.len());
            (request, [json.as_bytes(), bytes].concat())
        }
    };
    send(router, request.body(Body::from(body)).unwrap()).await
}

/// The three usual tensors, in JSON or as bytes after it.
fn of_tensors(answer: &Answer) -> Result<Vec<Told>, String> {
    if !answer.status.is_success() {
        return Err(answer.text());
    }
    if let Ok(length) = answer.header("inference-header-content-length").parse::<usize>() {
        let bytes = &answer.body[length..];
        return Ok(of_bytes([0, 1, 2].map(|tensor| &bytes[tensor * bytes.len() / 3..][..bytes.len() / 3])));
    }
    let body = answer.json();
    let data = |tensor: usize| body["outputs"][tensor]["data"].as_array().unwrap();
    let row = |row: usize| Told {
        is_inlier: data(0)[row] == 1,
        score: data(1)[row].as_f64().unwrap().to_bits(),
        severity: data(2)[row].as_f64().map(f64::to_bits),
    };
    Ok((0..data(0).len()).map(row).collect())
}

/// Verdicts, scores and severities of eight bytes each; a severity that is none is NaN.
fn of_bytes(tensors: [&[u8]; 3]) -> Vec<Told> {
    let [verdicts, scores, severities] = tensors.map(|tensor| tensor.as_chunks::<8>().0);
    let told = |((verdict, score), severity): ((&[u8; 8], &[u8; 8]), &[u8; 8])| {
        let severity = f64::from_le_bytes(*severity);
        Told {
            is_inlier: i64::from_le_bytes(*verdict) == 1,
            score: u64::from_le_bytes(*score),
            severity: (!severity.is_nan()).then(|| severity.to_bits()),
        }
    };
    verdicts.iter().zip(scores).zip(severities).map(told).collect()
}

fn typed(shape: [usize; 2], rows: &[Vec<f64>]) -> ModelInferRequest {
    let contents = InferTensorContents { fp64_contents: rows.concat(), ..InferTensorContents::default() };
    let mut input = grpc::input("FP64", &shape.map(|length| i64::try_from(length).unwrap()));
    input.contents = Some(contents.into());
    grpc::request(vec![input])
}

fn raw(shape: [usize; 2], bytes: Vec<u8>) -> ModelInferRequest {
    let input = grpc::input("FP32", &shape.map(|length| i64::try_from(length).unwrap()));
    ModelInferRequest { raw_input_contents: vec![bytes.into()], ..grpc::request(vec![input]) }
}

async fn call(router: &Arc<Edge>, request: ModelInferRequest) -> Result<Vec<Told>, String> {
    let answer = grpc::client(router).model_infer(request).await.map_err(|status| status.to_string())?;
    let ModelInferResponse { outputs, raw_output_contents: raw, .. } = answer.into_inner();
    if let [verdicts, scores, severities] = &raw[..] {
        return Ok(of_bytes([verdicts, scores, severities].map(|bytes| &bytes[..])));
    }
    let [verdicts, scores, severities] = [0, 1, 2].map(|at| outputs[at].contents.as_ref().unwrap());
    let verdicts = verdicts.int64_contents.iter().flat_map(|value| value.to_le_bytes());
    let bytes = |contents: &InferTensorContents| -> Vec<u8> {
        contents.fp64_contents.iter().flat_map(|value| value.to_le_bytes()).collect()
    };
    Ok(of_bytes([&verdicts.collect::<Vec<_>>(), &bytes(scores), &bytes(severities)]))
}
