//! What models refer to, by name: ConfigMaps of data, Secrets of passwords, IngressClasses. No I/O here.
//!
//! A change of a referenced object is a trigger. Only its version is remembered; content is read by `contents`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use api::AnomalyModelSpec;
use kube::core::{ApiResource, Resource};

use crate::store::{ModelRef, Scope};

/// A kind of object that models refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// Training data.
    ConfigMap,
    /// htpasswd lines, certificates.
    Secret,
    /// The class of the Ingress.
    IngressClass,
}

impl ReferenceKind {
    /// Where the API server serves it.
    pub fn resource(self) -> ApiResource {
        use k8s_openapi::api::{core::v1 as core, networking::v1::IngressClass};
        fn of<K: Resource<DynamicType = ()>>() -> ApiResource {
            ApiResource::erase::<K>(&())
        }
        match self {
            Self::ConfigMap => of::<core::ConfigMap>(),
            Self::Secret => of::<core::Secret>(),
            Self::IngressClass => of::<IngressClass>(),
        }
    }
}

/// An object that a model refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Kind.
    pub kind: ReferenceKind,
    /// Namespace; empty for an IngressClass.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Stands for every IngressClass: which one is the default depends on all.
const ANY: &str = "*";

/// What is known of a referenced object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the list is not complete.
    Nothing,
    /// It does not exist.
    Absent,
    /// It exists in this version.
    Version(String),
}

/// What a model refers to.
pub fn of(namespace: &str, spec: &AnomalyModelSpec) -> BTreeSet<Reference> {
    let source = spec.config_map();
    let secret = spec.ingress.as_ref().and_then(|ingress| ingress.basic_auth.as_ref());
    let certificate = spec.serving.tls.as_ref();
    [
        source.as_ref().map(|s| (ReferenceKind::ConfigMap, namespace, s.name.as_str())),
        secret.map(|s| (ReferenceKind::Secret, namespace, s.secret_name.as_str())),
        certificate.map(|s| (ReferenceKind::Secret, namespace, s.secret_name.as_str())),
        spec.ingress.as_ref().map(|_| (ReferenceKind::IngressClass, "", ANY)),
    ]
    .into_iter()
    .flatten()
    .map(|(kind, namespace, name)| Reference { kind, namespace: namespace.into(), name: name.into() })
    .collect()
}

/// The index from names to models, and the versions of what exists.
#[derive(Default)]
pub struct References(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    users: BTreeMap<Reference, BTreeSet<ModelRef>>,
    used: BTreeMap<ModelRef, BTreeSet<Reference>>,
    live: BTreeMap<Reference, String>,
    complete: BTreeSet<(ReferenceKind, Scope)>,
}

impl References {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A model refers to exactly these objects; none when it is gone.
    pub fn uses(&self, model: &ModelRef, references: BTreeSet<Reference>) {
        let mut inner = self.lock();
        for old in inner.used.remove(model).unwrap_or_default() {
            if let Some(users) = inner.users.get_mut(&old) {
                users.remove(model);
                if users.is_empty() {
                    inner.users.remove(&old);
                }
            }
        }
        for reference in &references {
            inner.users.entry(reference.clone()).or_default().insert(model.clone());
        }
        if !references.is_empty() {
            inner.used.insert(model.clone(), references);
        }
    }

    /// What is known of an object.
    pub fn known(&self, reference: &Reference) -> Known {
        let inner = self.lock();
        match inner.live.get(reference) {
            Some(version) => Known::Version(version.clone()),
            None if inner.is_complete(reference.kind, &reference.namespace) => Known::Absent,
            None => Known::Nothing,
        }
    }

    /// Names and versions of all IngressClasses; `None` while the list is not complete.
    pub fn ingress_classes(&self) -> Option<BTreeMap<String, String>> {
        let inner = self.lock();
        inner.is_complete(ReferenceKind::IngressClass, "").then(|| {
            let classes = inner.live.iter().filter(|(r, _)| r.kind == ReferenceKind::IngressClass);
            classes.map(|(r, version)| (r.name.clone(), version.clone())).collect()
        })
    }

    /// An object was added or changed. Returns the models that refer to it; none if its version is known.
    pub fn put(&self, reference: Reference, version: String) -> BTreeSet<ModelRef> {
        let mut inner = self.lock();
        let changed = inner.live.get(&reference) != Some(&version);
        let users = if changed { inner.users_of(&reference) } else { BTreeSet::new() };
        inner.live.insert(reference, version);
        users
    }

    /// An object was deleted. Returns the models that refer to it.
    pub fn remove(&self, reference: &Reference) -> BTreeSet<ModelRef> {
        let mut inner = self.lock();
        inner.live.remove(reference);
        inner.users_of(reference)
    }

    /// A list is complete: what is not in it is gone. Returns the models that the differences concern; with the first
    /// list, that is every model that refers to a name in its scope.
    pub fn replace(
        &self,
        kind: ReferenceKind,
        scope: &Scope,
        listed: BTreeMap<Reference, String>,
    ) -> BTreeSet<ModelRef> {
        let mut inner = self.lock();
        let first = inner.complete.insert((kind, scope.clone()));
        let here = |r: &Reference| r.kind == kind && scope.as_deref().is_none_or(|s| s == r.namespace);
        let before: BTreeMap<_, _> =
            inner.live.iter().filter(|(r, _)| here(r)).map(|(r, v)| (r.clone(), v.clone())).collect();
        inner.live.retain(|r, _| !here(r));
        inner.live.extend(listed.clone());
        let names = before.keys().chain(listed.keys()).chain(inner.users.keys()).filter(|r| here(r));
        names.filter(|r| first || before.get(r) != listed.get(r)).flat_map(|r| inner.users_of(r)).collect()
    }
}

impl Inner {
    fn is_complete(&self, kind: ReferenceKind, namespace: &str) -> bool {
        self.complete.contains(&(kind, None)) || self.complete.contains(&(kind, Some(namespace.to_owned())))
    }

    fn users_of(&self, reference: &Reference) -> BTreeSet<ModelRef> {
        let any = Reference { name: ANY.into(), ..reference.clone() };
        [reference, &any].into_iter().filter_map(|r| self.users.get(r)).flatten().cloned().collect()
    }
}

#[cfg(test)]
#[path = "references/tests.rs"]
mod tests;
