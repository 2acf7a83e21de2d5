//! Whether a model is to be trained now, and if not, why not. Pure: the decision depends on what was observed and on
//! the last status, so that a crash after any request converges, and a deleted Job takes no knowledge with it.
//!
//! "Trained" is read from revisions, never from Jobs. Here is the order of the rules; `attempts` has what is known of
//! the runs so far.

use api::names;
use api::status::TrainingStatus;
use api::training_key::{canonical, sha256_hex};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::desired::revisions::newest_first;
use crate::observed::{Job, JobState, Observed, Revision, Source};
use crate::settings::Settings;
use crate::validate::Validated;

mod attempts;

use attempts::Attempts;
pub use attempts::back_off;

/// How long the revision of a Job that succeeded may take to be seen.
const PUBLISHED_SOON: SignedDuration = SignedDuration::from_secs(30);
/// How soon a queued training asks again for a place.
const QUEUE_POLL: SignedDuration = SignedDuration::from_secs(10);

/// What was decided, with what status needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Where training stands.
    pub state: State,
    /// A Job to make.
    pub start: Option<Run>,
    /// The Job that goes on, if it lost its input: its UID, and the run it was made for.
    pub lost_input: Option<(String, Run)>,
    /// Active Jobs that nobody needs any more.
    pub delete: Vec<String>,
    /// `status.training` from now on.
    pub record: TrainingStatus,
    /// When to look again although nothing changes.
    pub look_again_at: Option<Timestamp>,
}

/// One training: a Job, its input and the revision that it publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Name of the Job and of its input ConfigMap.
    pub job: String,
    /// Name of the revision.
    pub revision: String,
    /// Digest of what decides whether it succeeds.
    pub inputs: String,
    /// Value of the annotation `retrain` that it obeys.
    pub retrain: Option<String>,
}

/// Where training stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum State {
    /// The data cannot be read, so that nobody knows whether there is something to train.
    #[default]
    NoData,
    /// There is a revision of the current spec and data.
    Done {
        /// The newest one.
        revision: String,
    },
    /// There is one, and its roll-out failed.
    Rejected {
        /// Its name.
        revision: String,
    },
    /// Training would be due, but is suspended.
    Suspended,
    /// A Job runs, or is made now.
    Running {
        /// Its name.
        job: String,
        /// Number of the attempt, from 1.
        attempt: i64,
        /// Why the attempt before failed.
        last_error: Option<String>,
    },
    /// A Job succeeded; its revision has not been seen yet.
    Publishing {
        /// Name of the Job.
        job: String,
    },
    /// The Jobs before must be gone first.
    Waiting {
        /// Their names.
        jobs: Vec<String>,
    },
    /// The data changed a moment ago.
    Settling,
    /// Too many models train at once.
    Queued,
    /// The last attempt failed.
    Failed(Failure),
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Name of the Job, as far as it is known.
    pub job: Option<String>,
    /// Number of the attempt, from 1.
    pub attempt: i64,
    /// What the trainer, or Kubernetes, gave as a reason.
    pub reason: String,
    /// What it said.
    pub message: String,
    /// When it is tried again; never while the input is at fault.
    pub retry_at: Option<Timestamp>,
}

/// Decides; `reject` is the revision whose roll-out failed just now.
pub fn decide(model: &Validated, observed: &Observed, settings: &Settings, reject: Option<&str>) -> Decision {
    let previous = observed.model.status.as_ref().and_then(|s| s.training.clone()).unwrap_or_default();
    let Some(training) = &model.training else {
        // A running Job may have read the data already; only `suspend` stops it.
        let delete =
            if model.suspend { unpublished(observed).map(|j| j.name.clone()).collect() } else { Vec::new() };
        return Decision { delete, record: previous, ..Decision::default() };
    };
    let inputs = inputs(model, &training.key);
    let case = Case { model, observed, settings, reject, key: &training.key, inputs, previous };
    case.decide()
}

/// Digest of all that can decide whether the training succeeds.
fn inputs(model: &Validated, key: &str) -> String {
    let content = json!({
        "key": key,
        "minRows": model.min_rows,
        "requests": model.trainer_resources.requests,
        "limits": model.trainer_resources.limits,
        "retrain": model.retrain,
    });
    format!("sha256:{}", sha256_hex(canonical(&content).as_bytes()))
}

/// Jobs that are active and have not published.
fn unpublished(observed: &Observed) -> impl Iterator<Item = &Job> {
    let published = |job: &Job| observed.revisions.iter().any(|r| r.name == job.revision);
    observed.jobs.iter().filter(move |job| job.state == JobState::Active && !published(job))
}

struct Case<'a> {
    model: &'a Validated,
    observed: &'a Observed,
    settings: &'a Settings,
    reject: Option<&'a str>,
    key: &'a str,
    inputs: String,
    previous: TrainingStatus,
}

