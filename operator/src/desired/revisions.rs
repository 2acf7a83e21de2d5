//! Which revision is served, which one is given up, and which ones are forgotten. Pure.
//!
//! Promoted is only a revision of the current training key; until there is one, what serves goes on serving.

use api::AnomalyModelStatus;

use crate::observed::{Deployment, Observed, Revision};
use crate::validate::Validated;

/// What was decided about the revisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Newest usable revision of the current spec and data.
    pub latest: Option<String>,
    /// Revision that the Deployment should serve; none = no Deployment.
    pub serve: Option<String>,
    /// Revision whose roll-out failed just now.
    pub reject: Option<String>,
    /// Revisions that no pod template can want, beyond the history limit.
    pub prune: Vec<String>,
}

/// Decides.
pub fn choose(model: &Validated, observed: &Observed) -> Choice {
    let current = observed.model.status.as_ref().and_then(current);
    let live = observed.deployment.as_ref();
    let reject = live.and_then(|live| failed(live, current, &observed.revisions));
    let usable: Vec<&Revision> = newest_first(&observed.revisions)
        .into_iter()
        .filter(|r| !r.rejected && Some(&r.name) != reject)
        .collect();

    let latest = key(model).and_then(|key| usable.iter().find(|r| r.key == key)).map(|r| r.name.as_str());
    let exists = |name: &&str| usable.iter().any(|r| r.name == *name);
    // Its ConfigMap was deleted: pods that run have loaded it, and go on answering. Those of an older revision would
    // answer to another spec.
    let loaded =
        |l: &&Deployment| l.ready > 0 && current == Some(&*l.revision) && !known(observed, &l.revision);
    let serve = latest
        .or_else(|| live.map(|l| l.revision.as_str()).filter(exists))
        .or_else(|| live.filter(loaded).map(|l| l.revision.as_str()))
        .or_else(|| current.filter(exists))
        .or_else(|| usable.first().map(|r| r.name.as_str()))
        .or_else(|| live.map(|l| l.revision.as_str()).filter(|name| !name.is_empty()));
    let prune = match (live, serve) {
        (Some(live), Some(serve)) if live.rolled_out() && live.revision == serve => {
            prune(model, observed, serve)
        }
        // While pods of two revisions may exist, nothing is forgotten.
        _ => Vec::new(),
    };
    let owned = |name: Option<&str>| name.map(str::to_owned);
    Choice { latest: owned(latest), serve: owned(serve), reject: reject.cloned(), prune }
}

fn known(observed: &Observed, revision: &str) -> bool {
    observed.revisions.iter().any(|r| r.name == revision)
}

/// The current training key, if it is known.
fn key(model: &Validated) -> Option<&str> {
    model.training.as_ref().map(|t| t.key.as_str())
}

/// The revision that was last rolled out completely.
fn current(status: &AnomalyModelStatus) -> Option<&str> {
    status.revision.as_ref()?.current.as_deref()
}

/// The live revision, if its roll-out exceeded the deadline and there is one to go back to.
fn failed<'a>(live: &Deployment, current: Option<&str>, revisions: &'a [Revision]) -> Option<&'a String> {
    let current = current?;
    // A Deployment that fails with the revision that worked before fails for another reason.
    if live.deadline_exceeded.is_none() || !live.up_to_date || live.revision == current {
        return None;
    }
    let usable = |name: &str| revisions.iter().find(|r| r.name == name && !r.rejected);
    usable(current)?;
    usable(&live.revision).map(|r| &r.name)
}

fn prune(model: &Validated, observed: &Observed, serve: &str) -> Vec<String> {
    let sorted = newest_first(&observed.revisions);
    // Forgetting these two would train again what was trained: that a revision was rejected, and that the annotation
    // `retrain` was obeyed.
    let answers = model.retrain.as_ref().and_then(|_| sorted.iter().find(|r| r.retrain == model.retrain));
    let needed = |r: &Revision| {
        r.rejected && Some(r.key.as_str()) == key(model)
            || answers.is_some_and(|answer| answer.name == r.name)
    };
    let mut others: Vec<&Revision> = sorted.iter().filter(|r| r.name != serve).copied().collect();
    let beyond = others.split_off(model.history_limit.min(others.len()));
    beyond.into_iter().filter(|r| !needed(r)).map(|r| r.name.clone()).collect()
}

/// Newest first; of those published in the same second, the one with the highest number.
pub(crate) fn newest_first(revisions: &[Revision]) -> Vec<&Revision> {
    let mut sorted: Vec<&Revision> = revisions.iter().collect();
    sorted.sort_by_key(|r| std::cmp::Reverse((r.created_at, api::names::attempt(&r.name), &r.name)));
    sorted
}

#[cfg(test)]
mod tests;
