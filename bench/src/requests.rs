//! Rendered requests: the same rows in every format.

use std::sync::Arc;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

pub(crate) const COLUMNS: usize = 10;

/// n rows of independent normal values, always the same.
pub(crate) fn rows(n: usize, seed: u64) -> Vec<[f64; COLUMNS]> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    // Box and Muller; 1 − u, because the logarithm of 0 is none.
    let mut normal = || (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..n).map(|_| std::array::from_fn(|_| normal())).collect()
}

/// Training data and model as one manifest.
pub(crate) fn manifest(rows: &[[f64; COLUMNS]]) -> String {
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("f{column}")).collect();
    let csv: Vec<String> = std::iter::once(names.join(","))
        .chain(rows.iter().map(|row| row.map(|value| value.to_string()).join(",")))
        .map(|line| format!("    {line}\n"))
        .collect();
    let features: Vec<String> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bench}}\ndata:\n  train.csv: |\n{}---\n\
         apiVersion: anomaly-operator.io/v1alpha1\nkind: AnomalyModel\nmetadata: {{name: bench}}\nspec:\n  \
         features: [{}]\n  detector: {{isolationForest: {{trees: 100, sampleSize: 256, seed: 16}}}}\n  \
         training: {{source: {{configMap: {{name: bench, key: train.csv}}}}}}\n",
        csv.concat(),
        features.join(", ")
    )
}

/// Single rows for `/prediction?score=true`, with further header lines.
pub(crate) fn single(rows: &[[f64; COLUMNS]], headers: &str) -> Arc<Vec<Vec<u8>>> {
    let body = |row: &[f64; COLUMNS]| json!(row).to_string().into_bytes();
    Arc::new(rows.iter().map(|row| post("/prediction?score=true", headers, &body(row))).collect())
}

/// One JSON batch of all rows for `/predictions`, with further header lines.
pub(crate) fn json_batch(rows: &[[f64; COLUMNS]], headers: &str) -> Arc<Vec<Vec<u8>>> {
    Arc::new(vec![post("/predictions", headers, json!(rows).to_string().as_bytes())])
}

/// One batch of all rows as an FP32 tensor of the Open Inference Protocol, in binary both ways.
pub(crate) fn tensor_batch(rows: &[[f64; COLUMNS]]) -> Arc<Vec<Vec<u8>>> {
    let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    let head = json!({
        "inputs": [{
            "name": "rows", "datatype": "FP32", "shape": [rows.len(), COLUMNS],
            "parameters": {"binary_data_size": bytes.len()},
        }],
        "parameters": {"binary_data_output": true},
    })
    .to_string();
    let length = format!("inference-header-content-length: {}\r\n", head.len());
    let body = [head.as_bytes(), &bytes].concat();
    Arc::new(vec![post("/v2/models/bench/infer", &length, &body)])
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
