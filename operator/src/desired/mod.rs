//! Desired children of a model: pure, cannot fail. One child kind = one file = one function = one snapshot.

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    rbac::v1::{Role, RoleBinding},
};
use kube::core::DynamicObject;

pub mod exposure;
pub mod revisions;

mod container;
mod credentials;
mod deployment;
mod htpasswd;
mod ingress;
mod metadata;
pub mod middleware;
pub mod monitoring;
mod network_policy;
mod plan;
mod probes;
mod security;
mod servers_transport;
mod service;
pub mod tls;
mod trainer_rbac;
mod training_input;
mod training_job;
mod volumes;

pub use plan::{Decisions, plan};

/// Every child that should exist now; what is `None` is pruned.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// Identity of the training pod.
    pub trainer_service_account: Option<ServiceAccount>,
    /// What it may do: create and patch exactly one ConfigMap.
    pub trainer_role: Option<Role>,
    /// Binds the two.
    pub trainer_role_binding: Option<RoleBinding>,
    /// Generated user name and password.
    pub credentials: Option<Secret>,
    /// htpasswd line of the generated password.
    pub htpasswd: Option<Secret>,
    /// Who may reach which port.
    pub network_policy: Option<NetworkPolicy>,
    /// The scoring pods.
    pub deployment: Option<Deployment>,
    /// Their address in the cluster.
    pub service: Option<Service>,
    /// Asks for the password at a Traefik ingress.
    pub middleware: Option<DynamicObject>,
    /// How Traefik speaks TLS with the pods.
    pub servers_transport: Option<DynamicObject>,
    /// The way in from outside; never without the Secret.
    pub ingress: Option<Ingress>,
    /// Has Prometheus scrape the pods.
    pub service_monitor: Option<DynamicObject>,
    /// Alerts and recording rules.
    pub prometheus_rule: Option<DynamicObject>,
    /// Grafana's dashboards.
    pub dashboards: Option<ConfigMap>,
}

/// A Job to be made once, with its input; neither is ever applied again.
#[derive(Clone, Debug)]
pub struct TrainingJob {
    /// The Job.
    pub job: Job,
    /// Its input ConfigMap, to be owned by the Job: `apply` sets the owner's UID after the Job exists.
    pub input: ConfigMap,
}

#[cfg(test)]
mod tests;
