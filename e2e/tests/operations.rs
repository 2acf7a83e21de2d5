//! What an administrator does: upgrades, restarts, crashes, and leaving the operator alone. These tests disturb the
//! operator, so they run one after the other (`--test-threads=1`). The cluster has Prometheus (`make up MONITORING=1`).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::eventually;
use e2e::kubectl::{kubectl, run, text, tool};
use e2e::model::{Namespace, csv, is_ready, revision};
use serde_json::Value;

const SYSTEM: &str = "anomaly-system";
const KINDS: &str = "anomalymodels,jobs,configmaps,secrets,deployments,services,serviceaccounts,roles,rolebindings,\
                     networkpolicies,ingresses,middlewares.traefik.io,servicemonitors,prometheusrules";

#[tokio::test]
async fn upgrading_the_chart_retrains_nothing() -> Result<()> {
    let ns = settled("upgrade").await?;
    let before = ns.get("m").await?;
    let jobs = versions(&ns, "jobs").await?;
    let generation = text(&before, "/metadata/generation").to_owned();
    for value in ["log.format=text", "log.format=json"] {
        let said = run(
            tool("helm").args([
                "upgrade",
                "anomaly-operator",
                "../charts/anomaly-operator",
                "-n",
                SYSTEM,
                "--reuse-values",
                "--set",
                value,
                "--wait",
                "--timeout=180s",
            ]),
            None,
        )
        .await?;
        assert!(said.ok, "{}{}", said.out, said.err);
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = ns.get("m").await?;
    assert!(is_ready(&after));
    assert_eq!(text(&after, "/metadata/generation"), generation);
    assert_eq!(revision(&after), revision(&before));
    assert_eq!(versions(&ns, "jobs").await?, jobs);
    ns.done().await
}

#[tokio::test]
async fn the_charts_own_test_passes() -> Result<()> {
    let said =
        run(tool("helm").args(["test", "anomaly-operator", "-n", SYSTEM, "--timeout=120s"]), None).await?;
    assert!(said.ok, "{}{}", said.out, said.err);
    Ok(())
}

#[tokio::test]
async fn an_operator_that_is_killed_again_and_again_converges() -> Result<()> {
    let ns = Namespace::new("killed").await?;
    ns.data("data", &csv(100)).await?;
    for i in 0..4 {
        ns.model(&format!("m{i}"), &format!("  ingress: {{host: killed-{i}.localhost}}\n")).await?;
        kill_operator().await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        kill_operator().await?;
    }
    for i in 0..4 {
        let name = format!("m{i}");
        ns.until_ready(&name).await?;
        assert_eq!(ns.children(&name, "jobs").await?.len(), 1, "{name} was trained once");
    }
    ns.done().await
}

#[tokio::test]
async fn a_restart_of_the_operator_writes_nothing() -> Result<()> {
    let ns = settled("restart").await?;
    let before = versions(&ns, KINDS).await?;
    assert!(before.len() >= 12, "{before:?}");
    kubectl(&["rollout", "restart", "deployment/anomaly-operator", "-n", SYSTEM]).await?;
    kubectl(&["rollout", "status", "deployment/anomaly-operator", "-n", SYSTEM, "--timeout=120s"]).await?;
    // Time for the new leader to have looked at everything: the Lease of the old one may have to run out.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(versions(&ns, KINDS).await?, before);
    ns.done().await
}

/// `IDLE_SECONDS` (60) without a change: the API server counts no write of any kind that the operator writes, but Leases.
#[tokio::test]
async fn an_idle_operator_writes_nothing_but_its_lease() -> Result<()> {
    let ns = settled("idle").await?;
    eventually("the namespaces of earlier tests to be gone", async || {
        let phases = kubectl(&["get", "namespaces", "-o", "jsonpath={.items[*].status.phase}"]).await?;
        Ok(if phases.contains("Terminating") { Err(phases) } else { Ok(()) })
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let seconds = std::env::var("IDLE_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    let before = writes().await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = writes().await?;
    let changed: Vec<_> = after.iter().filter(|(k, n)| before.get(*k) != Some(n)).collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert!(!before.is_empty(), "the API server's counters were read");
    ns.done().await
}

/// A model that is ready and exposed, in a cluster at rest.
async fn settled(name: &str) -> Result<Namespace> {
    let ns = Namespace::new(name).await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", &format!("  ingress: {{host: {name}.localhost}}\n")).await?;
    ns.until_ready("m").await?;
    Ok(ns)
}

async fn kill_operator() -> Result<()> {
    kubectl(&[
        "delete",
        "pod",
        "-n",
        SYSTEM,
        "-l",
        "app.kubernetes.io/name=anomaly-operator",
        "--force",
        "--grace-period=0",
        "--wait=false",
    ])
    .await
    .map(drop)
}

/// Resource versions of a model's children and of itself.
async fn versions(ns: &Namespace, kinds: &str) -> Result<BTreeMap<String, String>> {
    let out = kubectl(&["get", kinds, "-n", &ns.name, "-o", "json"]).await?;
    let list: Value = serde_json::from_str(&out)?;
    let items = list["items"].as_array().context("no list")?;
    let key = |o: &Value| format!("{}/{}", text(o, "/kind"), text(o, "/metadata/name"));
    Ok(items.iter().map(|o| (key(o), text(o, "/metadata/resourceVersion").to_owned())).collect())
}

/// The API server's counts of writes to kinds that the operator writes.
async fn writes() -> Result<BTreeMap<String, String>> {
    const RESOURCES: [&str; 16] = [
        "anomalymodels",
        "jobs",
        "configmaps",
        "secrets",
        "deployments",
        "services",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "networkpolicies",
        "ingresses",
        "middlewares",
        "servicemonitors",
        "prometheusrules",
        "events",
        "pods",
    ];
    let metrics = kubectl(&["get", "--raw", "/metrics"]).await?;
    let mut counts = BTreeMap::new();
    for line in metrics.lines().filter(|l| l.starts_with("apiserver_request_total{")) {
        let Some((labels, count)) = line.rsplit_once(' ') else { bail!("cannot read {line}") };
        let written = ["POST", "PUT", "PATCH", "APPLY", "DELETE"]
            .iter()
            .any(|v| labels.contains(&format!("verb=\"{v}\"")));
        let ours = RESOURCES.iter().any(|r| labels.contains(&format!("resource=\"{r}\"")));
        // The API server counts token requests and evictions of others as sub-resources.
        if written && ours && !labels.contains("subresource=\"token\"") {
            counts.insert(labels.to_owned(), count.to_owned());
        }
    }
    Ok(counts)
}
