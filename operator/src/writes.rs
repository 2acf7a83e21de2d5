//! Single writes to the API server, and what their answers mean. Talks to the API server. Every write is counted,
//! remembered until the watch shows it, and sorted: refused (told in status), or failed (tried again).

use std::time::Instant;

use api::labels;
use kube::api::{
    Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::{Resource, ResourceExt, Status};
use serde::Serialize;
use serde_json::{Value, json};

use crate::contents;
use crate::context::Context;
use crate::facts::{self, Child};
use crate::kinds::Kind;
use crate::outcome::{Applied, Problem};
use crate::owned_fields;
use crate::ownership::{self, Ownership};
use crate::store::{Expected, ModelRef, Written};
use crate::watch;

/// A write that is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else was faster.
    #[error("{object} changed meanwhile: {message}")]
    Conflict {
        /// Kind and name.
        object: String,
        /// What the API server said.
        message: String,
    },
    /// The namespace is being deleted, and the model with it: nothing new can be made there, and nothing should be.
    #[error("{object} is not made: its namespace is being deleted")]
    Leaving {
        /// Kind and name.
        object: String,
    },
    /// The API server could not be reached, or could not answer.
    #[error("cannot write {object}: {}", watch::said(source))]
    Failed {
        /// Kind and name.
        object: String,
        /// Why not.
        source: kube::Error,
    },
}

/// Writes the children of one model.
pub struct Hand<'a> {
    context: &'a Context,
    at: ModelRef,
    uid: String,
    /// What came of it so far.
    pub applied: Applied,
}

impl<'a> Hand<'a> {
    /// Writes the children of `model`.
    pub fn new(context: &'a Context, model: &api::AnomalyModel) -> Self {
        let at = ModelRef::new(model.namespace().unwrap_or_default(), model.name_any());
        Self { context, at, uid: model.meta().uid.clone().unwrap_or_default(), applied: Applied::default() }
    }

    /// Brings a child to the state that is wanted, if it is not in it. Returns whether it is now.
    pub async fn ensure(&mut self, kind: Kind, wanted: &impl Serialize) -> Result<bool, WriteError> {
        let mut wanted = serde_json::to_value(wanted).unwrap_or_default();
        let name = facts::text(&wanted, "/metadata/name").unwrap_or_default();
        let digest = owned_fields::desired_digest(&wanted);
        let known = self.context.memory.children.get(kind, &self.at.namespace, &name);
        let uid = match known.as_deref().map(|child| (child, self.whose(child))) {
            Some((_, Ownership::Foreign(whose))) => return Ok(self.conflict(kind, &name, &whose)),
            Some((_, Ownership::Former)) => return Err(self.left_behind(kind, &name)),
            // It comes back once it is gone; its event says when.
            Some((child, _)) if child.deleting => return Ok(false),
            Some((child, Ownership::Ours)) => {
                if self.is_in_place(child, &digest).await? {
                    return Ok(true);
                }
                Some(child.uid.clone())
            }
            // The first apply is preceded by a look at what is there.
            Some((_, Ownership::Adoptable)) | None => match self.look(kind, &name).await? {
                Some((_, Ownership::Foreign(whose))) => return Ok(self.conflict(kind, &name, &whose)),
                Some((_, Ownership::Former)) => return Err(self.left_behind(kind, &name)),
                Some((uid, _)) => Some(uid),
                None => None,
            },
        };
        if let Some(uid) = uid {
            wanted["metadata"]["uid"] = uid.into();
        }
        self.apply(kind, &name, &wanted, &digest).await
    }

    fn whose(&self, child: &Child) -> Ownership {
        ownership::decide(child.owner.as_ref(), &child.model, &self.at.name, &self.uid)
    }

    /// Whether what we own of a child is what we want. The content of Secrets is not watched, so it is read.
    async fn is_in_place(&self, child: &Child, digest: &str) -> Result<bool, WriteError> {
        let live = match (&child.digest, child.kind) {
            (Some(live), _) => Some(live.clone()),
            (None, Kind::Secret) => {
                let Context { client, contents, .. } = self.context;
                let read = contents.secret(client, &child.namespace, &child.name, Some(&child.version)).await;
                read.map_err(|source| self.failed(child.kind, &child.name, source))?
                    .map(|secret| secret.digest)
            }
            (None, _) => None,
        };
        let altered =
            |live: &str| self.context.altered.is_known(&self.at, (child.kind, &child.name), digest, live);
        Ok(live.is_some_and(|live| live == digest || altered(&live)))
    }

