//! Carries out a plan. Talks to the API server. The order is the point of this file; single writes are in `writes`.
//!
//! Nothing is written that is in place already, and nothing that is somebody else's.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::desired::{Children, TrainingJob};
use crate::facts::Child;
use crate::kinds::Kind;
use crate::observe::Seen;
use crate::outcome::{Applied, Plan, Troubles};
use crate::store::ModelRef;
use crate::writes::{Hand, WriteError};

/// What came of a plan: also of the part of it that was carried out before something failed.
pub struct Attempt {
    /// What was done.
    pub applied: Applied,
    /// What is to be tried again.
    pub error: Option<WriteError>,
    /// Whether that is all that is missing, and only watches the model.
    pub of_monitoring: bool,
}

/// Carries out a plan, unless the model is paused.
pub async fn apply(context: &Context, seen: &Seen, plan: &Plan) -> Attempt {
    let model = &seen.observed.model;
    if model.annotations().get(labels::PAUSED).is_some_and(|value| value == "true") {
        let applied = Applied { paused: true, ..Applied::default() };
        return Attempt { applied, error: None, of_monitoring: false };
    }
    let at = ModelRef::new(model.namespace().unwrap_or_default(), model.name_any());
    let mut arm = Arm { context, at, seen, hand: Hand::new(context, model), wanted: BTreeSet::new() };
    let error = arm.carry_out(plan).await.err();
    let (error, of_monitoring) = match error {
        Some(error) => (Some(error), false),
        None => (arm.watch(&plan.children).await.err(), true),
    };
    Attempt { applied: arm.hand.applied, error, of_monitoring }
}

struct Arm<'a> {
    context: &'a Context,
    at: ModelRef,
    seen: &'a Seen,
    hand: Hand<'a>,
    /// Children that are wanted: they are not pruned.
    wanted: BTreeSet<(Kind, String)>,
}

