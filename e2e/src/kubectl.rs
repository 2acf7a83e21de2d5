//! `kubectl`, as a person would call it.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Whether it exited with 0.
    pub ok: bool,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A program of the cluster's tools: the environment variable of that name (`KUBECTL`, `HELM`) or PATH.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(std::env::var(name.to_uppercase()).unwrap_or_else(|_| name.into()));
    command.kill_on_drop(true);
    command
}

/// Runs `kubectl ARGS` with `input` on its standard input; a failure is for the caller to judge.
pub async fn try_kubectl(args: &[&str], input: Option<&str>) -> Result<Said> {
    if std::env::var_os("KUBECONFIG").is_none() {
        bail!("KUBECONFIG is not set: these tests need a cluster; `make e2e` brings one up and runs them");
    }
    run(tool("kubectl").args(args), input).await.with_context(|| format!("kubectl {}", args.join(" ")))
}

/// Runs a command to its end.
pub async fn run(command: &mut Command, input: Option<&str>) -> Result<Said> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    if let Some(input) = input {
        stdin.write_all(input.as_bytes()).await?;
    }
    drop(stdin);
    let output = child.wait_with_output().await?;
    Ok(Said {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs `kubectl ARGS` and fails with its own words if it does.
pub async fn kubectl(args: &[&str]) -> Result<String> {
    let said = try_kubectl(args, None).await?;
    if !said.ok {
        bail!("kubectl {}: {}", args.join(" "), said.err.trim());
    }
    Ok(said.out)
}

/// `kubectl apply` of a manifest.
pub async fn apply(manifest: &str) -> Result<()> {
    let said =
        try_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(manifest)).await?;
    if !said.ok {
        bail!("kubectl apply: {}\n{manifest}", said.err.trim());
    }
    Ok(())
}

/// An object as JSON, or `None` when there is none.
pub async fn get(namespace: &str, object: &str) -> Result<Option<Value>> {
    let out = kubectl(&["get", "-n", namespace, object, "-o", "json", "--ignore-not-found"]).await?;
    if out.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&out)?)) }
}

/// All objects of some kinds in a namespace.
pub async fn list(namespace: &str, kinds: &str, selector: &str) -> Result<Vec<Value>> {
    let out = kubectl(&["get", "-n", namespace, kinds, "-l", selector, "-o", "json"]).await?;
    let list: Value = serde_json::from_str(&out)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// The string at a JSON pointer, or nothing.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
