//! All that the operator knows between two reconciles, and which models to look at when it changes. No I/O here: the
//! watches write it, `observe` and `apply` read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use api::labels;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::api::DynamicObject;
use kube::core::{ApiResource, Resource, ResourceExt};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::Event;

use crate::backoff::Failures;
use crate::facts::{self, Child, Facts};
use crate::kinds::{Kind, resource_name};
use crate::models::Stored;
use crate::observed::JobState;
use crate::references::{self, Reference, ReferenceKind, References};
use crate::store::{ModelRef, Scope, Store, WRITE_SEEN_WITHIN, is_at_least};
use crate::watch::{Health, Sink};

/// All that the operator knows between two reconciles.
pub struct Memory {
    /// Children.
    pub children: Store,
    /// AnomalyModels.
    pub models: reflector::Store<Stored>,
    /// What models refer to.
    pub references: References,
    /// Which watches fail.
    pub health: Arc<Health>,
    /// How often each model failed in a row.
    pub failures: Failures,
    /// Who trains, and who waits for that.
    pub slots: Slots,
    /// Our own last status patches.
    pub published: Published,
    written: Mutex<reflector::store::Writer<Stored>>,
    listed: Mutex<BTreeSet<Scope>>,
    absent: Mutex<BTreeSet<Kind>>,
    queue: Mutex<BTreeSet<ModelRef>>,
    triggers: UnboundedSender<ObjectRef<Stored>>,
}

impl Memory {
    /// An empty memory, and the models to reconcile whenever something that concerns them changes.
    pub fn new() -> (Arc<Self>, UnboundedReceiver<ObjectRef<Stored>>) {
        let (triggers, triggered) = unbounded();
        let mut writer = reflector::store::Writer::default();
        // Readiness is per scope here, see `is_complete`.
        writer.apply_watcher_event(&Event::InitDone);
        let memory = Self {
            children: Store::default(),
            models: writer.as_reader(),
            references: References::default(),
            health: Arc::default(),
            failures: Failures::default(),
            slots: Slots::default(),
            published: Published::default(),
            written: Mutex::new(writer),
            listed: Mutex::default(),
            absent: Mutex::default(),
            queue: Mutex::default(),
            triggers,
        };
        (Arc::new(memory), triggered)
    }

    /// Asks for reconciles.
    pub fn trigger(&self, models: impl IntoIterator<Item = ModelRef>) {
        for model in models {
            let at = ObjectRef::new(&model.name).within(&model.namespace);
            // Of one that is gone nobody hears again.
            if self.models.get(&at).is_some() {
                lock(&self.queue).insert(model);
            }
            // Fails only when the controller has ended.
            let _ = self.triggers.unbounded_send(at);
        }
    }

    /// A reconcile of the model begins: it waits no longer.
    pub fn begins(&self, model: &ModelRef) {
        lock(&self.queue).remove(model);
    }

