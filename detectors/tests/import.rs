//! An exported model is read, proves itself, and scores as scikit-learn does; anything else is refused with a reason.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use std::io::Write;

use detectors::config::Missing;
use detectors::{ImportError, ImportOptions, Model, ThresholdConfig};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::sklearn::Case;

fn import(document: &Value) -> Result<Model, ImportError> {
    Model::import(&serde_json::to_vec(document).unwrap(), ImportOptions::default())
}

fn check(compressed: &[u8]) {
    let case = Case::read(compressed);
    let model = import(&case.document()).unwrap();
    let read = Model::decode(&model.encode()).unwrap();
    assert_eq!(read.verify_golden_rows(), Ok(()));
    let rows = model.check_rows(case.values()).unwrap();
    assert_eq!(read.score_rows(&rows), model.score_rows(&rows));
    let values = case.values();
    for (row, scored) in model.score_rows(&rows).into_iter().enumerate() {
        assert_eq!(scored.is_inlier, case.predict[row] == 1, "row {row}: verdict");
        assert!((scored.anomaly_score - case.score_samples[row]).abs() <= 1e-12, "row {row}: score");
        assert_eq!(scored.is_inlier, scored.severity.unwrap() <= 1.0, "row {row}: severity");
        assert_eq!(model.score_row(&values[row * rows.columns()..][..rows.columns()]), Ok(scored));
    }
}

macro_rules! cases {
    ($($test:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            check(include_bytes!(concat!("data/sklearn/", $file, ".json.gz")));
        }
    )*};
}

cases! {
    real_data_of_thirty_columns_agrees: "breast-cancer",
    bootstrapped_trees_on_some_columns_agree: "bootstrap-subfeatures",
    one_column_agrees: "one-column",
    a_forest_of_one_row_agrees: "one-row",
    a_forest_of_two_rows_agrees: "two-rows",
    a_forest_of_three_rows_agrees: "three-rows",
    a_forest_of_equal_rows_agrees: "all-equal",
    duplicated_rows_agree: "duplicated-rows",
    a_constant_column_agrees: "constant-column",
    a_contamination_threshold_agrees: "two-columns-contamination",
    a_threshold_among_ties_agrees: "contamination-ties",
    the_training_rows_themselves_agree: "contamination-training-rows",
    rows_on_thresholds_agree: "edge-thresholds",
    rows_one_f32_step_from_thresholds_agree: "edge-f32-steps",
    deep_trees_agree: "deep",
    trees_that_number_their_own_columns_agree: "breast-cancer-subfeatures",
    a_small_bootstrapped_forest_agrees: "wine-bootstrap-small",
    the_default_forest_on_two_columns_agrees: "two-columns-default",
    magnitudes_from_tiny_to_huge_agree: "magnitudes",
    thresholds_from_tiny_to_huge_agree: "magnitudes-used",
    missing_values_in_training_and_scoring_agree: "missing-trained",
    missing_values_that_training_never_saw_agree: "missing-scored-only",
    infinities_agree: "infinite-scored",
}

fn small() -> Value {
    Case::read(include_bytes!("data/sklearn/wine-bootstrap-small.json.gz")).document()
}

fn lacking() -> Value {
    Case::read(include_bytes!("data/sklearn/missing-trained.json.gz")).document()
}

/// The document, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = small();
    change(&mut document);
    document
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    import(&changed(change)).unwrap_err().to_string()
}

#[test]
fn a_compressed_document_is_the_same_model() {
    let plain = serde_json::to_vec(&small()).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).unwrap();
    let compressed = encoder.finish().unwrap();
    let model = Model::import(&compressed, ImportOptions::default()).unwrap();
    assert_eq!(model.encode(), Model::import(&plain, ImportOptions::default()).unwrap().encode());
    let cut_off = Model::import(&compressed[..compressed.len() / 2], ImportOptions::default()).unwrap_err();
    assert!(matches!(cut_off, ImportError::Compression { .. }), "{cut_off}");
}

