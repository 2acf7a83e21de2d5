//! Training as a library: what comes out, and what each failure means for the Job.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use api::job::{DataFile, INPUT_VERSION, RevisionTarget, TrainingInput};
use api::training_key::digest;
use detectors::config::{ImportedConfig, Missing, PrincipalComponentsConfig, RobustCovarianceConfig};
use detectors::{DetectorConfig, IsolationForestConfig, Model, ThresholdConfig};
use trainer::data::MOST_COLUMNS;
use trainer::outcome::Outcome;
use trainer::{Trained, train, train_to_publish};

/// A small cloud of points with one far away.
fn rows(count: usize) -> String {
    let mut csv = String::from("time,x,y\n");
    for i in 0..count {
        let (x, y) = if i == 7 { (40.0, -40.0) } else { ((i * 37 % 11) as f64, (i * 17 % 7) as f64) };
        csv.push_str(&format!("{i},{x},{y}\n"));
    }
    csv
}

fn input(csv: &str) -> TrainingInput {
    TrainingInput {
        version: INPUT_VERSION,
        revision: RevisionTarget { namespace: "demo".into(), name: "m-r-k-1".into(), ..Default::default() },
        key: "k".repeat(64),
        features: vec!["x".into(), "y".into()],
        detector: DetectorConfig::from(IsolationForestConfig { trees: 20, ..Default::default() }),
        threshold: ThresholdConfig { contamination: Some(0.02), ..Default::default() },
        missing: None,
        min_rows: 32,
        data: DataFile {
            path: String::new(),
            origin: "ConfigMap demo/x key train.csv".into(),
            digest: digest(csv.as_bytes()),
        },
    }
}

fn trained(csv: &str) -> Trained {
    train(&input(csv), csv.as_bytes()).unwrap()
}

fn outcome(input: &TrainingInput, csv: &str) -> Outcome {
    Outcome::from(&train(input, csv.as_bytes()).unwrap_err())
}

#[test]
fn the_description_is_that_of_the_model() {
    let csv = rows(100);
    let Trained { model, description } = trained(&csv);
    let decoded = Model::decode(&model).unwrap();
    assert_eq!(description.model_digest, digest(&model));
    assert_eq!(description.data_digest, digest(csv.as_bytes()));
    assert_eq!((description.model_bytes, description.rows), (model.len() as u64, 100));
    assert_eq!((description.revision.as_str(), description.features.len()), ("m-r-k-1", 2));
    assert_eq!(description.threshold.to_bits(), decoded.threshold().to_bits());
    assert_eq!(
        description.threshold_config,
        ThresholdConfig { contamination: Some(0.02), ..Default::default() }
    );
    assert!(!decoded.score_row(&[40.0, -40.0]).unwrap().is_inlier);
    assert!(decoded.score_row(&[5.0, 3.0]).unwrap().is_inlier);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(trained(&rows(100)), trained(&rows(100)));
}

#[test]
fn columns_that_are_not_asked_for_do_not_change_the_model() {
    let csv = rows(100);
    let renumbered = csv.replace("\n1", "\n9");
    assert_ne!(csv, renumbered);
    assert_eq!(trained(&csv).model, trained(&renumbered).model);
}

#[test]
fn features_that_are_left_out_are_the_columns_of_the_data_in_its_order() {
    let csv = rows(100);
    let every_column = TrainingInput { features: Vec::new(), ..input(&csv) };
    let named = ["time", "x", "y"].map(str::to_owned).to_vec();
    let Trained { model, description } = train(&every_column, csv.as_bytes()).unwrap();
    assert_eq!(description.features, named);
    assert_eq!(Model::decode(&model).unwrap().features(), named);
    // The same file as of a model that names them.
    assert_eq!(
        train(&TrainingInput { features: named, ..input(&csv) }, csv.as_bytes()).unwrap().model,
        model
    );
}

