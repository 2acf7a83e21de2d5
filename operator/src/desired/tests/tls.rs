//! TLS between the ingress controller and the pods: who is told what, and what is not done without a certificate.

use api::conditions::reason;

use super::{NGINX, TRAEFIK, with_password};
use crate::desired::Children;
use crate::desired::exposure::Exposure;
use crate::fixtures::World;
use crate::observed::Tls;

const CONTROLLERS: [&str; 3] = [TRAEFIK, NGINX, "example.com/gateway"];

fn exposed(controller: &str) -> World {
    with_password(World::ready().exposed(controller))
}

fn schemes(children: &Children) -> Vec<Option<String>> {
    let pod = children.deployment.clone().unwrap().spec.unwrap().template.spec.unwrap();
    let server = &pod.containers[0];
    let probes = [&server.startup_probe, &server.readiness_probe, &server.liveness_probe];
    probes.into_iter().map(|probe| probe.clone().unwrap().http_get.unwrap().scheme).collect()
}

fn protocols(children: &Children) -> Vec<String> {
    let ports = children.service.clone().unwrap().spec.unwrap().ports.unwrap();
    ports.into_iter().map(|port| port.app_protocol.unwrap()).collect()
}

#[test]
fn without_tls_nothing_speaks_of_it() {
    for controller in CONTROLLERS {
        let children = exposed(controller).plan().children;
        assert_eq!(schemes(&children), [None, None, None]);
        assert_eq!(protocols(&children), ["http", "kubernetes.io/h2c", "http"]);
        assert!(children.servers_transport.is_none());
        assert_eq!(children.service.unwrap().metadata.annotations, None);
        let pod = children.deployment.unwrap().spec.unwrap().template.spec.unwrap();
        let pod = serde_json::to_string(&pod).unwrap();
        assert!(!pod.contains("tls"), "{pod}");
    }
}

#[test]
fn every_port_and_every_probe_speaks_tls() {
    for controller in CONTROLLERS {
        let children = exposed(controller).with_tls().plan().children;
        assert_eq!(schemes(&children), vec![Some("HTTPS".to_owned()); 3]);
        assert_eq!(protocols(&children), ["https"; 3]);
        assert!(children.ingress.is_some());
    }
}

#[test]
fn traefik_alone_is_told_by_a_transport() {
    for controller in CONTROLLERS {
        let children = exposed(controller).with_tls().plan().children;
        assert_eq!(children.servers_transport.is_some(), controller == TRAEFIK);
        assert_eq!(children.service.unwrap().metadata.annotations.is_some(), controller == TRAEFIK);
    }
    // Nobody but an ingress needs it.
    let children = World::ready().with_tls().plan().children;
    assert!(children.servers_transport.is_none() && children.service.unwrap().metadata.annotations.is_none());
}

#[test]
fn a_mounted_secret_is_a_directory_never_a_file() {
    let pod = exposed(TRAEFIK).with_tls().plan().children.deployment.unwrap().spec.unwrap().template.spec;
    let mounts = pod.unwrap().containers[0].volume_mounts.clone().unwrap();
    assert_eq!(mounts.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["model", "auth", "tls"]);
    assert!(mounts.iter().all(|m| m.sub_path.is_none() && m.read_only == Some(true)));
}

#[test]
fn a_certificate_that_nobody_can_verify_is_not_exposed() {
    for controller in CONTROLLERS {
        let mut world = exposed(controller).with_tls();
        world.observed.tls = Tls::Named { authority: false };
        let plan = world.plan();
        let known = controller != "example.com/gateway";
        assert_eq!(plan.children.ingress.is_none(), known, "{controller}");
        if known {
            let Exposure::Closed { reason, message } = plan.decisions.exposure else {
                panic!("{controller}")
            };
            assert_eq!(reason, reason::SECRET_INVALID);
            assert!(message.contains("Secret demo/certificate") && message.contains("ca.crt"), "{message}");
        }
        // The cluster is served all the same: whoever asks there brings an authority.
        assert_eq!(plan.decisions.hold, None);
        assert!(plan.children.deployment.is_some());
    }
}

#[test]
fn traefik_without_the_kind_that_verifies_is_not_exposed() {
    let mut world = exposed(TRAEFIK).with_tls();
    world.observed.servers_transport_installed = false;
    let plan = world.plan();
    assert!(plan.children.ingress.is_none() && plan.children.servers_transport.is_none());
    let Exposure::Closed { reason, message } = plan.decisions.exposure else { panic!() };
    assert_eq!(reason, reason::CRD_NOT_INSTALLED);
    assert!(message.contains("serverstransports.traefik.io"), "{message}");
}

#[test]
fn what_serves_is_held_while_the_certificate_is_missing() {
    for (tls, reason, words) in [
        (Tls::NotFound, reason::SECRET_NOT_FOUND, "create it with tls.crt and tls.key for machine.demo.svc"),
        (Tls::Invalid("it has no key tls.key".into()), reason::SECRET_INVALID, "it has no key tls.key"),
    ] {
        let mut world = exposed(TRAEFIK).with_tls();
        world.observed.tls = tls;
        let plan = world.plan();
        let hold = plan.decisions.hold.unwrap();
        assert_eq!(hold.reason, reason);
        assert!(hold.message.contains("Secret demo/certificate") && hold.message.contains(words), "{hold:?}");
        // Wanted all the same: what is there is not pruned.
        assert!(plan.children.deployment.is_some() && plan.children.service.is_some());
    }
}

#[test]
fn a_secret_that_the_operator_may_not_see_is_for_the_kubelet_to_find() {
    let mut world = exposed(TRAEFIK).with_tls();
    world.observed.tls = Tls::Unseen;
    let plan = world.plan();
    assert_eq!(plan.decisions.hold, None);
    assert!(plan.children.ingress.is_some() && plan.children.servers_transport.is_some());
}

#[test]
fn a_pod_may_finish_as_long_as_a_request_may_take() {
    let grace = |seconds: u32| {
        let world = World::ready().edited(|spec| spec.serving.limits.request_timeout_seconds = seconds);
        let pod = world.plan().children.deployment.unwrap().spec.unwrap().template.spec.unwrap();
        pod.termination_grace_period_seconds.unwrap()
    };
    assert_eq!([grace(1), grace(10), grace(60)], [30, 30, 80]);
}
