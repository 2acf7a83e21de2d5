//! Models that are watched: by a real Prometheus, which `make up MONITORING=1` installs. The first test is for a cluster
//! before that (`hack/test.sh` runs it then), the others are for one after.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use e2e::kubectl::{apply, get, kubectl, run, tool};
use e2e::model::{Namespace, condition, csv, is_ready, manifest};
use e2e::prometheus::Prometheus;
use e2e::{dashboards, eventually, http};

const KINDS: [&str; 2] = ["servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"];
const HOST: &str = "watched.localhost";
/// Rows of a batch.
const BATCH: usize = 2_000;

#[tokio::test]
async fn kinds_of_prometheus_operator_are_noticed_as_they_come_and_go() -> Result<()> {
    let crds = kubectl(&["get", "crds", "-o", "name"]).await?;
    ensure!(
        !crds.contains("monitoring.coreos.com"),
        "this test is for a cluster without prometheus-operator"
    );
    let ns = Namespace::new("unwatched").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    ns.until_ready("m").await?;
    let told = ns.until_condition("m", "MonitoringReady", "False", "CRDNotInstalled").await?;
    assert!(told.contains("ServiceMonitor") && told.contains("PrometheusRule"), "{told}");
    assert!(is_ready(&ns.get("m").await?), "a model is ready without anybody who watches it");
    let dashboards =
        get(&ns.name, "configmap/m-dashboards").await?.context("dashboards need no such kind")?;
    assert_eq!(dashboards["data"].as_object().map(|files| files.len()), Some(4));

    let folder = run(&mut tool("../hack/monitoring/crds.sh"), None).await?;
    ensure!(folder.ok, "{}", folder.err);
    for kind in KINDS {
        let (plural, group) = kind.split_once('.').context("a kind has a group")?;
        let file = format!("{}/{group}_{plural}.yaml", folder.out.trim());
        apply(&std::fs::read_to_string(&file).with_context(|| file.clone())?).await?;
    }
    ns.until_condition("m", "MonitoringReady", "True", "AsSpecified").await?;
    for kind in KINDS {
        assert_eq!(ns.children("m", kind).await?.len(), 1, "{kind}");
    }

    for kind in KINDS {
        kubectl(&["delete", "crd", kind]).await?;
    }
    ns.until_condition("m", "MonitoringReady", "False", "CRDNotInstalled").await?;
    assert!(is_ready(&ns.get("m").await?));
    ns.done().await
}

/// One model from its first row to its alerts: what is scraped, what fires and resolves, and that every panel of every
/// dashboard has something to show.
#[tokio::test]
async fn a_model_is_watched() -> Result<()> {
    let prometheus = Prometheus::new()?;
    let ns = watched().await?;
    the_target_is_up(&prometheus, &ns).await?;

    let ordinary: Vec<String> = csv(BATCH).lines().skip(1).map(|row| format!("[{row}]")).collect();
    let login = ns.credentials("m").await?;
    score(&login, &ordinary).await?;
    no_alert(&prometheus, &ns).await?;

    let burst: Vec<String> = (0..300).map(|i| format!("[{}, {}]", 50 + i, -80 - i)).collect();
    score(&login, &burst).await?;
    until_alert(&prometheus, &ns, "AnomalyRateHigh", "firing").await?;
    until_alert(&prometheus, &ns, "AnomalySevere", "firing").await?;

    let refused = refused().await?;
    events(&ns, &login).await?;
    every_panel_has_data(&prometheus, &ns).await?;
    refused.done().await?;

    // The burst stays within the hour that the alert looks at; ordinary rows make it one that is to be expected.
    let rows = usize::try_from(rows_to_resolve(&prometheus, &ns).await?)?;
    for _ in 0..rows.div_ceil(BATCH) {
        score(&login, &ordinary).await?;
    }
    until_alert(&prometheus, &ns, "AnomalyRateHigh", "none").await?;
    ns.done().await
}

/// A model whose alerts wait for nothing, scraped often; and one whose training fails.
async fn watched() -> Result<Namespace> {
    let ns = Namespace::new("watched").await?;
    ns.data("data", &csv(BATCH)).await?;
    let extra = format!(
        "  ingress: {{host: {HOST}}}\n  monitoring:\n    serviceMonitor: {{interval: 5s}}\n    alerts: {{for: 0s}}\n"
    );
    ns.model("m", &extra).await?;
    ns.data("unusable", &csv(3).replace("p,q", "a,b")).await?;
    apply(&manifest(&ns.name, "broken", "").replace("name: data", "name: unusable")).await?;
    ns.until_ready("m").await?;
    ns.until_condition("m", "MonitoringReady", "True", "AsSpecified").await?;
    Ok(ns)
}

/// A namespace in which the operator cannot do its work: reconciles fail there.
async fn refused() -> Result<Namespace> {
    let ns = Namespace::new("refused").await?;
    kubectl(&["create", "quota", "none", "-n", &ns.name, "--hard=count/jobs.batch=0"]).await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    Ok(ns)
}