    /// How many models wait to be reconciled, because something that concerns them changed.
    pub fn queue_length(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Asks for a reconcile of every model.
    pub fn trigger_all(&self) {
        self.trigger(self.models.state().iter().map(|stored| stored.reference()));
    }

    /// Kinds whose first list is not complete in a namespace; `kinds` are those that are watched. Empty: decisions can
    /// be made.
    pub fn incomplete(&self, kinds: &[Kind], namespace: &str) -> Vec<Kind> {
        let missing = kinds.iter().filter(|kind| !self.children.is_complete(**kind, namespace));
        missing.copied().collect()
    }

    /// Whether all models that could hold a host of another model are known. A namespace that cannot be listed for long,
    /// like one that is gone, holds up no other: its own models are unknown too.
    pub fn models_listed(&self, scopes: &[Scope]) -> bool {
        let missing: Vec<&Scope> = {
            let listed = lock(&self.listed);
            scopes.iter().filter(|scope| !listed.contains(*scope)).collect()
        };
        let resource = resource_name(&ApiResource::erase::<Stored>(&()));
        missing.iter().all(|scope| scope.is_some() && self.health.fails_for_long(&resource, scope))
    }

    /// Whether a kind is installed.
    pub fn is_installed(&self, kind: Kind) -> bool {
        !lock(&self.absent).contains(&kind)
    }

    /// A kind was found to be installed, or not to be.
    pub fn installed(&self, kind: Kind, scopes: &[Scope], installed: bool) {
        let changed = match installed {
            true => lock(&self.absent).remove(&kind),
            false => lock(&self.absent).insert(kind),
        };
        if !installed {
            scopes.iter().for_each(|scope| self.trigger(self.children.replace(kind, scope, Vec::new()).1));
        }
        if changed {
            self.trigger_all();
        }
    }

    fn put_model(&self, stored: Stored) {
        let model = stored.reference();
        let before = self.models.get(&ObjectRef::from_obj(&stored));
        let version = stored.resource_version().unwrap_or_default();
        if before
            .as_ref()
            .is_some_and(|b| b.resource_version().as_ref() == Some(&version) && b.uid() == stored.uid())
        {
            return;
        }
        // A status that we wrote ourselves changes nothing, unless somebody waits to see it.
        if before.as_ref().is_some_and(|b| is_status_only(b, &stored)) {
            lock(&self.written).apply_watcher_event(&Event::Apply(stored));
            if self.published.is_news(&model, &version) {
                self.trigger([model]);
            }
            return;
        }
        let uses = stored.readable().map(|m| references::of(&model.namespace, &m.spec)).unwrap_or_default();
        self.references.uses(&model, uses);
        let rivals = self.rivals(&stored).into_iter().chain(before.iter().flat_map(|b| self.rivals(b)));
        let concerned: BTreeSet<_> = rivals.chain([model]).collect();
        lock(&self.written).apply_watcher_event(&Event::Apply(stored));
        self.trigger(concerned);
    }

    fn remove_model(&self, stored: Stored) {
        let model = stored.reference();
        let rivals = self.rivals(&stored);
        lock(&self.written).apply_watcher_event(&Event::Delete(stored));
        lock(&self.queue).remove(&model);
        self.references.uses(&model, BTreeSet::new());
        self.children.forget(&model);
        self.failures.clear(&model);
        self.slots.forget(&model);
        self.published.forget(&model);
        self.trigger(rivals);
        self.trigger(self.slots.waiting());
    }

    /// Forgets what a reconcile that was still running wrote down of models that had gone meanwhile.
    pub fn forget_the_gone(&self) {
        // (who is gone is asked entry by entry: an entry is never older than its model)
        let alive = |model: &ModelRef| {
            self.models.get(&ObjectRef::new(&model.name).within(&model.namespace)).is_some()
        };
        self.children.retain(alive);
        self.failures.retain(alive);
        self.published.retain(alive);
        self.slots.retain(alive);
    }

    /// Models that ask for the same host and path: one may have to give way to another.
    fn rivals(&self, stored: &Stored) -> BTreeSet<ModelRef> {
        let place =
            |s: &Stored| Some(s.readable()?.spec.ingress.as_ref().map(|i| (i.host.clone(), i.path.clone())));
        let Some(Some(wanted)) = place(stored) else { return BTreeSet::new() };
        let all = self.models.state();
        let same = all.iter().filter(|other| place(other).flatten().as_ref() == Some(&wanted));
        same.map(|other| other.reference()).filter(|other| *other != stored.reference()).collect()
    }
}

/// Whether two states of a model differ in status at most.
fn is_status_only(before: &Stored, after: &Stored) -> bool {
    let (old, new) = (before.meta(), after.meta());
    before.readable().is_some()
        && after.readable().is_some()
        && (&old.uid, old.generation, &old.annotations, &old.labels, &old.deletion_timestamp)
            == (&new.uid, new.generation, &new.annotations, &new.labels, &new.deletion_timestamp)
}

/// The models' last status patches, and who waits to see them.
#[derive(Default)]
pub struct Published {
    inner: Mutex<BTreeMap<ModelRef, Patched>>,
}

struct Patched {
    version: String,
    at: Instant,
    seen: bool,
    waited_for: bool,
}

impl Published {
    /// A status was written.
    pub fn remember(&self, model: &ModelRef, version: String) {
        let patched = Patched { version, at: Instant::now(), seen: false, waited_for: false };
        lock(&self.inner).insert(model.clone(), patched);
    }

    /// Whether `seen` is older than our own last status patch; if so, the model is triggered when that is seen. What is
    /// overdue is given up.
    pub fn is_ahead_of(&self, model: &ModelRef, seen: &str) -> bool {
        let mut all = lock(&self.inner);
        let Some(patched) = all.get_mut(model).filter(|patched| !patched.seen) else { return false };
        patched.seen = is_at_least(seen, &patched.version) || patched.at.elapsed() >= WRITE_SEEN_WITHIN;
        patched.waited_for |= !patched.seen;
        !patched.seen
    }

    /// Whether a new status is not ours, or is waited for.
    fn is_news(&self, model: &ModelRef, version: &str) -> bool {
        let mut all = lock(&self.inner);
        let Some(patched) = all.get_mut(model) else { return true };
        patched.version != version || std::mem::take(&mut patched.waited_for)
    }

    fn retain(&self, alive: impl Fn(&ModelRef) -> bool) {
        lock(&self.inner).retain(|model, _| alive(model));
    }

    fn forget(&self, model: &ModelRef) {
        lock(&self.inner).remove(model);
    }
}

/// Training slots. A reconcile that would train reserves one first, so that two at once do not both take the last.
#[derive(Default)]
pub struct Slots {
    inner: Mutex<(BTreeSet<ModelRef>, BTreeSet<ModelRef>)>,
}

impl Slots {
    /// Reserves a slot if fewer than `most` are taken by Jobs of other models and by other reservations; else waits.
    pub fn reserve(&self, model: &ModelRef, busy: &BTreeSet<ModelRef>, most: usize) -> bool {
        let (reserved, waiting) = &mut *lock(&self.inner);
        // What the watch shows needs no reservation any more.
        reserved.retain(|other| other != model && !busy.contains(other));
        waiting.remove(model);
        let free = reserved.union(busy).filter(|other| *other != model).count() < most;
        if free {
            reserved.insert(model.clone());
        } else {
            waiting.insert(model.clone());
        }
        free
    }

