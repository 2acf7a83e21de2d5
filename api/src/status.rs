//! `AnomalyModel.status`: what the operator saw and did. Written by the operator only.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;

/// The observed state of an AnomalyModel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyModelStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready, Serving, Trained, Progressing, Exposed, MonitoringReady, Stalled; those of what was not asked for are absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Kind of the detector, for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,

    /// Scoring pods that exist; for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Selector of the scoring pods; for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// Ready pods of those asked for, like `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,

    /// Where the ingress serves the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// IngressClass that was named, or found as the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,

    /// The trained revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionStatus>,

    /// The last training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingStatus>,
}

/// The trained revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStatus {
    /// Revision that the Deployment serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,

    /// Newest revision of the current spec and data, about to be served if it is not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,

    /// Digest of the current revision's model file, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,

    /// Number of training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,

    /// Number of features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<i64>,

    /// Score below which a row is an anomaly, in the scale of `anomaly_score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,

    /// Share of the training rows that the threshold flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flagged_training_share: Option<f64>,

    /// When the current revision was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_at: Option<Time>,

    /// How long its training took, from reading the data to the finished model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_duration_seconds: Option<f64>,
}

/// The last training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingStatus {
    /// Name of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,

    /// Number of the attempt with these inputs, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i64>,

    /// Digest of all that can decide whether the training succeeds: a failed input is not tried again before it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,

    /// When the Job was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,

    /// When a failed training is tried again; absent when it waits for a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_at: Option<Time>,

    /// Reason of the last failure, absent after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reason: Option<String>,

    /// Message of the last failure, absent after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A point in time with whole seconds, as the API server stores it: an equal status compares equal after a round trip.
pub fn seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
