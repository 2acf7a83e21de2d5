//! The dashboards promise that every metric they use exists, that every panel says what it shows and has a place of its
//! own, and that their links lead somewhere. Grafana's own types and linter are asked by `make dashboards`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

fn dashboards() -> Vec<(String, Value)> {
    let folder = xtask::repository_root().join("dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut boards: Vec<_> = files
        .map(|path| {
            let board = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), board)
        })
        .collect();
    boards.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    assert_eq!(boards.len(), 5);
    boards
}

fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    board["panels"].as_array().unwrap().iter()
}

/// All queries: of panels, of annotations, of variables.
fn queries(board: &Value) -> Vec<&str> {
    let mut queries = Vec::new();
    for panel in panels(board) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap());
        }
    }
    let annotations = board["annotations"]["list"].as_array().unwrap();
    queries.extend(annotations.iter().map(|a| a["target"]["expr"].as_str().unwrap()));
    let variables = board["templating"]["list"].as_array().unwrap();
    queries.extend(variables.iter().filter_map(|v| v["query"]["query"].as_str()));
    queries
}

/// Words of a query that are names of our metrics, without what a histogram adds to its name.
fn metrics(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|w| w.starts_with("anomaly_") || w.starts_with("process_"))
        .map(|w| w.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum"))
}

#[test]
fn every_metric_of_a_dashboard_is_documented() {
    let documented = fs::read_to_string(xtask::repository_root().join("docs/metrics.md")).unwrap();
    let mut seen = BTreeSet::new();
    for (file, board) in dashboards() {
        for metric in queries(&board).into_iter().flat_map(metrics) {
            assert!(
                documented.contains(&format!("`{metric}`")),
                "{file}: {metric} is not in docs/metrics.md"
            );
            seen.insert(metric.to_owned());
        }
    }
    assert!(seen.len() > 30, "only {seen:?} were found");
}

#[test]
fn every_panel_says_what_it_shows() {
    for (file, board) in dashboards() {
        assert_eq!(board["editable"], false, "{file}");
        assert_eq!(board["schemaVersion"], 42, "{file}");
        assert!(board.get("id").is_none(), "{file} has an id, which is one Grafana's own");
        assert_eq!(board["templating"]["list"][0]["type"], "datasource", "{file}");
        let mut ids = BTreeSet::new();
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty(), "{file}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {title} has the id of another panel");
            if panel["type"] == "row" {
                continue;
            }
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{file}: {title}");
            if panel["type"] != "text" {
                assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title} has no unit");
                assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
            }
        }
    }
}

#[test]
fn no_panel_covers_another() {
    for (file, board) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in panels(&board) {
            let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(number("x") + number("w") <= 24, "{file}: {} is too wide", panel["title"]);
            for x in number("x")..number("x") + number("w") {
                for y in number("y")..number("y") + number("h") {
                    assert!(taken.insert((x, y)), "{file}: {} covers another panel", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn links_lead_to_the_other_dashboards() {
    let boards = dashboards();
    let uids: BTreeSet<_> = boards.iter().map(|(_, board)| board["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), boards.len(), "every dashboard has a uid of its own");
    assert!(uids.iter().all(|uid| uid.len() <= 40), "Grafana takes 40 characters");
    for (file, board) in &boards {
        let links = board["links"].as_array().unwrap();
        let linked: BTreeSet<_> =
            links.iter().map(|link| link["url"].as_str().unwrap().trim_start_matches("/d/")).collect();
        let others: BTreeSet<_> = uids.iter().copied().filter(|uid| board["uid"] != *uid).collect();
        assert_eq!(linked, others, "{file}");
        assert!(board["tags"].as_array().unwrap().contains(&"anomaly-operator".into()), "{file}");
    }
}
