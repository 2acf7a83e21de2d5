//! `AnomalyModel.spec`: what a user asks for. The doc comments are the CRD's descriptions.
//!
//! The types do not refuse unknown fields: one stored object that cannot be read must never stop the others. The API
//! server prunes, `kubectl` and `anomaly run` refuse.

use std::collections::BTreeMap;

use detectors::config::{DetectorConfig, EnsembleConfig, Missing, ThresholdConfig};
use serde::{Deserialize, Deserializer, Serialize};

use crate::quantity::Quantity;

mod monitoring;
mod serving;

pub use monitoring::{Alerts, Dashboard, FeatureName, LabelValue, Monitoring, ServiceMonitor};
pub use serving::{AccessLog, Limits, Page, Serving, ServingTls};

/// Pattern of an object's name: a DNS subdomain.
#[cfg(feature = "kube")]
const DNS_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// The desired state of an AnomalyModel: what to train on, with which detector, and how to serve it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "kube", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(
    feature = "kube",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "has(self.training) || has(self.detector.imported)",
        "message": "training must be given: where the training data comes from"
    }, {
        "rule": "!has(self.training) || !has(self.detector.imported)",
        "message": "training must be left out with detector.imported: the model was trained elsewhere"
    }, {
        "rule": "!has(self.detector.imported) || !has(self.threshold) || !has(self.threshold.contamination)",
        "message": "threshold.contamination cannot be used with detector.imported, whose training rows are not here: leave threshold out to keep the model's own, or give threshold.score"
    }, {
        "rule": "!has(self.missing) || self.missing == 'refuse' || has(self.detector.isolationForest) || has(self.detector.imported)",
        "message": "missing: route is for isolationForest and imported only: other detectors need every value"
    }, {
        "rule": "!has(self.threshold) || !has(self.threshold.score) || self.threshold.score > -1.0 || !(has(self.detector.isolationForest) || has(self.detector.extendedIsolationForest) || has(self.detector.imported))",
        "message": "threshold.score of a forest must be in (-1, 0)"
    }, {
        "rule": "!has(self.threshold) || !has(self.threshold.auto) || !self.threshold.auto || has(self.detector.isolationForest) || has(self.detector.extendedIsolationForest) || has(self.detector.imported)",
        "message": "threshold.auto is for forests only: give threshold.contamination"
    }, {
        "rule": "!has(self.monitoring) || !has(self.monitoring.driftFeatures) || !has(self.features) || self.monitoring.driftFeatures.all(d, self.features.exists(f, f.name == d))",
        "message": "monitoring.driftFeatures may only name features"
    }]))
)]
#[cfg_attr(
    feature = "kube",
    kube(
        group = "anomaly-operator.io",
        version = "v1alpha1",
        kind = "AnomalyModel",
        plural = "anomalymodels",
        shortname = "anm",
        category = "anomaly",
        namespaced,
        derive = "PartialEq",
        status = "crate::status::AnomalyModelStatus",
        scale = r#"{"specReplicasPath":".spec.serving.replicas","statusReplicasPath":".status.replicas","labelSelectorPath":".status.selector"}"#,
        printcolumn = r#"{"name":"Detector","type":"string","jsonPath":".status.detector","description":"Kind of the detector."}"#,
        printcolumn = r#"{"name":"Revision","type":"string","jsonPath":".status.revision.current","description":"Revision that is being served."}"#,
        printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","description":"Whether this generation is trained, rolled out and, if asked for, exposed."}"#,
        printcolumn = r#"{"name":"Serving","type":"string","jsonPath":".status.serving","description":"Ready pods of those asked for."}"#,
        printcolumn = r#"{"name":"Trained","type":"date","jsonPath":".status.revision.trainedAt","description":"When the served revision was trained."}"#,
        printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason","description":"Why it is, or is not, ready."}"#,
        printcolumn = r#"{"name":"URL","type":"string","priority":1,"jsonPath":".status.url","description":"Where the ingress serves it."}"#,
        printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
    )
)]
pub struct AnomalyModelSpec {
    /// Stops training, a running Job too; what is trained is still served.
    #[serde(default)]
    pub suspend: bool,

