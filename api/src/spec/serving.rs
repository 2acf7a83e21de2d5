//! `AnomalyModel.spec.serving`: how a trained model is served.

use serde::{Deserialize, Serialize};

use super::ResourceRequirements;

/// How the trained model is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// Number of scoring pods; 0 serves nothing and keeps the model.
    #[serde(default = "default_replicas")]
    #[cfg_attr(feature = "kube", schemars(range(min = 0, max = 1_000)))]
    pub replicas: i32,

    /// Compute resources of a scoring pod. Omitted members: requests of 20m CPU and 32Mi, a memory limit of 128Mi.
    #[serde(default, skip_serializing_if = "ResourceRequirements::is_empty")]
    pub resources: ResourceRequirements,

    /// What one pod takes on; beyond it requests are refused at once, with 413, 422 or 503.
    #[serde(default)]
    pub limits: Limits,

    /// TLS between the ingress controller, or whoever asks in the cluster, and the pods: all their ports. Omitted: plain
    /// HTTP. What browsers see at the ingress is `spec.ingress.tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServingTls>,

    /// What the page at `/` shows besides the model.
    #[serde(default)]
    pub page: Page,

    /// Which requests are a line in the log of the pods: errors and those slower than a second (`errors`), also one in a
    /// hundred of the others (`sampled`), or `all`.
    #[serde(default)]
    pub access_log: AccessLog,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            resources: ResourceRequirements::default(),
            limits: Limits::default(),
            tls: None,
            page: Page::default(),
            access_log: AccessLog::default(),
        }
    }
}

/// What one scoring pod takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "kube",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "!has(self.maxBatchRows) || !has(self.maxConcurrentRows) || self.maxBatchRows <= self.maxConcurrentRows",
        "message": "maxConcurrentRows must be at least maxBatchRows, or the largest batch never fits: raise it, or lower maxBatchRows"
    }]))
)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Largest body in bytes, after decompression; beyond it 413. Streams (NDJSON, CSV) may be longer.
    #[cfg_attr(feature = "kube", schemars(range(min = 1_024, max = 67_108_864)))]
    pub max_body_bytes: u32,

    /// Most rows of a batch that is answered as a whole (JSON, Open Inference Protocol). Streams may have more.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 1_000_000)))]
    pub max_batch_rows: u32,

    /// Most rows of batches that are read or scored; streams have as many of their own, 4,096 each; beyond it 503.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 10_000_000)))]
    pub max_concurrent_rows: u32,

    /// Milliseconds that a batch may have to wait for those before it to be scored, by what these have taken lately;
    /// beyond it 503. Eight batches at a time are never refused for that.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 60_000)))]
    pub max_batch_wait_milliseconds: u32,

    /// Most requests in flight on each port; beyond it 503.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 65_536)))]
    pub max_concurrent_requests: u32,

    /// Most open connections of a port; beyond it 503.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 65_536)))]
    pub max_connections: u32,

    /// Seconds from a request's head to its answer.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 300)))]
    pub request_timeout_seconds: u32,

    /// Seconds from a request's first byte to the end of its head.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 60)))]
    pub header_timeout_seconds: u32,

    /// Seconds that a stream of rows, or a client that is being answered, may stand still.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 600)))]
    pub stall_timeout_seconds: u32,

    /// Seconds that a connection may be silent between two requests. Longer than the ingress controller keeps its own
    /// (Traefik 90, ingress-nginx 60), or it loses requests.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 3_600)))]
    pub idle_timeout_seconds: u32,
}

impl Default for Limits {
    /// Those of `anomaly-server`: a test of `cli` compares them.
    fn default() -> Self {
        Self {
            max_body_bytes: 1_048_576,
            max_batch_rows: 10_000,
            max_concurrent_rows: 131_072,
            max_batch_wait_milliseconds: 15,
            max_concurrent_requests: 1_024,
            max_connections: 1_024,
            request_timeout_seconds: 10,
            header_timeout_seconds: 5,
            stall_timeout_seconds: 30,
            idle_timeout_seconds: 120,
        }
    }
}

/// TLS of the scoring pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServingTls {
    /// Secret of type `kubernetes.io/tls`: `tls.crt`, `tls.key`, and `ca.crt` for Traefik to verify the pods by. The
    /// certificate must be valid for `<name>.<namespace>.svc`. A changed Secret is read again without a restart.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253), regex(pattern = super::DNS_NAME)))]
    pub secret_name: String,
}

/// What the page at `/` shows besides the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "kube",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "!has(self.recentVerdicts) || !has(self.recentValues) || self.recentVerdicts || !self.recentValues",
        "message": "recentValues needs recentVerdicts: values are shown beside verdicts"
    }]))
)]
#[serde(rename_all = "camelCase", default)]
pub struct Page {
    /// The latest anomalies, also for those who come through the ingress: features by name and contribution.
    pub recent_verdicts: bool,

    /// The values of their features, too.
    pub recent_values: bool,
}

/// Which requests are a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AccessLog {
    #[doc(hidden)]
    #[default]
    Errors,
    #[doc(hidden)]
    Sampled,
    #[doc(hidden)]
    All,
}

impl AccessLog {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Sampled => "sampled",
            Self::All => "all",
        }
    }
}

fn default_replicas() -> i32 {
    1
}
