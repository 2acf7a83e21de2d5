//! Every detector there is can be trained, told of, served and scored with from a manifest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::path::PathBuf;
use std::process::{Command, Output};

use detectors::Model;
use detectors::config::KINDS;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anomaly-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn manifest(detector: &str, threshold: &str) -> String {
    let row =
        |row: u32| format!("{}.{},{}\\n", row * 37 % 101, row * 7 % 10, f64::from(row * row % 97) / 10.0);
    let csv: String = (0..200).map(row).collect();
    format!(
        "apiVersion: anomaly-operator.io/v1alpha1\nkind: AnomalyModel\nmetadata: {{name: m}}\nspec:\n  \
         features: [{{name: x}}, {{name: y}}]\n  detector: {detector}\n  threshold: {threshold}\n  \
         training: {{source: {{inline: {{csv: \"x,y\\n{csv}\"}}}}}}\n"
    )
}

fn train(folder: &Folder, detector: &str, threshold: &str) -> Output {
    std::fs::write(folder.path("model.yaml"), manifest(detector, threshold)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_anomaly"))
        .args(["train", "-f", &folder.path("model.yaml"), "-o", &folder.path("out")])
        .output()
        .unwrap()
}

#[test]
fn every_detector_is_trained_from_a_manifest_and_named_in_what_is_printed() {
    let folder = Folder::new("every");
    for kind in KINDS {
        let Output { status, stdout, stderr } =
            train(&folder, &format!("{{{kind}: {{}}}}"), "{contamination: 0.05}");
        let (printed, faults) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert!(status.success(), "{kind}: {faults}");
        assert!(printed.contains(&format!("  detector   {kind}")), "{kind}: {printed}");
        let model = Model::decode(&std::fs::read(folder.path("out/model.afm")).unwrap()).unwrap();
        assert_eq!(model.detector().kind(), Some(*kind));
        assert!((model.flagged_training_share().unwrap() - 0.05).abs() < 0.03, "{kind}: {printed}");
        let description = std::fs::read_to_string(folder.path("out/description.json")).unwrap();
        assert!(description.contains("\"flaggedTrainingShare\""), "{kind}: {description}");
        let scored = model.score_row(&[5_000.0, -300.0]).unwrap();
        assert!(!scored.is_inlier && scored.severity.unwrap() > 1.0, "{kind}: {scored:?}");
    }
}

#[test]
fn a_threshold_that_is_not_of_the_detectors_scale_is_refused_with_the_range() {
    let folder = Folder::new("scale");
    for (detector, threshold, expected) in [
        ("{isolationForest: {}}", "{score: -3}", "threshold.score is -3, but must be in (-1, 0)"),
        ("{robustZScore: {}}", "{score: 3}", "threshold.score is 3, but must be in [-1e15, 0)"),
        ("{hbos: {}}", "{auto: true}", "the scores of hbos have no such scale"),
        ("{hbos: {bins: 1}}", "{}", "detector.hbos.bins is 1, but must be between 2 and 1000"),
        (
            "{hbos: {}, ecod: {}}",
            "{}",
            "at most one detector may be given, got hbos, ecod: remove all but one",
        ),
        ("{ecod: {bins: 3}}", "{}", "spec.detector.ecod.bins: unknown field"),
    ] {
        let Output { status, stderr, .. } = train(&folder, detector, threshold);
        let faults = String::from_utf8(stderr).unwrap();
        assert!(!status.success() && faults.contains(expected), "{detector} {threshold}: {faults}");
    }
    assert!(train(&folder, "{robustZScore: {}}", "{score: -3.5}").status.success());
    assert!(train(&folder, "{isolationForest: {}}", "{auto: true}").status.success());
}
