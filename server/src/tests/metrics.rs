//! `/metrics` against `docs/metrics.md` and against what happened.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::fixture::{
    CSV, FAR_AWAY, NDJSON, ORDINARY, batch, empty, get, http, loaded, post, public, trained,
};
use crate::app;
use crate::config::{About, Limits};
use crate::edge::Edge;
use crate::metrics::Metrics;
use crate::model::Loaded;
use crate::state::App;

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// The names in the first column of the server's table.
fn documented() -> BTreeSet<&'static str> {
    let section = DOCUMENT.split("\n## ").find(|section| section.starts_with("Scoring server")).unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

/// A state with a model whose training is known.
fn told_about() -> Arc<App> {
    let about = About {
        trained_at: Some(1_795_378_200),
        training_duration: Some(Duration::from_millis(1_250)),
        drift_features: None,
    };
    let app =
        App::new("machine".to_owned(), "demo".to_owned(), Limits::default(), Metrics::new().unwrap(), None);
    let app = app.with_about(about);
    let (bytes, description) = trained();
    app.serve(Loaded::check(&bytes, description).unwrap());
    Arc::new(app)
}

async fn text(router: &Arc<Edge>) -> String {
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
    // All of them exist only with a model whose training is known.
    let text = text(&app::http(&told_about())).await;
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

#[tokio::test]
async fn the_pod_says_whether_it_is_ready_as_readyz_does() {
    let locked_out = public(Path::new("/nowhere/auth"), "/").0;
    for (app, ready) in [(empty(None), 0.0), (locked_out, 0.0), (loaded(None), 1.0)] {
        let router = app::http(&app);
        assert_eq!(value(&text(&router).await, "anomaly_ready"), ready);
        assert_eq!(get(&router, "/readyz").await.status == StatusCode::OK, ready > 0.0);
    }
}

#[tokio::test]
async fn what_is_known_of_the_training_is_told() {
    let text = text(&app::http(&told_about())).await;
    let (_, description) = trained();
    assert_eq!(value(&text, "anomaly_model_training_rows"), 400.0);
    assert_eq!(
        value(&text, "anomaly_model_flagged_training_ratio"),
        description.flagged_training_share.unwrap()
    );
    assert_eq!(value(&text, "anomaly_model_trained_timestamp_seconds"), 1_795_378_200.0);
    assert_eq!(value(&text, "anomaly_model_training_duration_seconds"), 1.25);
}

#[tokio::test]
async fn nothing_is_said_of_a_model_that_is_not_loaded() {
    let text = text(&app::http(&empty(None))).await;
    for name in ["anomaly_model_", "anomaly_feature_", "anomaly_score_", "anomaly_prediction_score"] {
        assert!(!text.contains(name), "{name}");
    }
    assert_eq!(value(&text, "anomaly_prediction_severity_count"), 0.0);
}

#[tokio::test]
async fn every_row_is_in_one_bin_of_each_feature_and_of_the_score_whatever_route_it_came_by() {
    let router = http();
    post(&router, "/prediction", ORDINARY).await;
    post(&router, "/predictions", format!("[{ORDINARY},{FAR_AWAY},{ORDINARY}]")).await;
    batch(&router, "", CSV, "", format!("mean,sd\n{}", "0.25,0.75\n".repeat(5_000))).await;
    let tensor = r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[0.5,0.5,90,-90]}]}"#;
    let inferred = post(&router, "/v2/models/machine/infer", tensor).await;
    assert_eq!(inferred.status, StatusCode::OK, "{}", inferred.text());
    let text = text(&router).await;
    let sum = |start: &str| -> f64 {
        let of = text.lines().filter(|line| line.starts_with(start));
        of.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let of_feature = |name: &str, feature: &str| -> f64 {
        (0..10).map(|bin| sum(&format!("{name}{{bin=\"{bin}\",feature=\"{feature}\"}}"))).sum()
    };
    assert_eq!(of_feature("anomaly_feature_rows_total", "mean"), 5_006.0);
    assert_eq!(of_feature("anomaly_feature_rows_total", "sd"), 5_006.0);
    assert_eq!(sum("anomaly_score_rows_total{"), 5_006.0);
    assert_eq!(sum("anomaly_predictions_total{"), 5_006.0);
    assert_eq!(value(&text, "anomaly_prediction_score_count"), 5_006.0);
    assert_eq!(value(&text, "anomaly_prediction_severity_count"), 5_006.0);
    for feature in ["mean", "sd"] {
        assert!((of_feature("anomaly_feature_expected_ratio", feature) - 1.0).abs() < 1e-12);
    }
    assert!((sum("anomaly_score_expected_ratio{") - 1.0).abs() < 1e-12);
    // Both anomalies are far out in both columns.
    assert_eq!(sum("anomaly_top_feature_total{"), 2.0);
    assert!(!text.contains("bin=\"missing\""));
}

#[tokio::test]
async fn rows_that_do_not_fit_are_counted_as_refused() {
    let router = http();
    for vector in ["[1]", "[1, 1e999]", "{\"mean\": 1}", "["] {
        post(&router, "/prediction", vector).await;
    }
    assert_eq!(value(&text(&router).await, "anomaly_rows_refused_total"), 3.0);
    // Two rows, one of them with two faults; the others would have been scored, and are not.
    post(&router, "/predictions", r#"[[1, 2], ["a", "b"], [0.5, 0.5], [3]]"#).await;
    batch(&router, "", NDJSON, "", format!("{ORDINARY}\n[1]\nx\n{ORDINARY}\n")).await;
    assert_eq!(value(&text(&router).await, "anomaly_rows_refused_total"), 7.0);
    assert_eq!(value(&text(&router).await, "anomaly_prediction_severity_count"), 2.0);
}
