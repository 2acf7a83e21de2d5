//! Prometheus' HTTP API, through the ingress and its password.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::http;

/// Its host at the ingress controller.
const HOST: &str = "prometheus.localhost";

/// The Prometheus of `make up MONITORING=1`.
#[derive(Debug)]
pub struct Prometheus {
    client: reqwest::Client,
    user: String,
    password: String,
}

/// One series: its labels and its newest value that is a number.
#[derive(Debug)]
pub struct Series {
    /// Labels, the name among them.
    pub labels: BTreeMap<String, String>,
    /// Newest value; NaN when all are.
    pub value: f64,
}

impl Prometheus {
    /// Fails where there is none.
    pub fn new() -> Result<Self> {
        let var = |name: &str| {
            std::env::var(name)
                .with_context(|| format!("{name} is not set: `make up MONITORING=1` writes it"))
        };
        Ok(Self {
            client: http::client()?,
            user: var("MONITORING_USER")?,
            password: var("MONITORING_PASSWORD")?,
        })
    }

    /// `GET /api/v1/PATH` with these parameters: the answer's data.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let form = parameters.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
        let request = http::get(&self.client, HOST, &format!("/api/v1/{path}"))
            .basic_auth(&self.user, Some(&self.password))
            .query(&form);
        let (status, body) = http::answer(request).await?;
        let mut answer: Value =
            serde_json::from_str(&body).with_context(|| format!("{path}: {status} {body}"))?;
        if answer["status"] != "success" {
            bail!("{path} {parameters:?}: {status} {body}");
        }
        Ok(answer["data"].take())
    }

    /// Fails unless who has no password, or another, is told so.
    pub async fn asks_for_a_password(&self) -> Result<()> {
        let path = "/api/v1/query?query=up";
        let without = http::get(&self.client, HOST, path);
        let wrong = http::get(&self.client, HOST, path).basic_auth(&self.user, Some("wrong"));
        for request in [without, wrong] {
            let (status, body) = http::answer(request).await?;
            ensure!(status == 401, "{HOST} without its password: {status} {body}");
        }
        Ok(())
    }

    /// An instant query.
    pub async fn query(&self, expr: &str) -> Result<Vec<Series>> {
        series(&self.get("query", &[("query", expr)]).await?)
    }

    /// A query over the last `seconds`, as a panel makes it.
    pub async fn query_range(&self, expr: &str, seconds: u64) -> Result<Vec<Series>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (start, end) = ((now - seconds).to_string(), now.to_string());
        let asked = [("query", expr), ("start", start.as_str()), ("end", end.as_str()), ("step", "15")];
        series(&self.get("query_range", &asked).await?)
    }

    /// Names of all metrics that there are.
    pub async fn metrics(&self) -> Result<Vec<String>> {
        let names = self.get("label/__name__/values", &[]).await?;
        Ok(serde_json::from_value(names)?)
    }

    /// State of an alert with these labels: `firing`, `pending`, or nothing.
    pub async fn alert(&self, name: &str, namespace: &str, model: &str) -> Result<String> {
        let expr = format!(r#"ALERTS{{alertname="{name}",namespace="{namespace}",model="{model}"}}"#);
        let alerts = self.query(&expr).await?;
        let states: Vec<_> =
            alerts.iter().filter_map(|a| a.labels.get("alertstate")).map(String::as_str).collect();
        Ok(if states.contains(&"firing") { "firing" } else { states.first().copied().unwrap_or("none") }
            .to_owned())
    }
}

fn series(data: &Value) -> Result<Vec<Series>> {
    if data["resultType"] == "scalar" {
        return Ok(vec![Series { labels: BTreeMap::new(), value: number(&data["result"]) }]);
    }
    let results = data["result"].as_array().context("no result")?;
    results
        .iter()
        .map(|result| {
            let values = result["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            let newest = values.iter().rev().map(number).find(|value| value.is_finite());
            let value = newest.unwrap_or_else(|| number(&result["value"]));
            Ok(Series { labels: serde_json::from_value(result["metric"].clone())?, value })
        })
        .collect()
}

/// `[time, "value"]`
fn number(sample: &Value) -> f64 {
    sample[1].as_str().and_then(|v| v.parse().ok()).unwrap_or(f64::NAN)
}
