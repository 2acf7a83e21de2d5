//! `anomaly-server`: flags, logs and threads around [`server::run`].

mod flags;
mod logs;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use crate::flags::Flags;

fn main() -> anyhow::Result<()> {
    // First of all: without a provider the first TLS connection would panic.
    let provider = rustls::crypto::ring::default_provider().install_default();
    anyhow::ensure!(provider.is_ok(), "another TLS provider was installed already");
    let flags = Flags::parse();
    logs::start(flags.log_format);
    let threads = flags.worker_threads();
    tracing::info!(threads, version = env!("CARGO_PKG_VERSION"), "starting");
    let runtime = runtime(threads).context("cannot start the threads")?;
    let served = runtime.block_on(server::run(flags.into_config()));
    // A password check that still runs has nobody left to answer.
    runtime.shutdown_background();
    served.context("the server cannot start")
}

/// One thread needs no queues to steal from, and is woken for less.
fn runtime(threads: usize) -> std::io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    }
}
