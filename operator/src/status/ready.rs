//! `Ready`: the current generation is trained, rolled out and, if asked for, exposed. Pure.

use api::conditions::{Status, Verdict, reason};

use super::trained;
use super::view::{View, listed};
use crate::training::State;

pub(super) fn verdict(view: &View<'_>, trained: &Verdict, exposed: Option<&Verdict>) -> Verdict {
    let missing = written(view)
        .or_else(|| trained_missing(view, trained))
        .or_else(|| hold(view))
        .or_else(|| roll_out_missing(view))
        .or_else(|| {
            exposed.filter(|e| e.status != Status::True).map(|e| Verdict::no(e.reason.clone(), &*e.message))
        });
    match missing {
        None => as_specified(view),
        Some(missing) if view.applied.paused => {
            Verdict::no(reason::PAUSED, format!("paused by annotation; {}", missing.message))
        }
        Some(missing) => missing,
    }
}

fn as_specified(view: &View<'_>) -> Verdict {
    let replicas = view.observed.model.spec.serving.replicas;
    let serve = view.serve.unwrap_or_default();
    if replicas == 0 {
        return Verdict::yes(
            reason::SCALED_TO_ZERO,
            format!("revision {serve} is kept; no pod is asked for"),
        );
    }
    let pods = if replicas == 1 { "1 pod".to_owned() } else { format!("{replicas} pods") };
    Verdict::yes(reason::AS_SPECIFIED, format!("revision {serve} is served by {pods}"))
}

/// Objects that could not be written.
fn written(view: &View<'_>) -> Option<Verdict> {
    if !view.applied.conflicts.is_empty() {
        return Some(Verdict::no(reason::NAME_CONFLICT, listed(&view.applied.conflicts)));
    }
    let failures = &view.applied.failures;
    (!failures.is_empty()).then(|| Verdict::no(reason::APPLY_FAILED, listed(failures)))
}

/// Pods that are left as they are.
fn hold(view: &View<'_>) -> Option<Verdict> {
    view.decisions.hold.as_ref().map(|hold| Verdict::no(hold.reason, hold.message.clone()))
}

/// No usable revision of the current spec and data.
fn trained_missing(view: &View<'_>, trained: &Verdict) -> Option<Verdict> {
    if view.latest.is_some() {
        return None;
    }
    Some(match &view.decisions.training.state {
        State::NoData => Verdict::no(trained.reason.clone(), trained.message.clone()),
        State::Rejected { revision } => Verdict::no(reason::ROLL_OUT_FAILED, trained::rejected(revision)),
        State::Suspended => Verdict::no(reason::SUSPENDED, trained.message.clone()),
        State::Failed(failure) => Verdict::no(reason::TRAINING_FAILED, trained::failed(failure)),
        _ if view.serve.is_some() => Verdict::no(reason::UPDATING, trained.message.clone()),
        _ => Verdict::no(reason::TRAINING, trained.message.clone()),
    })
}

/// Pods that are not yet, or no longer, as they should be.
fn roll_out_missing(view: &View<'_>) -> Option<Verdict> {
    if view.rolled_out() {
        return None;
    }
    let wanted = view.observed.model.spec.serving.replicas;
    let enough = view.live.is_some_and(|d| d.available >= wanted && d.replicas == wanted);
    let retrained = view.serve != view.current.as_deref() && view.proven();
    // The same spec and data trained once more roll out while the revision before answers as well as ever.
    if retrained && enough && view.was_ready() && view.deadline_exceeded().is_none() {
        return None;
    }
    let serve = view.serve.unwrap_or_default();
    let message = format!("revision {serve}: {}", view.pods());
    let why = if view.deadline_exceeded().is_some() && view.plan.reject.is_none() {
        reason::ROLL_OUT_FAILED
    } else if view.lost_pods() {
        if view.live.is_some_and(|d| d.ready > 0) { reason::PODS_NOT_READY } else { reason::NO_READY_PODS }
    } else if view.current.is_some() {
        reason::UPDATING
    } else {
        reason::ROLLING_OUT
    };
    Some(Verdict::no(why, message))
}
