//! The tensors of an answer: which there are, which were asked for, and writing their values.

use detectors::{CheckedMatrix, Model, Scored};

use crate::problem::Problem;
use crate::vector::shown;

/// A tensor that can be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// 1 for inliers, −1 for outliers: scikit-learn's `predict`.
    Predict,
    /// Higher is more ordinary: scikit-learn's `score_samples`.
    ScoreSamples,
    /// Score less threshold: negative for outliers.
    DecisionFunction,
    Severity,
    /// 1 for outliers, 0 for inliers: alibi-detect's name.
    IsOutlier,
    /// How much each feature adds to a row's being an anomaly: what `/explain` answers. One value a feature.
    Contributions,
}

impl Output {
    pub(crate) const ALL: [Self; 6] = [
        Self::Predict,
        Self::ScoreSamples,
        Self::DecisionFunction,
        Self::Severity,
        Self::IsOutlier,
        Self::Contributions,
    ];
    /// What is answered if nothing is asked for.
    const USUAL: [Self; 3] = [Self::Predict, Self::ScoreSamples, Self::Severity];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::ScoreSamples => "score_samples",
            Self::DecisionFunction => "decision_function",
            Self::Severity => "severity",
            Self::IsOutlier => "is_outlier",
            Self::Contributions => "contributions",
        }
    }

    pub(crate) const fn datatype(self) -> &'static str {
        match self {
            Self::Predict | Self::IsOutlier => "INT64",
            Self::ScoreSamples | Self::DecisionFunction | Self::Severity | Self::Contributions => "FP64",
        }
    }

    /// The lengths of a tensor of so many rows for a model of so many features.
    pub(crate) fn shape<T>(self, rows: T, width: T) -> Vec<T> {
        match self {
            Self::Contributions => vec![rows, width],
            _ => vec![rows],
        }
    }

    /// Those of these names, in their order; the usual ones if there are none.
    pub(crate) fn asked_for<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<Self>, Problem> {
        let mut outputs = Vec::new();
        for name in names {
            match Self::ALL.into_iter().find(|output| output.name() == name) {
                Some(output) if !outputs.contains(&output) => outputs.push(output),
                Some(_) => {
                    return Err(Problem::invalid_tensor(format!("output {name} is asked for twice")));
                }
                None => {
                    let known: Vec<&str> = Self::ALL.iter().map(|known| known.name()).collect();
                    return Err(Problem::invalid_tensor(format!(
                        "there is no output {}; expected some of {}",
                        shown(name),
                        known.join(", ")
                    )));
                }
            }
        }
        if outputs.is_empty() {
            outputs.extend(Self::USUAL);
        }
        Ok(outputs)
    }
}

/// How a tensor's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The elements of an array in JSON, each followed by a comma.
    Json,
    /// Little-endian bytes, eight a value.
    Raw,
}

/// One tensor of an answer while it is written.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) output: Output,
    pub(crate) encoding: Encoding,
    pub(crate) bytes: Vec<u8>,
}

impl Column {
    /// An empty one for so many rows of so many features.
    pub(crate) fn new(output: Output, encoding: Encoding, rows: usize, width: usize) -> Self {
        let bytes = Vec::with_capacity(Self::bytes(output, encoding, rows, width));
        Self { output, encoding, bytes }
    }

    /// About how many bytes it will have.
    pub(crate) fn bytes(output: Output, encoding: Encoding, rows: usize, width: usize) -> usize {
        let a_value = match (encoding, output.datatype()) {
            (Encoding::Raw, _) => 8,
            (Encoding::Json, "INT64") => 3,
            (Encoding::Json, _) => 22,
        };
        output.shape(rows, width).into_iter().fold(a_value, usize::saturating_mul)
    }

    /// Adds the values of some rows.
    pub(crate) fn extend(&mut self, model: &Model, rows: &CheckedMatrix, scored: &[Scored]) {
        let threshold = model.threshold();
        match self.output {
            Output::Predict => self.integers(scored.iter().map(|row| if row.is_inlier { 1 } else { -1 })),
            Output::IsOutlier => self.integers(scored.iter().map(|row| i64::from(!row.is_inlier))),
            Output::ScoreSamples => self.floats(scored.iter().map(|row| row.anomaly_score)),
            Output::DecisionFunction => self.floats(scored.iter().map(|row| row.anomaly_score - threshold)),
            Output::Severity => self.floats(scored.iter().map(|row| row.severity.unwrap_or(f64::NAN))),
            Output::Contributions => self.explain(model, rows),
        }
    }

    fn explain(&mut self, model: &Model, rows: &CheckedMatrix) {
        let mut contributions = vec![0.0; rows.columns()];
        for row in rows.as_slice().chunks_exact(rows.columns()) {
            // Rows that could be scored can be explained.
            if model.explain_into(row, &mut contributions).is_ok() {
                self.floats(contributions.iter().copied());
            }
        }
    }

    fn integers(&mut self, values: impl Iterator<Item = i64>) {
        match self.encoding {
            Encoding::Raw => self.bytes.extend(values.flat_map(i64::to_le_bytes)),
            Encoding::Json => values.for_each(|value| json(&value, &mut self.bytes)),
        }
    }

    fn floats(&mut self, values: impl Iterator<Item = f64>) {
        match self.encoding {
            Encoding::Raw => self.bytes.extend(values.flat_map(f64::to_le_bytes)),
            Encoding::Json => values.for_each(|value| json(&value, &mut self.bytes)),
        }
    }
}

/// Numbers always serialise; NaN, where there is none, becomes null.
fn json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b',');
}
