//! What several conditions ask about the same pass, answered once. Pure.

use api::AnomalyModelStatus;
use api::conditions::{READY, Status};
use api::status::TrainingStatus;

use super::revision;
use crate::desired::Decisions;
use crate::observed::{Deployment, Observed, Revision};
use crate::outcome::{Applied, Plan, Problem};

pub(super) struct View<'a> {
    pub observed: &'a Observed,
    pub plan: &'a Plan,
    pub applied: &'a Applied,
    pub decisions: &'a Decisions,
    /// Newest usable revision of the current spec and data.
    pub latest: Option<&'a Revision>,
    /// Revision that the Deployment should serve.
    pub serve: Option<&'a str>,
    pub live: Option<&'a Deployment>,
    /// Revision that was last rolled out completely.
    pub current: Option<String>,
}

impl<'a> View<'a> {
    pub(super) fn new(observed: &'a Observed, plan: &'a Plan, applied: &'a Applied) -> Self {
        let decisions = &plan.decisions;
        let named = |name: &String| observed.revisions.iter().find(|r| r.name == *name);
        Self {
            observed,
            plan,
            applied,
            decisions,
            latest: decisions.revisions.latest.as_ref().and_then(named),
            serve: decisions.revisions.serve.as_deref(),
            live: observed.deployment.as_ref(),
            current: revision::current(observed),
        }
    }

    pub(super) fn previous(&self) -> Option<&AnomalyModelStatus> {
        self.observed.model.status.as_ref()
    }

    /// Whether the pods are just those that are wanted, and all available.
    pub(super) fn rolled_out(&self) -> bool {
        // What was observed of a Deployment that has just been written is outdated; of one that could not be written,
        // only what held for this generation before still holds.
        let holds = self.applied.deployment_in_place || self.applied.paused || self.was_ready();
        holds
            && !self.applied.deployment_written
            && self.live.is_some_and(|live| {
                live.rolled_out()
                    && Some(live.revision.as_str()) == self.serve
                    && live.replicas == self.observed.model.spec.serving.replicas
            })
    }

    /// Whether pods came up with a usable revision of the current spec and data: until then nobody knows whether it
    /// can be served.
    pub(super) fn proven(&self) -> bool {
        let current = self.observed.revisions.iter().find(|r| Some(&r.name) == self.current.as_ref());
        current
            .zip(self.latest)
            .is_some_and(|(current, latest)| current.key == latest.key && !current.rejected)
    }

    /// Whether the pods lag behind only because some of them do not answer, as after the loss of a node.
    pub(super) fn lost_pods(&self) -> bool {
        !self.applied.deployment_written
            && self.serve == self.current.as_deref()
            && self.live.is_some_and(|d| {
                d.up_to_date
                    && d.updated == d.replicas
                    && d.existing == d.replicas
                    && d.available < d.replicas
            })
    }

    /// Message of a roll-out that is past its deadline.
    pub(super) fn deadline_exceeded(&self) -> Option<&str> {
        let live = self.live.filter(|d| d.up_to_date && !self.applied.deployment_written)?;
        live.deadline_exceeded.as_deref()
    }

    /// Whether this generation was ready before: a retraining that rolls out then takes nothing away.
    pub(super) fn was_ready(&self) -> bool {
        let generation = self.observed.model.metadata.generation;
        let ready = self.previous().and_then(|s| s.conditions.iter().find(|c| c.type_ == READY));
        ready.is_some_and(|c| c.status == Status::True && c.observed_generation == generation)
    }

    /// `available of wanted pods`, with why the others are not.
    pub(super) fn pods(&self) -> String {
        let wanted = self.observed.model.spec.serving.replicas;
        let available = self.live.map_or(0, |d| d.available);
        let numbers = format!("{available} of {wanted} pods are available");
        match self.live.and_then(|d| d.replica_failure.clone()).or_else(|| problems(self.observed, false)) {
            Some(problem) => format!("{numbers}; {problem}"),
            None => numbers,
        }
    }

    /// Whether a Job should have been made now, and was not.
    pub(super) fn not_started(&self) -> bool {
        self.decisions.training.start.is_some() && !self.applied.started
    }

    /// What kept the Job from being made: a problem with itself, or with what it needs.
    pub(super) fn start_problem(&self) -> Option<&Problem> {
        let job = &self.decisions.training.start.as_ref()?.job;
        let needed = ["ServiceAccount ", "Role ", "RoleBinding "];
        let concerns =
            |p: &&Problem| p.object.ends_with(job) || needed.iter().any(|kind| p.object.starts_with(kind));
        self.applied.conflicts.iter().chain(&self.applied.failures).find(concerns)
    }

    /// A Job that was not made is not recorded as made.
    pub(super) fn training_record(&self) -> Option<TrainingStatus> {
        let record = if self.not_started() {
            self.previous().and_then(|s| s.training.clone())
        } else {
            Some(self.decisions.training.record.clone())
        };
        record.filter(|record| *record != TrainingStatus::default())
    }
}

/// Why pods do not start, if they do not.
pub(super) fn problems(observed: &Observed, training: bool) -> Option<String> {
    let mut texts: Vec<String> = (observed.pod_problems.iter().filter(|p| p.training == training))
        .map(|p| format!("{}: {}", p.reason, p.message))
        .collect();
    texts.sort();
    texts.dedup();
    texts.truncate(3);
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Objects and what is wrong with them, as one sentence.
pub(super) fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{}: {}", p.object, p.message)).collect::<Vec<_>>().join("; ")
}
