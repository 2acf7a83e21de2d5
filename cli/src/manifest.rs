//! Files of YAML documents: the AnomalyModels and ConfigMaps in them, read strictly. Pure.
//!
//! An unknown field is an error with its path, as it is for `kubectl`: a misspelt parameter that is silently dropped
//! would train another model than the one that was meant. Documents of other kinds are left alone.

mod document;
mod strict;

use std::collections::BTreeMap;
use std::fmt;

use api::AnomalyModelSpec;
use api::validation::validate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detectors::ConfigError;
use serde::Deserialize;
use serde_yaml::Value;

use document::Document;

/// The documents of a file that matter here.
#[derive(Debug, Default)]
pub struct Manifest {
    /// AnomalyModels in the order of the file.
    pub models: Vec<Model>,
    /// ConfigMaps in the order of the file.
    pub config_maps: Vec<ConfigMap>,
    /// What else there is, like `Namespace demo`.
    pub others: Vec<String>,
}

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// Namespace; `default` when the document names none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// A valid AnomalyModel.
#[derive(Debug)]
pub struct Model {
    /// Namespace and name.
    pub id: Id,
    /// What is asked for.
    pub spec: AnomalyModelSpec,
}

/// A ConfigMap's contents.
#[derive(Debug)]
pub struct ConfigMap {
    /// Namespace and name.
    pub id: Id,
    /// `data` and `binaryData` by key.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// A manifest that cannot be used: everything that is wrong with it, a line each, like
/// `document 3 (AnomalyModel demo/m): spec.features[0].nam: unknown field`.
#[derive(Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// The lines.
    pub faults: Vec<String>,
}

impl std::error::Error for ManifestError {}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Manifest {
    /// Reads all documents of `text`.
    ///
    /// # Errors
    /// All faults of all documents; after one that is not YAML the rest cannot be read.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        let mut faults = Vec::new();
        for (index, yaml) in serde_yaml::Deserializer::from_str(text).enumerate() {
            let place = format!("document {}", index + 1);
            match Value::deserialize(yaml) {
                Err(error) => {
                    faults.push(format!("{place}: {error}"));
                    break;
                }
                Ok(Value::Null) => {}
                Ok(value) => manifest.add(&place, value, &mut faults),
            }
        }
        if faults.is_empty() { Ok(manifest) } else { Err(ManifestError { faults }) }
    }

    fn add(&mut self, place: &str, value: Value, faults: &mut Vec<String>) {
        let document = match Document::open(value) {
            Ok(document) => document,
            Err(found) => return faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}"))),
        };
        let place = format!("{place} ({})", document.title());
        if let Err(found) = self.add_document(document) {
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
        }
    }

    fn add_document(&mut self, document: Document) -> Result<(), Vec<String>> {
        document.check_fields()?;
        match document.kind() {
            document::Kind::Model => {
                unique(self.models.iter().map(|m| &m.id), &document.id)?;
                self.models.push(model(document)?);
            }
            document::Kind::ConfigMap => {
                unique(self.config_maps.iter().map(|c| &c.id), &document.id)?;
                self.config_maps.push(config_map(document)?);
            }
            document::Kind::Other => self.others.push(document.title()),
        }
        Ok(())
    }
}

/// Of two objects of one name it would not be clear which one is meant.
fn unique<'a>(mut others: impl Iterator<Item = &'a Id>, id: &Id) -> Result<(), Vec<String>> {
    if others.any(|other| other == id) {
        return Err(vec!["metadata.name: stands in the file twice".to_owned()]);
    }
    Ok(())
}

/// Everything the API server would check: fields, types, values.
fn model(mut document: Document) -> Result<Model, Vec<String>> {
    let spec: AnomalyModelSpec = strict::read("spec", document.take("spec"))?;
    let id = document.id;
    let mut faults: Vec<String> = validate(&id.name, &spec).iter().map(ToString::to_string).collect();
    // That there is none, or more than one, has been reported already.
    if spec.detector.kind().is_some() {
        faults.extend(spec.detector.validate().err().map(|e| with_path("detector", &e)));
    }
    faults.extend(spec.threshold().check(&spec.detector).err().map(|e| with_path("threshold", &e)));
    if faults.is_empty() { Ok(Model { id, spec }) } else { Err(faults) }
}

/// Most of these errors begin with their field's path inside the spec; those of several fields name the part.
fn with_path(part: &str, error: &ConfigError) -> String {
    let message = error.to_string();
    if message.starts_with(part) { format!("spec.{message}") } else { format!("spec.{part}: {message}") }
}

fn config_map(mut document: Document) -> Result<ConfigMap, Vec<String>> {
    let text: Option<BTreeMap<String, String>> = strict::read("data", document.take("data"))?;
    let binary: Option<BTreeMap<String, String>> = strict::read("binaryData", document.take("binaryData"))?;
    let mut data: BTreeMap<String, Vec<u8>> =
        text.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes())).collect();
    for (key, value) in binary.unwrap_or_default() {
        // Lines may be broken, as `base64` prints them.
        let joined: String = value.split_ascii_whitespace().collect();
        let bytes =
            STANDARD.decode(joined).map_err(|e| vec![format!("binaryData.{key}: not base64: {e}")])?;
        if data.insert(key.clone(), bytes).is_some() {
            return Err(vec![format!("binaryData.{key}: stands in data too")]);
        }
    }
    Ok(ConfigMap { id: document.id, data })
}
