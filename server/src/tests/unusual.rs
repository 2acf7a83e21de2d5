//! Values that only some models take, and models that know no severity.

use std::sync::Arc;

use detectors::{CheckedMatrix, ImportOptions, IsolationForestConfig, Model};
use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{CSV, JSON, batch, get, post, serving};
use super::forms::{Form, Told, in_every_form};
use super::sklearn::Case;
use crate::app;
use crate::state::App;

/// Forest and rows of scikit-learn; every row has an infinity.
fn infinite() -> Case {
    Case::read(include_bytes!("../../../detectors/tests/data/sklearn/infinite-scored.json.gz"))
}

/// An exported model, changed.
fn imported(change: impl FnOnce(&mut Value)) -> Model {
    let mut document = infinite().document();
    change(&mut document);
    Model::import(&serde_json::to_vec(&document).unwrap(), ImportOptions::default()).unwrap()
}

/// A forest of rows that lack values: every seventh its first, every eleventh its second.
fn lacking() -> Model {
    let lacks = |row: usize, column: usize| row.is_multiple_of([7, 11][column]);
    let cell = |at: usize| {
        let (row, column) = (at / 2, at % 2);
        if lacks(row, column) { f64::NAN } else { ((row * (7 + 6 * column)) % 101) as f64 / 101.0 }
    };
    let rows = CheckedMatrix::with_missing((0..800).map(cell).collect(), 2).unwrap();
    let forest = IsolationForestConfig { trees: 25, sample_size: 64, ..IsolationForestConfig::default() };
    let features = ["mean", "sd"].map(str::to_owned);
    Model::train(&features, &forest.into(), &Default::default(), &rows).unwrap()
}

/// Every form answers as the library does.
fn all_agree(app: &App, forms: &[Form]) {
    forms.iter().for_each(|form| form.agrees_with(&app.model().unwrap().model));
}

