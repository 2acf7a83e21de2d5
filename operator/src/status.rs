//! Status as a pure function of what was observed and what came of the plan. No I/O, no clock: equal in, equal out.

use api::AnomalyModelStatus;
use jiff::Timestamp;

use crate::observed::Observed;
use crate::outcome::{Applied, Plan};
use crate::validate::Invalid;

/// How far a reconcile came.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The spec cannot be honoured; children stay as they are.
    Invalid(&'a Invalid),
    /// The plan was carried out, as far as that was possible.
    Applied {
        /// What should be.
        plan: &'a Plan,
        /// What came of it.
        applied: &'a Applied,
    },
}

/// The status to publish.
pub fn status(observed: &Observed, _outcome: &Outcome<'_>) -> AnomalyModelStatus {
    observed.model.status.clone().unwrap_or_default()
}

/// Status of a stored object that cannot be read: `path` is the field at fault. Its children stay as they are.
pub fn unreadable(
    _generation: Option<i64>,
    _path: &str,
    _message: &str,
    previous: &AnomalyModelStatus,
    _now: Timestamp,
) -> AnomalyModelStatus {
    previous.clone()
}
