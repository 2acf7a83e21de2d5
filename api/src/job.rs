//! What the operator hands to the training Job, and what the Job hands back.

use std::collections::BTreeMap;

use detectors::config::{DetectorConfig, Missing, ThresholdConfig};
use serde::{Deserialize, Serialize};

/// Version of [`TrainingInput`]: the trainer refuses another one.
pub const INPUT_VERSION: u32 = 1;
/// Directory of the input ConfigMap in the Job's pod.
pub const INPUT_DIR: &str = "/input";
/// Key of [`TrainingInput`] in the input ConfigMap.
pub const INPUT_FILE: &str = "input.json";
/// Key of inline data in the input ConfigMap.
pub const INLINE_DATA_FILE: &str = "data.csv";
/// Directory of a referenced ConfigMap's data in the Job's pod.
pub const DATA_DIR: &str = "/data";
/// Where the Job leaves its [`TrainingResult`].
pub const TERMINATION_LOG: &str = "/dev/termination-log";
/// Most bytes that kubelet takes from there.
pub const TERMINATION_LOG_BYTES: usize = 4_096;

/// The revision is published.
pub const EXIT_PUBLISHED: i32 = 0;
/// Anything but the input went wrong; trying again may help.
pub const EXIT_FAILED: i32 = 1;
/// The input is at fault; the user must act.
pub const EXIT_INPUT: i32 = 2;

/// All that the trainer needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainingInput {
    /// [`INPUT_VERSION`].
    pub version: u32,
    /// What to publish, and as whose child.
    pub revision: RevisionTarget,
    /// Training key, 64 hexadecimal digits.
    pub key: String,
    /// Columns in the order of the vector; none: all of the data's, in its order, or those of an imported model.
    pub features: Vec<String>,
    /// Detector with its parameters.
    pub detector: DetectorConfig,
    /// Threshold asked for.
    pub threshold: ThresholdConfig,
    /// What becomes of rows that lack values; none: they are refused, or treated as an imported model says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Fewest rows.
    pub min_rows: u32,
    /// The data.
    pub data: DataFile,
}

/// The data of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataFile {
    /// File in the Job's pod.
    pub path: String,
    /// What it is called in messages, like `ConfigMap demo/x key train.csv`.
    pub origin: String,
    /// Digest that the operator saw, `sha256:…`; other bytes mean that the data changed in between.
    pub digest: String,
}

/// The ConfigMap that the trainer publishes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevisionTarget {
    /// Namespace.
    pub namespace: String,
    /// Name; the trainer's Role allows no other.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations; the trainer adds the description.
    pub annotations: BTreeMap<String, String>,
    /// The model that owns it.
    pub owner: Option<Owner>,
}

/// The owner of a revision: an `OwnerReference` that controls and does not block deletion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owner {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// What the Job says at its end, as JSON of at most [`TERMINATION_LOG_BYTES`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingResult {
    /// A word in CamelCase.
    pub reason: String,
    /// A sentence with numbers, and the next step.
    pub message: String,
    /// Rows that were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows that are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
}
