//! What the operator remembers of all children, fed by the watches and read by `observe` and `apply`. No I/O here.
//!
//! It also remembers the operator's own last writes, because deciding on what was before them would repeat them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::facts::Child;
use crate::kinds::Kind;

/// A model by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ModelRef {
    /// A model by namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for ModelRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a watch covers: one namespace, or all of them.
pub type Scope = Option<String>;

/// How long an own write is waited for; then the watch is taken to have missed it.
pub const WRITE_SEEN_WITHIN: Duration = Duration::from_secs(30);

/// A write of ours that the watch has not shown yet.
#[derive(Clone, Debug)]
pub struct Written {
    /// Kind.
    pub kind: Kind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What the watch will show.
    pub expected: Expected,
    /// When it was written.
    pub at: Instant,
}

/// What a watch shows after a write of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This `resourceVersion`, or a later one.
    Version(String),
    /// The object of this UID is gone, or going.
    Gone(String),
}

/// All children.
#[derive(Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Kind, BTreeMap<(String, String), Arc<Child>>>,
    watches: BTreeMap<(Kind, Scope), Progress>,
    written: BTreeMap<ModelRef, Vec<Written>>,
}

/// How far a watch is.
#[derive(Default)]
struct Progress {
    complete: bool,
    newest: Option<u64>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child by name.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Child>> {
        self.lock().objects.get(&kind)?.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Children that carry the label of this model.
    pub fn of_model(&self, kind: Kind, model: &ModelRef) -> Vec<Arc<Child>> {
        let from = (model.namespace.clone(), String::new());
        let inner = self.lock();
        let Some(objects) = inner.objects.get(&kind) else { return Vec::new() };
        let here = objects.range(from..).take_while(|((namespace, _), _)| *namespace == model.namespace);
        here.filter(|(_, child)| child.model == model.name).map(|(_, child)| Arc::clone(child)).collect()
    }

    /// All children of a kind.
    pub fn all(&self, kind: Kind) -> Vec<Arc<Child>> {
        self.lock().objects.get(&kind).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Whether all that exists of a kind in a namespace has been listed.
    pub fn is_complete(&self, kind: Kind, namespace: &str) -> bool {
        let inner = self.lock();
        [None, Some(namespace.to_owned())]
            .into_iter()
            .any(|scope| inner.watches.get(&(kind, scope)).is_some_and(|progress| progress.complete))
    }

    /// An object was added or changed. Returns the models that this concerns; none if nothing changed.
    pub fn put(&self, scope: &Scope, child: Child) -> BTreeSet<ModelRef> {
        let mut inner = self.lock();
        inner.advance(child.kind, scope, &child.version);
        inner.insert(child)
    }

    /// An object was deleted, or has lost our label. Returns the models that this concerns.
    pub fn remove(&self, scope: &Scope, last: &Child) -> BTreeSet<ModelRef> {
        let mut inner = self.lock();
        inner.advance(last.kind, scope, &last.version);
        let key = (last.namespace.clone(), last.name.clone());
        let gone = inner.objects.entry(last.kind).or_default().remove(&key);
        gone.iter().flat_map(|child| concerned(child)).collect()
    }

    /// A list is complete: all that is not in it is gone. Returns whether it is the first of this watch, and the models
    /// that the differences concern.
    pub fn replace(&self, kind: Kind, scope: &Scope, listed: Vec<Child>) -> (bool, BTreeSet<ModelRef>) {
        let mut inner = self.lock();
        let here = |namespace: &str| scope.as_deref().is_none_or(|s| s == namespace);
        let names: BTreeSet<_> = listed.iter().map(|c| (c.namespace.clone(), c.name.clone())).collect();
        let mut changed = BTreeSet::new();
        inner.objects.entry(kind).or_default().retain(|key, child| {
            let stays = !here(&key.0) || names.contains(key);
            if !stays {
                changed.extend(concerned(child));
            }
            stays
        });
        for child in listed {
            inner.advance(kind, scope, &child.version);
            changed.extend(inner.insert(child));
        }
        let progress = inner.watches.entry((kind, scope.clone())).or_default();
        (!std::mem::replace(&mut progress.complete, true), changed)
    }

    /// Remembers a write of ours.
    pub fn wrote(&self, model: &ModelRef, written: Written) {
        self.lock().written.entry(model.clone()).or_default().push(written);
    }

    /// A write of ours that the watch has not shown yet, if there is one. What is overdue is given up.
    pub fn unseen_write(&self, model: &ModelRef, now: Instant) -> Option<Written> {
        let mut inner = self.lock();
        let mut pending = inner.written.remove(model)?;
        pending.retain(|written| !inner.has_shown(written));
        pending.retain(|written| {
            let waits = now.saturating_duration_since(written.at) < WRITE_SEEN_WITHIN;
            if !waits {
                tracing::warn!(kind = written.kind.as_str(), name = %written.name, %model, "own write was never seen by the watch");
            }
            waits
        });
        let first = pending.first().cloned();
        if first.is_some() {
            inner.written.insert(model.clone(), pending);
        }
        first
    }

    /// Forgets own writes for models that are gone.
    pub fn retain(&self, alive: impl Fn(&ModelRef) -> bool) {
        self.lock().written.retain(|model, _| alive(model));
    }

    /// The model is gone.
    pub fn forget(&self, model: &ModelRef) {
        self.lock().written.remove(model);
    }
}

impl Inner {
    fn advance(&mut self, kind: Kind, scope: &Scope, version: &str) {
        let progress = self.watches.entry((kind, scope.clone())).or_default();
        progress.newest = progress.newest.max(version.parse().ok());
    }

    fn insert(&mut self, child: Child) -> BTreeSet<ModelRef> {
        let objects = self.objects.entry(child.kind).or_default();
        let key = (child.namespace.clone(), child.name.clone());
        match objects.get(&key) {
            Some(known) if **known == child => BTreeSet::new(),
            known => {
                let mut changed = concerned(&child);
                changed.extend(known.iter().flat_map(|child| concerned(child)));
                objects.insert(key, Arc::new(child));
                changed
            }
        }
    }

    fn has_shown(&self, written: &Written) -> bool {
        let key = (written.namespace.clone(), written.name.clone());
        let live = self.objects.get(&written.kind).and_then(|objects| objects.get(&key));
        match &written.expected {
            Expected::Gone(uid) => live.is_none_or(|child| child.uid != *uid || child.deleting),
            Expected::Version(version) => {
                let newest = [None, Some(written.namespace.clone())]
                    .into_iter()
                    .filter_map(|scope| self.watches.get(&(written.kind, scope))?.newest)
                    .max();
                live.is_some_and(|child| is_at_least(&child.version, version))
                    || version.parse().is_ok_and(|wanted: u64| newest >= Some(wanted))
            }
        }
    }
}

/// Whether a `resourceVersion` is not older than another one of the same resource. They are numbers that grow; where they
/// are not, only equal ones compare.
pub fn is_at_least(seen: &str, wanted: &str) -> bool {
    match (seen.parse::<u64>(), wanted.parse::<u64>()) {
        (Ok(seen), Ok(wanted)) => seen >= wanted,
        _ => seen == wanted,
    }
}

/// The models that a child concerns: the one that its label names, and the one that owns it.
fn concerned(child: &Child) -> BTreeSet<ModelRef> {
    let owner = child.owner.as_ref().filter(|owner| owner.kind == api::KIND).map(|owner| owner.name.clone());
    [Some(child.model.clone()), owner]
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty())
        .map(|name| ModelRef::new(child.namespace.clone(), name))
        .collect()
}

#[cfg(test)]
#[path = "store/tests.rs"]
mod tests;
