//! Watches: each its own task with its own back-off, so that one that fails slows no other. Talks to the API server,
//! reads only. Objects are reduced in the stream and dropped.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Error as ClientError};

use crate::backoff;
use crate::client;
use crate::kinds::resource_name;
use crate::store::Scope;

/// How long the API server keeps a watch open.
const WATCH_SECONDS: u32 = 200;
/// A watch that is quiet for this long after an error works again: a list ends after 10 s, a watch begins within 30 s.
const RECOVERED_AFTER: Duration = Duration::from_secs(45);
/// A watch that fails for this long is made known.
pub const FAILING_AFTER: Duration = Duration::from_secs(60);

/// What is watched.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource.
    pub resource: ApiResource,
    /// One namespace, or all.
    pub scope: Scope,
    /// Label selector.
    pub selector: Option<String>,
    /// Whether metadata is all that is asked for.
    pub metadata_only: bool,
    /// How many objects a page of a list has.
    pub page_size: u32,
}

/// Where what is seen goes. `reduce` runs in the stream.
pub trait Sink: Send + Sync + 'static {
    /// A reduced object.
    type Item: Send;
    /// Reduces an object; `None` drops it.
    fn reduce(&self, object: DynamicObject) -> Option<Self::Item>;
    /// A complete list: whatever is not in it does not exist.
    fn listed(&self, items: Vec<Self::Item>);
    /// Added or changed.
    fn changed(&self, item: Self::Item);
    /// Deleted, or no longer selected.
    fn deleted(&self, item: Self::Item);
}

/// Watches until it is aborted.
pub async fn run<S: Sink>(client: Client, target: Target, sink: Arc<S>, health: Arc<Health>) {
    let mut config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(target.page_size);
    config.label_selector.clone_from(&target.selector);
    let mut failures = 0;
    loop {
        // `follow` returns only when the watch has to start over from a list.
        let (client, resource) = (client.clone(), &target.resource);
        if target.metadata_only {
            let api: Api<PartialObjectMeta<DynamicObject>> = api(client, target.scope.as_deref(), resource);
            let metadata = watcher(api, config.clone()).map(|event| event.map(|e| map(e, whole)));
            follow(metadata, &target, &*sink, &health, &mut failures).await;
        } else {
            let api: Api<DynamicObject> = api(client, target.scope.as_deref(), resource);
            follow(watcher(api, config.clone()), &target, &*sink, &health, &mut failures).await;
        }
    }
}

fn api<K>(client: Client, namespace: Option<&str>, resource: &ApiResource) -> Api<K>
where
    K: kube::Resource<DynamicType = ApiResource, Scope = kube::core::DynamicResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// Metadata as an object without content.
fn whole(partial: PartialObjectMeta<DynamicObject>) -> DynamicObject {
    DynamicObject { types: partial.types, metadata: partial.metadata, data: serde_json::json!({}) }
}

