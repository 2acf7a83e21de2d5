//! Models that are watched: by a real Prometheus, which `make up MONITORING=1` installs. The first test is for a cluster
//! before that (`hack/test.sh` runs it then), the others are for one after.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cli::replay::{Arguments, Print};
use e2e::forward::Forward;
use e2e::kubectl::{apply, get, kubectl, run, tool};
use e2e::model::{Namespace, csv, is_ready, manifest};
use e2e::prometheus::Prometheus;
use e2e::{dashboards, eventually, http};

const KINDS: [&str; 2] = ["servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com"];
/// Share of the training rows beyond the threshold: so large that what is as rare as the rarest of them has a severity above 3.
const CONTAMINATION: f64 = 0.3;
/// Rows of a batch.
const BATCH: usize = 2_000;
/// So long AnomalySevere looks back.
const REMEMBERED: Duration = Duration::from_secs(600);

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
    prometheus.asks_for_a_password().await?;
    let ns = watched("watched").await?;
    ns.data("unusable", &csv(3).replace("p,q", "a,b")).await?;
    apply(&manifest(&ns.name, "broken", "").replace("name: data", "name: unusable")).await?;
    the_target_is_up(&prometheus, &ns).await?;

    let (user, password) = ns.credentials("m").await?;
    let login = Login { host: format!("{}.localhost", ns.name), user, password };
    score(&login, &ordinary()?).await?;
    no_alert(&prometheus, &ns).await?;

    let burst: Vec<String> = burst().map(|(p, q)| format!("[{p}, {q}]")).collect();
    score(&login, &burst).await?;
    until_alert(&prometheus, &ns, "AnomalyRateHigh", "firing").await?;
    until_alert(&prometheus, &ns, "AnomalySevere", "firing").await?;

    // The burst stays within the hour that the alert looks at; rows that follow, all ordinary, make it one to be expected.
    let followed_by = rows_to_resolve(&prometheus, &ns).await?;
    let most_ordinary = vec!["[0.01, -0.01]".to_owned(); BATCH];
    for _ in 0..followed_by.div_ceil(BATCH) {
        score(&login, &most_ordinary).await?;
    }
    until_alert(&prometheus, &ns, "AnomalyRateHigh", "none").await?;

    let refused = refused().await?;
    events(&ns, &login).await?;
    every_panel_has_data(&prometheus, &ns).await?;
    refused.done().await?;
    ns.done().await
}

/// Nobody sends a row after the burst: the alert forgets it by itself. (That of the rate does so after an hour)
#[tokio::test]
async fn a_severe_burst_that_stopped_is_forgotten_after_ten_minutes() -> Result<()> {
    let prometheus = Prometheus::new()?;
    let ns = watched("severe").await?;
    the_target_is_up(&prometheus, &ns).await?;
    assert_eq!(prometheus.alert("AnomalySevere", &ns.name, "m").await?, "none");

    replay(&ns, burst()).await?;
    let stopped = tokio::time::Instant::now();
    until_alert(&prometheus, &ns, "AnomalySevere", "firing").await?;
    tokio::time::sleep_until(stopped + REMEMBERED / 2).await;
    assert_eq!(prometheus.alert("AnomalySevere", &ns.name, "m").await?, "firing", "after half of the time");
    tokio::time::sleep_until(stopped + REMEMBERED).await;
    until_alert(&prometheus, &ns, "AnomalySevere", "none").await?;
    assert_eq!(prometheus.alert("AnomalyRateHigh", &ns.name, "m").await?, "firing", "it looks at an hour");
    ns.done().await
}

/// Rows far away from all of the training.
fn burst() -> impl Iterator<Item = (i32, i32)> {
    (0..600).map(|i| (50 + i, -80 - i))
}

