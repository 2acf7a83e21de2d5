//! What the operator saw, as plain facts: the only input of everything pure. Filled by `observe`; no I/O here.

use std::sync::Arc;

use api::AnomalyModel;
use api::job::TrainingResult;
use detectors::description::Description;
use jiff::Timestamp;

use crate::htpasswd::Lines;
use crate::kinds::Kind;

/// All facts about one model at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The model itself.
    pub model: Arc<AnomalyModel>,
    /// The moment.
    pub now: Timestamp,
    /// The training data.
    pub source: Source,
    /// Training Jobs of this model that are controlled by it and not being deleted.
    pub jobs: Vec<Job>,
    /// Names of training Jobs that are being deleted: the next one waits for them.
    pub terminating_jobs: Vec<String>,
    /// Names of all Jobs and ConfigMaps that carry our label for this model, whoever controls them: those of a former model
    /// of the same name may be there for a while.
    pub names_taken: Vec<String>,
    /// Published revisions that are controlled by this model.
    pub revisions: Vec<Revision>,
    /// The live Deployment, if it is ours.
    pub deployment: Option<Deployment>,
    /// Why training or scoring pods do not start, if they do not.
    pub pod_problems: Vec<PodProblem>,
    /// Who may ask.
    pub auth: Auth,
    /// The certificate of the scoring pods.
    pub tls: Tls,
    /// The IngressClass that applies; `None` when no ingress is asked for.
    pub ingress_class: Option<IngressClass>,
    /// Whether an Ingress of ours exists.
    pub ingress_exists: bool,
    /// Whether `middlewares.traefik.io` is installed.
    pub middleware_installed: bool,
    /// Whether the kinds of Prometheus' operator can be used.
    pub monitoring: MonitoringKinds,
    /// Whether `serverstransports.traefik.io` is installed.
    pub servers_transport_installed: bool,
    /// `namespace/name` of an older model that holds this host and path.
    pub host_conflict: Option<String>,
    /// Whether another training may start, of all models' (`maxConcurrentTrainings`).
    pub training_slot_free: bool,
    /// A password to use if one has to be generated now: 160 random bits.
    pub fresh_password: Password,
}

/// Whether the kinds of Prometheus' operator can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoringKinds {
    /// `servicemonitors.monitoring.coreos.com`.
    pub service_monitor: Presence,
    /// `prometheusrules.monitoring.coreos.com`.
    pub prometheus_rule: Presence,
    /// Why they cannot be seen, if that has been so for a minute.
    pub watch_failing: Option<String>,
}

impl MonitoringKinds {
    /// Of one kind of child; all others are always there.
    pub fn presence(&self, kind: Kind) -> Presence {
        match kind {
            Kind::ServiceMonitor => self.service_monitor,
            Kind::PrometheusRule => self.prometheus_rule,
            _ => Presence::Installed,
        }
    }
}

/// Whether a kind can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is installed, and all objects of it are known.
    Installed,
    /// It is not installed.
    Absent,
    /// Nobody knows yet.
    Unknown,
}

/// The training data as the operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// There it is.
    Found {
        /// `sha256:…` of the bytes.
        digest: String,
        /// What it is called in messages, like `ConfigMap demo/x key train.csv`.
        origin: String,
        /// When the operator first saw these bytes, if it saw others before; debounces a change.
        changed_at: Option<Timestamp>,
    },
    /// The ConfigMap does not exist.
    NotFound {
        /// Its name.
        name: String,
    },
    /// The ConfigMap has no such key.
    KeyNotFound {
        /// Its name.
        name: String,
        /// The key that is asked for.
        key: String,
        /// The keys that are there.
        present: Vec<String>,
    },
}

/// A training Job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Its UID, which owns the input ConfigMap.
    pub uid: String,
    /// Full training key it was made for (annotation).
    pub key: String,
    /// Digest of what decides whether it succeeds (annotation).
    pub inputs: String,
    /// Value of the retrain annotation that it was made for.
    pub retrain: Option<String>,
    /// Revision that it publishes (annotation).
    pub revision: String,
    /// Number at the end of its name.
    pub attempt: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: JobState,
    /// Whether its input ConfigMap exists.
    pub has_input: bool,
}

