//! Models that were fitted by scikit-learn: the document that `python/anomaly_operator.py` writes, read and proven.
//!
//! A document holds a forest as plain arrays, the line between ordinary and anomalous as scikit-learn draws it, golden
//! rows with scikit-learn's results and, if it was written with the training rows, how rare each score is among them.
//! Nothing in it is believed: every number is checked, and a forest that does not give the golden rows' sums of path
//! lengths to the bit, their scores to 1e-12 and their verdicts, by every kernel, is refused.

mod document;
mod prove;

use std::io::Read;

use flate2::read::GzDecoder;

use crate::calibration::Calibration;
use crate::config::{ConfigError, DetectorConfig, ImportedConfig, Missing, Threshold, ThresholdConfig};
use crate::description::{Warning, reasons};
use crate::detector::{Detector, Fitted};
use crate::forest::{ForestError, ImportedForest, IsolationForest, Unusual};
use crate::golden::GoldenError;
use crate::model::{Facts, Model, TrainError, check_features};
use crate::reference::Reference;
use crate::threshold::Line;

use document::{Distribution, Document};

/// The longest document after decompression.
pub const MAX_DOCUMENT: usize = 256 << 20;
/// The `format` of a document.
pub const FORMAT: &str = "anomaly-operator/isolation-forest";
/// The version of the document that this release reads.
pub const VERSION: u32 = 1;

/// What is asked for beside the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Where the document came from; told, with no influence on scores.
    pub source: ImportedConfig,
    /// The features that are expected, in the document's order; none: whatever it has.
    pub features: Option<Vec<String>>,
    /// A threshold on the score in place of the document's own.
    pub threshold: ThresholdConfig,
    /// Whether rows may lack values; none: as the document says, which is whether its training rows did.
    pub missing: Option<Missing>,
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Compressed, and damaged.
    #[error("the exported model cannot be decompressed: {problem}; export it again")]
    Compression {
        /// What gzip says.
        problem: String,
    },
    /// Larger than any model.
    #[error("the exported model has more than {MAX_DOCUMENT} bytes")]
    TooLarge,
    /// Not the JSON that is expected.
    #[error(
        "this is no exported model: {problem}; write it with export(model, X, path) of python/anomaly_operator.py"
    )]
    Json {
        /// What and where.
        problem: String,
    },
    /// JSON of something else.
    #[error("this is no exported model: its format is {found:?}, expected {FORMAT:?}")]
    Format {
        /// Its format.
        found: String,
    },
    /// A version that this release cannot read.
    #[error(
        "the exported model has version {found}, but this release reads version {VERSION}: use matching releases"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// A forest that cannot be one.
    #[error("the exported forest is invalid: {0}")]
    Forest(#[from] ForestError),
    /// Names that do not fit.
    #[error("the exported model's features: {0}")]
    Features(TrainError),
    /// Other features than those asked for.
    #[error(
        "the exported model's features are {found:?}, but {expected:?} are asked for: give them in its order"
    )]
    OtherFeatures {
        /// Those asked for.
        expected: Vec<String>,
        /// Those it has.
        found: Vec<String>,
    },
    /// A threshold that an import cannot have.
    #[error(transparent)]
    Threshold(#[from] ConfigError),
    /// Numbers about the training rows that make no sense.
    #[error("the exported calibration is invalid: {problem}")]
    Calibration {
        /// What is wrong.
        problem: String,
    },
    /// Golden rows that are missing or malformed.
    #[error("the exported golden rows are invalid: {problem}")]
    GoldenRows {
        /// What is wrong.
        problem: String,
    },
    /// A golden row that comes out differently here.
    #[error(
        "the exported model does not prove itself: golden row {} has {} {} instead of {} by kernel {}; export it again",
        .0.row, .0.what, .0.found, .0.expected, .0.kernel
    )]
    Unproven(GoldenError),
}

