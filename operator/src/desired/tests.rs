//! What all children have in common, whatever the model. One snapshot a child is in `snapshots`.

use api::names;
use serde_json::{Value, json};

use super::Children;
use crate::fixtures::World;
use crate::observed::{Auth, Credentials, IngressClass};
use crate::outcome::Plan;

mod monitoring;
mod reach;
mod snapshots;
mod tls;

pub(super) const TRAEFIK: &str = "traefik.io/ingress-controller";
pub(super) const NGINX: &str = "k8s.io/ingress-nginx";
pub(super) const PASSWORD: &str = "correct-horse-battery-staple";

pub(super) fn with_password(mut world: World) -> World {
    let credentials = Credentials { username: "machine".into(), password: PASSWORD.into() };
    world.observed.auth = Auth::Generated(Some(credentials));
    world
}

/// Models of all sorts, in all sorts of states.
fn worlds() -> Vec<World> {
    let longest = {
        let mut world = World::ready();
        let model = std::sync::Arc::make_mut(&mut world.observed.model);
        model.metadata.name = Some("m".repeat(names::MODEL_NAME_MAX));
        world
    };
    vec![
        World::new(),
        World::new().inline("mean,sd\n1,2\n"),
        World::new().exposed(TRAEFIK),
        longest.seed(3),
        World::ready(),
        World::ready().seed(17),
        World::ready().retrain("1"),
        World::ready().edited(|spec| spec.serving.replicas = 0),
        with_password(World::ready().exposed(TRAEFIK)),
        with_password(World::ready().exposed(NGINX)),
        with_password(World::ready().exposed("example.com/gateway")),
        with_password(World::ready().exposed(TRAEFIK).with_tls()),
        with_password(World::ready().exposed(NGINX).with_tls()),
    ]
}

fn values(children: &Children) -> Vec<Value> {
    let Children {
        trainer_service_account,
        trainer_role,
        trainer_role_binding,
        credentials,
        htpasswd,
        network_policy,
        deployment,
        service,
        middleware,
        servers_transport,
        ingress,
        service_monitor,
        prometheus_rule,
        dashboards,
    } = children;
    [
        json!(trainer_service_account),
        json!(trainer_role),
        json!(trainer_role_binding),
        json!(credentials),
        json!(htpasswd),
        json!(network_policy),
        json!(deployment),
        json!(service),
        json!(middleware),
        json!(servers_transport),
        json!(ingress),
        json!(service_monitor),
        json!(prometheus_rule),
        json!(dashboards),
    ]
    .into_iter()
    .filter(|child| !child.is_null())
    .collect()
}

/// Every object that the plan makes.
fn objects(plan: &Plan) -> Vec<Value> {
    let made = plan.start.iter().flat_map(|start| [json!(start.job), json!(start.input)]);
    values(&plan.children).into_iter().chain(made).collect()
}

fn pods(object: &Value) -> Option<&Value> {
    object.pointer("/spec/template/spec")
}

/// Visits every value below, with its path.
fn visit(value: &Value, path: &str, check: &mut impl FnMut(&str, &Value)) {
    check(path, value);
    match value {
        Value::Object(members) => members.iter().for_each(|(k, v)| visit(v, &format!("{path}/{k}"), check)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| visit(v, &format!("{path}/{i}"), check))
        }
        _ => {}
    }
}

