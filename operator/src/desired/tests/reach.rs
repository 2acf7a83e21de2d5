//! Who may reach which port: the NetworkPolicy evaluated as Kubernetes does it.

use std::collections::BTreeMap;

use api::labels;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::TRAEFIK;
use crate::fixtures::World;

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    assert_eq!(selector.match_expressions, None, "not evaluated here");
    selector.match_labels.iter().flatten().all(|(k, v)| labels.get(k) == Some(v))
}

/// A pod with the labels `pod` in namespace `from` as a peer of a policy in namespace `own`.
fn is_peer(peer: &NetworkPolicyPeer, own: &str, from: &str, pod: &BTreeMap<String, String>) -> bool {
    assert_eq!(peer.ip_block, None, "not evaluated here");
    let namespace = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), from.to_owned())]);
    let there = peer.namespace_selector.as_ref().map_or(own == from, |s| selects(s, &namespace));
    there && peer.pod_selector.as_ref().is_none_or(|s| selects(s, pod))
}

fn allows(policy: &NetworkPolicy, port: &str, from: &str) -> bool {
    let own = policy.metadata.namespace.as_deref().unwrap();
    let anybody = BTreeMap::from([("app".to_owned(), "anything".to_owned())]);
    let spec = policy.spec.as_ref().unwrap();
    spec.ingress.iter().flatten().any(|rule| {
        let wanted = Some(IntOrString::String(port.to_owned()));
        let port = rule.ports.as_ref().is_none_or(|ports| ports.iter().any(|p| p.port == wanted));
        port && rule.from.as_ref().is_none_or(|peers| peers.iter().any(|p| is_peer(p, own, from, &anybody)))
    })
}

#[test]
fn the_cluster_ports_are_for_the_models_namespace_and_for_monitoring() {
    let policy = World::ready().exposed(TRAEFIK).plan().children.network_policy.unwrap();
    for (from, allowed) in [("demo", true), ("monitoring", true), ("traefik", false), ("other", false)] {
        for port in ["http", "grpc"] {
            assert_eq!(allows(&policy, port, from), allowed, "{port} from {from}");
        }
    }
}

#[test]
fn the_public_port_is_for_everybody_because_it_asks_for_the_password() {
    let policy = World::ready().exposed(TRAEFIK).plan().children.network_policy.unwrap();
    for from in ["demo", "monitoring", "traefik", "other"] {
        assert!(allows(&policy, "public", from), "{from}");
    }
}

#[test]
fn a_model_that_is_not_exposed_has_no_public_port() {
    let policy = World::ready().plan().children.network_policy.unwrap();
    assert!(!allows(&policy, "public", "traefik") && !allows(&policy, "public", "demo"));
}

#[test]
fn without_monitoring_namespaces_only_the_own_one_may_ask() {
    let mut world = World::ready();
    world.settings.monitoring_namespaces.clear();
    let policy = world.plan().children.network_policy.unwrap();
    assert!(allows(&policy, "http", "demo") && !allows(&policy, "http", "monitoring"));
}

#[test]
fn the_rules_are_for_scoring_pods_alone_and_leave_what_they_send_alone() {
    let plan = World::ready().seed(17).plan();
    let policy = plan.children.network_policy.unwrap().spec.unwrap();
    assert_eq!(policy.policy_types, Some(vec!["Ingress".to_owned()]));
    let selector = policy.pod_selector.unwrap();
    let template = |labels: Option<BTreeMap<String, String>>| selects(&selector, &labels.unwrap());
    let server = plan.children.deployment.unwrap().spec.unwrap().template.metadata.unwrap().labels;
    assert!(template(server));
    let trainer = plan.start.unwrap().job.spec.unwrap().template.metadata.unwrap().labels;
    assert!(!template(trainer));
    assert!(!template(Some(labels::child("another", labels::COMPONENT_SERVER))));
}