impl Arm<'_> {
    async fn carry_out(&mut self, plan: &Plan) -> Result<(), WriteError> {
        let Plan {
            children,
            start,
            missing_input,
            delete_jobs,
            reject,
            prune_revisions,
            decisions,
            look_again: _,
        } = plan;
        // Before anything is decided by who owns a revision.
        self.adopt_revisions().await?;
        // Before the Deployment goes back: after a crash in between, the bad revision would be rolled out again.
        self.reject(reject.as_deref()).await?;
        // First of all, nothing stays exposed that should not be.
        self.note_wanted(children);
        self.prune(&[Kind::Ingress]).await?;
        // A Job that is obsolete must not hold the place of its successor.
        self.delete(Kind::Job, delete_jobs).await?;
        self.train(children, start.as_ref(), missing_input.as_ref()).await?;
        self.serve(children, decisions.hold.is_some()).await?;
        // What was wanted before is removed once its successor stands.
        self.prune(&Kind::ALL).await?;
        self.delete(Kind::ConfigMap, prune_revisions).await
    }

    /// RBAC before the Job: a trainer that starts without its Role fails at the very end.
    async fn train(
        &mut self,
        children: &Children,
        start: Option<&TrainingJob>,
        missing_input: Option<&(String, k8s_openapi::api::core::v1::ConfigMap)>,
    ) -> Result<(), WriteError> {
        let account = self.ensure(Kind::ServiceAccount, children.trainer_service_account.as_ref()).await?;
        let role = self.ensure(Kind::Role, children.trainer_role.as_ref()).await?;
        let binding = self.ensure(Kind::RoleBinding, children.trainer_role_binding.as_ref()).await?;
        if let Some((job, input)) = missing_input {
            self.input(job, input).await?;
        }
        match start {
            Some(training) if account && role && binding => self.start(training).await,
            _ => Ok(()),
        }
    }

    /// Each step needs the one before it: the htpasswd line is made of the credentials; pods mount it; who may reach a
    /// pod is said before there is one; Traefik knows how to speak with the pods before the Service tells it to; the
    /// Ingress comes last, when all that guards it is in place. On `hold` what serves is left as it is.
    async fn serve(&mut self, children: &Children, hold: bool) -> Result<(), WriteError> {
        let credentials = self.ensure(Kind::Secret, children.credentials.as_ref()).await?;
        let htpasswd = credentials && self.ensure(Kind::Secret, children.htpasswd.as_ref()).await?;
        if hold {
            return Ok(());
        }
        let policy = self.ensure(Kind::NetworkPolicy, children.network_policy.as_ref()).await?;
        let deployment =
            htpasswd && policy && self.ensure(Kind::Deployment, children.deployment.as_ref()).await?;
        self.hand.applied.deployment_in_place = deployment;
        let transport = self.ensure(Kind::ServersTransport, children.servers_transport.as_ref()).await?;
        let service = transport && self.ensure(Kind::Service, children.service.as_ref()).await?;
        let middleware = htpasswd && self.ensure(Kind::Middleware, children.middleware.as_ref()).await?;
        if deployment && service && middleware {
            self.hand.applied.ingress_in_place =
                self.ensure(Kind::Ingress, children.ingress.as_ref()).await?;
        }
        Ok(())
    }

    /// What watches the model. Its troubles are told apart from those of the model.
    async fn watch(&mut self, children: &Children) -> Result<(), WriteError> {
        let applied = &mut self.hand.applied;
        let before = (std::mem::take(&mut applied.conflicts), std::mem::take(&mut applied.failures));
        let in_place = self.ensure_watchers(children).await;
        let applied = &mut self.hand.applied;
        applied.monitoring = Troubles {
            conflicts: std::mem::replace(&mut applied.conflicts, before.0),
            failures: std::mem::replace(&mut applied.failures, before.1),
        };
        applied.monitoring_in_place = in_place?;
        Ok(())
    }

    /// Whether all of them are as wanted; none stands in another's way.
    async fn ensure_watchers(&mut self, children: &Children) -> Result<bool, WriteError> {
        let Children { service_monitor, prometheus_rule, dashboards, .. } = children;
        let scraped = self.ensure(Kind::ServiceMonitor, service_monitor.as_ref()).await?;
        let ruled = self.ensure(Kind::PrometheusRule, prometheus_rule.as_ref()).await?;
        let shown = self.ensure(Kind::Dashboards, dashboards.as_ref()).await?;
        Ok(scraped && ruled && shown)
    }

    /// Whether the child is as wanted; what is not wanted stands in nobody's way.
    async fn ensure<K: Serialize>(&mut self, kind: Kind, wanted: Option<&K>) -> Result<bool, WriteError> {
        match wanted {
            Some(wanted) => self.hand.ensure(kind, wanted).await,
            None => Ok(true),
        }
    }

    /// Every child by name. No `..`: a new child must not be pruned because it was forgotten here.
    fn note_wanted(&mut self, children: &Children) {
        let Children {
            trainer_service_account,
            trainer_role,
            trainer_role_binding,
            credentials,
            htpasswd,
            network_policy,
            deployment,
            service,
            middleware,
            servers_transport,
            ingress,
            service_monitor,
            prometheus_rule,
            dashboards,
        } = children;
        let children = [
            (Kind::ServiceAccount, trainer_service_account.as_ref().map(ResourceExt::name_any)),
            (Kind::Role, trainer_role.as_ref().map(ResourceExt::name_any)),
            (Kind::RoleBinding, trainer_role_binding.as_ref().map(ResourceExt::name_any)),
            (Kind::Secret, credentials.as_ref().map(ResourceExt::name_any)),
            (Kind::Secret, htpasswd.as_ref().map(ResourceExt::name_any)),
            (Kind::NetworkPolicy, network_policy.as_ref().map(ResourceExt::name_any)),
            (Kind::Deployment, deployment.as_ref().map(ResourceExt::name_any)),
            (Kind::Service, service.as_ref().map(ResourceExt::name_any)),
            (Kind::Middleware, middleware.as_ref().map(ResourceExt::name_any)),
            (Kind::ServersTransport, servers_transport.as_ref().map(ResourceExt::name_any)),
            (Kind::Ingress, ingress.as_ref().map(ResourceExt::name_any)),
            (Kind::ServiceMonitor, service_monitor.as_ref().map(ResourceExt::name_any)),
            (Kind::PrometheusRule, prometheus_rule.as_ref().map(ResourceExt::name_any)),
            (Kind::Dashboards, dashboards.as_ref().map(ResourceExt::name_any)),
        ];
        self.wanted = children.into_iter().filter_map(|(kind, name)| Some((kind, name?))).collect();
        // A password outlives the exposure: whoever is exposed again finds clients that know it.
        let named = self.seen.observed.model.spec.ingress.as_ref().is_some_and(|i| i.basic_auth.is_some());
        if !named {
            self.wanted.insert((Kind::Secret, names::credentials(&self.at.name)));
        }
    }

    /// Deletes what carries our label, is controlled by this very model, and is not wanted. Never a Job or a revision,
    /// and never before everything of the kind is known.
    async fn prune(&mut self, kinds: &[Kind]) -> Result<(), WriteError> {
        for kind in kinds.iter().filter(|kind| kind.prunable()) {
            if !self.context.memory.children.is_complete(*kind, &self.at.namespace) {
                continue;
            }
            for child in self.ours(*kind) {
                if !self.wanted.contains(&(*kind, child.name.clone())) {
                    self.hand.delete(&child).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes Jobs or revisions that the plan names.
    async fn delete(&mut self, kind: Kind, names: &[String]) -> Result<(), WriteError> {
        for child in self.ours(kind).iter().filter(|child| names.contains(&child.name)) {
            self.hand.delete(child).await?;
        }
        Ok(())
    }

    /// Children that carry our label, are controlled by this model and are not on their way out.
    fn ours(&self, kind: Kind) -> Vec<Arc<Child>> {
        let mut children = self.context.memory.children.of_model(kind, &self.at);
        let uid = self.seen.observed.model.meta().uid.as_ref();
        children.retain(|c| !c.deleting && c.owner.as_ref().is_some_and(|owner| Some(&owner.uid) == uid));
        children
    }

    /// A Job is made once; then its input, which it owns, so that the two go together.
    async fn start(&mut self, training: &TrainingJob) -> Result<(), WriteError> {
        let TrainingJob { job, input } = training;
        let owner = self.seen.observed.model.uid().unwrap_or_default();
        match self.hand.create(Kind::Job, job, &owner).await? {
            Some(uid) => {
                self.hand.applied.started = true;
                self.input(&uid, input).await
            }
            None => Ok(()),
        }
    }

    async fn input(
        &mut self,
        job: &str,
        input: &k8s_openapi::api::core::v1::ConfigMap,
    ) -> Result<(), WriteError> {
        let mut input = input.clone();
        input.metadata.owner_references = Some(vec![OwnerReference {
            api_version: "batch/v1".into(),
            kind: "Job".into(),
            name: input.name_any(),
            uid: job.to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }]);
        self.hand.create(Kind::ConfigMap, &input, job).await?;
        Ok(())
    }

    /// Revisions that lost their owner (a backup, an orphaning delete) become ours again.
    async fn adopt_revisions(&mut self) -> Result<(), WriteError> {
        let owner = self.seen.observed.model.controller_owner_ref(&());
        for orphan in &self.seen.orphans {
            let owners = json!({ "ownerReferences": [owner] });
            self.hand.patch_metadata(orphan, owners).await?;
        }
        Ok(())
    }

    async fn reject(&mut self, revision: Option<&str>) -> Result<(), WriteError> {
        let Some(name) = revision else { return Ok(()) };
        for child in self.ours(Kind::ConfigMap).iter().filter(|child| child.name == name) {
            self.hand.patch_metadata(child, json!({ "annotations": { labels::REJECTED: "true" } })).await?;
        }
        Ok(())
    }
}
