//! What a schema says about a field, in words.

use serde_json::Value;

/// The members of an object, sorted by name.
pub(super) fn members(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let mut members: Vec<(&str, &Value)> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|members| members.iter().map(|(name, member)| (name.as_str(), member)).collect())
        .unwrap_or_default();
    members.sort_by_key(|(name, _)| *name);
    members.into_iter()
}

/// The object that a member is, or is a list of; with `[]` for a list.
pub(super) fn object_below(member: &Value) -> Option<(&'static str, &Value)> {
    let is_object = |schema: &Value| schema.get("properties").is_some();
    match member.get("items") {
        Some(item) if is_object(item) => Some(("[]", item)),
        _ if is_object(member) => Some(("", member)),
        _ => None,
    }
}

/// Whether `schema` demands its member `name`.
pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|r| r.iter().any(|v| v == name))
}

/// The description, which the types' doc comments are.
pub(super) fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The type as people call it.
pub(super) fn type_of(schema: &Value) -> String {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return "quantity".into();
    }
    if let Some(item) = schema.get("items") {
        return format!("list of {}s", type_of(item));
    }
    if let Some(value) = schema.get("additionalProperties") {
        let values = type_of(value);
        return if values == "quantity" { "map to quantities".into() } else { format!("map to {values}s") };
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "time".into(),
        _ => schema.get("type").and_then(Value::as_str).unwrap_or("any").into(),
    }
}

/// The default as it would be typed.
pub(super) fn default(schema: &Value) -> Option<String> {
    schema.get("default").map(|value| format!("`{value}`"))
}

/// The messages of the CEL rules.
pub(super) fn messages(schema: &Value) -> impl Iterator<Item = &str> {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    rules.into_iter().flatten().filter_map(|rule| rule.get("message").and_then(Value::as_str))
}

/// Bounds, pattern and enumeration as half a sentence that starts a sentence; none if there are none.
pub(super) fn limits(schema: &Value) -> Option<String> {
    let parts: Vec<String> = [range(schema), length(schema), items(schema), choice(schema), pattern(schema)]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() {
        return None;
    }
    let text = parts.join("; ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect())
}

fn range(schema: &Value) -> Option<String> {
    let exclusive = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or(false);
    match (schema.get("minimum"), schema.get("maximum")) {
        (None, None) => None,
        (Some(min), Some(max)) if !exclusive("exclusiveMinimum") && !exclusive("exclusiveMaximum") => {
            Some(format!("{min} to {max}"))
        }
        (min, max) => {
            let above = if exclusive("exclusiveMinimum") { "above" } else { "at least" };
            let below = if exclusive("exclusiveMaximum") { "below" } else { "at most" };
            let ends = [min.map(|v| format!("{above} {v}")), max.map(|v| format!("{below} {v}"))];
            Some(ends.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    }
}

fn length(schema: &Value) -> Option<String> {
    bounds(schema, "minLength", "maxLength", "characters")
}

fn items(schema: &Value) -> Option<String> {
    bounds(schema, "minItems", "maxItems", "items")
        .or_else(|| bounds(schema, "minProperties", "maxProperties", "entries"))
}

fn bounds(schema: &Value, least: &str, most: &str, unit: &str) -> Option<String> {
    let number = |key: &str| schema.get(key).and_then(Value::as_u64);
    match (number(least).filter(|n| *n > 0), number(most)) {
        (None, None) => None,
        (Some(least), Some(most)) => Some(format!("{least} to {most} {unit}")),
        (None, Some(most)) => Some(format!("at most {most} {unit}")),
        (Some(least), None) => Some(format!("at least {least} {unit}")),
    }
}

fn choice(schema: &Value) -> Option<String> {
    let values = schema.get("enum")?.as_array()?;
    let words: Vec<String> =
        values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), |s| format!("`{s}`"))).collect();
    Some(format!("one of {}", words.join(", ")))
}

/// Not that of quantities: nobody reads it, and the type says it.
fn pattern(schema: &Value) -> Option<String> {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return None;
    }
    schema.get("pattern").and_then(Value::as_str).map(|p| format!("pattern `{p}`"))
}
