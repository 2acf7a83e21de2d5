//! How a training ended, in the words and exit codes that the operator reads. Pure.

use api::job::{EXIT_FAILED, EXIT_INPUT, EXIT_PUBLISHED, TERMINATION_LOG_BYTES, TrainingResult};

use crate::data::Problem;
use crate::train::TrainerError;

/// Reasons of a [`TrainingResult`]: words that the operator copies into a condition.
pub mod reason {
    /// The revision is published.
    pub const PUBLISHED: &str = "Published";
    /// The data cannot be used.
    pub const INVALID_DATA: &str = "InvalidData";
    /// The data has fewer rows than `training.minRows`.
    pub const TOO_FEW_ROWS: &str = "TooFewRows";
    /// The detector refuses its parameters or the rows.
    pub const TRAINING_REFUSED: &str = "TrainingRefused";
    /// The exported model is damaged or does not prove itself.
    pub const IMPORT_REFUSED: &str = "ImportRefused";
    /// The model does not fit a ConfigMap.
    pub const MODEL_TOO_LARGE: &str = "ModelTooLarge";
    /// The data changed between planning and training.
    pub const DATA_CHANGED: &str = "DataChanged";
    /// The training input or the data could not be read from the pod's volumes.
    pub const INPUT_UNREADABLE: &str = "InputUnreadable";
    /// Operator and trainer are of different releases.
    pub const INCOMPATIBLE_INPUT: &str = "IncompatibleInput";
    /// The model does not reproduce its own scores.
    pub const SELF_CHECK_FAILED: &str = "SelfCheckFailed";
    /// The revision could not be written.
    pub const PUBLISHING_FAILED: &str = "PublishingFailed";
    /// A revision of this name exists with other content.
    pub const REVISION_CONFLICT: &str = "RevisionConflict";
    /// SIGTERM: the training was suspended or its node drained.
    pub const INTERRUPTED: &str = "Interrupted";
    /// A defect of the trainer.
    pub const INTERNAL_ERROR: &str = "InternalError";
}

/// The end of a training: what is said, and the exit code.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The termination message.
    pub result: TrainingResult,
    /// 0 published, 2 the user must act, 1 anything else.
    pub exit_code: i32,
}

impl Outcome {
    /// The revision is published.
    pub fn published(revision: &str, rows: u64) -> Self {
        // Of an imported model the training rows may not be known.
        let (rows, trained) = match rows {
            0 => (None, "imported".to_owned()),
            rows => (Some(rows), format!("trained on {rows} rows")),
        };
        let message = format!("published {revision}, {trained}");
        Self { result: result(reason::PUBLISHED, message, rows, None), exit_code: EXIT_PUBLISHED }
    }

    /// The input is at fault: trying again does not help.
    pub fn input(reason: &str, message: impl Into<String>) -> Self {
        Self { result: result(reason, message, None, None), exit_code: EXIT_INPUT }
    }

    /// Something else went wrong: trying again may help.
    pub fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self { result: result(reason, message, None, None), exit_code: EXIT_FAILED }
    }

    /// The termination message as JSON of at most [`TERMINATION_LOG_BYTES`]; the message is cut where it must be.
    pub fn to_json(&self) -> String {
        let mut result = self.result.clone();
        loop {
            let json = serde_json::to_string(&result).unwrap_or_else(|e| e.to_string());
            let excess = json.len().saturating_sub(TERMINATION_LOG_BYTES);
            if excess == 0 || result.message.is_empty() {
                return json;
            }
            cut(&mut result.message, excess);
        }
    }
}

/// Takes some of `excess` bytes off the end, at least one character. In JSON a byte may have become six, so taking a
/// sixth never takes too much.
fn cut(message: &mut String, excess: usize) {
    let kept = message.strip_suffix('…').unwrap_or(message);
    let end = kept.floor_char_boundary(kept.len().saturating_sub((excess / 6).max(1)));
    message.truncate(end);
    if end > 0 {
        message.push('…');
    }
}

fn result(
    reason: &str,
    message: impl Into<String>,
    rows: Option<u64>,
    needed: Option<u64>,
) -> TrainingResult {
    TrainingResult { reason: reason.to_owned(), message: message.into(), rows, needed }
}

impl From<&TrainerError> for Outcome {
    fn from(error: &TrainerError) -> Self {
        let message = error.to_string();
        match error {
            TrainerError::Version { .. } => Self::failed(reason::INCOMPATIBLE_INPUT, message),
            TrainerError::DataChanged { .. } => Self::failed(reason::DATA_CHANGED, message),
            TrainerError::SelfCheck(_) => Self::failed(reason::SELF_CHECK_FAILED, message),
            TrainerError::Import { .. } => Self::input(reason::IMPORT_REFUSED, message),
            TrainerError::Train { .. } => Self::input(reason::TRAINING_REFUSED, message),
            TrainerError::TooLarge { .. } => Self::input(reason::MODEL_TOO_LARGE, message),
            TrainerError::Data(data) => match *data.problem() {
                Problem::TooFewRows { rows, needed } => Self {
                    result: result(reason::TOO_FEW_ROWS, message, Some(rows), Some(needed)),
                    exit_code: EXIT_INPUT,
                },
                // The volume's fault, not the data's.
                Problem::Io(_) => Self::failed(reason::INPUT_UNREADABLE, message),
                _ => Self::input(reason::INVALID_DATA, message),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_message_stays_as_it_is() {
        let json = Outcome::published("m-r-0123abcd-1", 980).to_json();
        let expected =
            r#"{"reason":"Published","message":"published m-r-0123abcd-1, trained on 980 rows","rows":980}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_long_message_is_cut_and_says_so() {
        let outcome = Outcome::failed(reason::INTERNAL_ERROR, "ab".repeat(5_000));
        let json = outcome.to_json();
        let read: TrainingResult = serde_json::from_str(&json).unwrap();
        assert!(
            json.len() <= TERMINATION_LOG_BYTES && json.len() > TERMINATION_LOG_BYTES - 10,
            "{}",
            json.len()
        );
        assert!(read.message.ends_with('…') && read.message.starts_with("abab"));
    }

    proptest! {
        #[test]
        fn any_message_fits_and_remains_json(text in "(\\PC|[\u{0}-\u{1f}\"\\\\]){0,40}", times in 1usize..300) {
            let json = Outcome::input(reason::INVALID_DATA, text.repeat(times)).to_json();
            prop_assert!(json.len() <= TERMINATION_LOG_BYTES);
            let read: TrainingResult = serde_json::from_str(&json).unwrap();
            prop_assert!(text.repeat(times).starts_with(read.message.trim_end_matches('…')));
        }
    }
}