#[test]
fn the_same_facts_give_the_same_plan() {
    for world in worlds() {
        let (one, two) = (world.plan(), world.clone().plan());
        assert_eq!(objects(&one), objects(&two));
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}

#[test]
fn every_pod_satisfies_the_restricted_standard() {
    let mut seen = 0;
    for object in worlds().iter().flat_map(|w| objects(&w.plan())) {
        let Some(pod) = pods(&object) else { continue };
        seen += 1;
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["enableServiceLinks"], false);
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["readOnlyRootFilesystem"], true);
            assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
            assert!(security.get("runAsUser").is_none() && pod["securityContext"].get("runAsUser").is_none());
            assert!(container["resources"]["requests"]["cpu"].is_string());
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["resources"]["limits"].get("cpu").is_none());
        }
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume.get("configMap").is_some() || volume.get("secret").is_some(), "{volume}");
        }
        // Only the training pod talks to the API server.
        assert_eq!(pod["automountServiceAccountToken"], object["kind"] == "Job");
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn names_and_labels_fit_their_limits() {
    for object in worlds().iter().flat_map(|w| objects(&w.plan())) {
        let metadata = &object["metadata"];
        assert!(metadata["name"].as_str().unwrap().len() <= 63, "{metadata}");
        visit(&object, "", &mut |path, value| {
            if path.ends_with("abels") {
                for (name, value) in value.as_object().unwrap() {
                    assert!(value.as_str().unwrap().len() <= 63, "{path} {name}");
                }
            }
        });
    }
}

#[test]
fn no_password_stands_outside_a_secret() {
    for world in worlds() {
        let secret = world
            .plan()
            .children
            .htpasswd
            .and_then(|s| s.data)
            .map(|data| data[names::HTPASSWD_KEY].0.clone());
        let line =
            secret.map(|line| String::from_utf8(line).unwrap()).unwrap_or_else(|| "{SHA}nothing".into());
        let hash = line.trim_end().rsplit_once("{SHA}").unwrap().1;
        for object in objects(&world.plan()).into_iter().filter(|o| o["kind"] != "Secret") {
            let text = object.to_string();
            assert!(
                !text.contains(PASSWORD) && !text.contains("freshly-made") && !text.contains("{SHA}"),
                "{text}"
            );
            assert!(!text.contains(hash), "{text}");
        }
    }
}

#[test]
fn every_child_is_controlled_by_the_model_but_the_input_which_its_job_owns() {
    for world in worlds() {
        let plan = world.plan();
        for object in objects(&plan) {
            let owners = object["metadata"]["ownerReferences"].as_array();
            let dashboards = object["metadata"]["labels"][api::labels::COMPONENT] == "dashboards";
            if object["kind"] == "ConfigMap" && !dashboards {
                assert_eq!(owners, None);
                continue;
            }
            let owner = &owners.unwrap()[0];
            assert_eq!(owner["uid"], world.observed.model.metadata.uid.clone().unwrap());
            assert_eq!((&owner["controller"], &owner["blockOwnerDeletion"]), (&json!(true), &json!(true)));
            assert_eq!(owner["kind"], "AnomalyModel");
            assert_eq!(
                object["metadata"]["labels"][api::labels::MODEL],
                json!(world.observed.model.metadata.name)
            );
        }
    }
}

#[test]
fn what_is_applied_reads_back_the_same() {
    for object in worlds().iter().flat_map(|w| objects(&w.plan())) {
        visit(&object, "", &mut |path, value| {
            let empty = value.as_object().is_some_and(|o| o.is_empty())
                || value.as_array().is_some_and(Vec::is_empty);
            // An empty selector means all pods, and is kept.
            assert!(!empty || path.ends_with("/podSelector"), "{} {path}", object["kind"]);
            if path.ends_with("/ports") {
                for port in value.as_array().unwrap() {
                    assert_eq!(port["protocol"], "TCP", "{path}");
                }
            }
        });
    }
}

/// Names of the Service's ports.
fn ports(children: &Children) -> Vec<String> {
    let spec = children.service.clone().unwrap().spec.unwrap();
    spec.ports.unwrap().into_iter().filter_map(|port| port.name).collect()
}

