//! The outside of a document: which kind it is, what it is called, and that it has no fields that its kind lacks.

use api::{GROUP, KIND, VERSION};
use serde_yaml::{Mapping, Value};

use super::Id;

/// What `metadata` may hold: what people write, and what `kubectl get -o yaml` adds.
const METADATA: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "finalizers",
    "ownerReferences",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The kinds that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// AnomalyModel of this release's version.
    Model,
    /// ConfigMap.
    ConfigMap,
    /// Anything else.
    Other,
}

/// An object with its outside checked and its inside still YAML.
pub(super) struct Document {
    kind: Kind,
    kind_name: String,
    pub(super) id: Id,
    metadata: Mapping,
    fields: Mapping,
}

impl Document {
    /// Reads what all objects have in common.
    pub(super) fn open(value: Value) -> Result<Self, Vec<String>> {
        let Value::Mapping(fields) = value else {
            return Err(vec!["not an object: expected apiVersion, kind and metadata".to_owned()]);
        };
        let api_version = string(&fields, "apiVersion")?;
        let kind_name = string(&fields, "kind")?;
        let kind = kind(&api_version, &kind_name)?;
        let metadata = match fields.get("metadata") {
            Some(Value::Mapping(metadata)) => metadata.clone(),
            Some(_) => return Err(vec!["metadata: not an object".to_owned()]),
            None => Mapping::new(),
        };
        let id = Id {
            namespace: optional_string(&metadata, "namespace")?.unwrap_or_else(|| "default".to_owned()),
            name: optional_string(&metadata, "name")?.unwrap_or_default(),
        };
        Ok(Self { kind, kind_name, id, metadata, fields })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Kind, namespace and name.
    pub(super) fn title(&self) -> String {
        match self.kind {
            Kind::Other => format!("{} {}", self.kind_name, self.id.name),
            _ => format!("{} {}", self.kind_name, self.id),
        }
    }

    /// The value of a field, null if it is absent.
    pub(super) fn take(&mut self, field: &str) -> Value {
        self.fields.remove(field).unwrap_or(Value::Null)
    }

    /// That there are no fields but those of its kind, and a name; kinds that are not read here may have any.
    pub(super) fn check_fields(&self) -> Result<(), Vec<String>> {
        let allowed: &[&str] = match self.kind {
            Kind::Model => &["apiVersion", "kind", "metadata", "spec", "status"],
            Kind::ConfigMap => &["apiVersion", "kind", "metadata", "data", "binaryData", "immutable"],
            Kind::Other => return Ok(()),
        };
        let mut faults = unknown("", &self.fields, allowed);
        faults.extend(unknown("metadata.", &self.metadata, &METADATA));
        if self.id.name.is_empty() {
            faults.push("metadata.name: missing".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn kind(api_version: &str, kind: &str) -> Result<Kind, Vec<String>> {
    let ours = format!("{GROUP}/{VERSION}");
    match (api_version, kind) {
        ("v1", "ConfigMap") => Ok(Kind::ConfigMap),
        (version, KIND) if version == ours => Ok(Kind::Model),
        (version, KIND) => Err(vec![format!("apiVersion: {version:?} of {KIND} is not known, use {ours}")]),
        _ => Ok(Kind::Other),
    }
}

fn unknown(prefix: &str, fields: &Mapping, allowed: &[&str]) -> Vec<String> {
    let names = fields.keys().map(|key| key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned));
    let unknown = names.filter(|name| !allowed.contains(&name.as_str()));
    unknown.map(|name| format!("{prefix}{name}: unknown field")).collect()
}

fn string(fields: &Mapping, name: &str) -> Result<String, Vec<String>> {
    optional_string(fields, name)?.ok_or_else(|| vec![format!("{name}: missing")])
}

fn optional_string(fields: &Mapping, name: &str) -> Result<Option<String>, Vec<String>> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(vec![format!("{name}: not a string")]),
    }
}
