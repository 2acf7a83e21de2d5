//! The scoring pods. Pure. Container, probes and volumes have files of their own.

use api::labels;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{container, metadata, security, volumes};
use crate::settings::Settings;
use crate::validate::Validated;

/// A pod is counted as available only after it has been ready for so long.
const MIN_READY_SECONDS: i32 = 3;
/// A roll-out that makes no progress for so long has failed.
const PROGRESS_DEADLINE_SECONDS: i32 = 300;
/// The server's lame duck (10 s), and some seconds to end.
const LAME_DUCK_AND_END_SECONDS: i64 = 18;
/// How long the server lets requests in flight finish: at least so long, and as long as one may take.
const FINISH_SECONDS: i64 = 12;

/// The port behind the ingress.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Public {
    /// Secret with the htpasswd lines.
    pub auth: String,
    /// Path below which the model is served.
    pub path: String,
}

/// The revision that is served.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Served {
    /// Its name.
    pub revision: String,
    /// When it was published, if that is known.
    pub trained_at: Option<Timestamp>,
    /// How long its training took, if that is known.
    pub training_seconds: Option<f64>,
}

/// Pods that serve a revision.
pub(super) fn deployment(
    model: &Validated,
    served: &Served,
    public: Option<&Public>,
    settings: &Settings,
) -> Deployment {
    let selector = LabelSelector {
        match_labels: Some(labels::server_selector(&model.name)),
        ..LabelSelector::default()
    };
    Deployment {
        metadata: metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER),
        spec: Some(DeploymentSpec {
            replicas: Some(model.replicas),
            selector: selector.clone(),
            strategy: Some(never_fewer()),
            min_ready_seconds: Some(MIN_READY_SECONDS),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            // Going back is the operator's: it knows the revisions.
            revision_history_limit: Some(1),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::child(&model.name, labels::COMPONENT_SERVER)),
                    annotations: metadata::text([(labels::REVISION, &*served.revision)]),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(model, served, public, settings, selector)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// 30 s, unless requests may take longer than what the server has to finish.
fn termination_grace_seconds(model: &Validated) -> i64 {
    let request = i64::from(model.limits.request_timeout_seconds) + 2;
    LAME_DUCK_AND_END_SECONDS + request.max(FINISH_SECONDS)
}

/// One pod more while rolling, never one less.
fn never_fewer() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".into()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn pod(
    model: &Validated,
    served: &Served,
    public: Option<&Public>,
    settings: &Settings,
    selector: LabelSelector,
) -> PodSpec {
    PodSpec {
        // The server never talks to the API server.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(security::pod()),
        termination_grace_period_seconds: Some(termination_grace_seconds(model)),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".into(),
            // Preferred, not demanded: a cluster of one node can have two replicas.
            when_unsatisfiable: "ScheduleAnyway".into(),
            label_selector: Some(selector),
            ..TopologySpreadConstraint::default()
        }]),
        containers: vec![container::server(model, served, public, settings)],
        volumes: Some(volumes::volumes(model, &served.revision, public)),
        ..PodSpec::default()
    }
}
