//! What the description is made of: the port, the model, and two rows that the model has scored.

use detectors::Scored;
use serde_json::{Value, json};

use crate::base_path::BasePath;
use crate::metrics::PortName;
use crate::state::{App, Served};

/// Names are told up to this many features; a model may have thousands.
const NAMED: usize = 100;

/// One port's server with its model.
pub(super) struct About<'a> {
    pub(super) app: &'a App,
    pub(super) served: &'a Served,
    pub(super) port: PortName,
    pub(super) base: &'a BasePath,
    /// A row in the midst of the training, and one far from it.
    pub(super) typical: Example,
    pub(super) strange: Example,
}

/// A row and what it came out as.
pub(super) struct Example {
    pub(super) row: Vec<f64>,
    pub(super) scored: Scored,
}

impl<'a> About<'a> {
    pub(super) fn new(app: &'a App, served: &'a Served, port: PortName, base: &'a BasePath) -> Self {
        let typical = served.model.typical_row();
        let strange = typical.iter().map(|value| (value - 3.0 * (value.abs() + 1.0)).round()).collect();
        let [typical, strange] = [typical, strange].map(|row| Example::new(served, row));
        Self { app, served, port, base, typical, strange }
    }

    pub(super) fn features(&self) -> &'a [String] {
        self.served.model.features()
    }

    /// The features that are told by name.
    pub(super) fn named(&self) -> &'a [String] {
        &self.features()[..self.features().len().min(NAMED)]
    }

    /// Their names as a sentence has them.
    pub(super) fn named_features(&self) -> String {
        let mut names: Vec<String> = self.named().iter().map(|name| format!("`{name}`")).collect();
        if names.len() < self.features().len() {
            names.push(format!("… ({} in all)", self.features().len()));
        }
        names.join(", ")
    }
}

impl Example {
    fn new(served: &Served, row: Vec<f64>) -> Self {
        let none = Scored { is_inlier: true, anomaly_score: 0.0, severity: None };
        // (a row made of the model's own is always of its length and finite)
        let scored = served.model.score_row(&row).unwrap_or(none);
        Self { row, scored }
    }

    /// `{"mean": 95.08, "sd": 0.6199}`.
    pub(super) fn object(&self, features: &[String]) -> Value {
        features.iter().zip(&self.row).map(|(name, value)| (name.clone(), json!(value))).collect()
    }

    /// Verdict and numbers.
    pub(super) fn verdict(&self) -> Value {
        let Scored { is_inlier, anomaly_score, severity } = self.scored;
        json!({"is_inlier": is_inlier, "anomaly_score": anomaly_score, "severity": severity})
    }
}
