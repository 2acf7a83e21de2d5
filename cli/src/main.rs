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

    /// Takes over an isolation forest that scikit-learn trained, as python/anomaly_operator.py exports it.
    ///
    /// The model proves itself first: rows in the exported file must come out as they did in scikit-learn.
    #[command(
        after_help = "Example:\n  anomaly import forest.json.gz -o model && anomaly-server --model-dir model\n  \
        anomaly import forest.json.gz -o forest.afm && anomaly score --model forest.afm rows.csv"
    )]
    Import(cli::import::Arguments),

    /// Scores the rows of a CSV or Parquet file, without a server.
    ///
    /// The output has the columns of the input, and is_inlier, anomaly_score, severity and error behind them. A row that
    /// cannot be scored has an error instead of a verdict; then the exit code is 1, and everything is written all the same.
    #[command(
        after_help = "Examples:\n  anomaly score -f examples/quickstart.yaml rows.csv -o scored.parquet\n  \
        kubectl get configmap MODEL-r-… -o yaml | anomaly score --model - rows.csv"
    )]
    Score(cli::score::Arguments),

    /// Sends the rows of a CSV or Parquet file to a served model at a rate; prints verdicts, and latencies at the end.
    ///
    /// The rate is kept whatever the server does, and a latency counts from the moment its request was due.
    #[command(
        after_help = "Example:\n  ANOMALY_PASSWORD=… anomaly replay examples/data/machine-temperature/hourly.csv \\\n    \
        --url http://machine.localhost:8080 --user machine-temperature --rate 100"
    )]
    Replay(cli::replay::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let ended: Result<(), Box<dyn std::error::Error>> = match arguments.command {
        Command::Run(arguments) => {
            cli::run::run(&arguments, &mut std::io::stdout().lock()).await.map_err(Into::into)
        }
        Command::Replay(arguments) => {
            cli::replay::replay(&arguments, &mut std::io::stdout()).await.map_err(Into::into)
        }
        Command::Import(arguments) => {
            cli::import::import(&arguments, &mut std::io::stdout().lock()).map_err(Into::into)
        }
        Command::Score(arguments) => cli::score::score(&arguments).map_err(Into::into),
        Command::Train(arguments) => {
            cli::train::train(&arguments, &mut std::io::stdout().lock()).map_err(Into::into)
        }
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
