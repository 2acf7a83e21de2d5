//! From a manifest to one training: which model, and the bytes of its data. Pure.

use api::AnomalyModelSpec;
use api::job::{DataFile, INPUT_VERSION, RevisionTarget, TrainingInput};
use api::names;
use api::spec::ConfigMapSource;
use api::training_key::{digest, training_key};

use crate::manifest::{ConfigMap, Id, Manifest, Model};

/// A training that can begin.
#[derive(Debug)]
pub struct Plan {
    /// The model's namespace and name.
    pub id: Id,
    /// What a training Job would be told.
    pub input: TrainingInput,
    /// The CSV.
    pub data: Vec<u8>,
    /// What the server takes on.
    pub limits: api::spec::Limits,
    /// What its page shows.
    pub page: api::spec::Page,
    /// The features whose drift is watched; none = the first 32.
    pub drift_features: Option<Vec<String>>,
    /// What the manifest asks for and this process does not do.
    pub not_done: Vec<&'static str>,
}

/// Why there is nothing to train.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No AnomalyModel.
    #[error("there is no AnomalyModel in the file{}", found(.others))]
    NoModel {
        /// What there is instead.
        others: Vec<String>,
    },
    /// Several models and no choice.
    #[error("there are several AnomalyModels in the file: choose one with --model ({})", .names.join(", "))]
    SeveralModels {
        /// Their names.
        names: Vec<String>,
    },
    /// The chosen model is not there.
    #[error("there is no AnomalyModel {wanted} in the file, but {}", .names.join(", "))]
    UnknownModel {
        /// The name asked for.
        wanted: String,
        /// Those there are.
        names: Vec<String>,
    },
    /// The data's ConfigMap is not in the file.
    #[error(
        "AnomalyModel {model}: ConfigMap {namespace}/{name} is not in the file{elsewhere}. Without a cluster the data \
         must be in it: add the ConfigMap as a document of its own, for example the output of\n  \
         kubectl create configmap {name} --namespace {namespace} --from-file={key}=FILE.csv --dry-run=client -o yaml",
        namespace = .model.namespace
    )]
    NoConfigMap {
        /// The model.
        model: Id,
        /// The ConfigMap asked for, in the model's namespace.
        name: String,
        /// The key asked for.
        key: String,
        /// Where one of that name is, as half a sentence.
        elsewhere: String,
    },
    /// The ConfigMap has no such key.
    #[error("AnomalyModel {model}: ConfigMap {}/{name} has no key {key}; it has {}", .model.namespace, listed(.keys))]
    NoKey {
        /// The model.
        model: Id,
        /// The ConfigMap, in the model's namespace.
        name: String,
        /// The key asked for.
        key: String,
        /// Those there are.
        keys: Vec<String>,
    },
    /// A source that only a cluster can read.
    #[error("AnomalyModel {0}: spec.training.source is none that can be read without a cluster")]
    NoSource(Id),
}

impl Plan {
    /// Plans the training of the model called `wanted` (`name` or `namespace/name`), or of the only one there is.
    ///
    /// # Errors
    /// [`PlanError`], which says what to change.
    pub fn new(manifest: &Manifest, wanted: Option<&str>) -> Result<Self, PlanError> {
        let Model { id, spec } = choose(manifest, wanted)?;
        let (origin, data) = source(manifest, id, spec)?;
        let input = training_input(id, spec, origin, &data);
        Ok(Self {
            id: id.clone(),
            input,
            data,
            limits: spec.serving.limits,
            page: spec.serving.page,
            drift_features: drift_features(spec),
            not_done: not_done(spec),
        })
    }
}

fn choose<'a>(manifest: &'a Manifest, wanted: Option<&str>) -> Result<&'a Model, PlanError> {
    let names = || manifest.models.iter().map(|m| m.id.to_string()).collect();
    let Some(wanted) = wanted else {
        return match manifest.models.as_slice() {
            [] => Err(PlanError::NoModel { others: manifest.others.clone() }),
            [only] => Ok(only),
            _ => Err(PlanError::SeveralModels { names: names() }),
        };
    };
    let mut chosen = manifest.models.iter().filter(|m| m.id.name == wanted || m.id.to_string() == wanted);
    match (chosen.next(), chosen.next()) {
        (Some(model), None) => Ok(model),
        (None, _) if manifest.models.is_empty() => {
            Err(PlanError::NoModel { others: manifest.others.clone() })
        }
        (None, _) => Err(PlanError::UnknownModel { wanted: wanted.to_owned(), names: names() }),
        (Some(_), Some(_)) => Err(PlanError::SeveralModels { names: names() }),
    }
}

/// Where the data comes from, in words, and its bytes.
fn source(manifest: &Manifest, model: &Id, spec: &AnomalyModelSpec) -> Result<(String, Vec<u8>), PlanError> {
    if let Some(inline) = spec.inline() {
        let origin = format!("AnomalyModel {model} spec.training.source.inline.csv");
        return Ok((origin, inline.as_bytes().to_vec()));
    }
    let Some(ConfigMapSource { name, key }) = &spec.config_map() else {
        return Err(PlanError::NoSource(model.clone()));
    };
    let id = Id { namespace: model.namespace.clone(), name: name.clone() };
    let Some(config_map) = manifest.config_maps.iter().find(|c| c.id == id) else {
        let elsewhere = elsewhere(&manifest.config_maps, &id);
        return Err(PlanError::NoConfigMap {
            model: model.clone(),
            name: id.name,
            key: key.clone(),
            elsewhere,
        });
    };
    let Some(data) = config_map.data.get(key) else {
        let keys = config_map.data.keys().cloned().collect();
        return Err(PlanError::NoKey { model: model.clone(), name: id.name, key: key.clone(), keys });
    };
    Ok((format!("ConfigMap {id} key {key}"), data.clone()))
}

/// A ConfigMap of the right name in the wrong namespace is a common slip.
fn elsewhere(config_maps: &[ConfigMap], wanted: &Id) -> String {
    match config_maps.iter().find(|c| c.id.name == wanted.name) {
        Some(other) => format!(" (there is {}, in another namespace)", other.id),
        None => String::new(),
    }
}

/// What the operator would write for the first Job of this model.
fn training_input(id: &Id, spec: &AnomalyModelSpec, origin: String, data: &[u8]) -> TrainingInput {
    let digest = digest(data);
    let key = training_key(spec, &digest);
    TrainingInput {
        version: INPUT_VERSION,
        revision: RevisionTarget {
            namespace: id.namespace.clone(),
            name: names::revision(&id.name, &key, 1),
            ..RevisionTarget::default()
        },
        key,
        features: spec.feature_names(),
        detector: spec.detector.clone(),
        threshold: spec.threshold(),
        missing: spec.missing,
        min_rows: spec.min_rows(),
        data: DataFile { path: String::new(), origin, digest },
    }
}

fn drift_features(spec: &AnomalyModelSpec) -> Option<Vec<String>> {
    spec.monitoring.drift_features.as_ref().map(|names| names.iter().map(|name| name.0.clone()).collect())
}

fn not_done(spec: &AnomalyModelSpec) -> Vec<&'static str> {
    let exposed = spec.ingress.is_some().then_some("spec.ingress (and with it the password)");
    let scaled = (spec.serving.replicas != 1).then_some("spec.serving.replicas");
    let encrypted = spec.serving.tls.is_some().then_some("spec.serving.tls");
    exposed.into_iter().chain(scaled).chain(encrypted).collect()
}

fn found(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(", only {}", others.join(", ")) }
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}
