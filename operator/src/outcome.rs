//! What came of applying a plan: facts for status, and for deciding when to look again. No I/O here.

use crate::desired::{Children, TrainingJob};

/// All that should be done for a model now. Made by `desired::plan`, carried out by `apply`.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Children that should exist; of the others, those that we may prune are pruned.
    pub children: Children,
    /// A Job to make once.
    pub start: Option<TrainingJob>,
    /// Input of an active Job that lost it (a crash between the two writes): UID of the Job, and the ConfigMap.
    pub missing_input: Option<(String, k8s_openapi::api::core::v1::ConfigMap)>,
    /// Jobs to delete: obsolete or suspended ones that are still active.
    pub delete_jobs: Vec<String>,
    /// Revision to mark as rejected, because its roll-out failed.
    pub reject: Option<String>,
    /// Revisions that no pod template can want and that are beyond the history limit.
    pub prune_revisions: Vec<String>,
    /// Why the plan is what it is; for status.
    pub decisions: crate::desired::Decisions,
    /// When to look again although nothing changes (debounce, back-off, deadline).
    pub look_again: Option<std::time::Duration>,
}

/// What came of applying a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Objects with a name of ours that belong to somebody else; never touched.
    pub conflicts: Vec<Problem>,
    /// Writes that were refused, or that failed.
    pub failures: Vec<Problem>,
    /// Writes that were made.
    pub written: usize,
    /// Whether the Deployment was among them: what was observed of its roll-out is outdated then.
    pub deployment_written: bool,
    /// Whether the Job of the plan exists now.
    pub started: bool,
    /// Whether the Deployment is as planned, written now or before.
    pub deployment_in_place: bool,
    /// Whether the Ingress is as planned, written now or before.
    pub ingress_in_place: bool,
    /// What went wrong with the children that watch the model; it never counts towards `Ready`.
    pub monitoring: Troubles,
    /// Whether all that watches the model is as planned, written now or before.
    pub monitoring_in_place: bool,
    /// `Some` when nothing was written on purpose (annotation `paused`).
    pub paused: bool,
}

/// Children that are not as they should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Troubles {
    /// Somebody else's.
    pub conflicts: Vec<Problem>,
    /// Refused, or failed.
    pub failures: Vec<Problem>,
}

/// A child that could not be brought to the state it should be in.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Kind and name, like `Service demo/x`.
    pub object: String,
    /// What happened, and what to do.
    pub message: String,
}