fn map<A, B>(event: Event<A>, f: impl Fn(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(f(object)),
        Event::Delete(object) => Event::Delete(f(object)),
        Event::InitApply(object) => Event::InitApply(f(object)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

/// `failures` in a row outlive a start over from a list, so that its success is known to be a recovery.
async fn follow<S: Sink>(
    events: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
    target: &Target,
    sink: &S,
    health: &Health,
    failures: &mut u32,
) {
    let mut events = pin!(events);
    let mut listed = Vec::new();
    loop {
        let event = match next(&mut events, *failures).await {
            Some(Some(event)) => event,
            Some(None) => return,
            None => {
                (*failures, _) = (0, health.recovered(target));
                continue;
            }
        };
        match event {
            // Says only that a list is about to be asked for.
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => listed.extend(sink.reduce(object)),
            Ok(Event::InitDone) => sink.listed(std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => sink.reduce(object).into_iter().for_each(|item| sink.changed(item)),
            Ok(Event::Delete(object)) => sink.reduce(object).into_iter().for_each(|item| sink.deleted(item)),
            Err(error) => {
                *failures = failures.saturating_add(1);
                health.failed(target, &error);
                tokio::time::sleep(backoff::WATCH.delay(*failures)).await;
                if starts_over(&error) {
                    return;
                }
                continue;
            }
        }
        if *failures > 0 {
            (*failures, _) = (0, health.recovered(target));
        }
    }
}

/// The next event; `None` when a stream that had failed has been quiet long enough to be well again.
async fn next<T>(events: &mut (impl Stream<Item = T> + Unpin), failures: u32) -> Option<Option<T>> {
    if failures == 0 {
        return Some(events.next().await);
    }
    tokio::time::timeout(RECOVERED_AFTER, events.next()).await.ok()
}

/// A version that is too old is answered with 410 before the watch begins; kube would ask for the same version for ever.
fn starts_over(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(ClientError::Api(status)) if status.code == 410)
}

/// Which watches fail, and since when.
#[derive(Default)]
pub struct Health(Mutex<BTreeMap<(String, Scope), Failure>>);

/// A watch that fails.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Like `deployments.apps`.
    pub resource: String,
    /// `list` or `watch`.
    pub verb: &'static str,
    /// What the API server said.
    pub message: String,
    /// Since when.
    pub since: Instant,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot {} {}: {}", self.verb, self.resource, self.message)
    }
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Scope), Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch failed, or what has to come before it.
    pub fn failed(&self, target: &Target, error: &watcher::Error) {
        let (verb, message) = match error {
            watcher::Error::InitialListFailed(error) => ("list", said(error)),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                ("watch", said(error))
            }
            watcher::Error::WatchError(status) => ("watch", status.message.clone()),
            watcher::Error::NoResourceVersion => ("watch", error.to_string()),
        };
        let resource = resource_name(&target.resource);
        let mut failing = self.lock();
        let now = Failure { resource: resource.clone(), verb, message, since: Instant::now() };
        let failure = failing.entry((resource, target.scope.clone())).or_insert_with(|| {
            tracing::warn!(
                resource = now.resource,
                verb,
                message = now.message,
                "a watch fails; it is tried again"
            );
            now.clone()
        });
        *failure = Failure { since: failure.since, ..now };
    }

    fn recovered(&self, target: &Target) {
        let key = (resource_name(&target.resource), target.scope.clone());
        if let Some(failure) = self.lock().remove(&key) {
            let failed_ms = u64::try_from(failure.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(resource = failure.resource, failed_ms, "a watch works again");
        }
    }

    /// The target is no longer watched.
    pub fn forget(&self, target: &Target) {
        self.lock().remove(&(resource_name(&target.resource), target.scope.clone()));
    }

    /// Whether this very watch has failed for a minute.
    pub fn fails_for_long(&self, resource: &str, scope: &Scope) -> bool {
        let failing = self.lock();
        let failure = failing.get(&(resource.to_owned(), scope.clone()));
        failure.is_some_and(|failure| failure.since.elapsed() >= FAILING_AFTER)
    }

    /// Watches that concern a namespace, or all of them, and have failed for a minute.
    pub fn failing(&self, namespace: Option<&str>) -> Vec<Failure> {
        let concerns = |scope: &Scope| match (scope.as_deref(), namespace) {
            (Some(scope), Some(namespace)) => scope == namespace,
            _ => true,
        };
        let failing = self.lock();
        let long = failing.iter().filter(|(_, failure)| failure.since.elapsed() >= FAILING_AFTER);
        long.filter(|((_, scope), _)| concerns(scope)).map(|(_, failure)| failure.clone()).collect()
    }
}

/// What the API server said, or why it could not be asked.
pub fn said(error: &ClientError) -> String {
    match error {
        ClientError::Api(status) => status.message.clone(),
        other => client::chain(other),
    }
}

#[cfg(test)]
#[path = "watch/tests.rs"]
mod tests;
