//! What watches the model: what all rules and dashboards promise.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::World;
use crate::kinds::Kind;
use crate::observed::Presence;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn edited(monitoring: &str) -> World {
    let monitoring = serde_yaml::from_str(monitoring).unwrap();
    World::ready().edited(|spec| spec.monitoring = monitoring)
}

fn rules(world: &World) -> Vec<Value> {
    let rule = world.plan().children.prometheus_rule.unwrap();
    let groups = rule.data["spec"]["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts(world: &World) -> Vec<Value> {
    let mut rules = rules(world);
    rules.retain(|rule| rule.get("alert").is_some());
    rules
}

fn names(world: &World) -> BTreeSet<String> {
    alerts(world).iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect()
}

/// Words of an expression that name a series, each with what stands behind it.
fn series(expr: &str) -> Vec<(&str, &str)> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let starts = expr.match_indices("anomaly").map(|(at, _)| at);
    starts
        .map(|at| {
            let rest = &expr[at..];
            rest.split_at(rest.find(|c: char| !inner(c)).unwrap_or(rest.len()))
        })
        .collect()
}

#[test]
fn every_series_in_a_rule_is_selected_by_namespace_and_model() {
    let mut seen = 0;
    for rule in rules(&World::ready()) {
        for (name, rest) in series(rule["expr"].as_str().unwrap()) {
            assert!(rest.starts_with(r#"{namespace="demo",model="machine""#), "{name}{rest}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_metric_of_a_rule_is_documented() {
    let read = |page: &str| std::fs::read_to_string(repository().join("docs").join(page)).unwrap();
    let (metrics, monitoring) = (read("metrics.md"), read("monitoring.md"));
    let rules = rules(&World::ready());
    let texts = rules.iter().flat_map(|rule| [&rule["expr"], &rule["annotations"]["description"]]);
    let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
    for (name, _) in texts.iter().flat_map(|text| series(text)) {
        let plain =
            ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let page = if name.contains(':') { &monitoring } else { &metrics };
        assert!(page.contains(&format!("`{plain}`")), "{plain} is not documented");
    }
    for name in rules.iter().filter_map(|rule| rule["record"].as_str()) {
        assert!(monitoring.contains(&format!("`{name}`")), "{name} is not in docs/monitoring.md");
    }
}

#[test]
fn every_alert_says_what_how_much_and_where_to_read_on() {
    for alert in alerts(&World::ready()) {
        let name = alert["alert"].as_str().unwrap();
        assert!(alert["for"].is_string() && alert["labels"]["severity"] == "warning", "{name}");
        let annotations = &alert["annotations"];
        assert!(annotations["summary"].as_str().unwrap().starts_with("Model demo/machine: "), "{name}");
        let told = annotations["description"].as_str().unwrap();
        assert!(name == "AnomalyModelDown" || told.contains("$value"), "{name} tells no number: {told}");
        let url = annotations["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("{}/{name}.md", crate::monitoring::RUNBOOKS));
    }
}

/// Those of the operator itself are in the chart.
#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let chart = "charts/anomaly-operator/templates/prometheusrule.yaml";
    let chart = std::fs::read_to_string(repository().join(chart)).unwrap();
    let of_operator = chart.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut alerts = names(&World::ready());
    alerts.extend(of_operator.map(str::to_owned));
    let files = std::fs::read_dir(repository().join("docs/runbooks")).unwrap();
    let runbooks: BTreeSet<String> = files
        .filter_map(|file| file.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(runbooks, alerts);
    assert_eq!(alerts.len(), 10);
}

#[test]
fn severity_patience_and_labels_are_those_of_the_spec() {
    let world = edited(
        "{alerts: {severity: critical, for: 1m, labels: {release: x, example.com/team: a, model: b}}}",
    );
    let rule = world.plan().children.prometheus_rule.unwrap();
    let labels = rule.metadata.labels.unwrap();
    assert_eq!((&labels["release"][..], &labels["example.com/team"][..]), ("x", "a"));
    assert_eq!(labels[api::labels::MODEL], "machine");
    for alert in alerts(&world) {
        let expected = serde_json::json!({"severity": "critical", "release": "x"});
        assert_eq!(alert["labels"], expected, "only what Prometheus takes, and nothing that names the model");
    }
    let slow = alerts(&world).into_iter().find(|alert| alert["alert"] == "AnomalyModelSlow").unwrap();
    assert_eq!(slow["for"], "1m");
}

#[test]
fn labels_of_the_administrator_never_replace_ours() {
    let mut world = World::ready();
    let theirs = [("app.kubernetes.io/component", "x"), ("anomaly-operator.io/model", "other")];
    let theirs: std::collections::BTreeMap<String, String> =
        theirs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    world.settings.monitoring.dashboard.labels.clone_from(&theirs);
    world.settings.monitoring.service_monitor.labels = theirs;
    let children = world.plan().children;
    for metadata in [children.dashboards.unwrap().metadata, children.service_monitor.unwrap().metadata] {
        let labels = metadata.labels.unwrap();
        assert_eq!(labels[api::labels::MODEL], "machine");
        assert_ne!(labels[api::labels::COMPONENT], "x");
    }
}

#[test]
fn a_model_of_no_pods_or_that_nobody_is_asked_to_scrape_is_not_said_to_be_down() {
    assert!(names(&World::ready()).contains("AnomalyModelDown"));
    assert!(!names(&World::ready().edited(|spec| spec.serving.replicas = 0)).contains("AnomalyModelDown"));
    assert!(!names(&edited("{serviceMonitor: {enabled: false}}")).contains("AnomalyModelDown"));
}

#[test]
fn no_model_is_stale_where_the_administrator_says_so() {
    let mut world = World::ready();
    world.settings.monitoring.alerts.stale_after_days = 0;
    assert!(!names(&world).contains("AnomalyModelStale"));
}

#[test]
fn each_can_be_switched_off_and_nothing_is_watched_before_there_is_a_revision() {
    let all = |world: &World| {
        let children = world.plan().children;
        [
            children.service_monitor.is_some(),
            children.prometheus_rule.is_some(),
            children.dashboards.is_some(),
        ]
    };
    assert_eq!(all(&World::new()), [false; 3]);
    assert_eq!(all(&World::ready()), [true; 3]);
    assert_eq!(all(&edited("{serviceMonitor: {enabled: false}}")), [false, true, true]);
    assert_eq!(all(&edited("{alerts: {enabled: false}}")), [true, false, true]);
    assert_eq!(all(&edited("{dashboard: {enabled: false}}")), [true, true, false]);
}

#[test]
fn kinds_that_are_not_installed_or_not_known_yet_are_not_made() {
    for presence in [Presence::Absent, Presence::Unknown] {
        let mut world = World::ready();
        world.observed.monitoring.service_monitor = presence;
        let plan = world.plan();
        assert!(plan.children.service_monitor.is_none() && plan.children.prometheus_rule.is_some());
        assert!(!plan.decisions.monitoring.makes(Kind::ServiceMonitor));
    }
}

#[test]
fn a_dashboard_is_the_models_own() {
    let dashboards = World::ready().plan().children.dashboards.unwrap();
    let size: usize = dashboards.data.iter().flatten().map(|(key, board)| key.len() + board.len()).sum();
    assert!(size < 400_000, "{size} bytes, of at most 1,048,576");
    let mut uids = BTreeSet::new();
    for (key, board) in dashboards.data.unwrap() {
        assert!(key.starts_with("demo.machine.") && key.ends_with(".json"), "{key}");
        let board: Value = serde_json::from_str(&board).unwrap();
        assert!(board["title"].as_str().unwrap().ends_with(" · demo/machine"), "{key}");
        assert!(!board["panels"].as_array().unwrap().is_empty(), "{key}");
        let own_links = board.to_string().matches("/d/").count() - 1;
        assert!(
            own_links > 2 && !board.to_string().contains("/d/anomaly-model"),
            "{key} leads to other models"
        );
        let uid = board["uid"].as_str().unwrap().to_owned();
        assert!(uid.len() <= 40 && uids.insert(uid), "{key}");
        let variables = board["templating"]["list"].as_array().unwrap();
        for (name, value) in [("namespace", "demo"), ("model", "machine")] {
            let variable = variables.iter().find(|variable| variable["name"] == name).unwrap();
            assert_eq!(variable["current"]["value"], value, "{key}: {name}");
        }
    }
    assert!(!uids.is_empty());
}
