//! `anomaly run`: trains the model of a manifest and serves it, in this process and on this machine only.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detectors::Model;
use server::{About, Config, Server, Source, StartError, Stop};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use trainer::{Trained, TrainerError};

use crate::limits::{kept, limits};
use crate::manifest::{Manifest, ManifestError};
use crate::plan::{Plan, PlanError};

/// The most features that a summary names.
const MOST_NAMED: usize = 20;

/// What `anomaly run` is told.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// YAML with an AnomalyModel, and the ConfigMap of its data beside it; - is the standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,

    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8000)]
    pub port: u16,

    /// The model to run, if the file has several: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a usable manifest.
    #[error("{file} is not a usable manifest:\n{faults}")]
    Manifest {
        /// The file.
        file: String,
        /// Everything that is wrong with it.
        faults: ManifestError,
    },
    /// There is no model, no choice, or no data.
    #[error("cannot run {file}: {reason}")]
    Plan {
        /// The file.
        file: String,
        /// What to change.
        reason: Box<PlanError>,
    },
    /// There is no model of this data.
    #[error("cannot train: {0}")]
    Train(#[from] TrainerError),
    /// The directory cannot be written.
    #[error("cannot write the model to {directory}: {source}")]
    Write {
        /// The directory.
        directory: String,
        /// Why.
        source: std::io::Error,
    },
    /// The port is taken, or the model is refused.
    #[error("cannot serve: {source}{}", other_port(.source))]
    Serve {
        /// Why.
        #[from]
        source: StartError,
    },
    /// Signals cannot be handled, or nothing can be printed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What helps if the port is taken.
fn other_port(error: &StartError) -> &'static str {
    if matches!(error, StartError::Bind { .. }) { " (another port: --port)" } else { "" }
}

/// Trains, prints what came out and how to ask it, and serves until Ctrl-C.
///
/// # Errors
/// Whatever is wrong with the file, its data or the port.
pub async fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), RunError> {
    let plan = plan(&arguments.file, arguments.model.as_deref())?;
    let began = Instant::now();
    let trained = trainer::train(&plan.input, &plan.data)?;
    let took = began.elapsed();
    write!(out, "{}", summary(&plan, &trained, took))?;

    let question = question(&plan, &trained);
    let stop = stop_on_signals()?;
    let server = Server::bind(configuration(&plan, trained, took, arguments.port)).await?;
    write!(out, "{}", invitation(&question, server.http_address()))?;
    out.flush()?;
    server.run(stop).await;
    Ok(())
}

/// The training of a manifest's model.
///
/// # Errors
/// The file cannot be read, is no manifest, or leaves open what to train.
pub fn plan(path: &Path, model: Option<&str>) -> Result<Plan, RunError> {
    let file = path.display().to_string();
    let text = match read(path) {
        Ok(text) => text,
        Err(source) => return Err(RunError::Read { file, source }),
    };
    let manifest = match Manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(faults) => return Err(RunError::Manifest { file, faults }),
    };
    Plan::new(&manifest, model).map_err(|reason| RunError::Plan { file, reason: Box::new(reason) })
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    }
}

fn configuration(plan: &Plan, trained: Trained, took: Duration, port: u16) -> Config {
    let source = Source::Memory { model: trained.model, description: Box::new(trained.description) };
    let mut config = Config::new(&plan.id.name, source, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    config.model_namespace.clone_from(&plan.id.namespace);
    config.limits = limits(&plan.limits);
    config.recent = kept(&plan.page);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    config.about = About {
        trained_at: now.and_then(|now| i64::try_from(now.as_secs()).ok()),
        training_duration: Some(took),
        drift_features: plan.drift_features.clone(),
    };
    config
}

/// Ctrl-C and SIGTERM end it at once: nobody routes traffic here.
fn stop_on_signals() -> std::io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // A server that has ended by itself needs no telling.
        let _ = sender.send(Stop::Now).await;
    });
    Ok(receiver)
}

