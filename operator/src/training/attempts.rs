//! What is known of the runs with the same inputs: how many there were, how the last one ended, when to try again.
//! Pure. Jobs are deleted a day after they end; what they taught stands in `status.training`.

use api::names;
use api::status::{TrainingStatus, seconds};
use api::training_key::sha256_hex;
use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::observed::{Job, JobState, Observed};

/// Pause after the first failure; doubled with each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// Longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// The runs with the same inputs.
pub(super) struct Attempts<'a> {
    /// How many there were.
    pub made: i64,
    /// How the last one failed, if it did.
    pub failure: Option<Failure>,
    /// Jobs that exist, oldest first.
    jobs: Vec<&'a Job>,
    previous: &'a TrainingStatus,
    /// Whether `previous` speaks of these inputs.
    same: bool,
    inputs: &'a str,
}

impl<'a> Attempts<'a> {
    pub(super) fn of(observed: &'a Observed, inputs: &'a str, previous: &'a TrainingStatus) -> Self {
        let same = previous.inputs.as_deref() == Some(inputs);
        let mut jobs: Vec<&Job> = observed.jobs.iter().filter(|job| job.inputs == inputs).collect();
        jobs.sort_by_key(|job| job.attempt);
        // Those that the last status did not know yet, because the operator died before it wrote one.
        let known = recorded(previous, same);
        let unknown = jobs.iter().filter(|job| known.is_none_or(|known| job.attempt > known)).count();
        let before = if same { previous.attempt.unwrap_or(0) } else { 0 };
        let made = before + i64::try_from(unknown).unwrap_or(i64::MAX);
        let mut attempts = Self { made, failure: None, jobs, previous, same, inputs };
        attempts.failure = attempts.last_failure(observed.model.metadata.uid.as_deref().unwrap_or_default());
        attempts
    }

    /// `status.training` when nothing new is started.
    pub(super) fn record(&self) -> TrainingStatus {
        let Some(failure) = &self.failure else {
            return self.newest().map_or_else(|| self.previous.clone(), |job| self.of_job(job));
        };
        let started = self.newest().map_or_else(|| self.previous.clone(), |job| self.of_job(job));
        TrainingStatus {
            job: failure.job.clone(),
            attempt: Some(failure.attempt),
            next_run_at: failure.retry_at.map(seconds),
            last_reason: Some(failure.reason.clone()),
            last_error: Some(failure.message.clone()),
            ..started
        }
    }

    /// Name and end of the newest Job, if it succeeded.
    pub(super) fn succeeded(&self) -> Option<(&str, Timestamp)> {
        match self.newest()? {
            Job { name, state: JobState::Succeeded { at }, .. } => Some((name, *at)),
            _ => None,
        }
    }

    /// What the newest Job before number `attempt` died of.
    pub(super) fn error_before(&self, attempt: u32) -> Option<String> {
        let before = self.jobs.iter().rev().find(|job| job.attempt < attempt)?;
        match &before.state {
            JobState::Failed { result, .. } => Some(result.message.clone()),
            JobState::Active | JobState::Succeeded { .. } => None,
        }
    }

    fn of_job(&self, job: &Job) -> TrainingStatus {
        // The time that was published stays: the API server's clock is not the operator's.
        let known = self.previous.job.as_ref() == Some(&job.name);
        let started = self.previous.started_at.clone().filter(|_| known);
        TrainingStatus {
            job: Some(job.name.clone()),
            attempt: Some(self.made),
            inputs: Some(self.inputs.to_owned()),
            started_at: started.or_else(|| Some(seconds(job.created_at))),
            ..TrainingStatus::default()
        }
    }

    /// The newest Job, unless the last status knows of a later one that is gone.
    fn newest(&self) -> Option<&'a Job> {
        let known = recorded(self.previous, self.same);
        self.jobs.last().copied().filter(|job| known.is_none_or(|known| job.attempt >= known))
    }

    fn last_failure(&self, uid: &str) -> Option<Failure> {
        match self.newest() {
            Some(job) => match &job.state {
                JobState::Failed { at, input_at_fault, result } => Some(Failure {
                    job: Some(job.name.clone()),
                    attempt: self.made,
                    reason: result.reason.clone(),
                    message: result.message.clone(),
                    retry_at: if *input_at_fault {
                        None
                    } else {
                        at.checked_add(back_off(self.made, uid)).ok()
                    },
                }),
                JobState::Active | JobState::Succeeded { .. } => None,
            },
            None if self.same => Some(Failure {
                job: self.previous.job.clone(),
                attempt: self.made,
                reason: self.previous.last_reason.clone()?,
                message: self.previous.last_error.clone().unwrap_or_default(),
                retry_at: self.previous.next_run_at.as_ref().map(|at| at.0),
            }),
            None => None,
        }
    }
}

/// Number of the Job that `previous` speaks of, if it speaks of these inputs.
fn recorded(previous: &TrainingStatus, same: bool) -> Option<u32> {
    previous.job.as_deref().filter(|_| same).and_then(names::attempt)
}

/// Pause after failure number `attempt`: 5 minutes, doubled up to 6 hours, and up to a tenth more that depends on the
/// model alone, so that models that fail together do not come back together.
pub fn back_off(attempt: i64, uid: &str) -> SignedDuration {
    let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 16)).unwrap_or(0);
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    let digest = sha256_hex(uid.as_bytes());
    let share = i64::from_str_radix(&digest[..4], 16).unwrap_or(0);
    SignedDuration::from_secs(pause.as_secs() + pause.as_secs() * share / (10 * 0xffff))
}
