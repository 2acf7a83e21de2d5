//! Wires watches, memory and reconcile together, and runs them until told to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::conditions::{PROGRESSING, reason};
use futures::StreamExt;
use kube::Client;
use kube::core::ApiResource;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::watcher;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::facts::{Child, Facts};
use crate::kinds::{Kind, resource_name};
use crate::memory::{ChildSink, Memory, ModelSink, ReferenceSink};
use crate::models::Stored;
use crate::observed::JobState;
use crate::reconcile::{reconcile, retry};
use crate::references::ReferenceKind;
use crate::settings::{Namespaces, SecretsAccess, Settings};
use crate::store::{ModelRef, Scope};
use crate::telemetry::Metrics;
use crate::watch::{self, Target};

/// Models that are reconciled at the same time.
const CONCURRENCY: u16 = 16;
/// How many objects a page of a list has.
const PAGE_SIZE: u32 = 500;
/// How often optional kinds are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);
/// How often counts of models and failing watches are brought up to date.
const PULSE: Duration = Duration::from_secs(5);

/// The controller ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A task that never ends has ended.
    #[error("a watch ended unexpectedly: {0}")]
    WatchEnded(String),
    /// The stream of reconciles ended.
    #[error("the controller ended unexpectedly")]
    Ended,
}

/// Runs until `stop`; reconciles that have begun are finished.
pub async fn run(
    client: Client,
    settings: Settings,
    scope: Namespaces,
    metrics: Arc<Metrics>,
    identity: String,
    stop: CancellationToken,
) -> Result<(), ControllerError> {
    let (memory, triggered) = Memory::new();
    let models = memory.models.clone();
    let context = Arc::new(Context::new(client, settings, scope, memory, metrics, identity));
    let mut tasks = watches(&context);
    // Triggers come from the watches' own tasks; the controller's own stream stays silent.
    let mut reconciles = Controller::for_stream(futures::stream::pending(), models)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(triggered)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, |stored, error, context| retry(&stored, error, &context), Arc::clone(&context))
        .boxed();
    loop {
        tokio::select! {
            ended = tasks.join_next() => {
                return Err(ControllerError::WatchEnded(ended.map_or_else(String::new, |e| format!("{e:?}"))));
            }
            // Failures are logged by `retry`; a model that is gone is no failure.
            pass = reconciles.next() => match pass {
                Some(_) => {}
                None if stop.is_cancelled() => return Ok(()),
                None => return Err(ControllerError::Ended),
            },
        }
    }
}

/// One task for each kind and scope, one that looks up optional kinds, and the pulse.
fn watches(context: &Arc<Context>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for scope in context.scopes() {
        let sink = ModelSink { memory: Arc::clone(&context.memory), scope: scope.clone() };
        spawn(&mut tasks, context, target(ApiResource::erase::<Stored>(&()), &scope), sink);
        for kind in context.kinds().into_iter().filter(|kind| !kind.optional()) {
            spawn_children(&mut tasks, context, kind, &scope);
        }
        let secrets = context.settings.secrets == SecretsAccess::Cluster;
        for kind in
            [Some(ReferenceKind::ConfigMap), secrets.then_some(ReferenceKind::Secret)].into_iter().flatten()
        {
            spawn_references(&mut tasks, context, kind, &scope);
        }
    }
    spawn_references(&mut tasks, context, ReferenceKind::IngressClass, &None);
    for kind in context.kinds().into_iter().filter(|kind| kind.optional()) {
        tasks.spawn(look_up(Arc::clone(context), kind));
    }
    tasks.spawn(pulse(Arc::clone(context)));
    tasks
}

fn target(resource: ApiResource, scope: &Scope) -> Target {
    Target { resource, scope: scope.clone(), selector: None, metadata_only: false, page_size: PAGE_SIZE }
}

fn spawn<S: watch::Sink>(tasks: &mut JoinSet<()>, context: &Context, target: Target, sink: S) {
    context.metrics.watch_begins(&resource_name(&target.resource));
    tasks.spawn(watch::run(
        context.client.clone(),
        target,
        Arc::new(sink),
        Arc::clone(&context.memory.health),
    ));
}

