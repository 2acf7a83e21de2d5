//! Status as a pure function of what was observed and what came of the plan. No I/O, no clock of its own: equal in,
//! equal out. One file a condition; each says at its head what the condition promises.

use api::AnomalyModelStatus;
use api::conditions::{Condition, Verdict, reason};
use api::labels;
use api::status::seconds;
use jiff::Timestamp;

use crate::observed::Observed;
use crate::outcome::{Applied, Plan};
use crate::validate::Invalid;

mod exposed;
mod monitoring;
mod progressing;
mod ready;
mod revision;
mod serving;
mod trained;
mod view;

use view::View;

/// How far a reconcile came.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The spec cannot be honoured; children stay as they are.
    Invalid(&'a Invalid),
    /// The plan was carried out, as far as that was possible.
    Applied {
        /// What should be.
        plan: &'a Plan,
        /// What came of it.
        applied: &'a Applied,
    },
}

/// The verdicts on one model; those of what was not asked for are `None`.
struct Verdicts {
    ready: Verdict,
    serving: Verdict,
    trained: Verdict,
    progressing: Verdict,
    exposed: Option<Verdict>,
    monitoring: Option<Verdict>,
    stalled: Option<Verdict>,
}

/// The status to publish.
pub fn status(observed: &Observed, outcome: &Outcome<'_>) -> AnomalyModelStatus {
    match outcome {
        Outcome::Invalid(invalid) => of_invalid(observed, invalid),
        Outcome::Applied { plan, applied } => of_plan(&View::new(observed, plan, applied)),
    }
}

fn of_plan(view: &View<'_>) -> AnomalyModelStatus {
    let trained = trained::verdict(view);
    let exposed = exposed::verdict(view);
    let verdicts = Verdicts {
        ready: ready::verdict(view, &trained, exposed.as_ref()),
        serving: serving::verdict(view.observed, view.serve.is_some(), view.decisions.hold.as_ref()),
        progressing: progressing::verdict(view, &trained),
        trained,
        exposed,
        monitoring: monitoring::verdict(view),
        stalled: None,
    };
    let url = exposed::url(view, verdicts.exposed.as_ref());
    AnomalyModelStatus {
        url,
        ingress_class_name: exposed::class(view.observed),
        revision: Some(revision::status(view.observed, view.latest)),
        training: view.training_record(),
        ..basis(view.observed, verdicts)
    }
}

/// Children of an invalid spec stay as they are, and so does what is known of them.
fn of_invalid(observed: &Observed, invalid: &Invalid) -> AnomalyModelStatus {
    let previous = observed.model.status.clone().unwrap_or_default();
    let message = invalid.to_string();
    let verdicts = Verdicts {
        ready: Verdict::no(reason::INVALID_SPEC, message.clone()),
        serving: serving::verdict(observed, observed.deployment.is_some(), None),
        trained: Verdict::unknown(reason::INVALID_SPEC, "nothing is trained while the spec is invalid"),
        progressing: Verdict::no(reason::INVALID_SPEC, "nothing is done while the spec is invalid"),
        exposed: exposed::of_invalid(observed),
        monitoring: monitoring::previous(observed),
        stalled: Some(Verdict::yes(reason::INVALID_SPEC, message)),
    };
    AnomalyModelStatus {
        url: previous.url.filter(|_| observed.ingress_exists),
        ingress_class_name: previous.ingress_class_name,
        revision: Some(revision::status(observed, None)),
        training: previous.training,
        ..basis(observed, verdicts)
    }
}

/// What every outcome says.
fn basis(observed: &Observed, verdicts: Verdicts) -> AnomalyModelStatus {
    let spec = &observed.model.spec;
    let live = observed.deployment.as_ref();
    AnomalyModelStatus {
        observed_generation: observed.model.metadata.generation,
        conditions: conditions(observed, verdicts),
        detector: spec.detector.kind().map(str::to_owned),
        replicas: Some(live.map_or(0, |d| d.existing)),
        selector: observed.model.metadata.name.as_deref().map(labels::server_selector_string),
        serving: Some(format!(
            "{}/{}",
            live.map_or(0, |d| d.ready.min(spec.serving.replicas)),
            spec.serving.replicas
        )),
        ..AnomalyModelStatus::default()
    }
}

fn conditions(observed: &Observed, verdicts: Verdicts) -> Vec<Condition> {
    use api::conditions::{EXPOSED, MONITORING_READY, PROGRESSING, READY, SERVING, STALLED, TRAINED};
    let Verdicts { ready, serving, trained, progressing, exposed, monitoring, stalled } = verdicts;
    let previous = observed.model.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let (generation, now) = (observed.model.metadata.generation, seconds(observed.now));
    [
        (READY, Some(ready)),
        (SERVING, Some(serving)),
        (TRAINED, Some(trained)),
        (PROGRESSING, Some(progressing)),
        (EXPOSED, exposed),
        (MONITORING_READY, monitoring),
        (STALLED, stalled),
    ]
    .into_iter()
    .filter_map(|(type_, verdict)| Some(verdict?.publish(type_, generation, previous, &now)))
    .collect()
}

/// Status of a stored object that cannot be read: `path` is the field at fault. Its children stay as they are, and so
/// does everything else that was said.
pub fn unreadable(
    generation: Option<i64>,
    path: &str,
    message: &str,
    previous: &AnomalyModelStatus,
    now: Timestamp,
) -> AnomalyModelStatus {
    use api::conditions::{READY, STALLED};
    let text = format!("{path}: {message}; correct the field, what runs stays as it is");
    let now = seconds(now);
    let publish = |verdict: Verdict, type_: &str| {
        verdict.publish(type_, generation, previous.conditions.as_slice(), &now)
    };
    let ready = publish(Verdict::no(reason::UNREADABLE, text.clone()), READY);
    let stalled = publish(Verdict::yes(reason::UNREADABLE, text), STALLED);
    let others = previous.conditions.iter().filter(|c| c.type_ != READY && c.type_ != STALLED).cloned();
    let conditions = std::iter::once(ready).chain(others).chain([stalled]).collect();
    AnomalyModelStatus { observed_generation: generation, conditions, ..previous.clone() }
}

#[cfg(test)]
mod tests;
