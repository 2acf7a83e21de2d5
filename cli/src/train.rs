//! `anomaly train`: trains the model of a manifest into a directory, which `anomaly-server --model-dir` serves.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use server::{DESCRIPTION_FILE, MODEL_FILE};
use trainer::Trained;

use crate::run::{self, RunError};

/// What `anomaly train` is told.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// YAML with an AnomalyModel, and the ConfigMap of its data beside it; - is the standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,

    /// Where to write model.afm and description.json; made when it is missing.
    #[arg(short, long, value_name = "DIRECTORY")]
    pub out: PathBuf,

    /// The model to train, if the file has several: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

/// Trains, prints what came out, and writes the directory.
///
/// # Errors
/// Whatever is wrong with the file, its data or the directory.
pub fn train(arguments: &Arguments, out: &mut impl Write) -> Result<(), RunError> {
    let plan = run::plan(&arguments.file, arguments.model.as_deref())?;
    let began = Instant::now();
    let trained = trainer::train(&plan.input, &plan.data)?;
    write!(out, "{}", run::summary(&plan, &trained, began.elapsed()))?;
    let directory = &arguments.out;
    let failed = |source| RunError::Write { directory: directory.display().to_string(), source };
    save(&trained, directory).map_err(failed)?;
    writeln!(out, "  written    {}", directory.display())?;
    Ok(())
}

pub(crate) fn save(trained: &Trained, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let description = serde_json::to_vec_pretty(&trained.description)?;
    std::fs::write(directory.join(MODEL_FILE), &trained.model)?;
    std::fs::write(directory.join(DESCRIPTION_FILE), description)
}
