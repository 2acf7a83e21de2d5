//! Every child as a user would read it with `kubectl get -o yaml`.

use api::job::{INPUT_FILE, TrainingInput};
use insta::assert_yaml_snapshot;

use super::{NGINX, TRAEFIK, with_password};
use crate::fixtures::World;

fn exposed(controller: &str) -> World {
    with_password(World::ready().exposed(controller))
}

#[test]
fn trainer_service_account() {
    assert_yaml_snapshot!(World::new().plan().children.trainer_service_account);
}

#[test]
fn trainer_role() {
    assert_yaml_snapshot!(World::new().plan().children.trainer_role);
}

#[test]
fn trainer_role_binding() {
    assert_yaml_snapshot!(World::new().plan().children.trainer_role_binding);
}

#[test]
fn training_job() {
    assert_yaml_snapshot!(World::new().retrain("monday").plan().start.unwrap().job);
}

#[test]
fn training_job_of_inline_data() {
    assert_yaml_snapshot!(World::new().inline("mean,sd\n1,2\n").plan().start.unwrap().job.spec);
}

#[test]
fn training_input() {
    let input = World::new().inline("mean,sd\n1,2\n").retrain("monday").plan().start.unwrap().input;
    assert_yaml_snapshot!(input);
    let data = input.data.unwrap();
    let read: TrainingInput = serde_json::from_str(&data[INPUT_FILE]).unwrap();
    assert_yaml_snapshot!("training_input_json", read);
}

#[test]
fn the_job_of_an_imported_model_mounts_the_exported_file() {
    let started = World::new().imported().plan().start.unwrap();
    let read: TrainingInput = serde_json::from_str(&started.input.data.unwrap()[INPUT_FILE]).unwrap();
    assert_eq!(read.data.path, "/data/forest.json.gz");
    assert!(read.detector.imported.is_some() && read.features.is_empty());
    let volumes = started.job.spec.unwrap().template.spec.unwrap().volumes.unwrap();
    let mounted = volumes.iter().filter_map(|volume| volume.config_map.as_ref()?.items.as_ref());
    assert_eq!(mounted.flatten().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["forest.json.gz"]);
}

#[test]
fn credentials() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.credentials);
}

#[test]
fn htpasswd() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.htpasswd);
}

#[test]
fn network_policy() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.network_policy);
}

#[test]
fn deployment() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.deployment);
}

#[test]
fn deployment_that_is_not_exposed() {
    assert_yaml_snapshot!(World::ready().plan().children.deployment.unwrap().spec.unwrap().template.spec);
}

#[test]
fn service() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.service);
}

#[test]
fn pod_with_limits_page_log_and_tls() {
    let world = World::ready().with_tls().edited(|spec| {
        let serving = "{replicas: 2, tls: {secretName: certificate}, accessLog: sampled,
            page: {recentVerdicts: true, recentValues: true},
            limits: {maxBodyBytes: 2048, maxBatchRows: 1, maxConcurrentRows: 2, maxBatchWaitMilliseconds: 9, maxConcurrentRequests: 3, maxConnections: 4,
                     requestTimeoutSeconds: 60, headerTimeoutSeconds: 6, stallTimeoutSeconds: 7, idleTimeoutSeconds: 8}}";
        spec.serving = serde_yaml::from_str(serving).unwrap();
        spec.monitoring = serde_yaml::from_str("{driftFeatures: [sd, mean]}").unwrap();
    });
    assert_yaml_snapshot!(world.plan().children.deployment.unwrap().spec.unwrap().template.spec);
}

#[test]
fn variables_of_opentelemetry_are_those_of_the_administrator() {
    let mut world = World::ready();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://collector:4318".to_owned());
    world.settings.server_otel = [endpoint].into();
    let pod = world.plan().children.deployment.unwrap().spec.unwrap().template.spec.unwrap();
    let expected =
        serde_json::json!([{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}]);
    assert_eq!(serde_json::json!(pod.containers[0].env), expected);
}

#[test]
fn service_of_traefik_with_tls_to_the_pods() {
    assert_yaml_snapshot!(exposed(TRAEFIK).with_tls().plan().children.service);
}

#[test]
fn servers_transport() {
    assert_yaml_snapshot!(exposed(TRAEFIK).with_tls().plan().children.servers_transport);
}

#[test]
fn ingress_of_ingress_nginx_with_tls_to_the_pods() {
    assert_yaml_snapshot!(exposed(NGINX).with_tls().plan().children.ingress.unwrap().metadata.annotations);
}

#[test]
fn middleware() {
    assert_yaml_snapshot!(exposed(TRAEFIK).plan().children.middleware);
}

#[test]
fn service_monitor() {
    assert_yaml_snapshot!(World::ready().plan().children.service_monitor);
}

#[test]
fn service_monitor_of_pods_that_speak_tls() {
    let world = World::ready().edited(|spec| {
        spec.serving.tls = Some(serde_yaml::from_str("{secretName: certificate}").unwrap());
        spec.monitoring =
            serde_yaml::from_str("{serviceMonitor: {interval: 1m, labels: {release: prometheus}}}").unwrap();
    });
    assert_yaml_snapshot!(world.plan().children.service_monitor.unwrap().data);
}

/// What promtool tests: `hack/rules.sh` reads the groups out of this snapshot.
#[test]
fn prometheus_rule() {
    let rule = World::ready().plan().children.prometheus_rule.unwrap();
    assert_yaml_snapshot!(rule.metadata);
    assert_yaml_snapshot!("prometheus_rule_groups", rule.data["spec"]);
}

#[test]
fn dashboards() {
    let world = World::ready().edited(|spec| {
        spec.monitoring = serde_yaml::from_str("{dashboard: {folder: Machines}}").unwrap();
    });
    let mut dashboards = world.plan().children.dashboards.unwrap();
    for board in dashboards.data.iter_mut().flat_map(|data| data.values_mut()) {
        let read: serde_json::Value = serde_json::from_str(board).unwrap();
        *board = format!("{} {}", read["uid"].as_str().unwrap(), read["title"].as_str().unwrap());
    }
    assert_yaml_snapshot!(dashboards);
}

#[test]
fn ingress_of_traefik_with_tls() {
    let world = exposed(TRAEFIK).edited(|spec| {
        let ingress = spec.ingress.as_mut().unwrap();
        ingress.path = "/machine".into();
        ingress.tls = Some(serde_yaml::from_str("{secretName: certificate}").unwrap());
        ingress.annotations = serde_yaml::from_str("{cert-manager.io/cluster-issuer: letsencrypt}").unwrap();
    });
    assert_yaml_snapshot!(world.plan().children.ingress);
}

#[test]
fn ingress_of_ingress_nginx_with_a_named_secret() {
    let mut world = exposed(NGINX).edited(|spec| {
        let auth = serde_yaml::from_str("{secretName: people}").unwrap();
        spec.ingress.as_mut().unwrap().basic_auth = Some(auth);
    });
    world.observed.auth = crate::observed::Auth::Named(Default::default());
    let children = world.plan().children;
    assert_eq!((children.credentials, children.htpasswd), (None, None));
    assert_yaml_snapshot!(children.ingress);
}
