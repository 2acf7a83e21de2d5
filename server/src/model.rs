//! Loading one model revision, and refusing one that is not exactly what its description says.
//!
//! A revision is immutable, so it is loaded once; a new one comes with new pods. What cannot be loaded is tried
//! again, never a reason to end the process: liveness does not depend on the model.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use detectors::{Description, GoldenError, Model, ModelFileError, model_file};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::{error, info};

use crate::state::App;

/// The model's file in the model directory.
pub const MODEL_FILE: &str = "model.afm";
/// Its description's.
pub const DESCRIPTION_FILE: &str = "description.json";

/// How often a directory that cannot be loaded is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Where the model comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A directory with [`MODEL_FILE`] and [`DESCRIPTION_FILE`], tried again until both check out.
    Directory(PathBuf),
    /// Bytes and description in memory; binding fails if they do not check out.
    Memory {
        /// The encoded model.
        model: Vec<u8>,
        /// Its description.
        description: Box<Description>,
    },
}

/// A model that has passed every check.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) model: Model,
    pub(crate) description: Description,
    /// The version of the file.
    pub(crate) format_version: u16,
}

/// Why a model is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file is missing or unreadable.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The description is not one.
    #[error("{DESCRIPTION_FILE} is not a model description: {0}")]
    Description(#[source] serde_json::Error),
    /// The bytes are not those that were published.
    #[error(
        "the model has digest {got}, but its description says {expected}: the revision is damaged, retrain it"
    )]
    Digest {
        /// The description's digest.
        expected: String,
        /// The digest of the bytes.
        got: String,
    },
    /// The bytes are no model of this version.
    #[error("the model cannot be decoded: {0}")]
    Decode(#[source] ModelFileError),
    /// Description and model disagree.
    #[error("the model's features are {got:?}, but its description says {expected:?}")]
    Features {
        /// The description's features.
        expected: Vec<String>,
        /// The model's.
        got: Vec<String>,
    },
    /// This machine does not compute what the training machine did.
    #[error("the model does not score its golden rows as it did when it was trained: {0}")]
    Golden(#[source] GoldenError),
}

impl Loaded {
    /// Digest, format, features and golden rows, in this order.
    pub(crate) fn check(bytes: &[u8], description: Description) -> Result<Self, LoadError> {
        let got = digest(bytes);
        if got != description.model_digest {
            return Err(LoadError::Digest { expected: description.model_digest, got });
        }
        let model = Model::decode(bytes).map_err(LoadError::Decode)?;
        let format_version = model_file::version(bytes).unwrap_or_default();
        if model.features() != description.features {
            let got = model.features().to_vec();
            return Err(LoadError::Features { expected: description.features, got });
        }
        model.verify_golden_rows().map_err(LoadError::Golden)?;
        Ok(Self { model, description, format_version })
    }

    fn read(directory: &Path) -> Result<Self, LoadError> {
        let read = |file: &str| {
            let path = directory.join(file);
            std::fs::read(&path).map_err(|source| LoadError::Read { path, source })
        };
        let description = serde_json::from_slice(&read(DESCRIPTION_FILE)?).map_err(LoadError::Description)?;
        Self::check(&read(MODEL_FILE)?, description)
    }
}

/// Loads the directory into the state; each new reason for failing is logged once.
pub(crate) async fn load_until_served(app: Arc<App>, directory: PathBuf) {
    let mut logged = String::new();
    loop {
        let from = directory.clone();
        let reason = match tokio::task::spawn_blocking(move || Loaded::read(&from)).await {
            Ok(Ok(loaded)) => {
                let revision = loaded.description.revision.clone();
                app.serve(loaded);
                info!(revision, "the model is loaded");
                return;
            }
            Ok(Err(reason)) => reason.to_string(),
            Err(panicked) => format!("loading the model failed: {panicked}"),
        };
        if reason != logged {
            error!(reason, "the model is not loaded; trying again every {} s", RETRY.as_secs());
            app.not_loaded(&reason);
            logged = reason;
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
