//! JSON as YAML with sorted keys. Whether `serde_json` keeps the order of insertion depends on the features of whoever
//! else is in the build; the files must not.

use anyhow::{Context, Result};
use serde_json::Value;
use serde_yaml::{Mapping, Value as Yaml};

/// `value` as a YAML document, keys sorted.
pub fn emit(value: &Value) -> Result<String> {
    serde_yaml::to_string(&sorted(value)?).context("cannot write YAML")
}

fn sorted(value: &Value) -> Result<Yaml> {
    Ok(match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            let mut mapping = Mapping::new();
            for (key, member) in members {
                mapping.insert(key.as_str().into(), sorted(member)?);
            }
            Yaml::Mapping(mapping)
        }
        Value::Array(items) => Yaml::Sequence(items.iter().map(sorted).collect::<Result<_>>()?),
        scalar => serde_yaml::to_value(scalar).context("cannot convert a scalar")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b": [{"d": 1, "c": 0.5}], "a": null}"#).unwrap();
        assert_eq!(emit(&value).unwrap(), "a: null\nb:\n- c: 0.5\n  d: 1\n");
    }
}
