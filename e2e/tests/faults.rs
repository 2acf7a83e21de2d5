//! Roll-outs and deleted pods under load: no request is lost. `ROLL_OUTS` and `POD_DELETIONS` say how many; a few by default,
//! `make e2e-faults` has a hundred of each.

use std::time::Instant;

use anyhow::{Context, Result};
use e2e::eventually;
use e2e::kubectl::{kubectl, text};
use e2e::load::Load;
use e2e::model::{Namespace, condition, csv, is_ready, score};

const ORDINARY: &str = "[0.0, 0.0]";
const WORKERS: usize = 8;

/// How many faults of a sort.
fn number(name: &str) -> Result<usize> {
    std::env::var(name).map_or(Ok(5), |value| value.parse().with_context(|| format!("{name}={value}")))
}

/// A model with two pods that answers through the ingress, under load.
async fn under_load(name: &str, host: &str) -> Result<(Namespace, Load)> {
    let ns = Namespace::new(name).await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", &format!("  ingress: {{host: {host}}}\n  serving: {{replicas: 2}}\n")).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    eventually("an answer", async || {
        let (status, body) = score(host, Some((&user, &password)), ORDINARY).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    let load = Load::start(host, (&user, &password), ORDINARY, WORKERS);
    load.go_on(100).await?;
    Ok((ns, load))
}

/// Ends the load; says how much of it there was.
async fn lossless(load: Load, begun: Instant, faults: &str) -> Result<()> {
    // (what the last fault may have broken comes to light)
    load.go_on(200).await?;
    let report = load.stop().await?;
    eprintln!(
        "{faults}: {} requests answered in {} s, others: {:?}",
        report.answered,
        begun.elapsed().as_secs(),
        report.failed
    );
    assert!(report.failed.is_empty(), "{faults}: {report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_outs_lose_no_request() -> Result<()> {
    let roll_outs = number("ROLL_OUTS")?;
    let (ns, load) = under_load("faults-roll", "faults-roll.localhost").await?;
    let begun = Instant::now();
    for i in 1..=roll_outs {
        // Another template of the pods, and nothing else.
        let requests =
            format!(r#"{{"spec":{{"serving":{{"resources":{{"requests":{{"cpu":"{}m"}}}}}}}}}}"#, 5 + i % 20);
        ns.patch("m", &requests).await?;
        ns.until("m", &format!("roll-out {i}"), |m| {
            is_ready(m) && text(&condition(m, "Progressing"), "/status") == "False"
        })
        .await?;
        if i % 10 == 0 {
            eprintln!(
                "{i} roll-outs, {} s, {} answered, {:?}",
                begun.elapsed().as_secs(),
                load.answered(),
                load.failed()
            );
        }
    }
    lossless(load, begun, &format!("{roll_outs} roll-outs")).await?;
    ns.done().await
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_pods_lose_no_request() -> Result<()> {
    let deletions = number("POD_DELETIONS")?;
    let (ns, load) = under_load("faults-pods", "faults-pods.localhost").await?;
    let begun = Instant::now();
    for i in 1..=deletions {
        let pods = ns.scoring_pods().await?;
        let (victim, _) = pods.get(i % pods.len().max(1)).context("no pod")?;
        kubectl(&["delete", "pod", victim, "-n", &ns.name, "--wait=false"]).await?;
        // Two pods are ready again; those that count pods for the Deployment may still count the one that is gone.
        eventually(&format!("a pod in the place of {victim}, the {i}th deleted"), async || {
            let pods = ns.scoring_pods().await?;
            let exchanged = pods.len() == 2 && pods.iter().all(|(name, ready)| *ready && name != victim);
            Ok(if exchanged { Ok(()) } else { Err(format!("{pods:?}")) })
        })
        .await?;
        if i % 10 == 0 {
            eprintln!(
                "{i} deletions, {} s, {} answered, {:?}",
                begun.elapsed().as_secs(),
                load.answered(),
                load.failed()
            );
        }
    }
    lossless(load, begun, &format!("{deletions} pod deletions")).await?;
    ns.done().await
}