    /// The columns of the data that the model reads, 1 to 256. Their order is the order of the values in a request.
    /// Omitted: all columns of the data in its own order, at most 16,384, every one a number; with `detector.imported`, the
    /// model's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "kube",
        schemars(
            length(min = 1, max = 256),
            extend(
                "x-kubernetes-list-type" = "atomic",
                "x-kubernetes-validations" = [{
                    "rule": "self.all(f, self.exists_one(g, g.name == f.name))",
                    "message": "feature names must be unique"
                }]
            )
        )
    )]
    pub features: Vec<Feature>,

    /// The detector and its parameters: one member. Omitted: an ensemble of three, which suits most data.
    #[serde(default = "default_detector", deserialize_with = "detector_or_default")]
    #[cfg_attr(feature = "kube", schemars(default, with = "DetectorConfig"))]
    pub detector: DetectorConfig,

    /// From which score on a row is an anomaly. Omitted: contamination 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdConfig>,

    /// What becomes of rows that lack values (JSON null, an empty CSV cell, NaN in a tensor), in training and in requests.
    /// Omitted: they are refused; with `detector.imported`, routed if the model was trained with such rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,

    /// Where the training data comes from, and how the training runs. Left out with `detector.imported`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,

    /// How the trained model is served.
    #[serde(default)]
    pub serving: Serving,

    /// Exposes the model outside the cluster, behind basic auth. Omitted: reachable in the cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,

    /// What watches the model. Omitted members are as the operator's administrator decided (chart values `monitoring`).
    #[serde(default, skip_serializing_if = "Monitoring::is_empty")]
    pub monitoring: Monitoring,
}

/// A column of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Feature {
    /// Name of the column in the data's header.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253)))]
    pub name: String,
}

/// Where the training data comes from, and how the training runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Training {
    /// The source of the rows: exactly one member.
    pub source: Source,

    /// Training is refused with fewer rows.
    #[serde(default = "default_min_rows")]
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 1_000_000_000)))]
    pub min_rows: u32,

    /// How many revisions are kept besides the current one.
    #[serde(default = "default_revision_history_limit")]
    #[cfg_attr(feature = "kube", schemars(range(min = 0, max = 100)))]
    pub revision_history_limit: u32,

    /// Compute resources of the training pod. Omitted members: requests of 100m CPU and 128Mi, a memory limit of 512Mi.
    #[serde(default, skip_serializing_if = "ResourceRequirements::is_empty")]
    pub resources: ResourceRequirements,
}

/// The source of the training rows: exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "kube",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "[has(self.configMap), has(self.inline)].filter(x, x).size() == 1",
        "message": "exactly one source is needed: configMap or inline"
    }]))
)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// CSV in a ConfigMap of the same namespace. A change of the data trains a new revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,

    /// CSV in the resource itself, for small data and examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineSource>,
}

/// CSV in a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    #[cfg_attr(
        feature = "kube",
        schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    pub name: String,

    /// Key of the data in it: CSV with a header, columns in any order, further columns are ignored.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$")))]
    pub key: String,
}

/// CSV in the resource itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InlineSource {
    /// CSV with a header, at most 64 KiB.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 65_536)))]
    pub csv: String,
}

/// Exposes the model outside the cluster, behind basic auth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Host name, like `machine.example.com`.
    #[cfg_attr(
        feature = "kube",
        schemars(
            length(min = 1, max = 253),
            regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
        )
    )]
    pub host: String,

    /// Path below which the model is served; nothing is rewritten.
    #[serde(default = "default_path")]
    #[cfg_attr(
        feature = "kube",
        schemars(
            length(min = 1, max = 253),
            regex(pattern = "^/([-_~a-zA-Z0-9][-._~a-zA-Z0-9]*(/[-_~a-zA-Z0-9][-._~a-zA-Z0-9]*)*)?$")
        )
    )]
    pub path: String,

    /// IngressClass. Omitted: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME)))]
    pub class_name: Option<String>,

    /// Further annotations of the Ingress. Those of the auth and snippet families are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 64)))]
    pub annotations: BTreeMap<String, Text>,

    /// TLS at the ingress controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,

    /// Who may ask. Omitted: credentials are generated, in the Secret `<name>-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
}

