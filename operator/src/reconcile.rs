//! The whole way of one model: observe → validate → plan → apply → status → publish.
//!
//! Observe, apply and publish talk to the API server; validate, plan and status are pure. Status is published on success
//! and on failure. The only retry is the model's own back-off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::conditions::reason;
use api::{AnomalyModel, AnomalyModelStatus};
use jiff::Timestamp;
use kube::core::{Resource, ResourceExt};
use kube::runtime::controller::Action;

use crate::apply::{Attempt, apply};
use crate::backoff;
use crate::context::Context;
use crate::desired;
use crate::kinds::{Kind, resource_name};
use crate::models::Stored;
use crate::observe::{ObserveError, Seen, observe, sooner, take_training_slot};
use crate::outcome::{Plan, Problem, Troubles};
use crate::publish::{PublishError, interrupted, publish};
use crate::references::ReferenceKind;
use crate::status::{Outcome, status, unreadable};
use crate::store::ModelRef;
use crate::telemetry::ReconcileOutcome;
use crate::validate::{Validated, validate};
use crate::writes::WriteError;

/// After so many failures in a row a failure is told in status: a single one heals unnoticed.
const TOLD_AFTER: u32 = 3;
/// Own writes and first lists announce themselves; this is for the case that they do not.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// Why a model is reconciled again after a while.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What there is could not be seen.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A write was refused, or an object with our name is somebody else's.
    #[error("{}: {}", .0.object, .0.message)]
    Refused(Problem),
    /// Status could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Error {
    /// A word for metrics and logs. All of them are retried by back-off; what waits for a change is no error.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Observe(_) => "Observe",
            Self::Write(WriteError::Conflict { .. }) => "Conflict",
            Self::Write(WriteError::Leaving { .. } | WriteError::Failed { .. }) => "Write",
            Self::Refused(_) => "Refused",
            Self::Publish(_) => "Publish",
        }
    }
}

/// How a pass ended.
enum Pass {
    /// It was too early; says when to look again at the latest.
    Waits(Duration),
    /// The spec cannot be honoured.
    Invalid,
    /// All that could be done was done.
    Done(Option<Duration>),
}

/// Reconciles one model.
pub async fn reconcile(stored: Arc<Stored>, context: Arc<Context>) -> Result<Action, Error> {
    let begun = Instant::now();
    context.memory.begins(&stored.reference());
    let _running = context.metrics.running();
    let pass = pass(&stored, &context).await;
    let outcome = match &pass {
        Ok(Pass::Waits(after)) => return Ok(Action::requeue(*after)),
        Ok(Pass::Invalid) => ReconcileOutcome::Invalid,
        Ok(Pass::Done(_)) => ReconcileOutcome::Applied,
        Err(_) => ReconcileOutcome::Failed,
    };
    context.metrics.reconciled(outcome, begun.elapsed());
    if let Ok(Pass::Invalid | Pass::Done(_)) = &pass {
        context.memory.failures.clear(&stored.reference());
    }
    Ok(match pass? {
        Pass::Done(Some(after)) | Pass::Waits(after) => Action::requeue(after),
        Pass::Done(None) | Pass::Invalid => Action::await_change(),
    })
}

async fn pass(stored: &Stored, context: &Context) -> Result<Pass, Error> {
    let now = (context.clock)();
    // Its children go with it.
    if stored.meta().deletion_timestamp.is_some() {
        return Ok(Pass::Done(None));
    }
    if waits_for_own_write(stored, context) {
        return Ok(Pass::Waits(LOOK_AFTER));
    }
    let model = match &stored.model {
        Ok(model) => model,
        Err(why) => {
            let generation = stored.meta().generation;
            publish(context, stored, &unreadable(generation, &why.path, &why.message, &why.status, now))
                .await?;
            return Ok(Pass::Invalid);
        }
    };
    if let Some(blind) = blindness(stored, context, model) {
        return wait_for_sight(stored, context, model, blind, now).await;
    }
    let result = see_and_act(stored, context, model, now).await;
    // A slot that was not used is free for others.
    let at = stored.reference();
    if !matches!(&result, Ok((_, true))) {
        context.memory.trigger(context.memory.slots.release(&at));
    }
    match result {
        Err(Error::Observe(error)) if context.memory.failures.count(&at) + 1 >= TOLD_AFTER => {
            let known = model.status.clone().unwrap_or_default();
            publish(context, stored, &blinded(model, known, (reason::APPLY_FAILED, error.to_string()), now))
                .await?;
            Err(error.into())
        }
        other => other.map(|(pass, _)| pass),
    }
}

