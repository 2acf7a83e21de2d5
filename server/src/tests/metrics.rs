//! `/metrics` against `docs/metrics.md` and against what happened.

use std::collections::BTreeSet;

use http::StatusCode;

use super::fixture::{FAR_AWAY, NDJSON, ORDINARY, batch, get, http, post};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// The names in the first column of the server's table.
fn documented() -> BTreeSet<&'static str> {
    let section = DOCUMENT.split("\n## ").find(|section| section.starts_with("Scoring server")).unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

async fn text(router: &axum::Router) -> String {
    let answer = get(router, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("text/plain"));
    String::from_utf8(answer.body).unwrap()
}

/// The value of exactly this series.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is missing")).parse().unwrap()
}

#[tokio::test]
async fn the_document_lists_every_metric_and_no_other() {
    let text = text(&http()).await;
    let exported: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(exported, documented(), "docs/metrics.md and the server differ");
}

#[tokio::test]
async fn verdicts_and_severities_are_the_same_rows() {
    let router = http();
    for row in [ORDINARY, FAR_AWAY, FAR_AWAY, "[1]", "["] {
        post(&router, "/prediction", row).await;
    }
    let text = text(&router).await;
    let inliers = value(&text, "anomaly_predictions_total{verdict=\"inlier\"}");
    let outliers = value(&text, "anomaly_predictions_total{verdict=\"outlier\"}");
    assert_eq!((inliers, outliers), (1.0, 2.0));
    assert_eq!(value(&text, "anomaly_prediction_severity_count"), inliers + outliers);
}

#[tokio::test]
async fn rows_of_batches_are_counted_as_single_ones_are_and_their_number_beside_them() {
    let router = http();
    let line = format!("{ORDINARY}\n");
    post(&router, "/predictions", format!("[{ORDINARY},{FAR_AWAY},{ORDINARY}]")).await;
    batch(&router, "", NDJSON, "", format!("{}[1]\n{FAR_AWAY}", line.repeat(5_000))).await;
    post(&router, "/predictions", "[[1]]").await;
    post(&router, "/prediction", ORDINARY).await;
    let text = text(&router).await;
    assert_eq!(value(&text, "anomaly_predictions_total{verdict=\"inlier\"}"), 5_003.0);
    assert_eq!(value(&text, "anomaly_predictions_total{verdict=\"outlier\"}"), 2.0);
    assert_eq!(value(&text, "anomaly_prediction_severity_count"), 5_005.0);
    assert_eq!(value(&text, "anomaly_batch_rows_count"), 2.0);
    assert_eq!(value(&text, "anomaly_batch_rows_sum"), 5_004.0);
    assert_eq!(value(&text, "anomaly_batch_rows_bucket{le=\"4\"}"), 1.0);
    assert_eq!(value(&text, "anomaly_batch_rows_bucket{le=\"4096\"}"), 1.0);
    assert_eq!(value(&text, "anomaly_batch_rows_bucket{le=\"16384\"}"), 2.0);
}

#[tokio::test]
async fn requests_are_counted_by_port_route_and_code_and_no_path_makes_a_label() {
    let router = http();
    post(&router, "/prediction", "[").await;
    get(&router, "/secret-path").await;
    let text = text(&router).await;
    let requests = |route: &str, code: u16| {
        value(
            &text,
            &format!("anomaly_http_requests_total{{code=\"{code}\",port=\"http\",route=\"{route}\"}}"),
        )
    };
    assert_eq!(requests("/prediction", 400), 1.0);
    assert_eq!(requests("other", 404), 1.0);
    assert!(!text.contains("secret-path"));
}

#[tokio::test]
async fn the_served_model_is_named() {
    let text = text(&http()).await;
    let series = text.lines().find(|line| line.starts_with("anomaly_model_info{")).unwrap();
    for label in ["revision=\"machine-r-0a1b2c3d-1\"", "detector=\"isolationForest\"", "name=\"machine\""] {
        assert!(series.contains(label), "{series}");
    }
}
