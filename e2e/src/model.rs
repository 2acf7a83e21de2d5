//! Namespaces and models of the tests, and what they wait for.

use anyhow::{Context, Result};
use base64::Engine;
use serde_json::Value;

use crate::eventually;
use crate::http;
use crate::kubectl::{apply, get, kubectl, list, text};

/// A namespace of a test's own.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
}

impl Namespace {
    /// An empty namespace that enforces the restricted Pod Security Standard.
    pub async fn new(name: &str) -> Result<Self> {
        let name = format!("e2e-{name}");
        kubectl(&["delete", "namespace", &name, "--ignore-not-found", "--wait", "--timeout=120s"]).await?;
        apply(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, \
             labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
        ))
        .await?;
        Ok(Self { name })
    }

    /// Ends a test that has passed.
    pub async fn done(self) -> Result<()> {
        kubectl(&["delete", "namespace", &self.name, "--wait=false"]).await.map(drop)
    }

    /// A ConfigMap with CSV under the key `train.csv`.
    pub async fn data(&self, name: &str, csv: &str) -> Result<()> {
        let data = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.name},
            "data": {"train.csv": csv},
        });
        apply(&data.to_string()).await
    }

    /// A model with two features `p` and `q` trained on the ConfigMap `data`, with `extra` members of its spec.
    pub async fn model(&self, name: &str, extra: &str) -> Result<()> {
        apply(&manifest(&self.name, name, extra)).await
    }

    /// Merges `patch` into a model.
    pub async fn patch(&self, name: &str, patch: &str) -> Result<()> {
        kubectl(&["patch", "anm", name, "-n", &self.name, "--type=merge", "-p", patch]).await.map(drop)
    }

    /// The model as it is now.
    pub async fn get(&self, name: &str) -> Result<Value> {
        get(&self.name, &format!("anomalymodel/{name}")).await?.with_context(|| format!("no model {name}"))
    }

    /// Waits until `seen` holds for the model.
    pub async fn until(&self, name: &str, what: &str, mut seen: impl FnMut(&Value) -> bool) -> Result<Value> {
        let waited = eventually(what, async || {
            let model = self.get(name).await?;
            Ok(if seen(&model) { Ok(model) } else { Err(summary(&model)) })
        });
        match waited.await {
            Ok(model) => Ok(model),
            Err(error) => Err(error.context(self.evidence().await)),
        }
    }

    /// Waits until the newest generation is ready.
    pub async fn until_ready(&self, name: &str) -> Result<Value> {
        self.until(name, &format!("{name} to be ready"), is_ready).await
    }

    /// Waits until a condition has this status and reason.
    pub async fn until_condition(
        &self,
        name: &str,
        type_: &str,
        status: &str,
        reason: &str,
    ) -> Result<String> {
        let what = format!("{name} to have {type_}={status} {reason}");
        let model = self
            .until(name, &what, |m| {
                let c = condition(m, type_);
                text(&c, "/status") == status && text(&c, "/reason") == reason
            })
            .await?;
        Ok(text(&condition(&model, type_), "/message").to_owned())
    }

    /// Children of a model of some kinds.
    pub async fn children(&self, name: &str, kinds: &str) -> Result<Vec<Value>> {
        list(&self.name, kinds, &format!("{}={name}", api::labels::MODEL)).await
    }

    /// Names of the scoring pods that are not on their way out, each with whether it is ready.
    pub async fn scoring_pods(&self) -> Result<Vec<(String, bool)>> {
        let pods = list(&self.name, "pods", "app.kubernetes.io/component=server").await?;
        let staying = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let ready = |pod: &Value| text(&condition(pod, "Ready"), "/status") == "True";
        Ok(staying.map(|pod| (text(pod, "/metadata/name").to_owned(), ready(pod))).collect())
    }

    /// User name and generated password of a model.
    pub async fn credentials(&self, name: &str) -> Result<(String, String)> {
        let secret = get(&self.name, &format!("secret/{}", api::names::credentials(name))).await?;
        let secret = secret.with_context(|| format!("no credentials of {name}"))?;
        let field = |key: &str| -> Result<String> {
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(text(&secret, &format!("/data/{key}")))?;
            Ok(String::from_utf8(bytes)?)
        };
        Ok((field("username")?, field("password")?))
    }

    /// What a person would look at after a failure.
    async fn evidence(&self) -> String {
        let mut evidence = String::new();
        for args in [
            &["get", "anm,jobs,pods,deployments", "-n", &self.name, "-o", "wide"][..],
            &["get", "events", "-n", &self.name, "--sort-by=.lastTimestamp"],
            &["logs", "-n", "anomaly-system", "deployment/anomaly-operator", "--tail=40"],
        ] {
            evidence += &kubectl(args).await.unwrap_or_else(|e| e.to_string());
        }
        evidence
    }
}

/// Manifest of a model with two features `p` and `q` trained on the ConfigMap `data`.
pub fn manifest(namespace: &str, name: &str, extra: &str) -> String {
    format!(
        "apiVersion: anomaly-operator.io/v1alpha1
kind: AnomalyModel
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  features: [{{name: p}}, {{name: q}}]
  detector: {{isolationForest: {{trees: 50, sampleSize: 64, seed: 7}}}}
  training: {{source: {{configMap: {{name: data, key: train.csv}}}}}}
{extra}"
    )
}

/// `rows` points on a small grid around (0, 0), as CSV.
pub fn csv(rows: usize) -> String {
    let mut csv = String::from("p,q\n");
    for i in 0..rows {
        let (x, y) = ((i % 17) as f64 / 17.0 - 0.5, (i % 23) as f64 / 23.0 - 0.5);
        csv += &format!("{x},{y}\n");
    }
    csv
}

/// Whether the newest generation is ready.
pub fn is_ready(model: &Value) -> bool {
    let ready = condition(model, "Ready");
    text(&ready, "/status") == "True" && ready["observedGeneration"] == model["metadata"]["generation"]
}

/// A condition of a model, or null.
pub fn condition(model: &Value, type_: &str) -> Value {
    let conditions =
        model.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    conditions.into_iter().find(|c| c["type"] == type_).unwrap_or_default()
}

/// Name of the revision that is being served.
pub fn revision(model: &Value) -> String {
    text(model, "/status/revision/current").to_owned()
}

/// Scores one row through the ingress: status and body.
pub async fn score(host: &str, login: Option<(&str, &str)>, row: &str) -> Result<(u16, String)> {
    let request = http::post(&http::client()?, host, "/prediction?score=true", row.to_owned());
    http::answer(match login {
        Some((user, password)) => request.basic_auth(user, Some(password)),
        None => request,
    })
    .await
}

fn summary(model: &Value) -> String {
    serde_yaml::to_string(&model["status"]).unwrap_or_default()
}
