//! Events as a pure difference of two statuses: one for each thing that happened, none when nothing did. No I/O.

use api::AnomalyModelStatus;
use api::conditions::{Condition, EXPOSED, PROGRESSING, READY, STALLED, Status, TRAINED, reason};
use api::status::{RevisionStatus, TrainingStatus};

use crate::htpasswd::EXPENSIVE;

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

/// What the API server takes as an Event's note, with room to spare.
const LONGEST_MESSAGE: usize = 1_000;

/// Reasons of `Ready` that somebody must act on, or should at least know of.
const WORRYING: [&str; 7] = [
    reason::INVALID_SPEC,
    reason::UNREADABLE,
    reason::SOURCE_NOT_FOUND,
    reason::SOURCE_KEY_NOT_FOUND,
    reason::NAME_CONFLICT,
    reason::APPLY_FAILED,
    reason::NO_READY_PODS,
];

/// What happened between two statuses of a model.
pub fn notes(old: &AnomalyModelStatus, new: &AnomalyModelStatus) -> Vec<Note> {
    let both = Both { old, new };
    [
        both.training_started(),
        both.training_failed(),
        both.training_blocked(),
        both.trained(),
        both.roll_out_failed(),
        both.rolled_out(),
        both.exposed(),
        both.expensive_passwords(),
        both.worrying(),
        both.ready(),
        both.held_back(),
        both.mended(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

struct Both<'a> {
    old: &'a AnomalyModelStatus,
    new: &'a AnomalyModelStatus,
}

impl Both<'_> {
    fn training_started(&self) -> Option<Note> {
        let (old, new) = (training(self.old), training(self.new));
        // Going back to an earlier spec recalls the Job that trained it; that one does not start now.
        let later = new.started_at.map(|at| at.0) >= old.started_at.map(|at| at.0);
        let job = new.job.filter(|job| later && old.job.as_ref() != Some(job))?;
        let attempt = new.attempt.unwrap_or(1);
        Some(normal("TrainingStarted", "Train", format!("attempt {attempt} runs as Job {job}")))
    }

    fn training_failed(&self) -> Option<Note> {
        let (old, new) = (training(self.old), training(self.new));
        let error = new.last_error.clone()?;
        let same = (&old.job, &old.attempt, &old.last_error) == (&new.job, &new.attempt, &new.last_error);
        let reason = new.last_reason.unwrap_or_default();
        (!same).then(|| warning(reason::TRAINING_FAILED, "Train", format!("{reason}: {error}")))
    }

    /// The training pod does not start.
    fn training_blocked(&self) -> Option<Note> {
        let blocked = self.turned(TRAINED, |c| c.reason == reason::POD_BLOCKED)?;
        Some(warning(reason::POD_BLOCKED, "Train", blocked.message.clone()))
    }

    /// There is another newest revision: just trained, or trained before and wanted again.
    fn trained(&self) -> Option<Note> {
        let (old, new) = (revision(self.old), revision(self.new));
        let latest = new.latest.filter(|latest| old.latest.as_ref() != Some(latest))?;
        let known =
            find(self.new, TRAINED).filter(|c| c.message.contains(&latest)).map(|c| c.message.clone());
        Some(normal("Trained", "Train", known.unwrap_or_else(|| format!("revision {latest} is trained"))))
    }

    fn roll_out_failed(&self) -> Option<Note> {
        let failed = |c: &Condition| c.reason == reason::ROLL_OUT_FAILED;
        let condition = self.turned(PROGRESSING, failed).or_else(|| self.turned(READY, failed))?;
        // Told once, whichever of the two says it first.
        let told = [PROGRESSING, READY].iter().any(|type_| find(self.old, type_).is_some_and(failed));
        (!told).then(|| warning(reason::ROLL_OUT_FAILED, "RollOut", condition.message.clone()))
    }

    fn rolled_out(&self) -> Option<Note> {
        let (old, new) = (revision(self.old), revision(self.new));
        let current = new.current.filter(|current| old.current.as_ref() != Some(current))?;
        let before = old.current.map(|old| format!(", after revision {old}")).unwrap_or_default();
        Some(normal("RolledOut", "RollOut", format!("every pod serves revision {current}{before}")))
    }

    fn exposed(&self) -> Option<Note> {
        let (old, new) = (find(self.old, EXPOSED), find(self.new, EXPOSED));
        let Some(new) = new else {
            let was = old.is_some_and(|c| c.status == Status::True);
            return was.then(|| normal("NotExposed", "Expose", "the ingress is no longer asked for"));
        };
        if old.is_some_and(|old| old.status == new.status && old.reason == new.reason) {
            return None;
        }
        match new.status {
            Status::True => Some(normal("Exposed", "Expose", new.message.clone())),
            // Before the first revision this is what everybody expects.
            _ if new.reason == reason::WAITING_FOR_REVISION => None,
            _ => Some(warning(&new.reason, "Expose", new.message.clone())),
        }
    }

    /// Of the lines in a Secret that the model names.
    fn expensive_passwords(&self) -> Option<Note> {
        let told = self.turned(EXPOSED, |c| c.message.contains(EXPENSIVE))?;
        let part = told.message.split("; ").find(|part| part.contains(EXPENSIVE))?;
        Some(warning("ExpensivePasswords", "Expose", part))
    }

    fn worrying(&self) -> Option<Note> {
        let condition = find(self.new, READY).filter(|c| WORRYING.contains(&c.reason.as_str()))?;
        let told = find(self.old, READY).is_some_and(|old| old.reason == condition.reason);
        (!told).then(|| warning(&condition.reason, "Reconcile", condition.message.clone()))
    }

    fn ready(&self) -> Option<Note> {
        let ready = self.turned(READY, |c| c.status == Status::True)?;
        Some(normal("Ready", "Reconcile", ready.message.clone()))
    }

    /// Somebody asked for a pause, of training or of everything.
    fn held_back(&self) -> Option<Note> {
        let held =
            self.turned(PROGRESSING, |c| [reason::PAUSED, reason::SUSPENDED].contains(&c.reason.as_str()))?;
        Some(normal(&held.reason, "Reconcile", held.message.clone()))
    }

    /// What was wrong with the spec is mended.
    fn mended(&self) -> Option<Note> {
        let stalled = |s: &AnomalyModelStatus| find(s, STALLED).is_some_and(|c| c.status == Status::True);
        (stalled(self.old) && !stalled(self.new))
            .then(|| normal("SpecAccepted", "Reconcile", "the spec is valid again"))
    }

    /// The condition, if `is` holds of it now and did not before.
    fn turned(&self, type_: &str, is: impl Fn(&Condition) -> bool) -> Option<&Condition> {
        let new = find(self.new, type_).filter(|c| is(c))?;
        (!find(self.old, type_).is_some_and(is)).then_some(new)
    }
}

fn find<'a>(status: &'a AnomalyModelStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.type_ == type_)
}

fn training(status: &AnomalyModelStatus) -> TrainingStatus {
    status.training.clone().unwrap_or_default()
}

fn revision(status: &AnomalyModelStatus) -> RevisionStatus {
    status.revision.clone().unwrap_or_default()
}

fn normal(reason: &str, action: &str, message: impl Into<String>) -> Note {
    note(false, reason, action, message.into())
}

fn warning(reason: &str, action: &str, message: impl Into<String>) -> Note {
    note(true, reason, action, message.into())
}

fn note(warning: bool, reason: &str, action: &str, mut message: String) -> Note {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE - '…'.len_utf8()));
        message.push('…');
    }
    Note { warning, reason: reason.into(), action: action.into(), message }
}

#[cfg(test)]
mod tests;
