//! What every `check` uses: the errors and the ranges.

/// A configuration that cannot be used, and what would be allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `detector` is empty.
    #[error("detector is empty: give exactly one detector, for example isolationForest")]
    NoDetector,
    /// `imported` where something is to be trained.
    #[error("detector.imported is a model that was fitted elsewhere: it is not trained")]
    NotTrained,
    /// Several detectors at once.
    #[error("detector has {given}: give exactly one of them")]
    SeveralDetectors {
        /// Their names.
        given: String,
    },
    /// A whole number is outside its range.
    #[error("{field} is {value}, but must be between {min} and {max}")]
    IntegerOutOfRange {
        /// The field's path.
        field: &'static str,
        /// What was given.
        value: u64,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A number is outside its range, or not a number.
    #[error("{field} is {value}, but must be in {range}")]
    OutOfRange {
        /// The field's path.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, as an interval.
        range: &'static str,
    },
    /// trees × sampleSize is too large.
    #[error(
        "trees × sampleSize is {product}, a model of up to {bytes} bytes; at most {max} is allowed: \
         lower one of them",
        max = super::MAX_SAMPLES_IN_ALL
    )]
    TooManySamples {
        /// trees × sampleSize.
        product: u64,
        /// How large the encoded model could become.
        bytes: u64,
    },
    /// A parameter of a member of an ensemble.
    #[error("detector.ensemble.members: {0}")]
    Member(Box<ConfigError>),
    /// An ensemble of fewer than two.
    #[error("detector.ensemble.members has {given} member{}: give at least two", if *given == 1 { "" } else { "s" })]
    TooFewMembers {
        /// How many there are.
        given: usize,
    },
    /// A weight of a detector that is no member.
    #[error(
        "detector.ensemble.weights has {member}, which is no member: add it to members or remove its weight"
    )]
    WeightWithoutMember {
        /// The detector's name.
        member: &'static str,
    },
    /// A share of training rows that are not here.
    #[error(
        "threshold.contamination cannot be used with an imported model, whose training rows are not here: leave \
         threshold out to keep the model's own, or give threshold.score"
    )]
    ImportedContamination,
    /// Two thresholds at once.
    #[error("threshold has more than one of contamination, score and auto: give at most one of them")]
    TwoThresholds,
    /// `threshold.auto` with a detector whose scores have no fixed scale.
    #[error(
        "threshold.auto is the score {score} of an isolation forest, but the scores of {detector} have no such scale: \
         give threshold.contamination instead",
        score = super::AUTO_SCORE
    )]
    AutoNeedsForest {
        /// The detector's name.
        detector: &'static str,
    },
}

/// An error unless a whole number is within min…max.
pub(super) fn integer(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::IntegerOutOfRange { field, value, min, max })
}

/// The CEL rule that at most one of some members, or one more, is given.
#[cfg(feature = "schema")]
pub(super) fn at_most_one(members: &[&str], one_more: &str) -> serde_json::Value {
    let members = [members, &[one_more]].concat();
    let given: Vec<String> = members.iter().map(|member| format!("has(self.{member})")).collect();
    serde_json::json!([{
        "rule": format!("[{}].filter(given, given).size() <= 1", given.join(", ")),
        "message": format!("at most one detector may be given: {}", members.join(", ")),
    }])
}