/// The way itself. Says also whether a training was started.
async fn see_and_act(
    stored: &Stored,
    context: &Context,
    model: &Arc<AnomalyModel>,
    now: Timestamp,
) -> Result<(Pass, bool), Error> {
    let mut seen = observe(context, model, now).await?;
    let validated = match validate(&seen.observed, &context.settings) {
        Ok(validated) => validated,
        Err(invalid) => {
            let next = status(&seen.observed, &Outcome::Invalid(&invalid));
            publish(context, stored, &doubted(stored, context, model, next, now)).await?;
            return Ok((Pass::Invalid, false));
        }
    };
    let plan = plan(context, &stored.reference(), &validated, &mut seen);
    let attempt = apply(context, &seen, &plan).await;
    if let Some(WriteError::Leaving { object }) = &attempt.error {
        tracing::debug!(model = %stored.reference(), object, "the namespace is being deleted");
        return Ok((Pass::Done(None), attempt.applied.started));
    }
    let told = told(context, stored, &attempt);
    let next = status(&seen.observed, &Outcome::Applied { plan: &plan, applied: &told });
    publish(context, stored, &doubted(stored, context, model, next, now)).await?;
    let started = attempt.applied.started;
    Ok((Pass::Done(next_look(&seen, &plan, attempt)?), started))
}

/// The plan. A place among the trainings of all models is taken only if one would start now: taken in advance, it would
/// keep others waiting for nothing.
fn plan(context: &Context, at: &ModelRef, validated: &Validated, seen: &mut Seen) -> Plan {
    let plan = desired::plan(validated, &seen.observed, &context.settings);
    if plan.start.is_none() {
        context.memory.slots.waits_no_more(at);
        return plan;
    }
    if take_training_slot(context, at) {
        return plan;
    }
    seen.observed.training_slot_free = false;
    desired::plan(validated, &seen.observed, &context.settings)
}

/// What status is told: what happened, and a failure that does not heal.
fn told(context: &Context, stored: &Stored, attempt: &Attempt) -> crate::outcome::Applied {
    let at = stored.reference();
    let mut told = attempt.applied.clone();
    if let Some(error) = &attempt.error
        && context.memory.failures.count(&at) + 1 >= TOLD_AFTER
    {
        let object = match error {
            WriteError::Conflict { object, .. }
            | WriteError::Leaving { object }
            | WriteError::Failed { object, .. } => object.clone(),
        };
        let failures = if attempt.of_monitoring { &mut told.monitoring.failures } else { &mut told.failures };
        failures.push(Problem { object, message: error.to_string() });
    }
    told
}

/// Watches that have failed for a minute, each with verb and resource. IngressClasses concern those that are exposed.
fn failing_watches(stored: &Stored, context: &Context) -> Option<String> {
    let mut failing = context.memory.health.failing(Some(&stored.reference().namespace));
    let classes = resource_name(&ReferenceKind::IngressClass.resource());
    let exposed = stored.readable().is_some_and(|model| model.spec.ingress.is_some());
    failing.retain(|failure| exposed || failure.resource != classes);
    // Those of what watches the model have a condition of their own.
    let watchers = Kind::ALL.into_iter().filter(|kind| kind.is_prometheus());
    let watchers: Vec<String> = watchers.map(|kind| resource_name(&kind.resource())).collect();
    failing.retain(|failure| !watchers.contains(&failure.resource));
    let causes: Vec<String> = failing.iter().map(ToString::to_string).collect();
    (!causes.is_empty()).then(|| format!("{}; check the operator's permissions", causes.join("; ")))
}

