//! `status.revision`: which revision serves, and what is known of it. Pure.

use api::status::{RevisionStatus, seconds};

use crate::observed::{Observed, Revision};

/// The revision that was last rolled out completely.
pub(super) fn current(observed: &Observed) -> Option<String> {
    if let Some(live) = observed.deployment.as_ref().filter(|d| d.rolled_out() && !d.revision.is_empty()) {
        return Some(live.revision.clone());
    }
    let previous = observed.model.status.as_ref()?.revision.as_ref()?.current.clone()?;
    // Without pods and without the revision nothing of it is left.
    let exists = observed.deployment.is_some() || observed.revisions.iter().any(|r| r.name == previous);
    exists.then_some(previous)
}

/// What status says of it.
pub(super) fn status(observed: &Observed, latest: Option<&Revision>) -> RevisionStatus {
    let latest = latest.map(|r| r.name.clone());
    let Some(current) = current(observed) else {
        return RevisionStatus { latest, ..RevisionStatus::default() };
    };
    match observed.revisions.iter().find(|r| r.name == current) {
        Some(revision) => RevisionStatus { latest, ..described(revision) },
        // Deleted, but still served: what was known of it stays.
        None => {
            let previous =
                observed.model.status.as_ref().and_then(|s| s.revision.clone()).unwrap_or_default();
            let known = if previous.current.as_ref() == Some(&current) {
                previous
            } else {
                RevisionStatus::default()
            };
            RevisionStatus { latest, current: Some(current), ..known }
        }
    }
}

fn described(revision: &Revision) -> RevisionStatus {
    let description = &revision.description;
    RevisionStatus {
        current: Some(revision.name.clone()),
        latest: None,
        digest: Some(description.model_digest.clone()),
        rows: i64::try_from(description.rows).ok(),
        features: i64::try_from(description.features.len()).ok(),
        threshold: Some(description.threshold),
        flagged_training_share: description.flagged_training_share,
        trained_at: Some(seconds(revision.created_at)),
        training_duration_seconds: revision.training_seconds,
    }
}
