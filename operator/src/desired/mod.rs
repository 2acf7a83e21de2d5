//! Desired children of a model: pure, cannot fail. One child kind = one file = one function = one snapshot.

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    rbac::v1::{Role, RoleBinding},
};
use kube::core::DynamicObject;

use crate::observed::Observed;
use crate::outcome::Plan;
use crate::settings::Settings;
use crate::training;
use crate::validate::Validated;

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
    /// The way in from outside; never without the Secret.
    pub ingress: Option<Ingress>,
}

/// A Job to be made once, with its input; neither is ever applied again.
#[derive(Clone, Debug)]
pub struct TrainingJob {
    /// The Job.
    pub job: Job,
    /// Its input ConfigMap, to be owned by the Job: `apply` sets the owner's UID after the Job exists.
    pub input: ConfigMap,
}

/// Why the plan is what it is; for status.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// Whether to train, and why not.
    pub training: training::Decision,
}

/// All that should be done for the model now.
pub fn plan(_validated: &Validated, _observed: &Observed, _settings: &Settings) -> Plan {
    Plan::default()
}