    /// The model does not train now. Returns those that may take its place.
    pub fn release(&self, model: &ModelRef) -> BTreeSet<ModelRef> {
        let (reserved, waiting) = &mut *lock(&self.inner);
        if reserved.remove(model) { waiting.clone() } else { BTreeSet::new() }
    }

    /// The model has nothing to train.
    pub fn waits_no_more(&self, model: &ModelRef) {
        lock(&self.inner).1.remove(model);
    }

    /// The model is gone.
    fn forget(&self, model: &ModelRef) {
        let (reserved, waiting) = &mut *lock(&self.inner);
        reserved.remove(model);
        waiting.remove(model);
    }

    fn retain(&self, alive: impl Fn(&ModelRef) -> bool) {
        let (reserved, waiting) = &mut *lock(&self.inner);
        reserved.retain(&alive);
        waiting.retain(&alive);
    }

    /// Models that wait.
    pub fn waiting(&self) -> BTreeSet<ModelRef> {
        lock(&self.inner).1.clone()
    }
}

/// Feeds [`Memory::children`] from the watch of one kind.
pub struct ChildSink {
    /// Where to.
    pub memory: Arc<Memory>,
    /// Which kind.
    pub kind: Kind,
    /// What the watch covers.
    pub scope: Scope,
}

impl ChildSink {
    /// A Job that ends or goes makes room for another model's.
    fn room_for_others(&self, child: Option<&Child>) {
        let active =
            |c: &Child| matches!(&c.facts, Facts::Job(job) if job.state == JobState::Active) && !c.deleting;
        if self.kind == Kind::Job && !child.is_some_and(active) {
            self.memory.trigger(self.memory.slots.waiting());
        }
    }
}

impl Sink for ChildSink {
    type Item = Child;

    fn reduce(&self, object: DynamicObject) -> Option<Child> {
        let component = object.labels().get(labels::COMPONENT).map(String::as_str);
        if !self.kind.is_of_component(component) {
            return None;
        }
        facts::reduce(self.kind, &serde_json::to_value(object).ok()?)
    }

    fn listed(&self, items: Vec<Child>) {
        let (first, changed) = self.memory.children.replace(self.kind, &self.scope, items);
        if first {
            self.memory.trigger_all();
        } else {
            self.memory.trigger(changed);
        }
        self.room_for_others(None);
    }

    fn changed(&self, child: Child) {
        self.memory.trigger(self.memory.children.put(&self.scope, child.clone()));
        self.room_for_others(Some(&child));
    }

    fn deleted(&self, child: Child) {
        self.memory.trigger(self.memory.children.remove(&self.scope, &child));
        self.room_for_others(None);
    }
}

/// Feeds [`Memory::references`] from the watch of one kind.
pub struct ReferenceSink {
    /// Where to.
    pub memory: Arc<Memory>,
    /// Which kind.
    pub kind: ReferenceKind,
    /// What the watch covers.
    pub scope: Scope,
}

impl Sink for ReferenceSink {
    type Item = (Reference, String);

    fn reduce(&self, object: DynamicObject) -> Option<Self::Item> {
        let namespace = object.metadata.namespace.unwrap_or_default();
        let version = object.metadata.resource_version?;
        Some((Reference { kind: self.kind, namespace, name: object.metadata.name? }, version))
    }

    fn listed(&self, items: Vec<Self::Item>) {
        let listed: BTreeMap<_, _> = items.into_iter().collect();
        self.memory.trigger(self.memory.references.replace(self.kind, &self.scope, listed));
    }

    fn changed(&self, (reference, version): Self::Item) {
        self.memory.trigger(self.memory.references.put(reference, version));
    }

    fn deleted(&self, (reference, _): Self::Item) {
        self.memory.trigger(self.memory.references.remove(&reference));
    }
}

/// Feeds [`Memory::models`].
pub struct ModelSink {
    /// Where to.
    pub memory: Arc<Memory>,
    /// What the watch covers.
    pub scope: Scope,
}

impl Sink for ModelSink {
    type Item = Stored;

    fn reduce(&self, object: DynamicObject) -> Option<Stored> {
        Some(Stored::read(object))
    }

    fn listed(&self, items: Vec<Stored>) {
        let here = |s: &Stored| self.scope.as_ref().is_none_or(|scope| *scope == s.reference().namespace);
        let names: BTreeSet<_> = items.iter().map(Stored::reference).collect();
        for gone in self.memory.models.state().iter().filter(|s| here(s) && !names.contains(&s.reference())) {
            self.memory.remove_model((**gone).clone());
        }
        items.into_iter().for_each(|stored| self.memory.put_model(stored));
        if lock(&self.memory.listed).insert(self.scope.clone()) {
            self.memory.trigger_all();
        }
    }

    fn changed(&self, stored: Stored) {
        self.memory.put_model(stored);
    }

    fn deleted(&self, stored: Stored) {
        self.memory.remove_model(stored);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