/// A string of at most 4,096 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "kube", schemars(inline))]
#[serde(transparent)]
pub struct Text(#[cfg_attr(feature = "kube", schemars(length(max = 4_096)))] pub String);

/// TLS at the ingress controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// Secret of type `kubernetes.io/tls`. It need not exist yet: cert-manager makes it because the Ingress exists.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME)))]
    pub secret_name: String,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// Secret with the single key `auth`: htpasswd lines (bcrypt, apr1 or {SHA}).
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253), regex(pattern = DNS_NAME)))]
    pub secret_name: String,
}

/// Compute resources of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirements {
    /// What the scheduler reserves, like `{cpu: 100m, memory: 64Mi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 16)))]
    pub requests: BTreeMap<String, Quantity>,

    /// What the container may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 16)))]
    pub limits: BTreeMap<String, Quantity>,
}

impl ResourceRequirements {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }
}

impl AnomalyModelSpec {
    /// Names of the features in the order of the vector.
    pub fn feature_names(&self) -> Vec<String> {
        self.features.iter().map(|f| f.name.clone()).collect()
    }

    /// The ConfigMap and the key that determine the model: those of its training data, or of the imported model.
    pub fn config_map(&self) -> Option<ConfigMapSource> {
        match &self.detector.imported {
            Some(imported) => {
                let at = imported.config_map.clone()?;
                Some(ConfigMapSource { name: at.name, key: at.key })
            }
            None => self.training.as_ref()?.source.config_map.clone(),
        }
    }

    /// Path of [`AnomalyModelSpec::config_map`] in the spec.
    pub fn config_map_path(&self) -> &'static str {
        if self.detector.imported.is_some() {
            "spec.detector.imported.configMap"
        } else {
            "spec.training.source.configMap"
        }
    }

    /// The training data in the spec itself, if it is there.
    pub fn inline(&self) -> Option<&str> {
        Some(self.training.as_ref()?.source.inline.as_ref()?.csv.as_str())
    }

    /// Fewest training rows.
    pub fn min_rows(&self) -> u32 {
        self.training.as_ref().map_or_else(default_min_rows, |training| training.min_rows)
    }

    /// Revisions kept besides the current one.
    pub fn revision_history_limit(&self) -> u32 {
        self.training
            .as_ref()
            .map_or_else(default_revision_history_limit, |training| training.revision_history_limit)
    }

    /// Compute resources that are asked for the training pod.
    pub fn training_resources(&self) -> ResourceRequirements {
        self.training.as_ref().map(|training| training.resources.clone()).unwrap_or_default()
    }

    /// The threshold asked for; contamination 0.01 when none is, so that stating the default changes nothing. An imported
    /// model has its own.
    pub fn threshold(&self) -> ThresholdConfig {
        if self.detector.imported.is_some() {
            return self.threshold.clone().unwrap_or_default();
        }
        match self.threshold.clone().unwrap_or_default() {
            nothing if nothing == ThresholdConfig::default() => {
                ThresholdConfig { contamination: Some(0.01), ..ThresholdConfig::default() }
            }
            stated => stated,
        }
    }
}

fn default_detector() -> DetectorConfig {
    EnsembleConfig::default().into()
}

/// The resource stores no member that nobody wrote: with one of them, a merge that adds another would give two.
fn detector_or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DetectorConfig, D::Error> {
    let stated = DetectorConfig::deserialize(deserializer)?;
    Ok(if stated.given().is_empty() { default_detector() } else { stated })
}

fn default_min_rows() -> u32 {
    32
}

fn default_revision_history_limit() -> u32 {
    2
}

fn default_path() -> String {
    "/".into()
}
