//! `serving`: what a request costs the scoring server, beside a FastAPI service and a route that answers a constant.
//!
//! Server CPU per request is utime + stime from /proc at a fixed open-loop rate of half the capacity, server and
//! generator on a core each, the services in turn. A round of single rows in which the generator was busier than 80 % is
//! discarded.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

mod aims;
mod crowd;
mod load;
mod process;
mod requests;
mod slow;
mod tables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use process::Service;

/// Prints the tables of docs/benchmarks.md.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Folder of the static binaries `anomaly`, `anomaly-server` and `constant`.
    #[arg(long)]
    pub(crate) binaries: PathBuf,
    /// A Python with fastapi, uvicorn and scikit-learn; omitted: without that service.
    #[arg(long)]
    python: Option<PathBuf>,
    /// bench/peers.
    #[arg(long, default_value = "bench/peers")]
    peers: PathBuf,
    /// Where the model is made.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// The servers' core.
    #[arg(long, default_value = "0")]
    pub(crate) core: String,
    /// Seconds of each measurement; of many connections, of all turns of a round.
    #[arg(long, default_value_t = 4)]
    pub(crate) seconds: u64,
    /// Rounds, the services taking turns.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// One table alone.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Table>,
    /// Is the honest client beside slow ones, at this server.
    #[arg(long, hide = true)]
    honest: Option<SocketAddr>,
    /// Is the slow ones, at this server.
    #[arg(long, hide = true)]
    crowd: Option<SocketAddr>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Table {
    /// What a single row costs.
    Singles,
    /// What batches cost.
    Batches,
    /// Ten times the connections that saturate it, and 160.
    Connections,
    /// Batches at a multiple of capacity.
    Overload,
    /// Single rows beside large batches.
    Beside,
    /// An honest client beside ten thousand slow ones.
    Slow,
}

/// The services that are compared.
pub(crate) struct Services {
    pub(crate) ours: Service,
    /// The port behind basic auth of the same process.
    pub(crate) ours_public: SocketAddr,
    pub(crate) constant: Service,
    /// Two more of ours, for slow clients.
    pub(crate) held: [Service; 2],
    pub(crate) demo: Option<Service>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(address) = arguments.crowd {
        return slow::crowd(address);
    }
    if let Some(address) = arguments.honest {
        let requests = requests::single(&requests::rows(256, 2), "");
        return slow::honest(address, &requests, Duration::from_secs(arguments.seconds));
    }
    let services = start(&arguments)?;
    tables::print(&arguments, &services)
}

/// user "ann", password "secret".
pub(crate) const AUTHORIZATION: &str = "authorization: Basic YW5uOnNlY3JldA==\r\n";
const HTPASSWD: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

fn start(arguments: &Arguments) -> Result<Services> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)?;
    let manifest = folder.join("manifest.yaml");
    std::fs::write(&manifest, requests::manifest(&requests::rows(2_000, 1)))?;
    std::fs::write(folder.join("htpasswd"), HTPASSWD)?;
    let model = folder.join("model");
    let trained = std::process::Command::new(arguments.binaries.join("anomaly"))
        .args(["train", "-f"])
        .arg(&manifest)
        .arg("--out")
        .arg(&model)
        .status()
        .context("anomaly train")?;
    anyhow::ensure!(trained.success(), "anomaly train ended with {trained}");

    let text = |path: &std::path::Path| path.display().to_string();
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (http, public, grpc, constant, demo) =
        (local(9000), local(9080), local(9001), local(9002), local(9003));
    let flags = [
        ["--model-dir".to_owned(), text(&model)],
        ["--model-name".to_owned(), "bench".to_owned()],
        ["--http-address".to_owned(), http.to_string()],
        ["--public-address".to_owned(), public.to_string()],
        ["--grpc-address".to_owned(), grpc.to_string()],
        ["--htpasswd-file".to_owned(), text(&folder.join("htpasswd"))],
        ["--worker-threads".to_owned(), "1".to_owned()],
    ];
    let core = &arguments.core;
    let binary = |name: &str| text(&arguments.binaries.join(name));
    let ours = Service::start(core, &binary("anomaly-server"), &flags.concat(), http, "/readyz")?;
    let held = |port: u16| {
        let address = local(port);
        let flags = [
            ["--model-dir".to_owned(), text(&model)],
            ["--http-address".to_owned(), address.to_string()],
            ["--grpc-address".to_owned(), local(port + 1).to_string()],
            ["--worker-threads".to_owned(), "1".to_owned()],
            ["--header-timeout".to_owned(), "2s".to_owned()],
        ];
        Service::start(core, &binary("anomaly-server"), &flags.concat(), address, "/readyz")
    };
    let held = [held(9010)?, held(9020)?];
    let constant = Service::start(core, &binary("constant"), &[constant.to_string()], constant, "/readyz")?;
    let demo = match &arguments.python {
        None => None,
        Some(python) => {
            let script = text(&arguments.peers.join("service.py"));
            let flags = [script, text(&manifest), demo.port().to_string()];
            Some(Service::start(core, &text(python), &flags, demo, "/model_information")?)
        }
    };
    Ok(Services { ours, ours_public: public, constant, held, demo })
}
