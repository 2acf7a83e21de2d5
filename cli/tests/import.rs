//! `anomaly import`: what scikit-learn trained is served with scikit-learn's scores.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::{Command, Output};

use detectors::Model;
use support::Folder;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/machine-temperature");

fn anomaly(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_anomaly")).args(arguments).output().unwrap()
}

fn imported(folder: &Folder, more: &[&str]) -> (Model, String) {
    let (file, out) = (format!("{DATA}/forest.json.gz"), folder.file("forest.afm"));
    let output = anomaly(&[&["import", &file, "-o", &out], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (Model::decode(&std::fs::read(out).unwrap()).unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_example_scores_as_scikit_learn_did() {
    let (model, printed) = imported(&Folder::new("import-scores"), &[]);
    assert!(
        printed.contains("features   mean, sd") && printed.contains("of the 979 training rows"),
        "{printed}"
    );
    let answers = std::fs::read_to_string(format!("{DATA}/scores.csv")).unwrap();
    let mut verdicts = [0, 0];
    for line in answers.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: usize| cells[cell].parse::<f64>().unwrap();
        let scored = model.score_row(&[number(1), number(2)]).unwrap();
        assert!((scored.anomaly_score - number(3)).abs() <= 1e-12, "{line}");
        assert_eq!(scored.is_inlier, cells[4] == "1", "{line}");
        assert_eq!(scored.is_inlier, scored.severity.unwrap() <= 1.0, "{line}");
        verdicts[usize::from(scored.is_inlier)] += 1;
    }
    assert!(verdicts[0] > 20 && verdicts[1] > 200, "{verdicts:?}");
}

#[test]
fn the_manifest_holds_the_same_model() {
    let folder = Folder::new("import-manifest");
    let manifest = format!("{DATA}/../../imported.yaml");
    let out = folder.file("served");
    let output = anomaly(&["train", "-f", &manifest, "-o", &out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("from ConfigMap demo/machine-forest key forest.json.gz"), "{printed}");
    let served = Model::decode(&std::fs::read(format!("{out}/model.afm")).unwrap()).unwrap();
    let (model, _) = imported(&folder, &[]);
    for row in [[26.9716, 0.5116], [95.0821, 0.6199]] {
        assert_eq!(served.score_row(&row), model.score_row(&row));
    }
}

#[test]
fn threshold_and_missing_values_are_chosen_on_the_command_line() {
    let (model, _) =
        imported(&Folder::new("import-options"), &["--threshold-score", "-0.7", "--missing", "route"]);
    assert_eq!((model.threshold(), model.accepts_missing_values()), (-0.7, true));
}

#[test]
fn what_is_no_exported_model_is_refused_and_nothing_is_written() {
    let folder = Folder::new("import-refused");
    let wrong = folder.write("model.pickle", "not a model");
    let out = folder.file("out.afm");
    let output = anomaly(&["import", &wrong, "-o", &out]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.starts_with("error: cannot import ") && message.contains("export(model, X, path)"),
        "{message}"
    );
    assert!(!std::path::Path::new(&out).exists());
}
