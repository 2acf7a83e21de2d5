//! What the CRD's schema promises to whoever writes a manifest. Whether an API server accepts it, the end-to-end tests say.

use serde_json::Value;

fn schema() -> Value {
    api::crd::crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Calls `visit` with every schema below `schema` and its path.
fn walk(schema: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        walk(member, &format!("{path}.{name}"), visit);
    }
    for (below, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[below].is_object() {
            walk(&schema[below], &format!("{path}{suffix}"), visit);
        }
    }
}

/// Paths of schemas for which `complain` is true.
fn offenders(start: &str, complain: impl Fn(&Value) -> bool) -> Vec<String> {
    let (mut found, mut visited) = (Vec::new(), 0);
    let root = schema();
    let part = if start.is_empty() { &root } else { &root["properties"][start] };
    walk(part, start, &mut |path, schema| {
        visited += 1;
        if complain(schema) {
            found.push(path.to_owned());
        }
    });
    assert!(visited > 20, "only {visited} schemas below {start:?}");
    found
}

#[test]
fn every_field_is_described() {
    let mut found = Vec::new();
    walk(&schema(), "", &mut |path, schema| {
        if !path.ends_with("{}")
            && schema["description"].as_str().is_none_or(|d| !d.trim_end().ends_with(['.', ')']))
        {
            found.push(path.to_owned());
        }
    });
    assert_eq!(found, [""; 0], "without a description that is a sentence");
}

#[test]
fn nothing_is_nullable_and_only_times_have_a_format() {
    let odd = |s: &Value| !s["nullable"].is_null() || s["format"].as_str().is_some_and(|f| f != "date-time");
    assert_eq!(offenders("", odd), [""; 0]);
}

#[test]
fn every_schema_has_exactly_one_type() {
    let odd = |s: &Value| {
        let open = ["anyOf", "oneOf", "allOf", "not", "$ref"].iter().any(|key| !s[*key].is_null());
        open || s["type"].is_string() == (s["x-kubernetes-int-or-string"] == true)
    };
    assert_eq!(offenders("", odd), [""; 0]);
}

#[test]
fn nothing_is_kept_that_the_schema_does_not_know() {
    assert_eq!(offenders("", |s| !s["x-kubernetes-preserve-unknown-fields"].is_null()), [""; 0]);
}

/// Else CEL cannot bound the cost of its rules, and a manifest can fill etcd.
#[test]
fn whatever_a_user_writes_is_bounded() {
    let unbounded = |s: &Value| match s["type"].as_str() {
        Some("string") => s["maxLength"].is_null() && s["enum"].is_null(),
        Some("array") => s["maxItems"].is_null(),
        Some("object") => s["additionalProperties"].is_object() && s["maxProperties"].is_null(),
        Some("integer" | "number") => s["minimum"].is_null() || s["maximum"].is_null(),
        None => s["maxLength"].is_null(),
        _ => false,
    };
    assert_eq!(offenders("spec", unbounded), [""; 0]);
}

#[test]
fn every_rule_says_in_words_what_is_expected() {
    let mute = |s: &Value| {
        let rules = s["x-kubernetes-validations"].as_array();
        rules.into_iter().flatten().any(|rule| rule["message"].as_str().is_none_or(|m| m.len() < 20))
    };
    assert_eq!(offenders("", mute), [""; 0]);
}

#[test]
fn no_default_is_required_too_and_every_number_is_stored_as_it_is_written() {
    let odd = |s: &Value| {
        let required: Vec<&str> =
            s["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let members = s["properties"].as_object();
        let both = members
            .into_iter()
            .flatten()
            .any(|(name, m)| required.contains(&name.as_str()) && !m["default"].is_null());
        let fraction = |v: &Value| v.as_f64().is_some_and(|f| f.fract() == 0.0 && !v.is_i64() && !v.is_u64());
        both || ["default", "minimum", "maximum"].iter().any(|key| fraction(&s[*key]))
    };
    assert_eq!(offenders("", odd), [""; 0]);
}

/// Autoscalers and `kubectl scale` fail on a path that does not exist.
#[test]
fn the_scale_subresource_points_at_fields_that_exist_without_being_written() {
    let crd = api::crd::crd();
    let scale = &crd["spec"]["versions"][0]["subresources"]["scale"];
    let path = scale["specReplicasPath"].as_str().unwrap();
    let mut at = schema();
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let required = at["required"].as_array().is_some_and(|r| r.iter().any(|v| v == name));
        at = at["properties"][name].clone();
        assert!(required || !at["default"].is_null(), "{path}: {name} may be absent");
    }
    for pointer in ["statusReplicasPath", "labelSelectorPath"] {
        let name = scale[pointer].as_str().unwrap().strip_prefix(".status.").unwrap();
        assert!(schema()["properties"]["status"]["properties"][name].is_object(), "{pointer}");
    }
}

#[test]
fn conditions_are_a_map_by_type() {
    let conditions = &schema()["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(conditions["x-kubernetes-list-map-keys"], serde_json::json!(["type"]));
}

#[test]
fn features_are_replaced_as_a_whole() {
    assert_eq!(schema()["properties"]["spec"]["properties"]["features"]["x-kubernetes-list-type"], "atomic");
}