fn spawn_children(tasks: &mut JoinSet<()>, context: &Context, kind: Kind, scope: &Scope) {
    let sink = ChildSink { memory: Arc::clone(&context.memory), kind, scope: scope.clone() };
    let target = Target {
        selector: Some(kind.selector()),
        metadata_only: kind.metadata_only(),
        page_size: kind.page_size(),
        ..target(kind.resource(), scope)
    };
    spawn(tasks, context, target, sink);
}

/// References carry no label of ours: all of the kind are watched, by metadata, and only versions are remembered.
fn spawn_references(tasks: &mut JoinSet<()>, context: &Context, kind: ReferenceKind, scope: &Scope) {
    let sink = ReferenceSink { memory: Arc::clone(&context.memory), kind, scope: scope.clone() };
    spawn(tasks, context, Target { metadata_only: true, ..target(kind.resource(), scope) }, sink);
}

/// Watches an optional kind while its custom resource definition is installed.
async fn look_up(context: Arc<Context>, kind: Kind) {
    let resource = kind.resource();
    let (mut watching, mut missed) = (JoinSet::new(), false);
    loop {
        match is_installed(&context.client, &resource).await {
            Ok(true) => {
                missed = false;
                if watching.is_empty() {
                    for scope in context.scopes() {
                        context.memory.health.forget(&target(resource.clone(), &scope));
                        spawn_children(&mut watching, &context, kind, &scope);
                    }
                    context.memory.installed(kind, &context.scopes(), true);
                }
            }
            // An API server that has just started does not know its custom resources yet: once is not enough.
            Ok(false) if !watching.is_empty() && !missed => missed = true,
            Ok(false) => {
                watching.abort_all();
                watching = JoinSet::new();
                for scope in context.scopes() {
                    context.memory.health.forget(&target(resource.clone(), &scope));
                }
                context.metrics.watch_gone(&resource_name(&resource));
                context.memory.installed(kind, &context.scopes(), false);
            }
            // Models wait for the first answer, so they have to say for what.
            Err(error) if watching.is_empty() => {
                let error = watcher::Error::InitialListFailed(error);
                for scope in context.scopes() {
                    context.memory.health.failed(&target(resource.clone(), &scope), &error);
                }
            }
            Err(error) => {
                tracing::debug!(
                    resource = resource_name(&resource),
                    error = watch::said(&error),
                    "cannot look up"
                );
            }
        }
        tokio::time::sleep(LOOK_UP_EVERY).await;
    }
}