/// The model in a few lines.
pub fn summary(plan: &Plan, trained: &Trained, took: Duration) -> String {
    let about = &trained.description;
    // Of an imported model it may not be known.
    let origin = &plan.input.data.origin;
    let trained_on = match about.rows {
        0 => format!("imported   {} from {origin}", listed(&about.features)),
        rows => format!("trained    on {rows} rows of {} from {origin}", listed(&about.features)),
    };
    let share = about.flagged_training_share.map_or_else(
        || "what share of the training rows scores lower is not known".to_owned(),
        |share| format!("{:.2} % of the training rows score lower", 100.0 * share),
    );
    let mut text = format!(
        "AnomalyModel {id}, revision {revision}\n  detector   {detector}\n  {trained_on} \
         in {seconds:.2} s\n  threshold  {threshold:.6}: {share}\n",
        id = plan.id,
        revision = about.revision,
        detector = detector(about),
        seconds = took.as_secs_f64(),
        threshold = about.threshold,
    );
    for warning in &about.warnings {
        text.push_str(&format!("  warning    {}: {}\n", warning.reason, warning.message));
    }
    if trained.model.len() > trainer::MOST_BYTES {
        let bytes = trained.model.len();
        text.push_str(&format!(
            "  warning    {bytes} bytes: too large for a revision in a cluster, lower trees\n"
        ));
    }
    if !plan.not_done.is_empty() {
        text.push_str(&format!("  not here   {}\n", plan.not_done.join(", ")));
    }
    text
}

/// The names of the first features, and how many more there are.
pub(crate) fn listed(features: &[String]) -> String {
    let named = features[..features.len().min(MOST_NAMED)].join(", ");
    match features.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn detector(about: &detectors::Description) -> String {
    match &about.detector.isolation_forest {
        Some(f) => format!("isolationForest, {} trees of {} rows, seed {}", f.trees, f.sample_size, f.seed),
        None => other_detector(about),
    }
}

/// Its name and those of its parameters that are given or have a default.
fn other_detector(about: &detectors::Description) -> String {
    let kind = about.detector.kind().unwrap_or("unknown");
    let parameters = serde_json::to_value(&about.detector).unwrap_or_default();
    let parameters = parameters.get(kind).and_then(serde_json::Value::as_object).into_iter().flatten();
    parameters.fold(kind.to_owned(), |text, (name, value)| format!("{text}, {name} {value}"))
}

/// A question about a row, and the row: the first that the model was trained on, or one in the midst of those.
fn question(plan: &Plan, trained: &Trained) -> (&'static str, Vec<f64>) {
    if plan.input.detector.imported.is_some() {
        let row = Model::decode(&trained.model).map(|model| model.typical_row()).unwrap_or_default();
        return ("Is a typical row ordinary?", row);
    }
    let origin = &plan.input.data.origin;
    let rows = trainer::data::read_csv(
        plan.data.as_slice(),
        &trained.description.features,
        origin,
        plan.input.missing.unwrap_or_default(),
    );
    ("Is the first training row ordinary?", rows.map(|rows| rows.row(0).to_vec()).unwrap_or_default())
}

/// Where it is served, and a request to paste.
fn invitation((question, row): &(&str, Vec<f64>), address: SocketAddr) -> String {
    let vector = serde_json::to_string(row).unwrap_or_default();
    format!(
        "\nServing on http://{address} until Ctrl-C; that is a page to look at, too. {question}\n\n  \
         curl -X POST \
         'http://{address}/prediction?score=true' -H 'content-type: application/json' -d '{vector}'\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_first_features_and_counts_the_others() {
        let features = |count: usize| (0..count).map(|at| format!("c{at}")).collect::<Vec<_>>();
        assert_eq!(listed(&features(3)), "c0, c1, c2");
        assert!(listed(&features(20)).ends_with("c18, c19"));
        assert!(listed(&features(16_384)).ends_with("c19 and 16364 more"));
    }
}