/// Sends rows as `anomaly replay` does, to the port without a password.
async fn replay(ns: &Namespace, rows: impl Iterator<Item = (i32, i32)>) -> Result<()> {
    let file = std::env::temp_dir().join(format!("{}.csv", ns.name));
    let lines: String = rows.map(|(p, q)| format!("{p},{q}\n")).collect();
    std::fs::write(&file, format!("p,q\n{lines}"))?;
    let forward = Forward::to(&ns.name, "service/m", 8000).await?;
    let arguments = Arguments {
        rows: file.clone(),
        url: format!("http://127.0.0.1:{}", forward.port).parse()?,
        rate: 0.0,
        batch: 100,
        connections: 1,
        repeat: 1,
        duration: None,
        user: None,
        password_file: None,
        ca: None,
        print: Print::None,
        input_format: None,
    };
    let mut said = Vec::new();
    let replayed = cli::replay::replay(&arguments, &mut said).await;
    std::fs::remove_file(file)?;
    let said = String::from_utf8_lossy(&said);
    replayed.with_context(|| said.to_string())?;
    ensure!(said.contains("600 scored"), "{said}");
    Ok(())
}

/// Where and as whom rows are scored.
struct Login {
    host: String,
    user: String,
    password: String,
}

/// A model whose alerts wait for nothing, scraped often.
async fn watched(name: &str) -> Result<Namespace> {
    // (Prometheus remembers the rows of an earlier run)
    let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let ns = Namespace::new(&format!("{name}-{run}")).await?;
    ns.data("data", &data(BATCH)).await?;
    let extra = format!(
        "  threshold: {{contamination: {CONTAMINATION}}}\n  ingress: {{host: {}.localhost}}\n  monitoring:\n    \
         serviceMonitor: {{interval: 5s}}\n    alerts: {{for: 0s}}\n",
        ns.name
    );
    ns.model("m", &extra).await?;
    ns.until_ready("m").await?;
    ns.until_condition("m", "MonitoringReady", "True", "AsSpecified").await?;
    Ok(ns)
}

/// Rows around (0, 0), ever fewer further out: each coordinate is the sum of some digits of a fixed sequence.
fn data(rows: usize) -> String {
    let mut state = 7_u64;
    let mut coordinate = || {
        let mut sum = 0.0;
        for _ in 0..8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5;
        }
        sum
    };
    let mut csv = String::from("p,q\n");
    for _ in 0..rows {
        csv += &format!("{:.4},{:.4}\n", coordinate(), coordinate());
    }
    csv
}

/// As many rows, none of them among the rarest of the training: those have a severity above 3 by themselves.
fn ordinary() -> Result<Vec<String>> {
    let data = data(BATCH);
    let mut rows = Vec::new();
    for row in data.lines().skip(1) {
        let (p, q) = row.split_once(',').context("two coordinates")?;
        if p.parse::<f64>()?.hypot(q.parse()?) < 1.6 {
            rows.push(format!("[{row}]"));
        }
    }
    Ok(rows.into_iter().cycle().take(BATCH).collect())
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
async fn score(login: &Login, rows: &[String]) -> Result<()> {
    let body = format!("[{}]", rows.join(","));
    let request = http::post(&http::client()?, &login.host, "/predictions", body);
    let request = request.basic_auth(&login.user, Some(&login.password));
    let (status, answer) = http::answer(request).await?;
    ensure!(status == 200, "{status}: {answer}");
    Ok(())
}

/// What dashboards show besides rows: single ones, refusals, and answers that are not 200.
async fn events(ns: &Namespace, login: &Login) -> Result<()> {
    let client = http::client()?;
    for (row, password, expected) in [
        ("[0.1, 0.1]", login.password.as_str(), 200),
        ("[0.1]", &login.password, 422),
        ("[0.1", &login.password, 400),
        ("[0.1, 0.1]", "wrong", 401),
    ] {
        for _ in 0..5 {
            let request = http::post(&client, &login.host, "/prediction", row.to_owned())
                .basic_auth(&login.user, Some(password));
            let (status, answer) = http::answer(request).await?;
            ensure!(status == expected, "{row}: {status} {answer}");
        }
    }
    ns.until_condition("broken", "Trained", "False", "InvalidData").await?;
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
    tokio::time::sleep(Duration::from_secs(20)).await;
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
async fn rows_to_resolve(prometheus: &Prometheus, ns: &Namespace) -> Result<usize> {
    let expr = format!(r#"anomaly:anomalies:1h{{namespace="{}",model="m"}}"#, ns.name);
    let found =
        prometheus.query(&expr).await?.first().map(|s| s.value).context("no anomalies were counted")?;
    Ok((found / CONTAMINATION) as usize)
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
