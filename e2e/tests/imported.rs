//! A model that scikit-learn trained, served on the cluster with scikit-learn's own scores.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::eventually;
use e2e::http;
use e2e::kubectl::{apply, text};
use e2e::model::{Namespace, condition, revision};
use serde_json::{Value, json};

const FOREST: &[u8] = include_bytes!("../../examples/data/machine-temperature/forest.json.gz");
/// timestamp, mean, sd, and what scikit-learn answered: score_samples, predict.
const ANSWERS: &str = include_str!("../../examples/data/machine-temperature/scores.csv");

async fn forest(ns: &Namespace, bytes: &[u8]) -> Result<()> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "forest", "namespace": ns.name},
        "binaryData": {"forest.json.gz": STANDARD.encode(bytes)},
    });
    apply(&map.to_string()).await
}

async fn model(ns: &Namespace, extra: Value) -> Result<()> {
    let mut spec =
        json!({"detector": {"imported": {"configMap": {"name": "forest", "key": "forest.json.gz"}}}});
    spec.as_object_mut().context("an object")?.extend(extra.as_object().cloned().unwrap_or_default());
    let manifest = json!({
        "apiVersion": "anomaly-operator.io/v1alpha1", "kind": "AnomalyModel",
        "metadata": {"name": "m", "namespace": ns.name},
        "spec": spec,
    });
    apply(&manifest.to_string()).await
}

#[tokio::test]
async fn an_imported_model_is_served_with_scikit_learns_scores() -> Result<()> {
    let (ns, host) = (Namespace::new("imported").await?, "imported.localhost");
    forest(&ns, FOREST).await?;
    model(&ns, json!({"ingress": {"host": host}})).await?;
    let served = ns.until_ready("m").await?;
    assert_eq!(
        (text(&served, "/status/detector"), &served["status"]["revision"]["rows"]),
        ("imported", &json!(979))
    );

    let expected: Vec<Vec<f64>> = ANSWERS
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).filter_map(|cell| cell.parse().ok()).collect())
        .collect();
    let rows: Vec<&[f64]> = expected.iter().map(|row| &row[..2]).collect();
    let (user, password) = ns.credentials("m").await?;
    let body = eventually("the ingress to lead to the model", async || {
        let request = http::post(&http::client()?, host, "/predictions", serde_json::to_string(&rows)?);
        let request = request.basic_auth(&user, Some(&password)).header("content-type", "application/json");
        let (status, body) = http::answer(request).await?;
        Ok(if status == 200 { Ok(body) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    let answer: Value = serde_json::from_str(&body)?;
    let predictions = answer["predictions"].as_array().context("no predictions")?;
    assert_eq!(predictions.len(), expected.len());
    for (told, row) in predictions.iter().zip(&expected) {
        let score = told["anomaly_score"].as_f64().context("no score")?;
        assert!((score - row[2]).abs() <= 1e-12, "{told}, expected {row:?}");
        assert_eq!(told["is_inlier"], row[3] > 0.0, "{told}, expected {row:?}");
        assert!(told["severity"].is_f64(), "{told}");
    }
    ns.done().await
}

#[tokio::test]
async fn a_damaged_model_is_refused_and_a_corrected_one_is_imported() -> Result<()> {
    let ns = Namespace::new("import-refused").await?;
    forest(&ns, &FOREST[..FOREST.len() / 2]).await?;
    model(&ns, json!({})).await?;
    let message = ns.until_condition("m", "Trained", "False", "ImportRefused").await?;
    assert!(message.contains("forest.json.gz") && message.contains("export it again"), "{message}");
    forest(&ns, FOREST).await?;
    let served = ns.until_ready("m").await?;
    assert!(!revision(&served).is_empty());
    assert!(text(&condition(&served, "Trained"), "/message").contains("979 rows"));
    ns.done().await
}

#[tokio::test]
async fn what_contradicts_an_import_is_refused_by_the_api_server() -> Result<()> {
    let ns = Namespace::new("import-rules").await?;
    for (extra, word) in [
        (json!({"training": {"source": {"inline": {"csv": "x\n1\n"}}}}), "training must be left out"),
        (json!({"threshold": {"contamination": 0.1}}), "threshold.contamination cannot be used"),
    ] {
        let refused = model(&ns, extra).await.expect_err("the API server refuses it").to_string();
        assert!(refused.contains(word), "{refused}");
    }
    ns.done().await
}
