//! `anomaly`: reads the command line and hands over.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Anomaly detection without a cluster: the same manifests, trained and served by one process.
#[derive(Parser)]
#[command(name = "anomaly", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains the AnomalyModel in a file and serves it on 127.0.0.1 until Ctrl-C.
    ///
    /// The file is the one that `kubectl apply` takes. It is checked as strictly: an unknown field, a wrong type or a
    /// value out of range is an error. Data in a ConfigMap must be in the same file.
    #[command(after_help = "Example:\n  anomaly run -f examples/quickstart.yaml")]
    Run(cli::run::Arguments),

    /// Trains the AnomalyModel in a file into a directory, for `anomaly-server --model-dir`.
    #[command(after_help = "Example:\n  anomaly train -f examples/quickstart.yaml --out model")]
    Train(cli::train::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let ended = match arguments.command {
        Command::Run(arguments) => cli::run::run(&arguments, &mut std::io::stdout().lock()).await,
        Command::Train(arguments) => cli::train::train(&arguments, &mut std::io::stdout().lock()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Warnings only, unless RUST_LOG says otherwise: what matters is printed.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
