//! Grafana's dashboards of one model, as a ConfigMap that Grafana's sidecar finds by its labels. Pure.
//!
//! Their sources are in `dashboards/`; here they are made the model's own: its name in the title, a uid of its own, and
//! the variables `namespace` and `model` preset.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use api::training_key::sha256_hex;
use api::{labels, names};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::labelled;
use crate::monitoring::Dashboards;
use crate::validate::Validated;

/// Annotation that Grafana's sidecar reads the folder from, where it was told to.
const FOLDER: &str = "grafana_folder";
/// Characters of a uid; Grafana takes 40.
const UID_CHARACTERS: usize = 32;

/// The question that a dashboard answers, and its source.
static SOURCES: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
    // (that each can be read is tested)
    let read = |(question, source)| (question, serde_json::from_str(source).unwrap_or_default());
    [
        ("health", include_str!("../../../../dashboards/model-health.json")),
        ("verdicts", include_str!("../../../../dashboards/model-verdicts.json")),
        ("explanations", include_str!("../../../../dashboards/model-explanations.json")),
        ("freshness", include_str!("../../../../dashboards/model-freshness.json")),
    ]
    .map(read)
    .into()
});

/// All dashboards of the model, one key each.
pub(in crate::desired) fn dashboards(model: &Validated, asked: &Dashboards) -> ConfigMap {
    let Dashboards { labels: wanted, folder } = asked;
    let name = names::dashboards(&model.name);
    let mut metadata = labelled(model, name, labels::COMPONENT_DASHBOARDS, wanted);
    if !folder.is_empty() {
        metadata.annotations = Some([(FOLDER.to_owned(), folder.clone())].into());
    }
    // The sidecar of Grafana writes all keys of all ConfigMaps into one folder, so they name the model. Neither
    // namespace nor name has a dot, so that those of `a-b/c` and `a/b-c` differ.
    let key = |question: &str| format!("{}.{}.{question}.json", model.namespace, model.name);
    let boards = SOURCES.iter().map(|(question, source)| (key(question), own(model, question, source)));
    ConfigMap { metadata, data: Some(boards.collect::<BTreeMap<_, _>>()), ..ConfigMap::default() }
}

/// A dashboard as the model's own.
fn own(model: &Validated, question: &str, source: &Value) -> String {
    let (namespace, name) = (&model.namespace, &model.name);
    let mut board = source.clone();
    board["uid"] = uid(namespace, name, question).into();
    let title = source["title"].as_str().unwrap_or(question);
    board["title"] = format!("{title} · {namespace}/{name}").into();
    let variables = board.pointer_mut("/templating/list").and_then(Value::as_array_mut);
    for variable in variables.into_iter().flatten() {
        let value = match variable["name"].as_str() {
            Some("namespace") => namespace,
            Some("model") => name,
            _ => continue,
        };
        variable["current"] = json!({"selected": true, "text": value, "value": value});
    }
    // Links from one to another.
    SOURCES.iter().fold(board.to_string(), |text, (other, source)| {
        let general = source["uid"].as_str().unwrap_or(other);
        text.replace(&format!("/d/{general}"), &format!("/d/{}", uid(namespace, name, other)))
    })
}

/// The same for ever, so that links and stars survive; another for every model and question.
fn uid(namespace: &str, name: &str, question: &str) -> String {
    let digest = sha256_hex(format!("{namespace}/{name}/{question}").as_bytes());
    digest[..UID_CHARACTERS].to_owned()
}
