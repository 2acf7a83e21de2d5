//! A server from its binding to its end: which tasks there are, and in which order they stop.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::app;
use crate::auth::{self, Gate};
use crate::config::{Config, Drain, Public, TlsFiles};
use crate::edge::Edge;
use crate::health;
use crate::listen::{self, Phase, Phases, Port};
use crate::metrics::Metrics;
use crate::model::{self, LoadError, Loaded, Source};
use crate::page;
use crate::state::App;
use crate::tls::{self, Tls};
use crate::traces::Traces;

/// Why a server cannot start. A model directory that cannot be loaded is no reason: see `/readyz`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The model given in memory does not check out.
    #[error(transparent)]
    Model(#[from] LoadError),
    /// The metrics cannot be registered.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The signals cannot be handled.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
}

/// How long what is in flight may take after an interrupt.
const INTERRUPTED: Duration = Duration::from_secs(2);

/// What ends a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: lame duck first.
    Drain,
    /// SIGINT: no lame duck. Any further signal ends the phase that the server is in.
    Now,
}

/// A server whose ports are open; connections wait until it runs.
#[derive(Debug)]
pub struct Server {
    http: Listening,
    public: Option<Listening>,
    grpc: Option<Listening>,
    background: JoinSet<()>,
    traces: Option<Arc<Traces>>,
    phase: watch::Sender<Phase>,
    phases: Phases,
    drain: Drain,
}

#[derive(Debug)]
struct Listening {
    port: Arc<Port>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Opens the ports, loads a model from memory, or starts to load one from its directory.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let mut background = JoinSet::new();
        let gate = config.public.as_ref().map(|_| Arc::new(Gate::new(&config.model_name)));
        let metrics = Metrics::new()?;
        let tls = config.tls.map(|files| start_tls(files, &metrics, &mut background));
        let failed = metrics.refusals.exports_failed.clone();
        let traces = config.traces.and_then(|traces| Traces::start(traces, &config.model_name, failed));
        let app = App::new(config.model_name, config.model_namespace, config.limits, metrics, gate.clone());
        let app = app.with_tls(tls).with_about(config.about).with_recent(config.recent);
        let app = Arc::new(app.with_telemetry(config.access_log, traces.clone()));
        background.spawn(page::explain_recent(Arc::clone(&app)));
        load(&app, config.model, &mut background)?;
        let public = match (config.public, gate) {
            (Some(public), Some(gate)) => Some(open_public(&app, public, gate, &mut background).await?),
            _ => None,
        };
        let grpc = match config.grpc_address {
            Some(address) => Some(open(address, app::grpc(&app)).await?),
            None => None,
        };
        let http = open(config.http_address, app::http(&app)).await?;
        let (phase, phases) = Phases::new();
        background.spawn(health::tell(app, phases.clone()));
        Ok(Self { http, public, grpc, background, traces, phase, phases, drain: config.drain })
    }

    /// The address of the port `http`.
    pub fn http_address(&self) -> SocketAddr {
        self.http.address
    }

    /// The address of the port `public`, if it was asked for.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(|public| public.address)
    }

    /// The address of the port `grpc`, if it was asked for.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(|grpc| grpc.address)
    }

    /// Serves until told to stop, then drains. A sender that is gone means [`Stop::Now`].
    pub async fn run(self, mut stop: mpsc::Receiver<Stop>) {
        let mut ports = JoinSet::new();
        for Listening { port, listener, .. } in self.public.into_iter().chain(self.grpc).chain([self.http]) {
            ports.spawn(port.serve(listener, self.phases.clone()));
        }
        let mut finish = self.drain.finish;
        if stop.recv().await == Some(Stop::Drain) {
            lame_duck(&self.phase, self.drain.lame_duck, &mut stop).await;
        } else {
            finish = finish.min(INTERRUPTED);
        }
        self.phase.send_replace(Phase::Closing);
        let cut = tokio::select! {
            () = async { while ports.join_next().await.is_some() {} } => false,
            () = tokio::time::sleep(finish) => true,
            Some(_) = stop.recv() => true,
        };
        if cut {
            warn!("stopped with connections open")
        } else {
            info!("stopped")
        }
        drop(self.background);
        if let Some(traces) = self.traces {
            // What cannot be sent in time is lost, and said so.
            let _ = tokio::task::spawn_blocking(move || traces.flush()).await;
        }
    }
}

/// Goes on serving while clients and proxies learn to go elsewhere; another signal ends the patience.
async fn lame_duck(phase: &watch::Sender<Phase>, duration: Duration, stop: &mut mpsc::Receiver<Stop>) {
    info!(
        duration_ms = duration.as_millis(),
        "lame duck: still accepting, every answer closes its connection"
    );
    phase.send_replace(Phase::LameDuck);
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        Some(_) = stop.recv() => {}
    }
}

fn load(app: &Arc<App>, source: Source, background: &mut JoinSet<()>) -> Result<(), StartError> {
    match source {
        Source::Memory { model, description } => app.serve(Loaded::check(&model, *description)?),
        Source::Directory(directory) => {
            background.spawn(model::load_until_served(Arc::clone(app), directory));
        }
    }
    Ok(())
}

fn start_tls(files: TlsFiles, metrics: &Metrics, background: &mut JoinSet<()>) -> Arc<Tls> {
    let TlsFiles { directory, poll } = files;
    let tls = Arc::new(Tls::new(metrics.refusals.tls.clone()));
    let content = tls::read_once(&tls, &directory);
    background.spawn(tls::watch(Arc::clone(&tls), directory, poll, content));
    tls
}

async fn open_public(
    app: &Arc<App>,
    public: Public,
    gate: Arc<Gate>,
    background: &mut JoinSet<()>,
) -> Result<Listening, StartError> {
    let Public { address, htpasswd_file, base_path, htpasswd_poll } = public;
    let listening = open(address, app::public(app, Arc::clone(&gate), base_path)).await?;
    let content = auth::read_once(&gate, PathBuf::as_path(&htpasswd_file));
    background.spawn(auth::watch(gate, htpasswd_file, htpasswd_poll, content));
    Ok(listening)
}

async fn open(address: SocketAddr, edge: Arc<Edge>) -> Result<Listening, StartError> {
    let failed = |source| StartError::Bind { address, source };
    let listener = listen::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    info!(port = edge.port.label(), %address, "listening");
    Ok(Listening { port: Port::new(edge), listener, address })
}
