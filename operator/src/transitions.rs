//! Events as a pure difference of two statuses: one for each thing that happened, none when nothing did. No I/O.

use api::AnomalyModelStatus;

/// An Event to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether the user should worry.
    pub warning: bool,
    /// A word in CamelCase.
    pub reason: String,
    /// What the operator did, as a word in CamelCase.
    pub action: String,
    /// A sentence with numbers, at most 1,000 bytes.
    pub message: String,
}

/// What happened between two statuses of a model.
pub fn notes(_old: &AnomalyModelStatus, _new: &AnomalyModelStatus) -> Vec<Note> {
    Vec::new()
}