async fn the_target_is_up(prometheus: &Prometheus, ns: &Namespace) -> Result<()> {
    let expr = format!(r#"up{{namespace="{}",model="m"}}"#, ns.name);
    let up = eventually("the model's target to be up", async || {
        let up = prometheus.query(&expr).await?;
        Ok(if !up.is_empty() && up.iter().all(|s| s.value == 1.0) { Ok(up) } else { Err(format!("{up:?}")) })
    })
    .await?;
    for series in up {
        assert!(series.labels["pod"].starts_with("m-"), "{series:?}");
        assert!(series.labels.contains_key("job"), "{series:?}");
    }
    let info =
        prometheus.query(&format!(r#"anomaly_model_info{{namespace="{}",model="m"}}"#, ns.name)).await?;
    assert!(info.iter().all(|s| !s.labels.contains_key("exported_namespace")), "{info:?}");
    Ok(())
}

/// Scores rows in a batch, through the ingress.
async fn score((user, password): &(String, String), rows: &[String]) -> Result<()> {
    let body = format!("[{}]", rows.join(","));
    let request = http::post(&http::client()?, HOST, "/predictions", body).basic_auth(user, Some(password));
    let (status, answer) = http::answer(request).await?;
    ensure!(status == 200, "{status}: {answer}");
    Ok(())
}

/// What dashboards show besides rows: single ones, refusals, and answers that are not 200.
async fn events(ns: &Namespace, (user, password): &(String, String)) -> Result<()> {
    let client = http::client()?;
    for (row, password, expected) in [
        ("[0.1, 0.1]", password.as_str(), 200),
        ("[0.1]", password, 422),
        ("[0.1", password, 400),
        ("[0.1, 0.1]", "wrong", 401),
    ] {
        for _ in 0..5 {
            let request =
                http::post(&client, HOST, "/prediction", row.to_owned()).basic_auth(user, Some(password));
            let (status, answer) = http::answer(request).await?;
            ensure!(status == expected, "{row}: {status} {answer}");
        }
    }
    ns.until("broken", "its training to fail", |m| condition(m, "Trained")["reason"] == "TrainingFailed")
        .await?;
    Ok(())
}

async fn no_alert(prometheus: &Prometheus, ns: &Namespace) -> Result<()> {
    let expr =
        format!(r#"sum(increase(anomaly_predictions_total{{namespace="{}",model="m"}}[1h]))"#, ns.name);
    eventually("the ordinary rows to be counted", async || {
        let rows = prometheus.query(&expr).await?.first().map_or(0.0, |s| s.value);
        Ok(if rows > 0.9 * BATCH as f64 { Ok(()) } else { Err(format!("{rows} rows")) })
    })
    .await?;
    // (rules are evaluated every 15 seconds)
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    for alert in ["AnomalyRateHigh", "AnomalySevere", "AnomalyModelDown"] {
        assert_eq!(prometheus.alert(alert, &ns.name, "m").await?, "none", "{alert} at ordinary rows");
    }
    Ok(())
}

async fn until_alert(prometheus: &Prometheus, ns: &Namespace, alert: &str, wanted: &str) -> Result<()> {
    eventually(&format!("{alert} to be {wanted}"), async || {
        let state = prometheus.alert(alert, &ns.name, "m").await?;
        Ok(if state == wanted { Ok(()) } else { Err(state) })
    })
    .await
}

/// Ordinary rows after which the anomalies so far are fewer than expected.
async fn rows_to_resolve(prometheus: &Prometheus, ns: &Namespace) -> Result<i64> {
    let value = async |metric: &str| -> Result<f64> {
        let series = prometheus.query(&format!(r#"{metric}{{namespace="{}",model="m"}}"#, ns.name)).await?;
        series.first().map(|s| s.value).with_context(|| format!("there is no {metric}"))
    };
    let share = value("anomaly_model_flagged_training_ratio").await?;
    let found = value("anomaly:anomalies:1h").await?;
    ensure!(share > 0.001, "a share of {share} flagged in training would need too many rows");
    Ok((found / share) as i64)
}

/// Every query of every panel, annotation and variable returns data, and every metric in one exists.
async fn every_panel_has_data(prometheus: &Prometheus, ns: &Namespace) -> Result<()> {
    let variables = [
        ("namespace", ns.name.as_str()),
        ("model", "m"),
        ("feature", "p"),
        ("job", ".+"),
        ("instance", ".+"),
    ];
    let mut queries = Vec::new();
    for file in dashboards::FILES {
        queries.extend(dashboards::queries(file, &variables)?);
    }
    assert!(queries.len() > 80, "only {} queries were found", queries.len());
    eventually("every query of the dashboards to return data", async || {
        let mut empty = Vec::new();
        for query in &queries {
            let series = prometheus.query_range(&query.expr, 3 * 3600).await.context(query.place.clone())?;
            if !series.iter().any(|s| s.value.is_finite()) {
                empty.push(format!("{}: {}", query.place, query.expr));
            }
        }
        Ok(if empty.is_empty() { Ok(()) } else { Err(empty.join("\n")) })
    })
    .await?;

    let known: BTreeSet<String> = prometheus.metrics().await?.into_iter().collect();
    for query in &queries {
        for metric in metrics(&query.expr) {
            if !known.contains(metric) {
                bail!("{}: there is no metric {metric}", query.place);
            }
        }
    }
    Ok(())
}

/// Words of a query that are names of our metrics and recording rules.
fn metrics(expr: &str) -> impl Iterator<Item = &str> {
    expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|w| ["anomaly_", "anomaly:", "process_"].iter().any(|start| w.starts_with(start)))
}
