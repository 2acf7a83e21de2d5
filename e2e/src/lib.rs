//! Support for the end-to-end tests: they use the cluster as people do, with `kubectl` and HTTP through the ingress.
//!
//! A test gets a namespace of its own, which enforces the restricted Pod Security Standard; it is deleted when the test
//! has passed and left for inspection when it has failed.

pub mod dashboards;
pub mod forward;
pub mod http;
pub mod kubectl;
pub mod load;
pub mod model;
pub mod prometheus;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a test waits for the cluster to do what it should: generous, because it is a limit and not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Repeats `probe` until it gives `Some`, or fails with what it said last.
pub async fn eventually<T, F>(what: &str, mut probe: F) -> Result<T>
where
    F: AsyncFnMut() -> Result<Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match probe().await? {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() > PATIENCE => {
                bail!("waited {PATIENCE:?} for {what}; last seen: {seen}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}