    /// UID and owner of what is there now.
    async fn look(&self, kind: Kind, name: &str) -> Result<Option<(String, Ownership)>, WriteError> {
        let read = contents::get(&self.context.client, &kind.resource(), &self.at.namespace, name).await;
        let live = read.map_err(|source| self.failed(kind, name, source))?;
        let child = live.and_then(|live| facts::reduce(kind, &live));
        Ok(child.map(|child| (child.uid.clone(), self.whose(&child))))
    }

    async fn apply(
        &mut self,
        kind: Kind,
        name: &str,
        wanted: &Value,
        digest: &str,
    ) -> Result<bool, WriteError> {
        let params = PatchParams::apply(labels::OPERATOR).force();
        let answer = self.api(kind).patch(name, &params, &Patch::Apply(wanted)).await;
        let Some(live) = self.settle(kind, name, "apply", answer)? else { return Ok(false) };
        let came_back =
            owned_fields::live_digest(&serde_json::to_value(live).unwrap_or_default(), labels::OPERATOR);
        if came_back != digest {
            self.context.altered.remember(&self.at, (kind, name), digest, &came_back);
        }
        Ok(true)
    }

    /// Creates an object that is never applied again. Returns its UID; also if it is there already, and ours.
    pub async fn create(
        &mut self,
        kind: Kind,
        object: &impl Serialize,
        owner: &str,
    ) -> Result<Option<String>, WriteError> {
        let object = serde_json::to_value(object).unwrap_or_default();
        let name = facts::text(&object, "/metadata/name").unwrap_or_default();
        let params = PostParams { field_manager: Some(labels::OPERATOR.into()), ..PostParams::default() };
        let object = serde_json::from_value::<DynamicObject>(object)
            .map_err(|error| self.failed(kind, &name, kube::Error::SerdeError(error)))?;
        let answer = self.api(kind).create(&params, &object).await;
        if let Err(kube::Error::Api(status)) = &answer
            && status.reason == "AlreadyExists"
        {
            return self.created_before(kind, &name, owner).await;
        }
        Ok(self.settle(kind, &name, "create", answer)?.and_then(|live| live.metadata.uid))
    }

    async fn created_before(
        &mut self,
        kind: Kind,
        name: &str,
        owner: &str,
    ) -> Result<Option<String>, WriteError> {
        let read = contents::get(&self.context.client, &kind.resource(), &self.at.namespace, name).await;
        let live = read.map_err(|source| self.failed(kind, name, source))?;
        let Some(live) = live.and_then(|live| facts::reduce(kind, &live)).filter(|live| !live.deleting)
        else {
            let message = "an older one of this name is being deleted".into();
            return Err(WriteError::Conflict { object: self.object(kind, name), message });
        };
        if live.owner.as_ref().is_some_and(|o| o.uid == owner) {
            return Ok(Some(live.uid));
        }
        self.conflict(kind, name, "made by somebody else");
        Ok(None)
    }

