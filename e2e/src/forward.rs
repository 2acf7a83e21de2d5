//! `kubectl port-forward` to a free port of this machine.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::kubectl::tool;

/// A forwarded port; it ends with its value.
pub struct Forward {
    /// The port on 127.0.0.1.
    pub port: u16,
    _process: Child,
}

impl Forward {
    /// Forwards to a port of `target`, like `pod/x` or `service/x`.
    pub async fn to(namespace: &str, target: &str, port: u16) -> Result<Self> {
        let mut process = tool("kubectl")
            .args(["port-forward", "-n", namespace, target, &format!(":{port}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = process.stdout.take().context("no standard output")?;
        // Forwarding from 127.0.0.1:40163 -> 8080
        let mut lines = BufReader::new(said).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        let port = line.split(" -> ").next().and_then(|from| from.rsplit(':').next()?.parse().ok());
        let port = port.with_context(|| format!("kubectl port-forward {target}: {line:?}"))?;
        // It says something of every connection, and ends when nobody listens.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { port, _process: process })
    }
}
