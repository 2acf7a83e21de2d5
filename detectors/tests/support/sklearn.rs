//! Forests fitted by scikit-learn, with queries and what it answered; see `data/README.md`.

use std::io::Read;

use detectors::forest::{ImportedForest, ImportedTree, Unusual};
use detectors::{Detector, IsolationForest};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub struct Case {
    #[serde(skip)]
    raw_trees: Vec<serde_json::Value>,
    pub model: Model,
    pub queries: Vec<Vec<Value>>,
    pub depth_sums: Option<Vec<f64>>,
    pub score_samples: Vec<f64>,
    pub decision_function: Vec<f64>,
    pub predict: Vec<i8>,
}

#[derive(Deserialize)]
pub struct Model {
    pub offset: f64,
    pub n_features_in: u32,
    pub max_samples: u32,
    pub trees: Vec<ImportedTree>,
}

/// JSON has neither NaN nor infinities.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    Infinite(String),
    Missing(()),
}

impl Value {
    pub fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Infinite(text) => text.parse().unwrap(),
            Self::Missing(()) => f64::NAN,
        }
    }
}

impl Case {
    pub fn read(compressed: &[u8]) -> Self {
        let mut json = String::new();
        GzDecoder::new(compressed).read_to_string(&mut json).unwrap();
        let mut case: Self = serde_json::from_str(&json).unwrap();
        let mut raw: serde_json::Value = serde_json::from_str(&json).unwrap();
        case.raw_trees = raw["model"]["trees"].as_array_mut().map(std::mem::take).unwrap();
        case
    }

    /// The trees as scikit-learn's arrays.
    pub fn raw_trees(&self) -> &[serde_json::Value] {
        &self.raw_trees
    }

    /// Row by row.
    pub fn values(&self) -> Vec<f64> {
        self.queries.iter().flatten().map(Value::number).collect()
    }

    /// What an export would hold; unusual values are routed if there are any among these.
    pub fn forest(&self, values: &[f64]) -> ImportedForest {
        let route = |is: bool| if is { Unusual::Route } else { Unusual::Refuse };
        let Model { offset, n_features_in, max_samples, trees } = &self.model;
        let leaves = trees.iter().flat_map(|tree| &tree.n_node_samples);
        ImportedForest {
            n_features_in: *n_features_in,
            max_samples: *max_samples,
            trees: trees.clone(),
            c: leaves.chain([max_samples]).map(|&n| (n, c(n))).collect(),
            offset: *offset,
            depth_cut: None,
            missing: route(values.iter().any(|value| value.is_nan())),
            non_finite: route(values.iter().any(|value| value.abs() > f64::from(f32::MAX))),
        }
    }

    /// What the exporter would write; the queries stand in for the training rows.
    pub fn document(&self) -> serde_json::Value {
        let values = self.values();
        let mut given = self.forest(&values);
        let forest = IsolationForest::import(&given).unwrap();
        let width = forest.columns();
        let rows: Vec<&[f64]> = values.chunks_exact(width).collect();
        let sums: Vec<f64> = rows.iter().map(|row| forest.measure_row(row)).collect();
        given.depth_cut = Some(self.cut(&forest, &sums)).filter(|cut| cut.is_finite());
        let routed = |route: Unusual| if route == Unusual::Route { "route" } else { "refuse" };
        let finite =
            |row: &usize| rows[*row].iter().all(|value| value.is_nan() || value.abs() <= f64::from(f32::MAX));
        let golden: Vec<serde_json::Value> = (0..rows.len()).filter(finite).take(64).map(|row| json!({
            "values": rows[row].iter().map(|value| if value.is_nan() { None } else { Some(*value) }).collect::<Vec<_>>(),
            "depth_sum": self.depth_sums.as_ref().map_or(sums[row], |sums| sums[row]),
            "score": self.score_samples[row],
            "is_inlier": self.predict[row] == 1,
        })).collect();
        // Where every query has an infinity, which JSON cannot tell.
        let zeros = vec![0.0; width];
        let sum = forest.measure_row(&zeros);
        let zeros = json!({ "values": zeros, "depth_sum": sum, "score": forest.score(sum), "is_inlier": sum >= given.depth_cut.unwrap() });
        let golden = if golden.is_empty() { vec![zeros] } else { golden };
        json!({
            "format": "anomaly-operator/isolation-forest",
            "version": 1,
            "features": (0..width).map(|column| format!("c{column}")).collect::<Vec<_>>(),
            "n_features_in": width,
            "max_samples": given.max_samples,
            "offset": given.offset,
            "depth_cut": given.depth_cut,
            "missing": routed(given.missing),
            "non_finite": routed(given.non_finite),
            "c": given.c,
            "trees": self.raw_trees(),
            "golden": golden,
            "calibration": {
                "rows": rows.len(),
                "outlyingness": self.score_samples.iter().map(|score| -score).collect::<Vec<_>>(),
            },
        })
    }

    /// The smallest sum of path lengths that scikit-learn calls ordinary. Its power function differs from a correctly
    /// rounded one in the last bit of one score in twenty, so where the offset is the score of a row, only that row's
    /// own sum says where scikit-learn's verdict changes; elsewhere the offset does.
    pub fn cut(&self, forest: &IsolationForest, sums: &[f64]) -> f64 {
        match self.decision_function.iter().position(|&decision| decision == 0.0) {
            Some(row) => sums[row],
            None => forest.cut(self.model.offset),
        }
    }
}

/// c(n) as scikit-learn computes it.
pub fn c(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(n);
            2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n
        }
    }
}