#[test]
fn a_column_of_words_is_named_where_every_column_is_read() {
    let csv = rows(40).replace("\n3,", "\nthree,");
    let every_column = TrainingInput { features: Vec::new(), ..input(&csv) };
    let Outcome { result, exit_code } = outcome(&every_column, &csv);
    assert_eq!((result.reason.as_str(), exit_code), ("InvalidData", 2));
    assert_eq!(
        result.message,
        "ConfigMap demo/x key train.csv, line 5, column \"time\": \"three\" is not a number; every column is read: list \
         those to read in spec.features"
    );
    assert!(train(&input(&csv), csv.as_bytes()).is_ok());
}

/// Rows of so many columns.
fn wide(rows: usize, columns: usize) -> String {
    let header = (0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    let line =
        |row: usize| (0..columns).map(|c| (row * (c + 7) % 23).to_string()).collect::<Vec<_>>().join(",");
    (0..rows).fold(header + "\n", |csv, row| csv + &line(row) + "\n")
}

#[test]
fn as_many_columns_as_can_be_read_without_names_make_a_model_that_a_revision_holds() {
    let csv = wide(40, MOST_COLUMNS);
    let every_column = TrainingInput { features: Vec::new(), ..input(&csv) };
    let Trained { model, description } = train(&every_column, csv.as_bytes()).unwrap();
    assert_eq!(Model::decode(&model).unwrap().features().len(), MOST_COLUMNS);
    let described = serde_json::to_string(&description).unwrap().len();
    assert!(model.len() + described <= 1_000_000, "{} + {described}", model.len());
}

#[test]
fn a_detector_that_takes_fewer_columns_says_how_many() {
    let csv = wide(40, 513);
    for detector in
        [DetectorConfig::from(RobustCovarianceConfig::default()), PrincipalComponentsConfig::default().into()]
    {
        let refused = outcome(&TrainingInput { features: Vec::new(), detector, ..input(&csv) }, &csv);
        assert_eq!((refused.result.reason.as_str(), refused.exit_code), ("TrainingRefused", 2));
        assert_eq!(
            refused.result.message,
            "ConfigMap demo/x key train.csv: the rows have 513 columns, but the detector takes at most 512: choose fewer features"
        );
    }
}

#[test]
fn too_few_rows_are_counted_and_left_to_the_user() {
    let csv = rows(20);
    let Outcome { result, exit_code } = outcome(&input(&csv), &csv);
    assert_eq!(result.message, "20 of at least 32 rows in ConfigMap demo/x key train.csv");
    assert_eq!((result.reason.as_str(), result.rows, result.needed), ("TooFewRows", Some(20), Some(32)));
    assert_eq!(exit_code, 2);
    let one = rows(1);
    assert_eq!(outcome(&input(&one), &one).exit_code, 2);
}

#[test]
fn bad_data_is_left_to_the_user_and_changed_data_is_not() {
    let csv = rows(40);
    let bad = csv.replace(",40,", ",NaN,");
    let invalid = outcome(&input(&bad), &bad);
    assert_eq!((invalid.result.reason.as_str(), invalid.exit_code), ("InvalidData", 2));
    let changed = outcome(&input(&csv), &bad);
    assert_eq!((changed.result.reason.as_str(), changed.exit_code), ("DataChanged", 1));
}

#[test]
fn parameters_out_of_range_are_left_to_the_user() {
    let csv = rows(40);
    let mut input = input(&csv);
    input.detector.isolation_forest.as_mut().unwrap().trees = 0;
    let refused = outcome(&input, &csv);
    assert_eq!((refused.result.reason.as_str(), refused.exit_code), ("TrainingRefused", 2));
    assert!(refused.result.message.contains("trees"), "{}", refused.result.message);
}

const FOREST: &[u8] = include_bytes!("../../examples/data/machine-temperature/forest.json.gz");

fn exported(data: &[u8]) -> TrainingInput {
    TrainingInput {
        features: Vec::new(),
        detector: ImportedConfig::default().into(),
        threshold: ThresholdConfig::default(),
        data: DataFile { digest: digest(data), ..input("").data },
        ..input("")
    }
}

#[test]
fn an_exported_model_is_published_with_its_own_features_and_threshold() {
    let Trained { model, description } = train(&exported(FOREST), FOREST).unwrap();
    assert_eq!((description.features.join(","), description.rows), ("mean,sd".into(), 979));
    assert!(description.threshold < -0.5 && description.warnings.is_empty());
    assert!((description.flagged_training_share.unwrap() - 0.02).abs() < 0.002);
    assert_eq!(description.model_digest, digest(&model));
    assert_eq!(train(&exported(FOREST), FOREST).unwrap().model, model);
}

#[test]
fn an_exported_model_that_is_refused_is_left_to_the_user() {
    let cut_off = &FOREST[..FOREST.len() / 2];
    let other_names = TrainingInput { features: vec!["sd".into(), "mean".into()], ..exported(FOREST) };
    for (input, data, word) in
        [(exported(cut_off), cut_off, "decompressed"), (other_names, FOREST, "give them in its order")]
    {
        let Outcome { result, exit_code } = Outcome::from(&train(&input, data).unwrap_err());
        assert_eq!((result.reason.as_str(), exit_code), ("ImportRefused", 2));
        assert!(
            result.message.contains(word) && result.message.starts_with("ConfigMap demo/x"),
            "{}",
            result.message
        );
    }
}

#[test]
fn empty_cells_are_missing_values_where_those_are_routed() {
    let csv = rows(80).replace(",40,", ",,");
    let refused = outcome(&input(&csv), &csv);
    assert_eq!((refused.result.reason.as_str(), refused.exit_code), ("InvalidData", 2));
    let routed = TrainingInput { missing: Some(Missing::Route), ..input(&csv) };
    let model = Model::decode(&train(&routed, csv.as_bytes()).unwrap().model).unwrap();
    assert!(model.accepts_missing_values() && model.score_row(&[f64::NAN, 1.0]).is_ok());
}

#[test]
fn a_forest_that_is_sure_not_to_fit_a_revision_is_refused_before_it_is_fitted() {
    let csv = (0..4_000).fold("x,y\n".to_owned(), |csv, row: u64| {
        csv + &format!("{},{}\n", row * row % 3_989, row * 7_919 % 4_001)
    });
    let forest = |trees| {
        DetectorConfig::from(IsolationForestConfig { trees, sample_size: 2_000, ..Default::default() })
    };
    let large = TrainingInput { detector: forest(1_000), ..input(&csv) };
    let Outcome { result, exit_code } = Outcome::from(&train_to_publish(&large, csv.as_bytes()).unwrap_err());
    assert_eq!((result.reason.as_str(), exit_code), ("ModelTooLarge", 2));
    let said = "ConfigMap demo/x key train.csv: the model would take ";
    assert!(
        result.message.starts_with(said) && result.message.contains("holds at most 1000000"),
        "{}",
        result.message
    );
    // What may fit is trained.
    let fits = TrainingInput { detector: forest(50), ..input(&csv) };
    assert_eq!(train_to_publish(&fits, csv.as_bytes()).unwrap(), train(&fits, csv.as_bytes()).unwrap());
}

#[test]
fn an_input_of_another_release_is_refused() {
    let csv = rows(40);
    let newer = TrainingInput { version: INPUT_VERSION + 1, ..input(&csv) };
    let refused = outcome(&newer, &csv);
    assert_eq!((refused.result.reason.as_str(), refused.exit_code), ("IncompatibleInput", 1));
}

#[test]
fn constant_data_trains_or_is_refused_but_never_panics() {
    let csv = format!("x,y\n{}", "1,2\n".repeat(40));
    if let Err(error) = train(&input(&csv), csv.as_bytes()) {
        assert_eq!(Outcome::from(&error).exit_code, 2, "{error}");
    }
}
