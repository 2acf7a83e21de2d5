//! Labels and annotations. Children do not inherit the model's own labels: GitOps tools would claim them.

use std::collections::BTreeMap;

/// The model a child belongs to; every watch selects by its presence.
pub const MODEL: &str = "anomaly-operator.io/model";
/// First characters of the training key, on Jobs and revisions.
pub const TRAINING_KEY: &str = "anomaly-operator.io/training-key";
/// `server`, `trainer` or `revision`.
pub const COMPONENT: &str = "app.kubernetes.io/component";
const NAME: &str = "app.kubernetes.io/name";
const INSTANCE: &str = "app.kubernetes.io/instance";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const PART_OF: &str = "app.kubernetes.io/part-of";
/// What we are called in labels, as a field manager and as a reporter of Events.
pub const OPERATOR: &str = "anomaly-operator";
/// Field manager of the trainer.
pub const TRAINER: &str = "anomaly-trainer";

/// Component of the scoring pods and what exposes them.
pub const COMPONENT_SERVER: &str = "server";
/// Component of Jobs and what they need.
pub const COMPONENT_TRAINER: &str = "trainer";
/// Component of what Prometheus reads: ServiceMonitor and PrometheusRule.
pub const COMPONENT_MONITORING: &str = "monitoring";
/// Component of the ConfigMap with the dashboards; the watch of these ConfigMaps selects by it.
pub const COMPONENT_DASHBOARDS: &str = "dashboards";
/// Component of revision ConfigMaps.
pub const COMPONENT_REVISION: &str = "revision";

/// Annotation of a model: `"true"` stops every write but status.
pub const PAUSED: &str = "anomaly-operator.io/paused";
/// Annotation of a model: a new value trains again. Repeated on the Job and the revision that it led to.
pub const RETRAIN: &str = "anomaly-operator.io/retrain";
/// Annotation of a revision: its description as JSON, so that metadata is enough for status.
pub const DESCRIPTION: &str = "anomaly-operator.io/description";
/// Annotation of a revision: how long its training took, in seconds. Not in its description, which is the same for the same
/// training.
pub const TRAINING_SECONDS: &str = "anomaly-operator.io/training-seconds";
/// Annotation of Jobs and revisions: the whole training key.
pub const FULL_TRAINING_KEY: &str = "anomaly-operator.io/full-training-key";
/// Annotation of a Job: digest of all that can decide whether the training succeeds.
pub const INPUTS: &str = "anomaly-operator.io/inputs";
/// Annotation of a Job: the revision it publishes.
pub const REVISION: &str = "anomaly-operator.io/revision";
/// Annotation of a revision: its roll-out failed; it is not tried again.
pub const REJECTED: &str = "anomaly-operator.io/rejected";

/// Labels of a child of `model`.
pub fn child(model: &str, component: &str) -> BTreeMap<String, String> {
    [
        (NAME, "anomaly-model"),
        (INSTANCE, model),
        (COMPONENT, component),
        (MANAGED_BY, OPERATOR),
        (PART_OF, OPERATOR),
        (MODEL, model),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .collect()
}

/// Labels that select the scoring pods of `model`.
pub fn server_selector(model: &str) -> BTreeMap<String, String> {
    [(MODEL, model), (COMPONENT, COMPONENT_SERVER)]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// [`server_selector`] as a selector string, for the scale subresource.
pub fn server_selector_string(model: &str) -> String {
    let pairs: Vec<String> = server_selector(model).into_iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}
