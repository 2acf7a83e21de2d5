//! `Progressing`: a training or a roll-out is under way; `False` with a reason when it stopped on its way. Pure.

use api::conditions::{Verdict, reason};

use super::trained;
use super::view::{View, listed, problems};
use crate::training::State;

pub(super) fn verdict(view: &View<'_>, trained: &Verdict) -> Verdict {
    if view.applied.paused {
        let message =
            format!("the annotation {} is set: nothing is written but this status", api::labels::PAUSED);
        return Verdict::no(reason::PAUSED, message);
    }
    if !view.applied.conflicts.is_empty() {
        return Verdict::no(reason::NAME_CONFLICT, listed(&view.applied.conflicts));
    }
    if !view.applied.failures.is_empty() {
        return Verdict::yes(
            reason::APPLY_FAILED,
            format!("is tried again: {}", listed(&view.applied.failures)),
        );
    }
    training(view, trained)
        .or_else(|| hold(view))
        .or_else(|| roll_out(view))
        .unwrap_or_else(|| at_rest(view, trained))
}

fn training(view: &View<'_>, trained: &Verdict) -> Option<Verdict> {
    let why = match &view.decisions.training.state {
        State::Running { .. } | State::Publishing { .. } | State::Waiting { .. } => {
            if problems(view.observed, true).is_some() {
                reason::POD_BLOCKED
            } else if view.latest.is_some() {
                reason::RETRAINING
            } else if view.serve.is_some() {
                reason::UPDATING
            } else {
                reason::TRAINING
            }
        }
        State::Settling => reason::DATA_CHANGING,
        State::Queued => reason::QUEUED,
        _ => return None,
    };
    let message = match (why, problems(view.observed, true)) {
        (reason::POD_BLOCKED, Some(problem)) => problem,
        (reason::RETRAINING, _) => {
            "the same spec and data are trained again, as the annotation asks".to_owned()
        }
        _ => trained.message.clone(),
    };
    Some(Verdict::yes(why, message))
}

/// Nothing rolls out that waits for its certificate.
fn hold(view: &View<'_>) -> Option<Verdict> {
    let hold = view.decisions.hold.as_ref().filter(|_| view.serve.is_some())?;
    Some(Verdict::no(hold.reason, hold.message.clone()))
}

fn roll_out(view: &View<'_>) -> Option<Verdict> {
    let serve = view.serve.filter(|_| !view.rolled_out())?;
    if let Some(rejected) = &view.plan.reject {
        let message = format!("revision {rejected} did not become ready in time; goes back to {serve}");
        return Some(Verdict::yes(reason::ROLLING_OUT, message));
    }
    if view.live.is_some_and(|live| live.revision == serve)
        && let Some(message) = view.deadline_exceeded()
    {
        let message = format!("revision {serve}: {message}; {}", view.pods());
        return Some(Verdict::no(reason::ROLL_OUT_FAILED, message));
    }
    let why = if view.lost_pods() { reason::PODS_NOT_READY } else { reason::ROLLING_OUT };
    Some(Verdict::yes(why, format!("revision {serve}: {}", view.pods())))
}

fn at_rest(view: &View<'_>, trained: &Verdict) -> Verdict {
    let state = &view.decisions.training.state;
    match state {
        State::Failed(failure) => Verdict::no(reason::TRAINING_FAILED, trained::failed(failure)),
        State::Rejected { revision } => Verdict::no(reason::ROLL_OUT_FAILED, trained::rejected(revision)),
        State::Suspended => {
            Verdict::no(reason::SUSPENDED, "a training is due; set spec.suspend to false to let it run")
        }
        State::NoData => Verdict::no(trained.reason.clone(), trained.message.clone()),
        _ => Verdict::no(reason::IDLE, "nothing is left to do"),
    }
}
