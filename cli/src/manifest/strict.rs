//! Reading a value into a type with every unknown field an error, and the path of what is wrong.

use serde::de::DeserializeOwned;
use serde_yaml::Value;

/// Reads `value`, which stands at `path`.
pub(super) fn read<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, Vec<String>> {
    let mut unknown = Vec::new();
    let mut note =
        |field: serde_ignored::Path<'_>| unknown.push(format!("{path}.{}", plain(&field.to_string())));
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(value, &mut track);
    let read = T::deserialize(serde_ignored::Deserializer::new(reader, &mut note));
    let mut faults: Vec<String> =
        unknown.into_iter().map(|field| format!("{field}: unknown field")).collect();
    match read {
        Ok(value) if faults.is_empty() => Ok(value),
        Ok(_) => Err(faults),
        Err(error) => {
            let inner = plain(&track.path().to_string());
            let place = if inner == "." { path.to_owned() } else { format!("{path}.{inner}") };
            faults.push(format!("{place}: {error}"));
            Err(faults)
        }
    }
}

/// A path as people write it: no mark for what is optional, list places in brackets.
fn plain(path: &str) -> String {
    let mut plain = String::new();
    for part in path.split('.').filter(|part| *part != "?") {
        if !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()) {
            plain.push_str(&format!("[{part}]"));
            continue;
        }
        if !plain.is_empty() {
            plain.push('.');
        }
        plain.push_str(part);
    }
    if plain.is_empty() { ".".to_owned() } else { plain }
}
