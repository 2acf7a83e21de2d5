//! The queries of the dashboards, as Grafana would send them.

use anyhow::{Context, Result};
use serde_json::Value;

/// A query and where it is.
#[derive(Debug)]
pub struct Query {
    /// `file: panel` or the like.
    pub place: String,
    /// PromQL with values in place of the variables.
    pub expr: String,
}

/// The names of the dashboards' files.
pub const FILES: [&str; 5] = [
    "model-health.json",
    "model-verdicts.json",
    "model-explanations.json",
    "model-freshness.json",
    "operator.json",
];

/// All queries of a dashboard: of panels, annotations, and of variables (as the metric whose labels they list).
pub fn queries(file: &str, variables: &[(&str, &str)]) -> Result<Vec<Query>> {
    let text = std::fs::read_to_string(format!("../dashboards/{file}"))?;
    let board: Value = serde_json::from_str(&text)?;
    let mut queries = Vec::new();
    let mut add = |what: &Value, expr: &Value| -> Result<()> {
        let expr = expr.as_str().with_context(|| format!("{file}: {what} has no expression"))?;
        let place = format!("{file}: {}", what.as_str().unwrap_or_default());
        queries.push(Query { place, expr: substitute(expr, variables) });
        Ok(())
    };
    for panel in list(&board["panels"]) {
        for target in list(&panel["targets"]) {
            add(&panel["title"], &target["expr"])?;
        }
    }
    for annotation in list(&board["annotations"]["list"]) {
        add(&annotation["name"], &annotation["target"]["expr"])?;
    }
    for variable in list(&board["templating"]["list"]) {
        if let Some(query) = variable["query"]["query"].as_str() {
            // label_values(METRIC, LABEL)
            let inner = query.trim_start_matches("label_values(").trim_end_matches(')');
            let (metric, label) =
                inner.rsplit_once(", ").with_context(|| format!("{file}: {query} lists no values"))?;
            add(&variable["name"], &format!("count by ({label}) ({metric})").into())?;
        }
    }
    Ok(queries)
}

fn substitute(expr: &str, variables: &[(&str, &str)]) -> String {
    let grafana = [("__rate_interval", "1m"), ("__range", "1h")];
    grafana
        .iter()
        .chain(variables)
        .fold(expr.to_owned(), |expr, (name, value)| expr.replace(&format!("${name}"), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