impl Model {
    /// A model of an exported document, plain or compressed by gzip.
    ///
    /// # Errors
    /// A document that is damaged, of another version or format, whose numbers are out of bounds or do not fit each
    /// other, or whose golden rows do not come out.
    pub fn import(bytes: &[u8], options: ImportOptions) -> Result<Self, ImportError> {
        let document = Document::read(&decompressed(bytes)?)?;
        check_features(&document.features, document.forest.n_features_in as usize)
            .map_err(ImportError::Features)?;
        let ImportOptions { source, features, threshold, missing } = options;
        let detector = DetectorConfig::from(source);
        if let Some(expected) = features.filter(|expected| *expected != document.features) {
            return Err(ImportError::OtherFeatures { expected, found: document.features });
        }
        let asked = asked_threshold(&threshold, &detector)?;
        let golden = prove::prove(&document)?;

        let forest = with_missing(&document.forest, missing)?;
        let line = match asked {
            None => Line { threshold: document.forest.offset, cut: document.forest.cut(&forest)? },
            Some(score) => Line::at(score, |sum| forest.score(sum)),
        };
        let mut facts = Facts {
            features: document.features,
            detector,
            threshold_config: threshold,
            training_rows: 0,
            flagged_training_share: 0.0,
            warnings: Vec::new(),
        };
        let mut known = None;
        match document.calibration {
            None => facts.warnings.push(not_calibrated()),
            Some(told) => {
                let Distribution { rows, ascending_scores, columns } =
                    told.check(forest.columns()).map_err(|problem| ImportError::Calibration { problem })?;
                let flagged = ascending_scores.iter().filter(|&&score| score - line.threshold < 0.0).count();
                facts.training_rows = rows;
                facts.flagged_training_share = flagged as f64 / ascending_scores.len() as f64;
                let outlyingness: Vec<f64> = ascending_scores.iter().rev().map(|score| -score).collect();
                let reference = columns.map(|columns| Reference::of(columns, &ascending_scores));
                known = Some((Calibration::new(&outlyingness), reference));
            }
        }
        let (calibration, reference) =
            known.map_or((None, None), |(calibration, reference)| (Some(calibration), reference));
        let golden = prove::judged(golden, &forest, &line);
        let fitted = Fitted::IsolationForest(Box::new(forest));
        Ok(Self::from_parts(facts, fitted, line, calibration, golden, reference))
    }
}

/// The document's bytes; gzip is recognised by its first two.
fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, ImportError> {
    let mut plain = Vec::new();
    let limit = MAX_DOCUMENT as u64 + 1;
    let read = match bytes {
        [0x1f, 0x8b, ..] => GzDecoder::new(bytes).take(limit).read_to_end(&mut plain),
        _ => bytes.take(limit).read_to_end(&mut plain),
    };
    read.map_err(|error| ImportError::Compression { problem: error.to_string() })?;
    if plain.len() > MAX_DOCUMENT { Err(ImportError::TooLarge) } else { Ok(plain) }
}

/// The score that is asked for, if one is.
fn asked_threshold(
    threshold: &ThresholdConfig,
    detector: &DetectorConfig,
) -> Result<Option<f64>, ImportError> {
    let asked = threshold.check(detector)?;
    // Nothing asked for means the document's own, and no contamination.
    let own = *threshold == ThresholdConfig::default();
    Ok(match asked {
        Threshold::Score(score) if !own => Some(score),
        _ => None,
    })
}

/// The forest, with missing values treated as is asked for.
fn with_missing(given: &ImportedForest, missing: Option<Missing>) -> Result<IsolationForest, ImportError> {
    let missing = match missing {
        None => given.missing,
        Some(Missing::Refuse) => Unusual::Refuse,
        Some(Missing::Route) => Unusual::Route,
    };
    Ok(IsolationForest::import_with(given, missing)?)
}

fn not_calibrated() -> Warning {
    Warning {
        reason: reasons::NOT_CALIBRATED.to_owned(),
        message: "the model was exported without its training rows, so rows have a verdict and a score but no severity, \
                  and drift is not measured: export it with them, export(model, X, path)"
            .to_owned(),
    }
}
