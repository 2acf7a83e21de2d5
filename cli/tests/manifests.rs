//! Manifests that are refused, and in which words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use cli::manifest::Manifest;
use cli::plan::Plan;

const MODEL: &str = "\
apiVersion: anomaly-operator.io/v1alpha1
kind: AnomalyModel
metadata: {name: m, namespace: demo}
spec:
  features: [{name: x}]
  detector: {isolationForest: {trees: 10}}
  training: {source: {configMap: {name: data, key: train.csv}}}
";

const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: data, namespace: demo}
data: {train.csv: \"x\\n1\\n\"}
";

fn faults(text: &str) -> String {
    Manifest::parse(text).unwrap_err().to_string()
}

fn plan(text: &str, model: Option<&str>) -> Result<Plan, String> {
    Plan::new(&Manifest::parse(text).unwrap(), model).map_err(|e| e.to_string())
}

fn joined(documents: &[&str]) -> String {
    documents.join("---\n")
}

#[test]
fn a_model_and_its_config_map_make_a_plan() {
    let text = joined(&[
        "# nothing\n",
        CONFIG_MAP,
        MODEL,
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n",
    ]);
    let plan = plan(&text, None).unwrap();
    assert_eq!(plan.input.data.origin, "ConfigMap demo/data key train.csv");
    assert_eq!(plan.data, b"x\n1\n");
    assert_eq!(plan.input.revision.name, format!("m-r-{}-1", &plan.input.key[..8]));
    assert_eq!(plan.input.min_rows, 32);
}

#[test]
fn every_fault_is_named_with_its_document_and_path() {
    let change = |from: &str, to: &str| {
        let changed = MODEL.replace(from, to);
        assert_ne!(changed, MODEL, "{from}");
        faults(&joined(&[CONFIG_MAP, &changed]))
    };
    let said = [
        change("trees: 10", "tress: 10"),
        change("{name: x}", "{name: x, unit: °C}"),
        change(
            "spec:",
            "spec:\n  threshhold: {contamination: 0.1}\n  ingress: {hots: h, host: a.example.com}",
        ),
        change("trees: 10", "trees: many"),
        change("trees: 10", "trees: 0"),
        change("trees: 10", "trees: 1000, sampleSize: 65536"),
        change("spec:", "spec:\n  threshold: {contamination: 0.9}"),
        change("spec:", "spec:\n  threshold: {contamination: 0.1, score: -0.5}"),
        change("{name: x}", "{name: x}, {name: x}"),
        change("name: m,", "name: Machine_1,"),
        change("isolationForest: {trees: 10}", "hbos: {}, ecod: {}"),
        change("{configMap: {name: data, key: train.csv}}", "{}"),
        change("[{name: x}]", &format!("[{}]", "{name: x}, ".repeat(257))).lines().next().unwrap().to_owned(),
        change("metadata:", "meta: 1\nmetadata:"),
        change("v1alpha1", "v2"),
        change("name: m, ", ""),
        change("spec:", "spec: {}\nspec:"),
        change("  detector", " \tdetector"),
        faults(&joined(&[MODEL, CONFIG_MAP, MODEL, CONFIG_MAP])),
        faults("- 1\n"),
        faults("kind: ConfigMap\n"),
        faults(&CONFIG_MAP.replace("data: {train.csv: \"x\\n1\\n\"}", "data: {train.csv: 5}\n")),
        faults(&CONFIG_MAP.replace("data: {train.csv: \"x\\n1\\n\"}", "binaryData: {train.csv: '?'}\n")),
    ];
    insta::assert_snapshot!(said.join("\n---\n"));
}

#[test]
fn faults_of_all_documents_are_reported_together() {
    let text = joined(&[&CONFIG_MAP.replace("data: {t", "date: {t"), &MODEL.replace("trees", "tress")]);
    assert_eq!(faults(&text).lines().count(), 2);
}

#[test]
fn what_kubectl_adds_is_no_unknown_field() {
    let metadata = "metadata: {name: m, namespace: demo, uid: u, resourceVersion: '5', generation: 2, \
                    creationTimestamp: 2026-01-01T00:00:00Z, managedFields: []}";
    let text = MODEL.replace("metadata: {name: m, namespace: demo}", metadata) + "status: {conditions: []}\n";
    assert_eq!(Manifest::parse(&text).unwrap().models.len(), 1);
}

#[test]
fn binary_data_is_data_too() {
    let text = CONFIG_MAP.replace("data: {train.csv: \"x\\n1\\n\"}", "binaryData: {train.csv: eAoxCg==}");
    assert_eq!(plan(&joined(&[&text, MODEL]), None).unwrap().data, b"x\n1\n");
}

#[test]
fn the_model_is_chosen_by_name_when_there_are_several() {
    let other = MODEL.replace("name: m,", "name: other,");
    let elsewhere = MODEL.replace("namespace: demo", "namespace: staging");
    let text = joined(&[CONFIG_MAP, MODEL, &other, &elsewhere]);
    assert_eq!(plan(&text, Some("other")).unwrap().id.to_string(), "demo/other");
    assert_eq!(plan(&text, Some("demo/m")).unwrap().id.to_string(), "demo/m");
    let several = "there are several AnomalyModels in the file: choose one with --model (demo/m, demo/other, staging/m)";
    assert_eq!(plan(&text, None).unwrap_err(), several);
    assert_eq!(plan(&text, Some("m")).unwrap_err(), several);
    assert_eq!(
        plan(&text, Some("n")).unwrap_err(),
        "there is no AnomalyModel n in the file, but demo/m, demo/other, staging/m"
    );
}

#[test]
fn data_that_is_not_in_the_file_is_asked_for() {
    let said = [
        plan(MODEL, None).unwrap_err(),
        plan(&joined(&[&CONFIG_MAP.replace("namespace: demo", "namespace: other"), MODEL]), None)
            .unwrap_err(),
        plan(&joined(&[&CONFIG_MAP.replace("train.csv", "rows.csv"), MODEL]), None).unwrap_err(),
        plan(CONFIG_MAP, None).unwrap_err(),
        plan("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", None).unwrap_err(),
    ];
    insta::assert_snapshot!(said.join("\n---\n"));
}