#[test]
fn a_golden_row_that_does_not_come_out_refuses_the_model() {
    for (member, what) in [("depth_sum", "measure"), ("score", "score"), ("is_inlier", "verdict")] {
        let message = refused(|document| {
            let told = &mut document["golden"][3][member];
            *told = match &*told {
                Value::Bool(verdict) => json!(!*verdict),
                number if member == "depth_sum" => json!(number.as_f64().unwrap().next_up()),
                number => json!(number.as_f64().unwrap() + 1e-11),
            };
        });
        assert!(
            message.starts_with("the exported model does not prove itself: golden row 3 has "),
            "{message}"
        );
        assert!(message.contains(what) && message.ends_with("export it again"), "{message}");
    }
}

#[test]
fn a_forest_that_was_changed_refuses_itself() {
    let threshold = |document: &mut Value| {
        let row: f64 = document["golden"][0]["values"][0].as_f64().unwrap();
        for tree in document["trees"].as_array_mut().unwrap() {
            for value in tree["threshold"].as_array_mut().unwrap() {
                *value = json!(value.as_f64().unwrap() + row.abs() + 1.0);
            }
        }
    };
    assert!(refused(threshold).starts_with("the exported model does not prove itself"));
}

#[test]
fn without_training_rows_there_is_no_severity_and_a_warning() {
    let model =
        import(&changed(|document| drop(document.as_object_mut().unwrap().remove("calibration")))).unwrap();
    let model = Model::decode(&model.encode()).unwrap();
    let scored = model.score_row(&model.typical_row()).unwrap();
    assert_eq!((scored.severity, model.is_calibrated(), model.flagged_training_share()), (None, false, None));
    assert_eq!((model.training_rows(), model.reference(), model.training_share_below(-0.5)), (0, None, None));
    assert_eq!(model.warnings()[0].reason, "NotCalibrated");
    let (low, high) = model.training_scores();
    assert!(-1.0 < low && low < high && high < 0.0);
    assert!(import(&small()).unwrap().warnings().is_empty());
}

#[test]
fn a_threshold_on_the_score_takes_the_place_of_the_offset() {
    let bytes = serde_json::to_vec(&small()).unwrap();
    let with =
        |threshold: ThresholdConfig| Model::import(&bytes, ImportOptions { threshold, ..Default::default() });
    let own = with(ThresholdConfig::default()).unwrap();
    let strict = with(ThresholdConfig { score: Some(-0.45), ..Default::default() }).unwrap();
    assert_eq!((own.threshold(), strict.threshold()), (-0.5, -0.45));
    assert!(strict.flagged_training_share() > own.flagged_training_share());
    assert_eq!(Model::decode(&strict.encode()).unwrap().verify_golden_rows(), Ok(()));
    let error = with(support::contamination(0.1)).unwrap_err();
    assert!(error.to_string().contains("leave threshold out to keep the model's own"), "{error}");
    assert!(with(ThresholdConfig { score: Some(-1.5), ..Default::default() }).is_err());
}

#[test]
fn missing_values_are_treated_as_the_document_says_unless_something_else_is_asked_for() {
    let import = |document: &Value, missing| {
        let options = ImportOptions { missing, ..Default::default() };
        Model::import(&serde_json::to_vec(document).unwrap(), options).unwrap()
    };
    let ordinary = include_bytes!("data/sklearn/edge-thresholds.json.gz");
    let (routed, refused) = (lacking(), Case::read(ordinary).document());
    for (document, asked, accepts) in [
        (&routed, None, true),
        (&routed, Some(Missing::Refuse), false),
        (&refused, None, false),
        (&refused, Some(Missing::Route), true),
    ] {
        let model = import(document, asked);
        assert_eq!(model.accepts_missing_values(), accepts, "{asked:?}");
        let read = Model::decode(&model.encode()).unwrap();
        assert_eq!(read.verify_golden_rows(), Ok(()));
        let lacking = vec![f64::NAN; model.features().len()];
        assert_eq!(read.score_row(&lacking).is_ok(), accepts);
        assert_eq!(read.check_rows(lacking).is_ok(), accepts);
    }
}

