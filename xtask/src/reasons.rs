//! The reasons of conditions as the sources define them, and as the documentation names them: every one is explained,
//! and none is explained that does not exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Where people read about conditions.
pub const DOCUMENTATION: &str = "docs/conditions.md";

/// Sources with a `mod reason` (or `reasons`) of string constants.
const SOURCES: [&str; 3] =
    ["api/src/conditions.rs", "trainer/src/outcome.rs", "detectors/src/description.rs"];

/// What is wrong with the documentation of reasons; empty if nothing is.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let read =
        |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let documented = documented(&read(DOCUMENTATION)?);
    let mut defined = BTreeSet::new();
    for path in SOURCES {
        defined.extend(constants(&read(path)?).with_context(|| format!("in {path}"))?);
    }
    let missing = defined
        .difference(&documented)
        .map(|r| format!("{DOCUMENTATION} has no row for reason {r}: add one"));
    let extra = documented
        .difference(&defined)
        .map(|r| format!("{DOCUMENTATION} explains {r}, which no source defines"));
    Ok(missing.chain(extra).collect())
}

/// Values of the string constants in the module `reason` of a Rust source.
fn constants(source: &str) -> Result<BTreeSet<String>> {
    let source = source.replace("pub mod reasons {", "pub mod reason {");
    let module = source.split("pub mod reason {").nth(1).context("no `pub mod reason`")?;
    let module = module.split("\n}").next().unwrap_or(module);
    let values: BTreeSet<String> = module.lines().filter_map(constant).map(str::to_owned).collect();
    if values.is_empty() {
        bail!("`pub mod reason` has no constants");
    }
    Ok(values)
}

/// `Value` of `pub const NAME: &str = "Value";`.
fn constant(line: &str) -> Option<&str> {
    let (_, value) = line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?;
    value.strip_suffix("\";")
}

/// First cells of tables whose first column is called Reason.
fn documented(page: &str) -> BTreeSet<String> {
    let mut reasons = BTreeSet::new();
    let mut inside = false;
    for line in page.lines() {
        let first = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
        inside = first.is_some_and(|cell| inside || cell == "Reason") || (inside && line.starts_with("|--"));
        if let Some(reason) =
            first.filter(|_| inside).and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'))
        {
            reasons.insert(reason.to_owned());
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_documented_and_no_other() {
        let complaints = complaints(&crate::repository_root()).unwrap();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    #[test]
    fn only_the_reason_module_is_read() {
        let source = "pub const READY: &str = \"Ready\";\npub mod reason {\n    /// Doc.\n    \
                      pub const IDLE: &str = \"Idle\";\n}\npub const X: &str = \"X\";\n";
        assert_eq!(constants(source).unwrap(), BTreeSet::from(["Idle".to_owned()]));
        assert!(constants("pub mod reason {\n}\n").is_err());
    }

    #[test]
    fn only_tables_of_reasons_are_read() {
        let page = "| Type | Meaning |\n|---|---|\n| `Ready` | x |\n\n| Reason | Meaning |\n|---|---|\n| `Idle` | `Not` |\n\ntext\n";
        assert_eq!(documented(page), BTreeSet::from(["Idle".to_owned()]));
    }
}