    /// Deletes exactly the object that is remembered, not one that took its place or has changed since.
    pub async fn delete(&mut self, child: &Child) -> Result<(), WriteError> {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions {
                uid: Some(child.uid.clone()),
                resource_version: Some(child.version.clone()),
            }),
            ..DeleteParams::default()
        };
        let answer = self.api(child.kind).delete(&child.name, &params).await;
        match answer {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => {
                self.refuse_or_fail(child.kind, &child.name, error)?;
                return Ok(());
            }
            Ok(_) => {}
        }
        self.count(child.kind, "delete");
        self.remember(child.kind, &child.name, Expected::Gone(child.uid.clone()));
        Ok(())
    }

    /// Changes metadata of an object that is never applied: exactly the one that is remembered.
    pub async fn patch_metadata(&mut self, child: &Child, mut metadata: Value) -> Result<(), WriteError> {
        metadata["uid"] = child.uid.clone().into();
        metadata["resourceVersion"] = child.version.clone().into();
        let params = PatchParams { field_manager: Some(labels::OPERATOR.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let answer = self.api(child.kind).patch(&child.name, &params, &patch).await;
        self.settle(child.kind, &child.name, "patch", answer)?;
        Ok(())
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.context.client.clone(), &self.at.namespace, &kind.resource())
    }

    /// Counts and remembers a write; tells a refusal. `None` if it was refused.
    fn settle(
        &mut self,
        kind: Kind,
        name: &str,
        verb: &str,
        answer: kube::Result<DynamicObject>,
    ) -> Result<Option<DynamicObject>, WriteError> {
        match answer {
            Ok(live) => {
                self.count(kind, verb);
                self.remember(kind, name, Expected::Version(live.resource_version().unwrap_or_default()));
                Ok(Some(live))
            }
            Err(error) => self.refuse_or_fail(kind, name, error).map(|()| None),
        }
    }

    fn count(&mut self, kind: Kind, verb: &str) {
        self.context.metrics.wrote(kind.as_str(), verb);
        self.applied.written += 1;
        self.applied.deployment_written |= kind == Kind::Deployment;
    }

    fn remember(&self, kind: Kind, name: &str, expected: Expected) {
        let (namespace, name) = (self.at.namespace.clone(), name.to_owned());
        self.context
            .memory
            .children
            .wrote(&self.at, Written { kind, namespace, name, expected, at: Instant::now() });
    }

    fn refuse_or_fail(&mut self, kind: Kind, name: &str, error: kube::Error) -> Result<(), WriteError> {
        let object = self.object(kind, name);
        match error {
            kube::Error::Api(status) if status.code == 409 => {
                Err(WriteError::Conflict { object, message: status.message.clone() })
            }
            kube::Error::Api(status) if is_leaving(&status) => Err(WriteError::Leaving { object }),
            kube::Error::Api(status) if is_refusal(status.code, &status.message) => {
                self.applied.failures.push(Problem { object, message: status.message.clone() });
                Ok(())
            }
            source => Err(WriteError::Failed { object, source }),
        }
    }

    fn failed(&self, kind: Kind, name: &str, source: kube::Error) -> WriteError {
        WriteError::Failed { object: self.object(kind, name), source }
    }

    /// Told only if it stays.
    fn left_behind(&self, kind: Kind, name: &str) -> WriteError {
        let message =
            "an AnomalyModel of the same name, which is gone, left it behind; it is about to go too".into();
        WriteError::Conflict { object: self.object(kind, name), message }
    }

    fn conflict(&mut self, kind: Kind, name: &str, whose: &str) -> bool {
        let message = format!("exists and is {whose}; it is not touched: delete or rename one of the two");
        self.applied.conflicts.push(Problem { object: self.object(kind, name), message });
        false
    }

    fn object(&self, kind: Kind, name: &str) -> String {
        format!("{} {}/{name}", kind.as_str(), self.at.namespace)
    }
}

/// Whether a creation was refused because the namespace is being deleted.
pub fn is_leaving(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// Whether the API server will say the same again until somebody changes something: quota, admission, permissions. A
/// webhook that fails is reported as an internal error.
fn is_refusal(code: u16, message: &str) -> bool {
    match code {
        401 | 408 | 409 | 429 => false,
        400..500 => true,
        _ => message.contains("webhook"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_is_being_deleted_is_told_from_a_missing_permission() {
        let refused = |cause: &str| {
            let status = json!({
                "code": 403, "reason": "Forbidden", "message": "no",
                "details": {"name": "x", "kind": "secrets", "causes": [{"reason": cause, "message": "no", "field": "metadata.namespace"}]},
            });
            serde_json::from_value::<Status>(status).unwrap()
        };
        assert!(is_leaving(&refused("NamespaceTerminating")));
        assert!(!is_leaving(&refused("")));
    }

    #[test]
    fn quotas_and_admission_are_refusals_and_overload_is_not() {
        assert!(is_refusal(403, "exceeded quota"));
        assert!(is_refusal(422, "spec.x: Invalid value"));
        assert!(is_refusal(500, r#"failed calling webhook "x""#));
        for code in [401, 409, 429, 500, 503, 504] {
            assert!(!is_refusal(code, "etcdserver: leader changed"), "{code}");
        }
    }
}
