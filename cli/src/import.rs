//! `anomaly import`: an exported scikit-learn model into a model file, or into a directory that `anomaly-server` serves.

use std::io::Write;
use std::path::{Path, PathBuf};

use api::job::{DataFile, INPUT_VERSION, RevisionTarget, TrainingInput};
use api::names;
use api::training_key::{digest, sha256_hex};
use detectors::config::{ImportedConfig, Missing, ThresholdConfig};
use trainer::{Trained, TrainerError};

use crate::run::listed;
use crate::train::save;

/// What `anomaly import` is told.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// What export(model, X, path) of python/anomaly_operator.py wrote; - is the standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where to write: a file that ends in .afm, or a directory for model.afm and description.json.
    #[arg(short, long, value_name = "PATH")]
    pub out: PathBuf,

    /// The model's name, from which that of its revision is made.
    #[arg(long, value_name = "NAME", default_value = "imported")]
    pub name: String,

    /// A row is an anomaly if its score is below this, in (-1, 0). Without it the model's own threshold is kept.
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub threshold_score: Option<f64>,

    /// What becomes of rows that lack values. Without it: as it was exported.
    #[arg(long, value_name = "refuse|route", value_parser = missing)]
    pub missing: Option<Missing>,
}

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model is refused.
    #[error("cannot import {0}")]
    Refused(#[from] TrainerError),
    /// It cannot be written.
    #[error("cannot write {out}: {source}")]
    Write {
        /// The file or directory.
        out: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing can be printed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Imports, proves the model on its golden rows, writes it, and prints what it is.
///
/// # Errors
/// A file that cannot be read or written, or a model that is refused.
pub fn import(arguments: &Arguments, out: &mut impl Write) -> Result<(), ImportError> {
    let Arguments { file, out: target, .. } = arguments;
    let data = read(file).map_err(|source| ImportError::Read { file: file.clone(), source })?;
    let trained = trainer::train(&input(arguments, &data), &data)?;
    let written = |source| ImportError::Write { out: target.clone(), source };
    if target.extension().is_some_and(|extension| extension == "afm") {
        std::fs::write(target, &trained.model).map_err(written)?;
    } else {
        save(&trained, target).map_err(written)?;
    }
    write!(out, "{}", summary(&trained, target))?;
    Ok(())
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}

/// What a Job that imports would be told.
fn input(arguments: &Arguments, data: &[u8]) -> TrainingInput {
    let digest = digest(data);
    let key =
        sha256_hex(format!("{digest} {:?} {:?}", arguments.threshold_score, arguments.missing).as_bytes());
    let revision =
        RevisionTarget { name: names::revision(&arguments.name, &key, 1), ..RevisionTarget::default() };
    TrainingInput {
        version: INPUT_VERSION,
        revision,
        key,
        features: Vec::new(),
        detector: ImportedConfig::default().into(),
        threshold: ThresholdConfig { score: arguments.threshold_score, ..ThresholdConfig::default() },
        missing: arguments.missing,
        min_rows: 1,
        data: DataFile { path: String::new(), origin: arguments.file.display().to_string(), digest },
    }
}

fn summary(trained: &Trained, target: &Path) -> String {
    let about = &trained.description;
    let share = about.flagged_training_share.map_or_else(String::new, |share| {
        format!(": {:.2} % of the {} training rows score lower", 100.0 * share, about.rows)
    });
    let mut text = format!(
        "{revision}\n  features   {features}\n  threshold  {threshold:.6}{share}\n",
        revision = about.revision,
        features = listed(&about.features),
        threshold = about.threshold,
    );
    for warning in &about.warnings {
        text.push_str(&format!("  warning    {}: {}\n", warning.reason, warning.message));
    }
    text.push_str(&format!("  written    {}\n", target.display()));
    text
}

fn missing(text: &str) -> Result<Missing, String> {
    match text {
        "refuse" => Ok(Missing::Refuse),
        "route" => Ok(Missing::Route),
        _ => Err("expected refuse or route".to_owned()),
    }
}
