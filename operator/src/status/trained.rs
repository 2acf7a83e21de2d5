//! `Trained`: the current spec and data have a revision, and pods came up with it. Pure.

use std::borrow::Cow;

use api::conditions::{Verdict, reason};
use detectors::description::reasons as warned;

use super::view::{View, problems};
use crate::observed::{Observed, Revision, Source};
use crate::training::{Failure, State};

/// Warnings that change what a verdict means; the others stand in the message only.
const TELLING: [&str; 3] = [warned::NOT_CALIBRATED, warned::NO_SPLITS, warned::TIED_SCORES];
/// So many keys of a ConfigMap are told.
const KEYS_TOLD: usize = 10;

pub(super) fn verdict(view: &View<'_>) -> Verdict {
    if view.not_started() {
        return not_started(view);
    }
    let state = &view.decisions.training.state;
    match state {
        State::NoData => no_data(view.observed),
        State::Done { .. } => done(view, settled(view)),
        State::Rejected { revision } => Verdict::no(reason::ROLL_OUT_FAILED, rejected(revision)),
        State::Failed(failure) => Verdict::no(word(failure), failed(failure)),
        // The same spec and data once more: what is there remains good.
        _ if view.proven() && *state == State::Suspended => done(view, settled(view)),
        _ if view.proven() => done(view, reason::RETRAINING),
        _ => under_way(view, state),
    }
}

/// A Job was to be made, and was not.
fn not_started(view: &View<'_>) -> Verdict {
    if let Some(problem) = view.start_problem() {
        return Verdict::unknown(reason::APPLY_FAILED, format!("{}: {}", problem.object, problem.message));
    }
    match (view.proven(), view.applied.paused) {
        (true, _) => done(view, settled(view)),
        (false, true) => {
            Verdict::unknown(reason::PAUSED, "a training is due; the annotation paused holds it back")
        }
        (false, false) => Verdict::unknown(reason::TRAINING, "a training is about to start"),
    }
}

/// What is known of the data that cannot be read.
pub(super) fn no_data(observed: &Observed) -> Verdict {
    let namespace = observed.model.metadata.namespace.as_deref().unwrap_or_default();
    let path = observed.model.spec.config_map_path();
    let (reason, message) = match &observed.source {
        Source::NotFound { name } => (
            reason::SOURCE_NOT_FOUND,
            format!("ConfigMap {namespace}/{name} does not exist: create it, or correct {path}.name"),
        ),
        Source::KeyNotFound { name, key, present } => (
            reason::SOURCE_KEY_NOT_FOUND,
            format!(
                "ConfigMap {namespace}/{name} has no key {key}, {}: add it, or correct {path}.key",
                only(present)
            ),
        ),
        Source::Found { origin, .. } => (reason::TRAINING, format!("{origin} was found")),
    };
    if observed.revisions.is_empty() {
        return Verdict::no(reason, message);
    }
    // A revision may well be of the data that cannot be seen now.
    Verdict::unknown(reason, format!("{message}; what was trained before is served"))
}

fn done(view: &View<'_>, reason: &'static str) -> Verdict {
    let Some(latest) = view.latest else {
        return Verdict::unknown(reason::TRAINING, "the revision is not known yet");
    };
    match view.proven() {
        true => Verdict::yes(reason, described(latest)),
        false => Verdict::unknown(reason::ROLLING_OUT, format!("{}; it is rolled out", described(latest))),
    }
}

/// The reason while nothing is due: the first of the telling warnings, if the revision has one.
fn settled(view: &View<'_>) -> &'static str {
    let warnings = view.latest.map(|latest| latest.description.warnings.as_slice()).unwrap_or_default();
    let has = |reason: &&str| warnings.iter().any(|warning| warning.reason == *reason);
    TELLING.into_iter().find(has).unwrap_or(reason::AS_SPECIFIED)
}

/// The keys that are there, or the first of many.
fn only(present: &[String]) -> String {
    match present {
        [] => "nor any other".to_owned(),
        few if few.len() <= KEYS_TOLD => format!("only {}", few.join(", ")),
        many => format!("only {} and {} more", many[..KEYS_TOLD].join(", "), many.len() - KEYS_TOLD),
    }
}

/// A revision in a sentence.
fn described(revision: &Revision) -> String {
    let description = &revision.description;
    let warnings: Vec<String> =
        description.warnings.iter().map(|w| format!("; {}: {}", w.reason, w.message)).collect();
    // Of a model that was fitted elsewhere the training rows may not be known.
    let (origin, share) = match description.flagged_training_share {
        Some(share) => (
            format!("trained on {} rows", description.rows),
            format!(", {:.2} % of them flagged", share * 100.0),
        ),
        None => ("imported".to_owned(), String::new()),
    };
    format!(
        "revision {} is {origin}: threshold {:.4}{share}{}",
        revision.name,
        description.threshold,
        warnings.concat()
    )
}

fn under_way(view: &View<'_>, state: &State) -> Verdict {
    match state {
        State::Running { job, attempt, last_error } => {
            let blocked = problems(view.observed, true);
            if let Some(problem) = blocked {
                return Verdict::unknown(
                    reason::POD_BLOCKED,
                    format!("the pod of Job {job} does not start: {problem}"),
                );
            }
            let before =
                last_error.as_ref().map(|e| format!("; the one before failed: {e}")).unwrap_or_default();
            Verdict::unknown(reason::TRAINING, format!("attempt {attempt} runs as Job {job}{before}"))
        }
        State::Publishing { job } => Verdict::unknown(
            reason::TRAINING,
            format!("Job {job} succeeded; its revision is about to be seen"),
        ),
        State::Waiting { jobs } => {
            Verdict::unknown(reason::TRAINING, format!("waits until Job {} is gone", jobs.join(", ")))
        }
        State::Settling => Verdict::unknown(
            reason::DATA_CHANGING,
            "the data changed a moment ago; it is trained on when it rests",
        ),
        State::Queued => Verdict::unknown(
            reason::QUEUED,
            "as many models train as may at once; this one waits for its turn",
        ),
        State::Suspended => {
            Verdict::unknown(reason::SUSPENDED, "a training is due; set spec.suspend to false to let it run")
        }
        State::NoData | State::Done { .. } | State::Rejected { .. } | State::Failed(_) => {
            no_data(view.observed)
        }
    }
}

/// Message for a revision that was taken back.
pub(super) fn rejected(revision: &str) -> String {
    format!(
        "pods did not become ready with revision {revision}; it is not tried again: change the spec or the data, or \
         set the annotation {} to train it anew",
        api::labels::RETRAIN
    )
}

/// Message for a failed attempt: what happened, and when it is tried again.
pub(super) fn failed(failure: &Failure) -> String {
    let Failure { job, attempt, reason: _, message, retry_at } = failure;
    let job = job.as_ref().map(|job| format!(" in Job {job}")).unwrap_or_default();
    let next = match retry_at {
        Some(at) => format!("the next follows at {}", api::status::seconds(*at).0),
        None => "it is tried again when the data or the spec changes".to_owned(),
    };
    format!("{message} (attempt {attempt}{job}; {next})")
}

/// The trainer's reason, if it is a word that a condition can have.
fn word(failure: &Failure) -> Cow<'static, str> {
    let word = &failure.reason;
    let fits = word.len() <= 100
        && word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric());
    if fits { Cow::Owned(word.clone()) } else { Cow::Borrowed(reason::TRAINING_FAILED) }
}
