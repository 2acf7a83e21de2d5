//! Writing explanations as JSON. Only what the model says is written, nothing is decided here but the order.

use std::ops::Range;

use detectors::Explanation;
use serde::Serialize;

use crate::state::Served;

/// One row's answer.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    is_inlier: bool,
    anomaly_score: f64,
    /// Null if the model is not calibrated.
    severity: Option<f64>,
    baseline: f64,
    value: f64,
    contributions: Vec<Contribution<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Contribution<'a> {
    pub(crate) feature: &'a str,
    pub(crate) contribution: f64,
    pub(crate) share: f64,
}

/// Explains rows that have been checked.
pub(super) struct Explainer<'a> {
    served: &'a Served,
    top: Option<usize>,
}

impl<'a> Explainer<'a> {
    pub(super) const fn new(served: &'a Served, top: Option<usize>) -> Self {
        Self { served, top }
    }

    /// About how many bytes a row takes.
    pub(super) fn row_bytes(&self) -> usize {
        // Names of members and two numbers.
        const A_CONTRIBUTION: usize = 96;
        const BESIDE: usize = 192;
        let names = self.served.model.features();
        let told = self.top.map_or(names.len(), |top| top.min(names.len()));
        let name = names.iter().map(String::len).max().unwrap_or_default();
        BESIDE + told.saturating_mul(A_CONTRIBUTION + name)
    }

    /// Some of all the rows, with what stands before the first and after the last.
    pub(super) fn rows(&self, values: &[f64], range: Range<usize>, all: usize) -> Vec<u8> {
        let width = self.served.width();
        let mut out = Vec::new();
        if range.start == 0 {
            out.extend_from_slice(b"{\"revision\":");
            json(&self.served.revision, &mut out);
            out.extend_from_slice(b",\"explanations\":[");
        }
        for row in range.clone() {
            if row > 0 {
                out.push(b',');
            }
            self.row(&values[row * width..][..width], false, &mut out);
        }
        if range.end == all {
            out.extend_from_slice(b"]}");
        }
        out
    }

    /// One row; with the revision if it is the whole answer.
    pub(super) fn row(&self, row: &[f64], whole: bool, out: &mut Vec<u8>) {
        let Served { model, revision, .. } = self.served;
        // Rows were checked when they were read.
        let (Ok(scored), Ok(explanation)) = (model.score_row(row), model.explain(row)) else { return };
        let explained = Explained {
            revision: whole.then_some(revision),
            is_inlier: scored.is_inlier,
            anomaly_score: scored.anomaly_score,
            severity: scored.severity,
            baseline: explanation.baseline,
            value: explanation.value,
            contributions: contributions(&explanation, model.features(), self.top),
        };
        json(&explained, out);
    }
}

/// All contributions in the order of the features, or so many of the largest, the largest first.
pub(crate) fn contributions<'a>(
    explanation: &Explanation,
    features: &'a [String],
    top: Option<usize>,
) -> Vec<Contribution<'a>> {
    let Explanation { contributions, shares, .. } = explanation;
    let told = |((feature, &contribution), &share): ((&'a String, &f64), &f64)| Contribution {
        feature,
        contribution,
        share,
    };
    let mut told: Vec<_> = features.iter().zip(contributions).zip(shares).map(told).collect();
    if let Some(top) = top {
        told.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
        told.truncate(top);
    }
    told
}

/// Numbers and strings always serialise.
fn json(value: &impl Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}
