//! `anomaly-trainer`: reads its input, trains, publishes one revision, and says how it ended. Only wires.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use api::job::{DATA_DIR, EXIT_PUBLISHED, TERMINATION_LOG, TrainingInput};
use api::labels;
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use trainer::outcome::{Outcome, reason};
use trainer::publish::{self, PublishError};
use trainer::revision::revision;

/// Trains an anomaly model and publishes it as an immutable ConfigMap. Exit codes: 0 published, 2 the input is at
/// fault, 1 anything else.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to train, as the operator wrote it.
    #[arg(long, env = "ANOMALY_INPUT", default_value = "/input/input.json")]
    input: PathBuf,

    /// Where to say how it ended.
    #[arg(long, default_value = TERMINATION_LOG)]
    termination_log: PathBuf,

    /// Form of the log on stderr; what is logged is decided by RUST_LOG.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(arguments.log_format);
    if let Err(error) = end_on_sigterm(arguments.termination_log.clone()) {
        tracing::warn!(%error, "cannot handle SIGTERM");
    }
    let outcome = guarded(|| run(&arguments.input));
    report(&outcome, &arguments.termination_log);
    ExitCode::from(u8::try_from(outcome.exit_code).unwrap_or(1))
}

/// The whole way; whatever stops it is an outcome.
fn run(input: &Path) -> Outcome {
    match train_and_publish(input) {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

fn train_and_publish(input: &Path) -> Result<Outcome, Outcome> {
    let input = read_input(input)?;
    let began = Instant::now();
    let data = std::fs::read(&input.data.path).map_err(|e| unreadable_data(&input, &e))?;
    let trained = trainer::train_to_publish(&input, &data).map_err(|e| Outcome::from(&e))?;
    let seconds = began.elapsed().as_secs_f64();
    let rows = trained.description.rows;
    tracing::info!(
        rows,
        seconds,
        model_bytes = trained.model.len(),
        threshold = trained.description.threshold,
        "trained"
    );
    let mut target = input.revision.clone();
    target.annotations.insert(labels::TRAINING_SECONDS.to_owned(), format!("{seconds:.3}"));
    let revision =
        revision(&target, &trained).map_err(|e| Outcome::input(reason::MODEL_TOO_LARGE, e.to_string()))?;
    publish_blocking(&revision)?;
    Ok(Outcome::published(&input.revision.name, rows))
}

fn read_input(path: &Path) -> Result<TrainingInput, Outcome> {
    let unreadable = |e: &dyn std::fmt::Display| {
        Outcome::failed(
            reason::INPUT_UNREADABLE,
            format!("cannot read the training input {}: {e}", path.display()),
        )
    };
    let json = std::fs::read(path).map_err(|e| unreadable(&e))?;
    serde_json::from_slice(&json).map_err(|e| unreadable(&e))
}

/// The operator saw the data before it made the Job, so its absence is a change in between.
fn unreadable_data(input: &TrainingInput, error: &std::io::Error) -> Outcome {
    let gone = error.kind() == std::io::ErrorKind::NotFound && input.data.path.starts_with(DATA_DIR);
    let reason = if gone { reason::DATA_CHANGED } else { reason::INPUT_UNREADABLE };
    Outcome::failed(reason, format!("cannot read {} at {}: {error}", input.data.origin, input.data.path))
}

#[tokio::main(flavor = "current_thread")]
async fn publish_blocking(revision: &k8s_openapi::api::core::v1::ConfigMap) -> Result<(), Outcome> {
    let published = async { publish::publish(publish::client()?, revision).await };
    published.await.map_err(|error: PublishError| {
        let reason = match error {
            PublishError::Exists { .. } => reason::REVISION_CONFLICT,
            _ => reason::PUBLISHING_FAILED,
        };
        Outcome::failed(reason, error.to_string())
    })
}

/// Runs `work`; a panic becomes an outcome, so that it reaches the model's status.
fn guarded(work: impl FnOnce() -> Outcome + std::panic::UnwindSafe) -> Outcome {
    std::panic::catch_unwind(work).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Outcome::failed(
            reason::INTERNAL_ERROR,
            format!("the trainer panicked, which is a defect of it: {text}"),
        )
    })
}

/// From now on SIGTERM ends the process. The first process of a container has no default handlers: without this one a
/// suspended training would go on until it is killed.
fn end_on_sigterm(termination_log: PathBuf) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate())?
    };
    std::thread::spawn(move || {
        runtime.block_on(terminate.recv());
        let outcome = Outcome::failed(reason::INTERRUPTED, "the training was stopped by SIGTERM");
        report(&outcome, &termination_log);
        std::process::exit(outcome.exit_code);
    });
    Ok(())
}

/// Says once how it ended: in the log for people, in the termination log for the operator.
fn report(outcome: &Outcome, termination_log: &Path) {
    let Outcome { result, exit_code } = outcome;
    if *exit_code == EXIT_PUBLISHED {
        tracing::info!(reason = result.reason, "{}", result.message);
    } else {
        tracing::error!(reason = result.reason, exit_code, "{}", result.message);
    }
    if let Err(error) = std::fs::write(termination_log, outcome.to_json()) {
        tracing::warn!(%error, path = %termination_log.display(), "cannot write the termination message");
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.with_ansi(false).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    // Without a process-wide provider rustls panics at the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_outcome_with_its_message_and_exit_code_one() {
        let outcome = guarded(|| panic!("index {} out of range", 7));
        assert_eq!(outcome.exit_code, 1);
        assert!(outcome.result.message.ends_with("index 7 out of range"), "{}", outcome.result.message);
    }
}