impl Case<'_> {
    fn decide(self) -> Decision {
        let attempts = Attempts::of(self.observed, &self.inputs, &self.previous);
        let running = self.running();
        let obsolete: Vec<String> = unpublished(self.observed)
            .filter(|job| running.is_none_or(|r| r.name != job.name))
            .map(|job| job.name.clone())
            .collect();
        let mut decision = Decision { record: attempts.record(), delete: obsolete, ..Decision::default() };

        if let Some(state) = self.trained() {
            if let State::Done { .. } = state {
                decision.record = TrainingStatus {
                    next_run_at: None,
                    last_reason: None,
                    last_error: None,
                    ..decision.record
                };
            }
            return Decision { state, ..decision };
        }
        if self.model.suspend {
            return Decision { state: State::Suspended, ..decision };
        }
        if let Some(job) = running {
            return self.goes_on(job, &attempts, decision);
        }
        self.due(&attempts, decision)
    }

    /// The Job that trains just this; none when there is nothing to train, so that it is deleted.
    fn running(&self) -> Option<&Job> {
        let wanted = !self.model.suspend && self.trained().is_none();
        unpublished(self.observed)
            .filter(|job| wanted && job.key == self.key && job.inputs == self.inputs)
            .max_by_key(|job| job.attempt)
    }

    /// A revision of this key is there, and the annotation `retrain` was obeyed.
    fn trained(&self) -> Option<State> {
        let obeyed = |r: &Revision| r.retrain == self.model.retrain;
        if self.model.retrain.is_some() && !self.observed.revisions.iter().any(obeyed) {
            return None;
        }
        let of_key: Vec<&Revision> =
            newest_first(&self.observed.revisions).into_iter().filter(|r| r.key == self.key).collect();
        let usable = |r: &Revision| !r.rejected && self.reject != Some(r.name.as_str());
        let good = of_key.iter().find(|r| usable(r)).map(|r| State::Done { revision: r.name.clone() });
        good.or_else(|| of_key.first().map(|r| State::Rejected { revision: r.name.clone() }))
    }

    fn goes_on(&self, job: &Job, attempts: &Attempts<'_>, decision: Decision) -> Decision {
        let run = Run {
            job: job.name.clone(),
            revision: job.revision.clone(),
            inputs: job.inputs.clone(),
            retrain: job.retrain.clone(),
        };
        let state = State::Running {
            job: job.name.clone(),
            attempt: attempts.made,
            last_error: attempts.error_before(job.attempt),
        };
        // The operator died between the Job and its input.
        let lost_input = (!job.has_input).then(|| (job.uid.clone(), run));
        Decision { state, lost_input, ..decision }
    }

    /// Training is due and no Job runs: whatever stands in its way, or a new Job.
    fn due(&self, attempts: &Attempts<'_>, decision: Decision) -> Decision {
        let now = self.observed.now;
        let leaving: Vec<String> =
            decision.delete.iter().chain(&self.observed.terminating_jobs).cloned().collect();
        if !leaving.is_empty() {
            return Decision { state: State::Waiting { jobs: leaving }, ..decision };
        }
        if let Some((job, at)) = attempts.succeeded() {
            let patience = at + PUBLISHED_SOON;
            if now < patience {
                let state = State::Publishing { job: job.to_owned() };
                return Decision { state, look_again_at: Some(patience), ..decision };
            }
        }
        if let Some(failure) = &attempts.failure
            && failure.retry_at.is_none_or(|at| now < at)
        {
            let look_again_at = failure.retry_at;
            return Decision { state: State::Failed(failure.clone()), look_again_at, ..decision };
        }
        if let Some(rest) = self.settles_at().filter(|at| now < *at) {
            return Decision { state: State::Settling, look_again_at: Some(rest), ..decision };
        }
        if !self.observed.training_slot_free {
            return Decision { state: State::Queued, look_again_at: Some(now + QUEUE_POLL), ..decision };
        }
        self.start(attempts, decision)
    }

    /// Data that changed is left to rest, if there is a revision to serve in the meantime.
    fn settles_at(&self) -> Option<Timestamp> {
        match &self.observed.source {
            Source::Found { changed_at: Some(at), .. } if !self.observed.revisions.is_empty() => {
                at.checked_add(self.settings.debounce).ok()
            }
            _ => None,
        }
    }

    fn start(&self, attempts: &Attempts<'_>, decision: Decision) -> Decision {
        let number = self.next_number();
        let (name, attempt) = (&self.model.name, attempts.made + 1);
        let run = Run {
            job: names::training_job(name, self.key, number),
            revision: names::revision(name, self.key, number),
            inputs: self.inputs.clone(),
            retrain: self.model.retrain.clone(),
        };
        let record = TrainingStatus {
            job: Some(run.job.clone()),
            attempt: Some(attempt),
            inputs: Some(self.inputs.clone()),
            started_at: Some(api::status::seconds(self.observed.now)),
            ..TrainingStatus::default()
        };
        let last_error = attempts.failure.as_ref().map(|f| f.message.clone());
        let state = State::Running { job: run.job.clone(), attempt, last_error };
        Decision { state, start: Some(run), record, ..decision }
    }

    /// One more than any number that a Job or a revision of this key ever bore, as far as anybody knows: a name is not
    /// used twice, because a pod template may still mean the first bearer, and a pod would read the input of another Job.
    fn next_number(&self) -> u32 {
        let (name, short) = (&self.model.name, names::short_key(self.key));
        let prefixes = [format!("{name}-t-{short}-"), format!("{name}-r-{short}-")];
        let revision =
            self.observed.model.status.as_ref().and_then(|s| s.revision.clone()).unwrap_or_default();
        let highest = (self.observed.jobs.iter().map(|j| &j.name))
            .chain(&self.observed.names_taken)
            .chain(self.observed.revisions.iter().map(|r| &r.name))
            .chain(self.observed.deployment.iter().map(|d| &d.revision))
            .chain([&self.previous.job, &revision.current, &revision.latest].into_iter().flatten())
            .filter(|known| prefixes.iter().any(|prefix| known.starts_with(prefix)))
            .filter_map(|known| names::attempt(known))
            .max();
        highest.unwrap_or(0).saturating_add(1)
    }
}

#[cfg(test)]
mod tests;
