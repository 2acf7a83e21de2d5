//! The training key: a digest of what determines a model's bytes, and of nothing else.
//!
//! No upgrade of the operator, the chart or the CRD may retrain anything. So the members of the first release are always
//! in the key, and a member that came later only when it differs from its default; `tests/training_keys.rs` keeps the
//! keys of stored specs of every release.

use detectors::DetectorConfig;
use detectors::config::{IMPORTED, Missing};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::spec::AnomalyModelSpec;

/// Raised when the same input begins to give another model that must take the place of the old one. Not the version of the
/// model file: a file that can still be read is a reason for no retraining.
pub const MODEL_FORMAT: u32 = 1;

/// Members of each detector that are always part of the key: those of the first release that had it.
const FIRST_MEMBERS: &[(&str, &[&str])] = &[
    ("isolationForest", &["trees", "sampleSize", "maxFeatures", "bootstrap", "seed"]),
    ("extendedIsolationForest", &["trees", "sampleSize", "seed"]),
    ("principalComponents", &["variance"]),
    ("robustCovariance", &["supportFraction"]),
    ("nearestNeighbors", &["neighbors", "seed"]),
    ("localOutlierFactor", &["neighbors", "seed"]),
    ("robustZScore", &[]),
    ("ensemble", &[]),
    ("hbos", &[]),
    ("ecod", &[]),
    ("copod", &[]),
];

/// Training key of `spec` with data of this digest (`sha256:…`): 64 hexadecimal digits.
pub fn training_key(spec: &AnomalyModelSpec, data_digest: &str) -> String {
    let mut content = json!({
        "features": spec.feature_names(),
        "detector": detector(spec),
        "threshold": serde_json::to_value(spec.threshold()).unwrap_or_default(),
        "data": data_digest,
        "modelFormat": MODEL_FORMAT,
    });
    // For what is trained, to refuse is the default; what is imported may say itself that missing values are routed.
    let told = spec.missing == Some(Missing::Route) || spec.detector.imported.is_some();
    if let Some(missing) = spec.missing.filter(|_| told) {
        content["missing"] = json!(missing);
    }
    sha256_hex(canonical(&content).as_bytes())
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

/// SHA-256 as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// JSON with sorted keys and no white space, whatever the features of `serde_json`.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(k, _)| *k);
            let members: Vec<String> = sorted
                .into_iter()
                .map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), canonical(v)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

fn detector(spec: &AnomalyModelSpec) -> Value {
    let Value::Object(given) = serde_json::to_value(spec.detector.canonical()).unwrap_or_default() else {
        return Value::Object(Map::new());
    };
    of_each_kind(given)
}

/// The parameters of some detectors, by their kind.
fn of_each_kind(given: Map<String, Value>) -> Value {
    let parameters = |(kind, mut config): (String, Value)| {
        // Where an imported model lies does not change it.
        if kind == IMPORTED {
            return (kind, json!({}));
        }
        // The members of an ensemble are detectors themselves.
        if let Some(members) = config.get_mut("members").filter(|_| kind == "ensemble")
            && let Value::Object(detectors) = members.take()
        {
            *members = of_each_kind(detectors);
        }
        let always = FIRST_MEMBERS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, first)| first);
        let changed = with_changed_members(&config, &defaults(&kind), always);
        (kind, changed)
    };
    Value::Object(given.into_iter().map(parameters).collect())
}

/// The parameters of a detector for which none are given.
fn defaults(kind: &str) -> Value {
    let empty = serde_json::from_value::<DetectorConfig>(json!({ kind: {} })).unwrap_or_default();
    serde_json::to_value(empty).unwrap_or_default().get_mut(kind).map(Value::take).unwrap_or_default()
}

/// The members named in `always`, and those others that differ from their default.
fn with_changed_members(config: &Value, default: &Value, always: &[&str]) -> Value {
    let Value::Object(members) = config else { return config.clone() };
    let kept = |(name, value): &(&String, &Value)| {
        always.contains(&name.as_str()) || default.get(*name) != Some(*value)
    };
    Value::Object(members.iter().filter(kept).map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_members_does_not_matter() {
        let a: Value = serde_json::from_str(r#"{"b":1,"a":{"d":[1,2],"c":"x"}}"#).unwrap();
        assert_eq!(canonical(&a), r#"{"a":{"c":"x","d":[1,2]},"b":1}"#);
    }

    #[test]
    fn the_members_that_every_detector_began_with_are_known() {
        for kind in detectors::config::KINDS {
            let (_, first) = FIRST_MEMBERS.iter().find(|(name, _)| name == kind).unwrap();
            let given = defaults(kind);
            assert!(first.iter().all(|member| given.get(*member).is_some()), "{kind}: {given}");
        }
    }

    #[test]
    fn a_member_at_its_default_is_left_out_unless_it_was_there_from_the_start() {
        let (config, default) =
            (json!({"old": 1, "new": 2, "newer": 3}), json!({"old": 1, "new": 2, "newer": 0}));
        assert_eq!(with_changed_members(&config, &default, &["old"]), json!({"old": 1, "newer": 3}));
    }

    #[test]
    fn a_member_of_an_ensemble_has_the_key_it_has_alone() {
        let given = |json: Value| match json {
            Value::Object(given) => of_each_kind(given),
            _ => Value::Null,
        };
        let forest = json!({"isolationForest": {"trees": 9, "new": 1}});
        let ensemble = json!({"ensemble": {"members": forest, "weights": {"isolationForest": 2.0}}});
        let expected =
            json!({"ensemble": {"members": given(forest.clone()), "weights": {"isolationForest": 2.0}}});
        assert_eq!(given(ensemble), expected);
        assert_eq!(given(json!({"ensemble": {}})), json!({"ensemble": {}}));
    }
}
