//! `anomaly-operator`: wires the parts together and ends them in order. Decides nothing about models.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use operator::config::{Cli, Command, Config, RunArgs};
use operator::fence::Fence;
use operator::http::{Health, app};
use operator::leader::{LeaseSettings, Signals};
use operator::telemetry::{Metrics, start_logging};
use operator::{check, client, controller, leader};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long reconciles may take to end after SIGTERM. With the release of the Lease it stays under 10 s.
const RECONCILES_END_WITHIN: Duration = Duration::from_secs(6);
/// An aborted task ends at its next breath.
const ABORTED_WITHIN: Duration = Duration::from_millis(500);
const LEASE_RELEASED_WITHIN: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    // kube and rustls choose no provider by themselves; without one the first connection would panic.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return complain("another TLS provider was installed already");
    }
    let cli = Cli::parse();
    match cli.command {
        None => run(cli.run),
        Some(Command::Run(arguments)) => run(*arguments),
        Some(Command::Check(arguments)) => {
            let checked = in_runtime(async { Ok(check::run(&arguments, &mut std::io::stdout()).await?) });
            checked.map_or_else(|error| complain(format!("{error:#}")), |()| ExitCode::SUCCESS)
        }
        Some(Command::Crd) => print_crd().map_or_else(complain, |()| ExitCode::SUCCESS),
    }
}

fn complain(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("anomaly-operator: {error}");
    ExitCode::FAILURE
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start threads")?;
    let ended = runtime.block_on(work);
    // Dropping it would wait for whatever blocks a thread.
    runtime.shutdown_background();
    ended
}

fn print_crd() -> anyhow::Result<()> {
    let yaml = serde_yaml::to_string(&api::crd::crd())?;
    Ok(std::io::stdout().write_all(yaml.as_bytes())?)
}

/// The controller, until a signal or a failure.
fn run(arguments: RunArgs) -> ExitCode {
    if let Err(error) = start_logging(arguments.log_format()) {
        return complain(error);
    }
    let config = match arguments.check() {
        Ok(config) => config,
        Err(error) => return complain(error),
    };
    match in_runtime(operate(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ending");
            ExitCode::FAILURE
        }
    }
}

async fn operate(config: Config) -> anyhow::Result<()> {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?config, "starting");
    let fence = Fence::closed();
    let client = client::connect(fence.clone()).await?;
    let metrics = Arc::new(Metrics::new()?);
    let (reached, was_reached) = watch::channel(false);
    let (leads, leading) = watch::channel(false);
    let health = Health::new(was_reached);
    let address = config.address;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let http = tokio::spawn(axum::serve(listener, app(metrics.clone(), health.clone())).into_future());

    let namespace = config.lease_namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let lease = LeaseSettings::unique(namespace, &config.identity);
    let (stop_leading, stop_reconciling) = (CancellationToken::new(), CancellationToken::new());
    let signals = Signals { leads, reached };
    let leader = tokio::spawn(leader::run(client.clone(), lease, fence, signals, stop_leading.clone()));
    let controller = tokio::spawn(control(client, config, metrics, leading, stop_reconciling.clone()));
    supervise(Parts { http, leader, controller, stop_leading, stop_reconciling, health }).await
}

/// Reconciles while this process leads.
async fn control(
    client: kube::Client,
    config: Config,
    metrics: Arc<Metrics>,
    mut leading: watch::Receiver<bool>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        leads = leading.wait_for(|leads| *leads) => drop(leads.context("the Lease's keeper ended")?),
    }
    metrics.leads(true);
    let Config { settings, scope, identity, .. } = config;
    let ended = controller::run(client, settings, scope, metrics.clone(), identity, stop).await;
    metrics.leads(false);
    Ok(ended?)
}

/// The tasks of the process, and how to end them.
struct Parts {
    http: JoinHandle<std::io::Result<()>>,
    leader: JoinHandle<Result<(), leader::LeaderError>>,
    controller: JoinHandle<anyhow::Result<()>>,
    stop_leading: CancellationToken,
    stop_reconciling: CancellationToken,
    health: Health,
}

/// The main loop: waits for a signal, or for a part that ends although it should not.
async fn supervise(mut parts: Parts) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut beat = interval(Duration::from_secs(1));
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beat.tick() => parts.health.beat(),
            _ = terminate.recv() => return shut_down(parts).await,
            _ = interrupt.recv() => return shut_down(parts).await,
            // Fail-stop: nothing is tidied up, because another process may lead already.
            ended = &mut parts.leader => {
                ended.context("the Lease's keeper panicked")??;
                anyhow::bail!("the Lease's keeper ended without being asked");
            }
            ended = &mut parts.controller => {
                release(&parts.stop_leading, parts.leader).await;
                ended.context("the controller panicked")??;
                anyhow::bail!("the controller ended without being asked");
            }
            ended = &mut parts.http => {
                ended.context("the HTTP endpoints panicked")??;
                anyhow::bail!("the HTTP endpoints ended");
            }
        }
    }
}

/// First no reconcile, then no Lease: the next leader must not meet a write of ours.
async fn shut_down(parts: Parts) -> anyhow::Result<()> {
    tracing::info!("asked to end");
    parts.stop_reconciling.cancel();
    let mut controller = parts.controller;
    if timeout(RECONCILES_END_WITHIN, &mut controller).await.is_err() {
        tracing::warn!("some reconciles did not end in time; the next leader takes them up");
        // Their writes are given up too, before somebody else may write.
        controller.abort();
        drop(timeout(ABORTED_WITHIN, controller).await);
    }
    release(&parts.stop_leading, parts.leader).await;
    Ok(())
}

async fn release(stop: &CancellationToken, leader: JoinHandle<Result<(), leader::LeaderError>>) {
    stop.cancel();
    if timeout(LEASE_RELEASED_WITHIN, leader).await.is_err() {
        tracing::warn!("the Lease was not released in time; the next leader has to wait for its end");
    }
}
