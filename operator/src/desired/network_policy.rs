//! Who may reach which port of the scoring pods. Pure.
//!
//! Only ingress is ruled, and only for scoring pods: training pods accept no connections anyway.

use api::{labels, names};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::settings::Settings;
use crate::validate::Validated;

/// Ports `http` and `grpc` from the model's namespace and from the monitoring namespaces; port `public`, if there is one, from
/// anywhere, because it asks for the password.
pub(super) fn network_policy(model: &Validated, public: bool, settings: &Settings) -> NetworkPolicy {
    let mut rules = vec![rule(&[names::PORT_HTTP, names::PORT_GRPC], Some(peers(settings)))];
    if public {
        rules.push(rule(&[names::PORT_PUBLIC], None));
    }
    NetworkPolicy {
        metadata: metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::server_selector(&model.name)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(rules),
            ..NetworkPolicySpec::default()
        }),
    }
}

fn rule(ports: &[&str], from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    let port = |name: &&str| NetworkPolicyPort {
        port: Some(IntOrString::String((*name).into())),
        protocol: Some("TCP".into()),
        ..NetworkPolicyPort::default()
    };
    NetworkPolicyIngressRule { ports: Some(ports.iter().map(port).collect()), from }
}

fn peers(settings: &Settings) -> Vec<NetworkPolicyPeer> {
    let own =
        NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    let monitoring = settings.monitoring_namespaces.iter().map(|namespace| NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: metadata::text([("kubernetes.io/metadata.name", namespace)]),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    });
    std::iter::once(own).chain(monitoring).collect()
}
