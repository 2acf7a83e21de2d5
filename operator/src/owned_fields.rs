//! Which part of a live object is ours: cut out by `managedFields`, as client-go's `ExtractInto` does, and made comparable.
//!
//! What we apply and what the API server stores under our name must give the same digest, whatever it defaults, prunes or
//! rewrites; then a difference is drift, and nothing else. Pure: no I/O here.
//!
//! One rule for those who build objects: no empty object where the API server fills in defaults (`strategy: {}`), because
//! an empty object that is owned and an atomic one look the same in `managedFields`.

use api::quantity::Quantity;
use api::training_key::{canonical, sha256_hex};
use serde_json::{Map, Value};

/// Members of `metadata` that identify an object or are the API server's: never part of a digest.
const NOT_APPLIED: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "managedFields",
    "creationTimestamp",
    "generation",
    "selfLink",
];

/// Members that hold a map of strings: the API server drops them when they are empty. Other empty objects mean something
/// (`emptyDir: {}`, `podSelector: {}`) and are kept.
const MAPS: [&str; 8] =
    ["annotations", "binaryData", "data", "labels", "limits", "matchLabels", "nodeSelector", "requests"];

/// Digest of an object that we want.
pub fn desired_digest(desired: &Value) -> String {
    digest(desired.clone())
}

/// Digest of the fields of a live object that `manager` has applied.
pub fn live_digest(live: &Value, manager: &str) -> String {
    digest(owned(live, manager))
}

/// The fields of a live object that `manager` has applied; an empty object if there are none.
pub fn owned(live: &Value, manager: &str) -> Value {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let ours = entries.into_iter().flatten().find(|entry| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty()
    });
    match ours.and_then(|entry| entry.get("fieldsV1")) {
        Some(Value::Object(fields)) => cut(live, fields),
        _ => Value::Object(Map::new()),
    }
}

/// The part of `value` that a node of a `fieldsV1` tree speaks of. A node without children is a leaf: the whole value.
fn cut(value: &Value, fields: &Map<String, Value>) -> Value {
    if fields.keys().all(|key| key == ".") {
        return value.clone();
    }
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter_map(|(name, member)| {
                    Some((name.clone(), cut(member, fields.get(&format!("f:{name}"))?.as_object()?)))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| Some(cut(item, item_node(fields, index, item)?)))
                .collect(),
        ),
        scalar => scalar.clone(),
    }
}

/// The node that speaks of an item of a list: by its keys (`k:`), by its value (`v:`, sets) or by its place (`i:`).
fn item_node<'a>(
    fields: &'a Map<String, Value>,
    index: usize,
    item: &Value,
) -> Option<&'a Map<String, Value>> {
    fields.iter().find(|(key, _)| is_item(key, index, item)).and_then(|(_, node)| node.as_object())
}

fn is_item(key: &str, index: usize, item: &Value) -> bool {
    match key.split_once(':') {
        Some(("k", keys)) => match serde_json::from_str(keys) {
            Ok(Value::Object(keys)) => keys.iter().all(|(name, value)| item.get(name) == Some(value)),
            _ => false,
        },
        Some(("v", text)) => serde_json::from_str::<Value>(text).is_ok_and(|value| value == *item),
        Some(("i", place)) => place.parse() == Ok(index),
        _ => false,
    }
}

fn digest(mut object: Value) -> String {
    if let Some(members) = object.as_object_mut() {
        members.remove("apiVersion");
        members.remove("kind");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| !NOT_APPLIED.contains(&name.as_str()));
            if metadata.is_empty() {
                members.remove("metadata");
            }
        }
    }
    normalise(&mut object);
    sha256_hex(canonical(&object).as_bytes())
}

/// Brings both sides to one form: no nulls, no empty lists and maps as members, quantities as the API server writes them.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                normalise(member);
                quantities(name, member);
            }
            members.retain(|name, member| match member {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(inner) => !(inner.is_empty() && MAPS.contains(&name.as_str())),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

/// Quantities stand in `resources.requests`, `resources.limits` and `emptyDir.sizeLimit`.
fn quantities(name: &str, member: &mut Value) {
    let canonicalise = |value: &mut Value| match value {
        Value::String(text) => *value = Quantity::new(text.as_str()).canonical().into(),
        Value::Number(number) => *value = Quantity::new(number.to_string()).canonical().into(),
        _ => {}
    };
    let Value::Object(member) = member else { return };
    let places: &[&str] = match name {
        "resources" => &["requests", "limits"],
        "emptyDir" => &["sizeLimit"],
        _ => return,
    };
    for place in places {
        match member.get_mut(*place) {
            Some(Value::Object(amounts)) => amounts.values_mut().for_each(canonicalise),
            Some(amount) => canonicalise(amount),
            None => {}
        }
    }
}

#[cfg(test)]
#[path = "owned_fields/tests.rs"]
mod tests;
