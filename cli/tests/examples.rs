//! The examples are what they say they are: derived from the raw data, fresh, and able to tell the failure.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli::manifest::Manifest;
use cli::plan::Plan;
use detectors::{CheckedMatrix, Model, Scored};

const REFRESH: &str = "stale: run python3 examples/data/machine-temperature/make_example.py";
const TRAIN: (&str, &str) = ("2013-12-17 18:00:00", "2014-01-27 13:00:00");
/// Full hours inside the labelled failure, 2014-02-07 14:55 to 2014-02-09 14:05.
const FAILURE: (&str, &str) = ("2014-02-07 15:00:00", "2014-02-09 13:00:00");
const WORST_HOUR: &str = "2014-02-08 14:00:00";
/// The ten days after the failure, to the end of the series.
const AFTERWARDS: (&str, &str) = ("2014-02-10 00:00:00", "2014-02-19 14:00:00");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(examples().join(path)).unwrap()
}

/// `hourly.csv` derived from the readings once more, by other code than the script's.
fn derive_hourly() -> String {
    let readings = text("data/machine-temperature/machine_temperature_system_failure.csv");
    let mut hours: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in readings.lines().skip(1) {
        let (timestamp, value) = line.split_once(',').unwrap();
        hours.entry(format!("{}:00:00", &timestamp[..13])).or_default().push(value.parse().unwrap());
    }
    let mut csv = String::from("timestamp,mean,sd\n");
    for (hour, values) in hours.into_iter().filter(|(_, values)| values.len() == 12) {
        let mean = values.iter().sum::<f64>() / 12.0;
        let sd = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 12.0).sqrt();
        csv.push_str(&format!("{hour},{mean:.4},{sd:.4}\n"));
    }
    csv
}

fn between((from, to): (&str, &str)) -> Vec<String> {
    let hourly = text("data/machine-temperature/hourly.csv");
    hourly
        .lines()
        .skip(1)
        .filter(|line| from <= &line[..19] && &line[..19] <= to)
        .map(str::to_owned)
        .collect()
}

fn trained(path: &str) -> (Plan, Model) {
    let plan = Plan::new(&Manifest::parse(&text(path)).unwrap(), None).unwrap();
    let trained = trainer::train(&plan.input, &plan.data).unwrap();
    (plan, Model::decode(&trained.model).unwrap())
}

fn scores(model: &Model, hours: (&str, &str)) -> Vec<Scored> {
    let values = between(hours).iter().flat_map(|line| values(line)).collect();
    model.score_rows(&CheckedMatrix::from_vec(values, 2).unwrap())
}

fn values(line: &str) -> Vec<f64> {
    line.split(',').skip(1).map(|cell| cell.parse().unwrap()).collect()
}

fn share_anomalous(scored: &[Scored]) -> f64 {
    scored.iter().filter(|s| !s.is_inlier).count() as f64 / scored.len() as f64
}

fn median_severity(mut scored: Vec<Scored>) -> f64 {
    scored.sort_by(|a, b| a.severity.unwrap().total_cmp(&b.severity.unwrap()));
    scored[scored.len() / 2].severity.unwrap()
}

#[test]
fn hourly_csv_is_derived_from_the_readings() {
    assert!(
        derive_hourly() == text("data/machine-temperature/hourly.csv"),
        "examples/.../hourly.csv is {REFRESH}"
    );
}

#[test]
fn the_quick_start_is_its_template_with_the_hours_of_the_training_period() {
    let rows: Vec<String> = std::iter::once("timestamp,mean,sd".to_owned())
        .chain(between(TRAIN))
        .map(|row| format!("    {row}"))
        .collect();
    assert_eq!(rows.len(), 980);
    let template = text("data/machine-temperature/quickstart.template.yaml");
    let expected = template.replace("    {train.csv}", &rows.join("\n"));
    assert!(expected == text("quickstart.yaml"), "examples/quickstart.yaml is {REFRESH}");
}

#[test]
fn the_quick_start_can_be_opened_by_people() {
    assert!(text("quickstart.yaml").len() < 100_000);
}

#[test]
fn the_training_period_holds_none_of_the_labelled_anomalies() {
    let labels: Vec<(String, String)> =
        serde_json::from_str(&text("data/machine-temperature/labels.json")).unwrap();
    assert_eq!(labels.len(), 4);
    // The hour of the last row ends 59 minutes after it begins.
    let last = TRAIN.1.replace(":00:00", ":59:59");
    for (from, to) in labels {
        assert!(to.as_str() < TRAIN.0 || last < from, "{from} to {to}");
    }
}

#[test]
fn the_known_failure_comes_out_anomalous_and_ordinary_hours_do_not() {
    let (_, model) = trained("quickstart.yaml");
    let worst = &scores(&model, (WORST_HOUR, WORST_HOUR))[0];
    assert!(!worst.is_inlier && worst.severity > Some(1.0), "{worst:?}");

    let (failure, afterwards) = (scores(&model, FAILURE), scores(&model, AFTERWARDS));
    assert_eq!((failure.len(), afterwards.len()), (47, 231));
    assert!(share_anomalous(&failure) > 0.9, "{}", share_anomalous(&failure));
    assert!(share_anomalous(&afterwards) < 0.02, "{}", share_anomalous(&afterwards));
    let (bad, good) = (median_severity(failure), median_severity(afterwards));
    assert!(bad > 1.0 && good < 0.5, "median severity {bad} in the failure, {good} afterwards");
}

#[test]
fn the_failure_is_found_whatever_the_seed() {
    for seed in 0..10 {
        let mut plan = Plan::new(&Manifest::parse(&text("quickstart.yaml")).unwrap(), None).unwrap();
        plan.input.detector.isolation_forest.as_mut().unwrap().seed = seed;
        let model = Model::decode(&trainer::train(&plan.input, &plan.data).unwrap().model).unwrap();
        let (failure, afterwards) = (scores(&model, FAILURE), scores(&model, AFTERWARDS));
        let shares = (share_anomalous(&failure), share_anomalous(&afterwards));
        assert!(shares.0 > 0.9 && shares.1 < 0.02, "seed {seed}: {shares:?}");
    }
}

#[test]
fn the_rows_that_the_quick_start_speaks_of_are_in_the_data() {
    let (_, model) = trained("quickstart.yaml");
    let header: String = text("quickstart.yaml").lines().take_while(|line| line.starts_with('#')).collect();
    for (hour, shown, ordinary) in
        [(WORST_HOUR, "[26.9716, 0.5116]", false), ("2014-02-16 17:00:00", "[95.0821, 0.6199]", true)]
    {
        let row = values(&between((hour, hour))[0]);
        assert_eq!(format!("{row:?}"), shown);
        assert!(header.contains(shown), "{header}");
        assert_eq!(model.score_row(&row).unwrap().is_inlier, ordinary, "{shown}");
    }
}

#[test]
fn the_inline_example_trains_on_every_column_and_asks_for_no_ingress() {
    let (plan, model) = trained("inline.yaml");
    assert_eq!((model.training_rows(), model.features().join(",").as_str()), (36, "mean,sd"));
    assert_eq!(plan.not_done, [""; 0]);
}