/// The status, if all of it was seen: while a watch fails, nobody knows whether it still holds.
fn doubted(
    stored: &Stored,
    context: &Context,
    model: &AnomalyModel,
    next: AnomalyModelStatus,
    now: Timestamp,
) -> AnomalyModelStatus {
    match failing_watches(stored, context) {
        Some(causes) => blinded(model, next, (reason::WATCH_FAILING, causes), now),
        None => next,
    }
}

/// A status of a model of which not all can be seen.
fn blinded(
    model: &AnomalyModel,
    known: AnomalyModelStatus,
    why: (&'static str, String),
    now: Timestamp,
) -> AnomalyModelStatus {
    let before = model.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    interrupted(known, before, model.meta().generation, why, now)
}

/// When to look again although nothing changes; an error if something is to be tried again.
fn next_look(seen: &Seen, plan: &Plan, attempt: Attempt) -> Result<Option<Duration>, Error> {
    let Attempt { applied, error, of_monitoring: _ } = attempt;
    if let Some(error) = error {
        return Err(error.into());
    }
    let Troubles { conflicts, failures } = applied.monitoring;
    let problems = applied.failures.into_iter().chain(applied.conflicts).chain(failures).chain(conflicts);
    if let Some(problem) = problems.into_iter().next() {
        return Err(Error::Refused(problem));
    }
    let mut next = plan.look_again;
    if let Some(other) = seen.look_again {
        sooner(&mut next, other);
    }
    if applied.written > 0 {
        sooner(&mut next, LOOK_AFTER);
    }
    Ok(next)
}

/// Deciding on what was before our own last write would repeat it.
fn waits_for_own_write(stored: &Stored, context: &Context) -> bool {
    let at = stored.reference();
    let version = stored.resource_version().unwrap_or_default();
    context.memory.published.is_ahead_of(&at, &version)
        || context.memory.children.unseen_write(&at, Instant::now()).is_some()
}

/// What has not been listed yet; nothing is decided on half of the facts. An Ingress would be taken away because its
/// class is not known yet.
fn blindness(stored: &Stored, context: &Context, model: &AnomalyModel) -> Option<String> {
    let namespace = stored.reference().namespace;
    let mut needed = context.kinds();
    needed.retain(|kind| !kind.is_prometheus());
    let mut missing: Vec<&str> =
        context.memory.incomplete(&needed, &namespace).iter().map(|kind| kind.as_str()).collect();
    if !context.memory.models_listed(&context.scopes()) {
        missing.push("AnomalyModel");
    }
    if model.spec.ingress.is_some() && context.memory.references.ingress_classes().is_none() {
        missing.push("IngressClass");
    }
    (!missing.is_empty()).then(|| format!("not listed yet: {}", missing.join(", ")))
}

async fn wait_for_sight(
    stored: &Stored,
    context: &Context,
    model: &AnomalyModel,
    blind: String,
    now: Timestamp,
) -> Result<Pass, Error> {
    if let Some(causes) = failing_watches(stored, context) {
        let known = model.status.clone().unwrap_or_default();
        let why = (reason::WATCH_FAILING, format!("{blind}; {causes}"));
        publish(context, stored, &blinded(model, known, why, now)).await?;
    }
    Ok(Pass::Waits(LOOK_AFTER))
}

/// When a model that failed is tried again: exponential back-off with jitter.
pub fn retry(stored: &Arc<Stored>, error: &Error, context: &Context) -> Action {
    let at = stored.reference();
    let failures = context.memory.failures.failed(&at);
    let after = backoff::MODEL.delay(failures);
    let retry_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    context.metrics.failed(error.reason());
    tracing::warn!(model = %at, reason = error.reason(), failures, retry_ms, %error, "reconcile failed");
    Action::requeue(after)
}

#[cfg(test)]
#[path = "reconcile/tests.rs"]
mod tests;
