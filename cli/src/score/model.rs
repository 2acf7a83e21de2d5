//! Where the model comes from: trained here, or a revision.

use std::path::{Path, PathBuf};

use api::names::{DESCRIPTION_FILE, MODEL_FILE};
use api::training_key::digest;
use detectors::{Description, GoldenError, Model, ModelFileError};
use trainer::TrainerError;

use super::Arguments;
use crate::manifest::Manifest;
use crate::run::{self, RunError};

/// Why there is no model to score with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The manifest has no usable model.
    #[error(transparent)]
    Manifest(#[from] RunError),
    /// It cannot be trained.
    #[error("cannot train: {0}")]
    Train(#[from] TrainerError),
    /// The model cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no model.
    #[error("{path}: {reason}")]
    NoModel {
        /// The file.
        path: PathBuf,
        /// What is there, and what was expected.
        reason: String,
    },
    /// The model's bytes are damaged, or of another release.
    #[error("{path}: {source}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelFileError,
    },
    /// The model scores otherwise here than where it was trained.
    #[error("{path}: the model does not score its golden rows as it did when it was trained: {source}")]
    Golden {
        /// The file.
        path: PathBuf,
        /// The difference.
        source: GoldenError,
    },
}

/// The model that the arguments name, checked.
pub(super) fn find(arguments: &Arguments) -> Result<Model, ModelError> {
    match (&arguments.file, &arguments.model) {
        (Some(manifest), _) => trained(manifest, arguments.name.as_deref()),
        (None, Some(path)) => revision(path),
        (None, None) => unreachable!("the command line asks for one of them"),
    }
}

fn trained(manifest: &Path, name: Option<&str>) -> Result<Model, ModelError> {
    let plan = run::plan(manifest, name)?;
    let trained = trainer::train(&plan.input, &plan.data)?;
    let path = manifest.to_owned();
    Model::decode(&trained.model).map_err(|source| ModelError::Decode { path, source })
}

fn revision(path: &Path) -> Result<Model, ModelError> {
    let file = if path.is_dir() { path.join(MODEL_FILE) } else { path.to_owned() };
    let bytes = if file == Path::new("-") { read_all_of_stdin() } else { std::fs::read(&file) };
    let bytes = bytes.map_err(|source| ModelError::Read { path: file.clone(), source })?;
    let bytes = match std::str::from_utf8(&bytes) {
        Ok(text) => {
            from_config_map(text).map_err(|reason| ModelError::NoModel { path: file.clone(), reason })?
        }
        // A model file is compressed, so no text.
        Err(_) => bytes,
    };
    let model = Model::decode(&bytes).map_err(|source| ModelError::Decode { path: file.clone(), source })?;
    model.verify_golden_rows().map_err(|source| ModelError::Golden { path: file, source })?;
    Ok(model)
}

fn read_all_of_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
    Ok(bytes)
}

/// The model in what `kubectl get configmap NAME -o yaml` prints.
fn from_config_map(text: &str) -> Result<Vec<u8>, String> {
    let expected =
        "expected a revision's ConfigMap (kubectl get configmap NAME -o yaml), a model.afm or a folder";
    let manifest = Manifest::parse(text).map_err(|faults| format!("{expected}; {faults}"))?;
    let mut models = manifest.config_maps.into_iter().filter(|map| map.data.contains_key(MODEL_FILE));
    let (Some(mut map), None) = (models.next(), models.next()) else {
        return Err(format!("{expected}: one ConfigMap with the key {MODEL_FILE}"));
    };
    let model = map.data.remove(MODEL_FILE).unwrap_or_default();
    let description = map.data.get(DESCRIPTION_FILE).map(|json| serde_json::from_slice::<Description>(json));
    match description {
        Some(Ok(description)) if description.model_digest != digest(&model) => {
            Err(format!("the model of {} is not the one that its {DESCRIPTION_FILE} describes", map.id))
        }
        Some(Err(error)) => Err(format!("{DESCRIPTION_FILE} of {}: {error}", map.id)),
        Some(Ok(_)) | None => Ok(model),
    }
}
