//! A model that was fitted elsewhere.

use serde::{Deserialize, Serialize};

/// An isolation forest of scikit-learn, as `export(model, X, path)` of `python/anomaly_operator.py` writes it. It scores as
/// it does there, to the bit in its path lengths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.configMap)", "message": "imported.configMap must be given: the ConfigMap that holds the exported model"}
])))]
pub struct ImportedConfig {
    /// The exported file in a ConfigMap of the same namespace. A change of it imports a new revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ImportedConfigMap>,
}

/// An exported file in a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportedConfigMap {
    /// Name of the ConfigMap.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    pub name: String,
    /// Key of the file in it, in `data` or `binaryData`.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))
    )]
    pub key: String,
}