/// Where a Job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// Neither succeeded nor failed.
    Active,
    /// Succeeded: the revision exists, or has been deleted since, or its event is still on the way.
    Succeeded {
        /// When (`status.completionTime`).
        at: Timestamp,
    },
    /// Failed.
    Failed {
        /// When.
        at: Timestamp,
        /// Whether the trainer ended with "the input is at fault" (exit code 2).
        input_at_fault: bool,
        /// What the trainer said, or what Kubernetes says (OOMKilled, DeadlineExceeded, …).
        result: TrainingResult,
    },
}

/// A published revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Name of the ConfigMap.
    pub name: String,
    /// When it was published.
    pub created_at: Timestamp,
    /// Full training key (annotation).
    pub key: String,
    /// Value of the retrain annotation that led to it.
    pub retrain: Option<String>,
    /// Its description (annotation).
    pub description: Description,
    /// How long its training took (annotation).
    pub training_seconds: Option<f64>,
    /// Whether its roll-out failed.
    pub rejected: bool,
}

/// The live Deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployment {
    /// Revision in its pod template: annotation `labels::REVISION` there.
    pub revision: String,
    /// `spec.replicas`.
    pub replicas: i32,
    /// Whether the Deployment controller has seen the newest generation.
    pub up_to_date: bool,
    /// `status.replicas`.
    pub existing: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Message of `Progressing=False, ProgressDeadlineExceeded`.
    pub deadline_exceeded: Option<String>,
    /// Message of `ReplicaFailure=True` (quota, admission).
    pub replica_failure: Option<String>,
}

impl Deployment {
    /// Whether every pod that is asked for runs the template, is available, and no other pod is left.
    pub fn rolled_out(&self) -> bool {
        self.up_to_date
            && self.updated == self.replicas
            && self.available == self.replicas
            && self.existing == self.replicas
    }
}

/// Why a pod does not start.
#[derive(Clone, Debug, PartialEq)]
pub struct PodProblem {
    /// Whether it is a training pod; else a scoring pod.
    pub training: bool,
    /// A word like `Unschedulable`, `ImagePullBackOff`, `FailedCreate`, `CrashLoopBackOff`, `NotReady`.
    pub reason: String,
    /// The message that Kubernetes gives.
    pub message: String,
}

/// Who may ask.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// No ingress is asked for.
    NotAsked,
    /// Credentials are generated; these are in the Secret, if it exists.
    Generated(Option<Credentials>),
    /// The named Secret holds htpasswd lines under the single key `auth`; nothing is known of them where the operator may
    /// not look.
    Named(Lines),
    /// The named Secret does not exist.
    NamedNotFound,
    /// The named Secret cannot be used, and why.
    NamedInvalid(String),
    /// The operator may not touch Secrets and none is named.
    Required,
}

/// The certificate of the scoring pods.
#[derive(Clone, Debug, PartialEq)]
pub enum Tls {
    /// The pods speak plain HTTP.
    NotAsked,
    /// The Secret has a certificate and its key.
    Named {
        /// Whether it also says who signed the certificate.
        authority: bool,
    },
    /// The Secret does not exist.
    NotFound,
    /// The Secret cannot be used, and why.
    Invalid(String),
    /// The operator may not look at Secrets.
    Unseen,
}

/// A password that no log can show.
#[derive(Clone, PartialEq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Generated credentials.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    /// The password must never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The IngressClass that applies.
#[derive(Clone, Debug, PartialEq)]
pub enum IngressClass {
    /// Named, or the cluster's default.
    Found {
        /// Its name.
        name: String,
        /// `spec.controller`.
        controller: String,
    },
    /// The named one does not exist.
    NotFound {
        /// Its name.
        name: String,
        /// Names of those that do.
        present: Vec<String>,
    },
    /// None is named and none is the default.
    NoDefault {
        /// Names of those that exist.
        present: Vec<String>,
    },
}