/// Each of these rows is refused in every form, for what is said to be expected.
async fn all_refuse(app: &Arc<App>, rows: &[Vec<f64>], expected: &str) {
    for row in rows {
        for Form { name, answered, .. } in in_every_form(app, std::slice::from_ref(row)).await {
            let Err(error) = answered else { panic!("{name}: {row:?} is scored") };
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn infinities_are_scored_as_scikit_learn_does_in_every_form() {
    let (app, case) = (serving(&imported(|_| {})), infinite());
    let rows: Vec<Vec<f64>> = case.values().chunks_exact(3).map(<[f64]>::to_vec).collect();
    assert!(rows.iter().all(|row| row.iter().any(|value| value.is_infinite())));
    let forms = in_every_form(&app, &rows).await;
    all_agree(&app, &forms);
    for Form { name, answered, .. } in forms {
        for (told, (score, verdict)) in
            answered.unwrap().iter().zip(case.score_samples.iter().zip(&case.predict))
        {
            assert!((f64::from_bits(told.score) - score).abs() <= 1e-12, "{name}");
            assert_eq!(told.is_inlier, *verdict == 1, "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_infinite_in_32_bits_is_scored_where_infinities_are() {
    let app = serving(&imported(|_| {}));
    let rows = [vec![1e39, -3.5e38, 0.5], vec![f64::MAX, f64::MIN, 1.0], vec![f64::INFINITY, -2.0, 0.0]];
    all_agree(&app, &in_every_form(&app, &rows).await);
}

#[tokio::test]
async fn infinities_are_refused_in_every_form_by_every_other_model() {
    let rows = [vec![f64::INFINITY, 0.5, 0.5], vec![0.5, 0.5, -1e39]];
    let refusing = serving(&imported(|document| document["non_finite"] = json!("refuse")));
    all_refuse(&refusing, &rows, "expected a finite number within ±3.4028234e38").await;
    let routing_missing = serving(&imported(|document| {
        document["non_finite"] = json!("refuse");
        document["missing"] = json!("route");
    }));
    all_refuse(&routing_missing, &rows, "expected a finite number within ±3.4028234e38").await;
}

#[tokio::test]
async fn a_missing_value_is_refused_where_only_infinities_are_routed() {
    let app = serving(&imported(|_| {}));
    all_refuse(&app, &[vec![f64::NAN, 0.5, 0.5]], "expected a number within ±1.7976931348623157e308").await;
    for body in ["[Infinity, 0, 0]", "[1e999, 0, 0]", "[NaN, 0, 0]"] {
        let answer = post(&app::http(&app), "/prediction", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

#[tokio::test]
async fn missing_values_are_scored_in_every_form_and_counted_apart() {
    let app = serving(&lacking());
    let rows = [vec![f64::NAN, 0.25], vec![0.5, f64::NAN], vec![f64::NAN, 90.0], vec![0.5, 0.25]];
    let forms = in_every_form(&app, &rows).await;
    all_agree(&app, &forms);
    let counted = forms.iter().filter(|form| form.is_counted()).count();
    let text = app.metrics.render().unwrap();
    for (feature, missing) in [("mean", 2 * counted), ("sd", counted)] {
        let series =
            format!("anomaly_feature_rows_total{{bin=\"missing\",feature=\"{feature}\"}} {missing}\n");
        assert!(text.contains(&series), "{series}{text}");
    }
    // A member that is left out is no missing value, and neither is a word.
    let router = app::http(&app);
    for (kind, body) in [(JSON, "[{\"mean\": 1}]"), (JSON, "[[\"\", 1]]"), (CSV, "mean,sd\nnan,1\n")] {
        let answer = batch(&router, "", kind, JSON, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

#[tokio::test]
async fn missing_values_are_refused_in_every_form_by_every_other_model() {
    let rows = CheckedMatrix::from_vec((0..400).map(|at| f64::from(at % 37)).collect(), 2).unwrap();
    let features = ["mean", "sd"].map(str::to_owned);
    let forest = IsolationForestConfig::default().into();
    let app = serving(&Model::train(&features, &forest, &Default::default(), &rows).unwrap());
    all_refuse(&app, &[vec![f64::NAN, 0.5], vec![0.5, f64::NAN]], "expected a finite number").await;
}

#[tokio::test]
async fn a_model_that_is_not_calibrated_tells_no_severity_in_any_form() {
    let model = imported(|document| {
        document.as_object_mut().unwrap().remove("calibration");
    });
    let app = serving(&model);
    let forms = in_every_form(&app, &[vec![0.1, 0.2, 0.3], vec![9.0, -9.0, 9.0]]).await;
    all_agree(&app, &forms);
    for Form { name, answered, .. } in forms {
        assert!(answered.unwrap().iter().all(|Told { severity, .. }| severity.is_none()), "{name}");
    }
    // What alerts are computed from: no expected share, no severities, no drift.
    let text = app.metrics.render().unwrap();
    assert!(text.contains("anomaly_predictions_total{verdict=\"outlier\"}"), "{text}");
    assert!(text.contains("anomaly_prediction_severity_count 0\n"), "{text}");
    for absent in
        ["anomaly_model_flagged_training_ratio ", "anomaly_score_rows_total{", "anomaly_feature_rows_total{"]
    {
        assert!(!text.contains(absent), "{absent}");
    }
    let information = get(&app::http(&app), "/model_information").await.json();
    assert_eq!(information["flagged_training_share"], Value::Null);
}

/// Whoever reads the contract learns which values this model takes.
#[tokio::test]
async fn the_contract_says_which_values_a_model_takes() {
    let value = async |model: &Model| {
        let description = get(&app::http(&serving(model)), "/openapi.json").await.json();
        description["components"]["schemas"]["Value"].clone()
    };
    let of_infinite = value(&imported(|_| {})).await;
    assert_eq!((&of_infinite["type"], &of_infinite["maximum"]), (&json!("number"), &json!(f64::MAX)));
    let of_missing = value(&lacking()).await;
    assert_eq!(of_missing["type"], json!(["number", "null"]));
    assert_eq!(of_missing["minimum"], json!(-f64::from(f32::MAX)));
}
