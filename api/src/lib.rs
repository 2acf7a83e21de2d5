//! The contract with users: the `AnomalyModel` resource, the names and labels of what the operator makes of it, its
//! conditions, the training key and the training Job's input and result.
//!
//! Types only: nothing here talks to the API server. Without the feature `kube` only what a process without Kubernetes
//! needs remains (spec, Job contract), so that `cli` and the trainer's library link no Kubernetes client.

pub mod job;
pub mod labels;
pub mod names;
pub mod quantity;
pub mod spec;
pub mod training_key;
pub mod validation;

#[cfg(feature = "kube")]
pub mod conditions;
#[cfg(feature = "kube")]
pub mod crd;
#[cfg(feature = "kube")]
pub mod status;

pub use spec::AnomalyModelSpec;
#[cfg(feature = "kube")]
pub use {spec::AnomalyModel, status::AnomalyModelStatus};

/// API group of every kind of this project.
pub const GROUP: &str = "anomaly-operator.io";
/// Version of the API.
pub const VERSION: &str = "v1alpha1";
/// Kind of the model resource.
pub const KIND: &str = "AnomalyModel";
