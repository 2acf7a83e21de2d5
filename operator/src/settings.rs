//! What an administrator decides for all models: flags and environment of the operator.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::monitoring;

/// Settings that pure code needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Image of `anomaly-trainer`.
    pub trainer_image: String,
    /// Image of `anomaly-server`.
    pub server_image: String,
    /// OpenTelemetry's variables of scoring pods, `OTEL_…`.
    pub server_otel: BTreeMap<String, String>,
    /// `imagePullPolicy` of both.
    pub image_pull_policy: String,
    /// Namespaces whose pods may reach the `http` port, besides the model's own.
    pub monitoring_namespaces: Vec<String>,
    /// Whether the operator may read and write Secrets.
    pub secrets: SecretsAccess,
    /// What watches models that say nothing about it.
    pub monitoring: monitoring::Defaults,
    /// Most training Jobs at a time, over all models.
    pub max_concurrent_trainings: usize,
    /// How long data must rest after a change before it is trained on.
    pub debounce: SignedDuration,
}

/// Whether the operator may read and write Secrets (chart value `rbac.secrets`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretsAccess {
    /// It may: credentials are generated when none are named.
    Cluster,
    /// It may not: `basicAuth.secretName` is mandatory, and the named Secret is not looked at.
    None,
}

/// Where models are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// Everywhere.
    All,
    /// In these only: sorted, at least one.
    Some(Vec<String>),
}
