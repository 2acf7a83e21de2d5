//! `MonitoringReady`: what watches the model exists as asked for. It never counts towards `Ready`: a model scores as well
//! unwatched. Pure.

use api::conditions::{Condition, MONITORING_READY, Status, Verdict, reason};

use super::view::{View, listed};
use crate::kinds::Kind;
use crate::observed::Observed;

/// Absent when nothing is asked for.
pub(super) fn verdict(view: &View<'_>) -> Option<Verdict> {
    let decision = &view.decisions.monitoring;
    if decision.asked.is_empty() {
        return None;
    }
    if !decision.missing.is_empty() {
        return Some(Verdict::no(reason::CRD_NOT_INSTALLED, not_installed(&decision.missing)));
    }
    let uses_prometheus = decision.asked.iter().any(|kind| kind.is_prometheus());
    if let Some(causes) = view.observed.monitoring.watch_failing.as_ref().filter(|_| uses_prometheus) {
        let message = format!("{causes}; check the operator's permissions");
        return Some(Verdict::unknown(reason::WATCH_FAILING, message));
    }
    let before = previous(view.observed);
    if !decision.unknown.is_empty() {
        // After a restart of the operator, what was said goes on to hold.
        let kinds = names(&decision.unknown);
        let unknown = || Verdict::unknown(reason::LOOKING_UP, format!("{kinds}: not listed yet"));
        return Some(before.unwrap_or_else(unknown));
    }
    let troubles = &view.applied.monitoring;
    if !troubles.conflicts.is_empty() {
        return Some(Verdict::no(reason::NAME_CONFLICT, listed(&troubles.conflicts)));
    }
    if !troubles.failures.is_empty() {
        return Some(Verdict::no(reason::APPLY_FAILED, listed(&troubles.failures)));
    }
    if view.serve.is_none() {
        let message = "nothing is watched before the first revision is trained";
        return Some(Verdict::no(reason::WAITING_FOR_REVISION, message));
    }
    if view.applied.paused {
        let held = Verdict::no(reason::PAUSED, "the annotation paused holds back what watches the model");
        return Some(before.filter(|verdict| verdict.status == Status::True).unwrap_or(held));
    }
    if !view.applied.monitoring_in_place {
        // A single failure heals unnoticed.
        let not_yet =
            || Verdict::no(reason::APPLY_FAILED, "not everything is written yet; it is tried again");
        return Some(before.unwrap_or_else(not_yet));
    }
    let message = format!("{} as asked for", names(&decision.asked));
    Some(Verdict::yes(reason::AS_SPECIFIED, message))
}

/// What was said before.
pub(super) fn previous(observed: &Observed) -> Option<Verdict> {
    let conditions = &observed.model.status.as_ref()?.conditions;
    let Condition { status, reason, message, .. } =
        conditions.iter().find(|condition| condition.type_ == MONITORING_READY)?.clone();
    Some(Verdict { status, reason: reason.into(), message })
}

fn not_installed(missing: &[Kind]) -> String {
    let switches: Vec<&str> = missing
        .iter()
        .map(|kind| match kind {
            Kind::ServiceMonitor => "spec.monitoring.serviceMonitor.enabled",
            _ => "spec.monitoring.alerts.enabled",
        })
        .collect();
    format!(
        "{} (monitoring.coreos.com/v1) {} not installed: install Prometheus' operator, for instance with the chart \
         kube-prometheus-stack, and this is noticed within a minute; or set {} to false",
        names(missing),
        if missing.len() == 1 { "is" } else { "are" },
        switches.join(" and ")
    )
}

fn names(kinds: &[Kind]) -> String {
    let name = |kind: &Kind| match kind {
        Kind::Dashboards => "dashboards",
        kind => kind.as_str(),
    };
    kinds.iter().map(name).collect::<Vec<_>>().join(", ")
}