#[test]
fn nothing_is_exposed_without_a_password_whatever_the_rest() {
    let found = |controller: &str| IngressClass::Found { name: "web".into(), controller: controller.into() };
    let invalid = Auth::NamedInvalid("it has the keys a, b".into());
    for auth in [Auth::NotAsked, Auth::NamedNotFound, invalid, Auth::Required] {
        for controller in [TRAEFIK, NGINX, "example.com/gateway"] {
            let mut world = World::ready().exposed(controller);
            world.observed.auth = auth.clone();
            world.observed.ingress_class = Some(found(controller));
            let children = world.plan().children;
            assert!(children.ingress.is_none() && children.middleware.is_none(), "{auth:?}");
            assert_eq!(ports(&children), ["http", "grpc"], "{auth:?}");
        }
    }
}

#[test]
fn an_ingress_comes_with_its_secret_its_port_and_its_annotations() {
    for controller in [TRAEFIK, NGINX, "example.com/gateway"] {
        let children = World::ready().exposed(controller).plan().children;
        assert!(children.ingress.is_some() && children.htpasswd.is_some() && children.credentials.is_some());
        assert_eq!(children.middleware.is_some(), controller == TRAEFIK);
        assert_eq!(ports(&children), ["http", "grpc", "public"]);
        let annotations = children.ingress.unwrap().metadata.annotations;
        assert_eq!(annotations.is_some(), controller != "example.com/gateway");
    }
}

#[test]
fn traefik_without_its_kinds_gets_no_annotation_that_would_take_the_route_away() {
    let mut world = World::ready().exposed(TRAEFIK);
    world.observed.middleware_installed = false;
    let children = world.plan().children;
    assert!(children.middleware.is_none());
    assert_eq!(children.ingress.unwrap().metadata.annotations, None);
}

#[test]
fn our_annotations_win_over_the_users() {
    let world = World::ready().exposed(TRAEFIK);
    let mut model = world.validated();
    let exposed = model.ingress.as_mut().unwrap();
    let ours = "traefik.ingress.kubernetes.io/router.middlewares";
    exposed.annotations = [(ours.to_owned(), "none".to_owned()), ("a/b".to_owned(), "c".to_owned())].into();
    let ingress = super::plan(&model, &world.observed, &world.settings).children.ingress.unwrap();
    let annotations = ingress.metadata.annotations.unwrap();
    assert_eq!(annotations[ours], "demo-machine-basic-auth@kubernetescrd");
    assert_eq!(annotations["a/b"], "c");
}

#[test]
fn nothing_is_exposed_or_listens_before_the_first_revision() {
    let children = World::new().exposed(TRAEFIK).plan().children;
    assert!(children.deployment.is_none() && children.ingress.is_none() && children.service.is_none());
    // The password can be read already.
    assert!(children.credentials.is_some() && children.htpasswd.is_some());
}

#[test]
fn a_password_that_exists_is_kept_and_only_a_missing_one_is_made() {
    let children = with_password(World::ready().exposed(TRAEFIK)).plan().children;
    let password = children.credentials.unwrap().data.unwrap()["password"].0.clone();
    assert_eq!(password, PASSWORD.as_bytes());
    let children = World::ready().exposed(TRAEFIK).plan().children;
    assert_eq!(children.credentials.unwrap().data.unwrap()["password"].0, b"freshly-made");
}

#[test]
fn the_trainer_may_write_the_revision_of_its_job_before_while_and_after_it_runs() {
    let named = |plan: &Plan| {
        let rules = plan.children.trainer_role.clone().unwrap().rules.unwrap();
        assert_eq!(rules.len(), 1);
        rules[0].resource_names.clone().unwrap()
    };
    let world = World::new();
    let plan = world.plan();
    let revision = named(&plan);
    assert_eq!(revision.len(), 1);
    let world = world.reconciled();
    assert_eq!(named(&world.plan()), revision);
    let world = world.published(980).reconciled().rolled_out().reconciled();
    assert_eq!(world.observed.revisions[0].name, revision[0]);
    assert_eq!(named(&world.plan()), revision);
    assert_eq!(named(&world.jobs_expired().plan()), revision);
}
