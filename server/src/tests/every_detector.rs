//! Every detector is served: by every route and in every form, its numbers are the library's, to the last bit.

use std::sync::Arc;

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, Model};
use serde_json::{Value, json};

use super::fixture::{get, post, serving};
use super::forms::in_every_form;
use crate::app;
use crate::edge::Edge;

/// Columns of different units, one with few values; the last row is far away.
fn rows() -> Vec<Vec<f64>> {
    let step = |row: usize, by: usize| ((row * by) % 211) as f64 / 211.0;
    let row = |row: usize| vec![20.0 + step(row, 7), 1e4 * step(row, 31), (5.0 * step(row, 97)).floor()];
    (0..300).map(row).chain([vec![90.0, -1e5, 77.0]]).collect()
}

fn trained(detector: &DetectorConfig) -> Model {
    let features = ["temperature", "flow", "stage"].map(str::to_owned);
    let rows = CheckedMatrix::from_vec(rows().concat(), 3).unwrap();
    Model::train(&features, detector, &Default::default(), &rows).unwrap()
}

/// All detectors with their defaults; the ensemble is what a model that names none is.
fn all() -> Vec<DetectorConfig> {
    KINDS.iter().map(|kind| serde_json::from_value(json!({ *kind: {} })).unwrap()).collect()
}

async fn is_explained(router: &Arc<Edge>, model: &Model, row: &[f64]) {
    let expected = model.explain(row).unwrap();
    let told = post(router, "/explain", json!(row).to_string()).await.json();
    let contributions = told["contributions"].as_array().unwrap().iter();
    let of = |member: &str| contributions.clone().map(|one| one[member].clone()).collect::<Vec<_>>();
    let kind = model.detector().kind();
    assert_eq!(told["baseline"], json!(expected.baseline), "{kind:?}");
    assert_eq!(told["value"], json!(expected.value), "{kind:?}");
    assert_eq!(of("feature"), ["temperature", "flow", "stage"]);
    assert_eq!(Value::from(of("contribution")), json!(expected.contributions), "{kind:?}");
    assert_eq!(Value::from(of("share")), json!(expected.shares), "{kind:?}");

    let asked = json!({
        "inputs": [{ "name": "x", "datatype": "FP64", "shape": [1, 3], "data": row }],
        "outputs": [{ "name": "contributions" }],
    });
    let tensor = post(router, "/v2/models/machine/infer", asked.to_string()).await.json();
    assert_eq!(tensor["outputs"][0]["shape"], json!([1, 3]));
    assert_eq!(tensor["outputs"][0]["data"], json!(expected.contributions), "{kind:?}");
}

#[tokio::test]
async fn every_detector_is_served_with_the_numbers_of_the_library() {
    let asked = [rows()[0].clone(), rows()[299].clone(), rows()[300].clone(), vec![20.5, 5e3, 2.5]];
    for detector in all() {
        let model = trained(&detector);
        let kind = model.detector().kind().unwrap();
        let app = serving(&model);
        for form in in_every_form(&app, &asked).await {
            form.agrees_with(&model);
            assert!(!form.answered.unwrap()[2].is_inlier, "{kind}, {}", form.name);
        }
        let router = app::http(&app);
        for row in &asked {
            is_explained(&router, &model, row).await;
        }
        let information = get(&router, "/model_information").await.json();
        assert_eq!(information["detector"]["kind"], kind);
        assert_eq!(information["threshold"], json!(model.threshold()), "{kind}");
        assert_eq!(information["flagged_training_share"], json!(model.flagged_training_share()), "{kind}");
        let platform = get(&router, "/v2/models/machine").await.json();
        assert_eq!(platform["platform"], format!("anomaly-operator_{kind}"));
    }
}