async fn is_installed(client: &Client, resource: &ApiResource) -> kube::Result<bool> {
    match client.list_api_group_resources(&resource.api_version).await {
        Ok(list) => Ok(list.resources.iter().any(|known| known.name == resource.plural)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps counts up to date, forgets what is gone, and asks for reconciles when a watch has begun to fail for long, or works again.
async fn pulse(context: Arc<Context>) {
    let mut failing = BTreeSet::new();
    let mut counted = BTreeMap::new();
    loop {
        tokio::time::sleep(PULSE).await;
        let now: BTreeSet<String> =
            context.memory.health.failing(None).into_iter().map(|failure| failure.resource).collect();
        for resource in failing.union(&now) {
            context.metrics.watch_failing(resource, now.contains(resource));
        }
        if failing != now {
            context.memory.trigger_all();
        }
        failing = now;
        count_models(&context, &mut counted);
        count_trainings(&context);
        context.metrics.queue(context.memory.queue_length());
        context.forget_the_gone();
    }
}

fn count_trainings(context: &Context) {
    let active = |child: &Child| {
        matches!(&child.facts, Facts::Job(job) if job.state == JobState::Active) && !child.deleting
    };
    let running = context.memory.children.all(Kind::Job).iter().filter(|child| active(child)).count();
    let models = context.memory.models.state();
    let is = |stored: &Stored, reason: &str| {
        let status = stored.readable().and_then(|model| model.status.as_ref());
        status.is_some_and(|s| s.conditions.iter().any(|c| c.type_ == PROGRESSING && c.reason == reason))
    };
    let queued = models.iter().filter(|stored| is(stored, reason::QUEUED)).count();
    context.metrics.trainings(running, queued);
    let failed = models.iter().filter(|stored| training_failed(stored)).map(|stored| stored.reference());
    let failed: Vec<ModelRef> = failed.collect();
    context.metrics.training_failed(failed.iter().map(|at| (at.namespace.as_str(), at.name.as_str())));
}

/// Whether the last training of the model failed; also while it is tried again.
fn training_failed(stored: &Stored) -> bool {
    // Reasons of `Progressing`.
    const UNDER_WAY: [&str; 5] =
        [reason::TRAINING, reason::UPDATING, reason::RETRAINING, reason::POD_BLOCKED, reason::QUEUED];
    let Some(status) = stored.readable().and_then(|model| model.status.as_ref()) else { return false };
    let Some(training) = &status.training else { return false };
    let again = training.attempt > Some(1);
    let under_way =
        status.conditions.iter().any(|c| c.type_ == PROGRESSING && UNDER_WAY.contains(&c.reason.as_str()));
    training.last_error.is_some() || (again && under_way)
}

fn count_models(context: &Context, counted: &mut BTreeMap<(String, &'static str), usize>) {
    counted.values_mut().for_each(|count| *count = 0);
    for stored in context.memory.models.state() {
        let status = stored.readable().and_then(|model| model.status.as_ref());
        for condition in status.into_iter().flat_map(|status| &status.conditions) {
            *counted.entry((condition.type_.clone(), condition.status.as_str())).or_default() += 1;
        }
    }
    for ((condition, status), count) in counted {
        context.metrics.models(condition, status, *count);
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::fixtures::World;

    #[tokio::test]
    async fn every_kind_that_is_watched_has_a_series_before_anything_fails_and_optional_ones_only_when_they_are()
     {
        let nobody = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, tower::BoxError>>()
        });
        let context = Arc::new(Context::new(
            Client::new(nobody, "demo"),
            World::ready().settings,
            Namespaces::All,
            Memory::new().0,
            Arc::new(Metrics::new().unwrap()),
            "operator-0".into(),
        ));
        let _tasks = watches(&context);
        let text = String::from_utf8(context.metrics.text().unwrap()).unwrap();
        let shown = |resource: &ApiResource| {
            let series =
                format!("anomaly_operator_watch_failing{{resource=\"{}\"}} 0", resource_name(resource));
            text.lines().any(|line| line == series)
        };
        assert!(shown(&ApiResource::erase::<Stored>(&())), "{text}");
        assert!(shown(&ReferenceKind::IngressClass.resource()), "{text}");
        for kind in context.kinds() {
            assert_eq!(shown(&kind.resource()), !kind.optional(), "{kind:?}: {text}");
        }
    }

    fn failed(status: serde_json::Value) -> bool {
        let model = json!({
            "apiVersion": "anomaly-operator.io/v1alpha1", "kind": "AnomalyModel",
            "metadata": {"name": "machine", "namespace": "demo"},
            "spec": {
                "features": [{"name": "mean"}], "detector": {"isolationForest": {}},
                "training": {"source": {"inline": {"csv": "mean"}}},
            },
            "status": status,
        });
        let stored = Stored::read(serde_json::from_value::<DynamicObject>(model).unwrap());
        assert!(stored.readable().is_some());
        training_failed(&stored)
    }

    fn progressing(status: &str, reason: &str) -> serde_json::Value {
        json!([{
            "type": "Progressing", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }])
    }

    #[test]
    fn a_training_has_failed_from_its_failure_until_one_succeeds() {
        let first = json!({"attempt": 1});
        assert!(!failed(json!({})));
        assert!(!failed(json!({"training": first, "conditions": progressing("True", "Training")})));
        let error = json!({"attempt": 1, "lastReason": "OOMKilled", "lastError": "more memory"});
        assert!(failed(json!({"training": error, "conditions": progressing("False", "TrainingFailed")})));
        let second = json!({"attempt": 2});
        for reason in ["Training", "Updating", "Retraining", "PodBlocked", "Queued"] {
            assert!(
                failed(json!({"training": second, "conditions": progressing("True", reason)})),
                "{reason}"
            );
        }
        for reason in ["RollingOut", "Idle"] {
            assert!(
                !failed(json!({"training": second, "conditions": progressing("True", reason)})),
                "{reason}"
            );
        }
    }
}
