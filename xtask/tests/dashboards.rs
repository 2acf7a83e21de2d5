//! The dashboards promise that every metric they use exists, and that every panel says what it shows and in which unit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use serde_json::Value;

fn dashboards() -> Vec<(String, Value)> {
    let folder = xtask::repository_root().join("dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let boards: Vec<_> = files
        .map(|path| {
            let board = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), board)
        })
        .collect();
    assert!(!boards.is_empty());
    boards
}

fn panels(board: &Value) -> &[Value] {
    board["panels"].as_array().unwrap()
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
    let mut seen = 0;
    for (file, board) in dashboards() {
        for target in panels(&board).iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
            for metric in metrics(target["expr"].as_str().unwrap()) {
                assert!(
                    documented.contains(&format!("`{metric}`")),
                    "{file}: {metric} is not in docs/metrics.md"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} metrics were found");
}

#[test]
fn every_panel_says_what_it_shows() {
    for (file, board) in dashboards() {
        assert_eq!(board["editable"], false, "{file}");
        assert_eq!(board["templating"]["list"][0]["type"], "datasource", "{file}");
        let mut ids = Vec::new();
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            assert!(
                !title.is_empty() && !panel["description"].as_str().unwrap().is_empty(),
                "{file}: {title}"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title} has no unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {title}");
            assert!(!ids.contains(&&panel["id"]), "{file}: {title} has the id of another panel");
            ids.push(&panel["id"]);
        }
    }
}
