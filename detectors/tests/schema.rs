//! The schema says what `check` checks, in the words that Kubernetes understands.
#![cfg(feature = "schema")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

use detectors::{DetectorConfig, IsolationForestConfig, ThresholdConfig};
use serde_json::{Value, json};

fn schema<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[test]
fn every_integer_has_a_range_and_every_parameter_a_default_and_a_description() {
    let schema = schema::<IsolationForestConfig>();
    let defaults = serde_json::to_value(IsolationForestConfig::default()).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 5);
    for (name, property) in properties {
        assert_eq!(property["default"], defaults[name], "{name}");
        assert!(property["description"].is_string(), "{name}");
        if property["type"] == "integer" {
            assert!(property["minimum"].is_u64() && property["maximum"].is_u64(), "{name}");
        }
    }
    assert_eq!(properties["seed"]["maximum"], json!(detectors::config::MAX_SEED));
    assert_eq!(properties["trees"]["maximum"], json!(detectors::config::MAX_TREES));
    assert_eq!(properties["sampleSize"]["maximum"], json!(detectors::config::SAMPLE_SIZE.end()));
    assert_eq!(properties["maxFeatures"]["minimum"], json!(0));
    assert_eq!(properties["maxFeatures"]["exclusiveMinimum"], json!(true));
}

#[test]
fn what_the_types_cannot_say_is_said_in_cel() {
    let rules = |schema: Value| schema["x-kubernetes-validations"][0]["rule"].as_str().unwrap().to_owned();
    let rule = rules(schema::<DetectorConfig>());
    for kind in detectors::config::KINDS {
        assert!(rule.contains(&format!("has(self.{kind})")), "{rule}");
    }
    assert!(rule.ends_with("].filter(given, given).size() <= 1"), "{rule}");
    assert_eq!(
        rules(schema::<IsolationForestConfig>()),
        format!("self.trees * self.sampleSize <= {}", detectors::config::MAX_SAMPLES_IN_ALL)
    );
    assert!(rules(schema::<ThresholdConfig>()).ends_with("].filter(given, given).size() <= 1"));
}

#[test]
fn thresholds_have_open_ranges() {
    let schema = schema::<ThresholdConfig>();
    let range = |name: &str| {
        let property = &schema["properties"][name];
        ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"].map(|key| property[key].clone())
    };
    assert_eq!(range("contamination"), [json!(0), json!(true), json!(0.5), Value::Null]);
    assert_eq!(range("score"), [json!(-1_000_000_000_000_000_i64), Value::Null, json!(0), json!(true)]);
}
