//! Publishes status. Talks to the API server: at most one patch a reconcile, and none if nothing changed.
//!
//! Server-side apply of the whole status: a member that is no longer there is removed with it. The generation that it
//! speaks of is part of it, so a new generation and what is said of it are seen at once.

use api::conditions::{Condition, READY, Verdict};
use api::status::seconds;
use api::{AnomalyModelStatus, labels};
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, Resource, ResourceExt};
use serde_json::json;

use crate::context::Context;
use crate::models::Stored;
use crate::transitions;
use crate::watch;

/// Status could not be published.
#[derive(Debug, thiserror::Error)]
#[error("cannot publish the status: {}", watch::said(.0))]
pub struct PublishError(#[source] pub kube::Error);

/// Publishes `next`, and Events on what happened, unless that is what is stored. Returns whether it did.
pub async fn publish(
    context: &Context,
    stored: &Stored,
    next: &AnomalyModelStatus,
) -> Result<bool, PublishError> {
    let (previous, before) = match &stored.model {
        Ok(model) => (model.status.as_ref(), model.status.clone().unwrap_or_default()),
        Err(unreadable) => (Some(&*unreadable.status), (*unreadable.status).clone()),
    };
    if previous == Some(next) {
        return Ok(false);
    }
    let at = stored.reference();
    let resource = ApiResource::erase::<Stored>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &at.namespace, &resource);
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": { "name": at.name, "namespace": at.namespace, "uid": stored.meta().uid },
        "status": next,
    });
    let params = PatchParams::apply(labels::OPERATOR).force();
    match api.patch_status(&at.name, &params, &Patch::Apply(&patch)).await {
        Ok(live) => {
            context.metrics.wrote(&resource.kind, "status");
            context.memory.published.remember(&at, live.resource_version().unwrap_or_default());
        }
        // Deleted meanwhile: there is nobody to tell.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(false),
        Err(error) => return Err(PublishError(error)),
    }
    context.events.send(&stored.object_ref(&()), transitions::notes(&before, next)).await;
    Ok(true)
}

/// A status whose Ready is unknown, because something cannot be seen; all else stays as `known`. `before` are the stored
/// conditions.
pub fn interrupted(
    known: AnomalyModelStatus,
    before: &[Condition],
    generation: Option<i64>,
    (reason, message): (&'static str, String),
    now: Timestamp,
) -> AnomalyModelStatus {
    let ready = Verdict::unknown(reason, message).publish(READY, generation, before, &seconds(now));
    let mut next = AnomalyModelStatus { observed_generation: generation, ..known };
    match next.conditions.iter_mut().find(|condition| condition.type_ == READY) {
        Some(known) => *known = ready,
        None => next.conditions.insert(0, ready),
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::conditions::{Status, reason};

    #[test]
    fn an_interruption_makes_ready_unknown_and_leaves_the_rest() {
        let then = seconds("2026-01-01T00:00:00Z".parse().unwrap());
        let known =
            |type_: &str| Verdict::yes(reason::AS_SPECIFIED, "fine").publish(type_, Some(1), &[], &then);
        let before = AnomalyModelStatus {
            observed_generation: Some(1),
            serving: Some("2/2".into()),
            conditions: vec![known(READY), known("Serving")],
            ..AnomalyModelStatus::default()
        };
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let why = (reason::APPLY_FAILED, "why".to_owned());
        let after = interrupted(before.clone(), &before.conditions, Some(2), why.clone(), now);
        let again = interrupted(
            after.clone(),
            &after.conditions,
            Some(2),
            why,
            "2026-01-01T02:00:00Z".parse().unwrap(),
        );
        assert_eq!(again, after, "the same again is no change");
        assert_eq!(after.conditions[0].status, Status::Unknown);
        assert_eq!(after.conditions[1], before.conditions[1]);
        assert_eq!((after.observed_generation, after.serving.as_deref()), (Some(2), Some("2/2")));
    }
}
