//! What every reconcile shares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::Client;

use crate::contents::Contents;
use crate::events::Publisher;
use crate::kinds::Kind;
use crate::memory::Memory;
use crate::settings::{Namespaces, SecretsAccess, Settings};
use crate::store::{ModelRef, Scope};
use crate::telemetry::Metrics;

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the administrator decided.
    pub settings: Settings,
    /// Where models are looked for.
    pub scope: Namespaces,
    /// What the watches have shown.
    pub memory: Arc<Memory>,
    /// What was read besides.
    pub contents: Contents,
    /// Answers that differ from what was applied.
    pub altered: Altered,
    /// Sends Events.
    pub events: Publisher,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

impl Context {
    /// A context that has seen nothing yet.
    pub fn new(
        client: Client,
        settings: Settings,
        scope: Namespaces,
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
        identity: String,
    ) -> Self {
        Self {
            events: Publisher::new(client.clone(), identity),
            client,
            settings,
            scope,
            memory,
            contents: Contents::default(),
            altered: Altered::default(),
            metrics,
            clock: Timestamp::now,
        }
    }

    /// Kinds that are watched.
    pub fn kinds(&self) -> Vec<Kind> {
        let secrets = self.settings.secrets == SecretsAccess::Cluster;
        Kind::ALL.into_iter().filter(|kind| secrets || *kind != Kind::Secret).collect()
    }

    /// What one watch covers: everything, or one namespace each.
    pub fn scopes(&self) -> Vec<Scope> {
        match &self.scope {
            Namespaces::All => vec![None],
            Namespaces::Some(names) => names.iter().cloned().map(Some).collect(),
        }
    }

    /// Forgets what belongs to models that no longer exist.
    pub fn forget_the_gone(&self) {
        let alive: BTreeSet<ModelRef> = self.memory.models.state().iter().map(|s| s.reference()).collect();
        self.memory.forget_the_gone();
        self.contents.retain(&alive);
        self.altered.retain(&alive);
    }
}

/// Children that come back different from how they were applied: a mutating webhook. The pair of digests is remembered,
/// or the two would apply against each other for ever.
#[derive(Default)]
pub struct Altered(Mutex<BTreeMap<ModelRef, Pairs>>);

/// Digests of what was desired and of what came back, by child.
type Pairs = BTreeMap<(Kind, String), (String, String)>;

impl Altered {
    /// Whether this live digest is what came back for this desired one.
    pub fn is_known(&self, model: &ModelRef, child: (Kind, &str), desired: &str, live: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = all.get(model).and_then(|children| children.get(&(child.0, child.1.to_owned())));
        pair.is_some_and(|(d, l)| d == desired && l == live)
    }

    /// Remembers the pair; says so once.
    pub fn remember(&self, model: &ModelRef, child: (Kind, &str), desired: &str, live: &str) {
        if self.is_known(model, child, desired, live) {
            return;
        }
        tracing::warn!(
            kind = child.0.as_str(), name = child.1, %model,
            "the API server stored something else than was applied; something like a mutating webhook changes it"
        );
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (desired.to_owned(), live.to_owned());
        all.entry(model.clone()).or_default().insert((child.0, child.1.to_owned()), pair);
    }

    fn retain(&self, alive: &BTreeSet<ModelRef>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|model, _| alive.contains(model));
    }
}