#[test]
fn features_that_are_asked_for_must_be_the_documents() {
    let bytes = serde_json::to_vec(&small()).unwrap();
    let with =
        |features| Model::import(&bytes, ImportOptions { features: Some(features), ..Default::default() });
    let model = with(support::names(13)).unwrap();
    assert_eq!(model.features(), support::names(13));
    let mut reversed = support::names(13);
    reversed.reverse();
    assert!(matches!(with(reversed), Err(ImportError::OtherFeatures { .. })));
}

#[test]
fn what_is_no_exported_model_is_refused_with_what_is_expected() {
    let read = |bytes: &[u8]| Model::import(bytes, ImportOptions::default()).unwrap_err().to_string();
    for bytes in [&b""[..], b"{}", b"[1,2]", b"\x80\x04\x95 pickle"] {
        assert!(read(bytes).contains("write it with export(model, X, path)"), "{}", read(bytes));
    }
    assert!(refused(|document| document["format"] = json!("onnx")).contains("its format is \"onnx\""));
    assert!(refused(|document| document["version"] = json!(2)).contains("has version 2"));
    assert!(refused(|document| document["features"][1] = json!("c0")).contains("given twice"));
    assert!(refused(|document| document["features"] = json!(["a"])).contains("there are 1 features"));
    assert!(refused(|document| document["golden"] = json!([])).contains("there are 0: 1 to 64"));
    assert!(
        refused(|document| document["golden"][0]["values"] = json!([1.0])).contains("row 0 has 1 values")
    );
    assert!(
        refused(|document| document["golden"][0]["values"][0] = json!(null)).contains("row 0 lacks a value")
    );
    assert!(refused(|document| document["golden"][0]["values"][0] = json!(1e39)).contains("beyond"));
    assert!(refused(|document| document["offset"] = json!(-0.6)).contains("the offset asks for"));
    assert!(refused(|document| document["trees"] = json!([])).contains("at least one tree"));
    assert!(refused(|document| document["trees"][0]["feature"][0] = json!(99)).contains("tree 0, node 0"));
    assert!(refused(|document| document["trees"][0]["children_left"][0] = json!(0)).contains("tree 0"));
    assert!(refused(|document| document["n_features_in"] = json!(4_000_000_000_u32)).contains("13 features"));
    assert!(refused(|document| document["c"] = json!([])).contains("c("));
    assert!(refused(|document| document["max_samples"] = json!(1)).contains("forest is invalid"));
}

#[test]
fn a_calibration_that_cannot_be_is_refused() {
    for (member, wrong) in [
        ("outlyingness", json!([])),
        ("outlyingness", json!([1.5])),
        ("outlyingness", json!([-0.1])),
        ("rows", json!(1)),
        ("columns", json!([])),
    ] {
        let message = refused(|document| document["calibration"][member] = wrong.clone());
        assert!(message.starts_with("the exported calibration is invalid"), "{member} {wrong}: {message}");
    }
    let column = json!({ "min": 0.0, "low": 0.0, "median": 1.0, "high": 2.0, "max": 2.0, "edges": [1.0],
        "counts": [20, 10], "missing": 0 });
    let with = |change: &dyn Fn(&mut Value)| {
        changed(|document| {
            let rows = document["calibration"]["rows"].as_u64().unwrap();
            let mut column = column.clone();
            column["counts"] = json!([rows - 10, 10]);
            change(&mut column);
            document["calibration"]["columns"] = json!(vec![column; 13]);
        })
    };
    let model = import(&with(&|_| {})).unwrap();
    let reference = Model::decode(&model.encode()).unwrap().reference().cloned().unwrap();
    assert_eq!((reference.columns().len(), reference.columns()[12].max), (13, 2.0));
    for change in [
        &(|column: &mut Value| column["max"] = json!(1.0)) as &dyn Fn(&mut Value),
        &|column| column["max"] = json!(1e300),
        &|column| column["counts"] = json!([1, 1]),
        &|column| column["edges"] = json!([2.0, 1.0]),
    ] {
        assert!(import(&with(change)).unwrap_err().to_string().contains("column 0: "));
    }
}
