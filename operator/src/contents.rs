//! Content of what is watched by metadata only: training data, Secrets, IngressClasses. Talks to the API server, reads
//! only: one GET when the version has changed, what was read is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use api::training_key::digest;
use api::{labels, names};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::networking::v1::IngressClass;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, ResourceExt};
use kube::{Client, Error};
use serde_json::Value;

use crate::facts::{self, Owner};
use crate::htpasswd::Lines;
use crate::kinds::Kind;
use crate::observed::{Credentials, Source};
use crate::owned_fields;
use crate::store::ModelRef;

/// What was read, by what it is.
#[derive(Default)]
pub struct Contents {
    data: Mutex<BTreeMap<ModelRef, Data>>,
    secrets: Mutex<BTreeMap<(String, String), Read<Secret>>>,
    classes: Mutex<BTreeMap<String, Read<Class>>>,
}

/// Something that was read once.
#[derive(Clone, Debug)]
struct Read<T> {
    /// The version that was known when it was read.
    asked: String,
    /// The version that came.
    got: String,
    value: T,
}

impl<T> Read<T> {
    fn is_of(&self, version: &str) -> bool {
        self.asked == version || self.got == version
    }
}

/// The training data of a model.
struct Data {
    name: String,
    key: String,
    read: Read<Source>,
}

/// A Secret, as far as the operator cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    /// UID.
    pub uid: String,
    /// The owner that controls it.
    pub owner: Option<Owner>,
    /// The model that its label names.
    pub model: String,
    /// Digest of the fields that we own.
    pub digest: String,
    /// User name and password, if it has both.
    pub credentials: Option<Credentials>,
    /// The htpasswd lines under the single key `auth`; if none lets anybody in, why not.
    pub htpasswd: Result<Lines, String>,
    /// Whether it holds a certificate and its key; if not, why not. If so, whether also the certificate of who signed it.
    pub certificate: Result<bool, String>,
}

/// An IngressClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Name.
    pub name: String,
    /// `spec.controller`.
    pub controller: String,
    /// Whether it is marked as the default.
    pub default: bool,
    /// When it was made: of several defaults the newest counts.
    pub created_at: Option<Timestamp>,
}

const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

impl Contents {
    /// The data under `key` of a ConfigMap. `version` is the one that the watch knows, if it knows one.
    pub async fn data(
        &self,
        client: &Client,
        model: &ModelRef,
        (name, key): (&str, &str),
        version: Option<&str>,
        now: Timestamp,
    ) -> Result<Source, Error> {
        let before =
            lock(&self.data).get(model).filter(|d| d.name == name && d.key == key).map(|d| d.read.clone());
        if let (Some(read), Some(version)) = (&before, version)
            && read.is_of(version)
        {
            return Ok(read.value.clone());
        }
        let Some(live) = get(client, &Kind::ConfigMap.resource(), &model.namespace, name).await? else {
            return Ok(Source::NotFound { name: name.into() });
        };
        let value = source(&live, model, name, key, before.as_ref().map(|read| &read.value), now);
        let got = facts::text(&live, "/metadata/resourceVersion").unwrap_or_default();
        let read = Read { asked: version.unwrap_or(&got).to_owned(), got, value: value.clone() };
        lock(&self.data).insert(model.clone(), Data { name: name.into(), key: key.into(), read });
        Ok(value)
    }

    /// A Secret. `version` is the one that the watch knows, if it knows one.
    pub async fn secret(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<Secret>, Error> {
        let at = (namespace.to_owned(), name.to_owned());
        let before = lock(&self.secrets).get(&at).cloned();
        if let (Some(read), Some(version)) = (&before, version)
            && read.is_of(version)
        {
            return Ok(Some(read.value.clone()));
        }
        let Some(live) = get(client, &Kind::Secret.resource(), namespace, name).await? else {
            lock(&self.secrets).remove(&at);
            return Ok(None);
        };
        let value = secret(&live);
        let got = facts::text(&live, "/metadata/resourceVersion").unwrap_or_default();
        let read = Read { asked: version.unwrap_or(&got).to_owned(), got, value: value.clone() };
        lock(&self.secrets).insert(at, read);
        Ok(Some(value))
    }

    /// The IngressClasses of these names and versions.
    pub async fn classes(
        &self,
        client: &Client,
        wanted: &BTreeMap<String, String>,
    ) -> Result<Vec<Class>, Error> {
        lock(&self.classes).retain(|name, _| wanted.contains_key(name));
        for (name, version) in wanted {
            if lock(&self.classes).get(name).is_some_and(|read| read.is_of(version)) {
                continue;
            }
            if let Some(live) = Api::<IngressClass>::all(client.clone()).get_opt(name).await? {
                let got = live.resource_version().unwrap_or_default();
                let read = Read { asked: version.clone(), got, value: class(&live) };
                lock(&self.classes).insert(name.clone(), read);
            }
        }
        Ok(lock(&self.classes).values().map(|read| read.value.clone()).collect())
    }

    /// Drops what was read for models that no longer exist.
    pub fn retain(&self, alive: &BTreeSet<ModelRef>) {
        lock(&self.data).retain(|model, _| alive.contains(model));
        let namespaces: BTreeSet<&String> = alive.iter().map(|model| &model.namespace).collect();
        lock(&self.secrets).retain(|(namespace, _), _| namespaces.contains(namespace));
    }
}

/// A live object as JSON.
pub async fn get(
    client: &Client,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let live = api.get_opt(name).await?;
    live.map(|object| serde_json::to_value(object).map_err(Error::SerdeError)).transpose()
}

fn source(
    live: &Value,
    model: &ModelRef,
    name: &str,
    key: &str,
    before: Option<&Source>,
    now: Timestamp,
) -> Source {
    let Some(bytes) = bytes(live, key) else {
        let members = ["data", "binaryData"].into_iter().filter_map(|m| live.get(m)?.as_object());
        let present = members.flat_map(|m| m.keys().cloned()).collect();
        return Source::KeyNotFound { name: name.into(), key: key.into(), present };
    };
    let digest = digest(&bytes);
    let changed_at = match before {
        Some(Source::Found { digest: old, changed_at, .. }) if *old == digest => *changed_at,
        Some(Source::Found { .. }) => Some(now),
        _ => None,
    };
    Source::Found { digest, origin: format!("ConfigMap {}/{name} key {key}", model.namespace), changed_at }
}

fn bytes(live: &Value, key: &str) -> Option<Vec<u8>> {
    let plain =
        live.get("data").and_then(|data| data.get(key)?.as_str()).map(|text| text.as_bytes().to_vec());
    plain.or_else(|| decoded(live.get("binaryData")?.get(key)?))
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

fn secret(live: &Value) -> Secret {
    let data = live.get("data").unwrap_or(&Value::Null);
    let member = |key: &str| String::from_utf8(decoded(data.get(key)?)?).ok().filter(|text| !text.is_empty());
    let credentials = match (member("username"), member("password")) {
        (Some(username), Some(password)) => Some(Credentials { username, password }),
        _ => None,
    };
    let labels = live.pointer("/metadata/labels").unwrap_or(&Value::Null);
    Secret {
        uid: facts::text(live, "/metadata/uid").unwrap_or_default(),
        owner: facts::controller(live),
        model: labels[labels::MODEL].as_str().unwrap_or_default().into(),
        digest: owned_fields::live_digest(live, labels::OPERATOR),
        credentials,
        htpasswd: htpasswd(data),
        certificate: certificate(data),
    }
}

/// Messages name keys and lines, never what stands there.
fn htpasswd(data: &Value) -> Result<Lines, String> {
    let keys: Vec<&String> = data.as_object().into_iter().flat_map(|data| data.keys()).collect();
    if keys != [names::HTPASSWD_KEY] {
        return Err(format!("expected the single key {:?}, found {keys:?}", names::HTPASSWD_KEY));
    }
    Lines::check(&decoded(&data[names::HTPASSWD_KEY]).unwrap_or_default())
}

/// Whether the keys hold PEM of the right kind; whether the two belong together is the server's to say.
fn certificate(data: &Value) -> Result<bool, String> {
    let [chain, key, authority] = names::TLS_KEYS;
    let holds = |name: &str, what: &str| {
        let text = decoded(&data[name]).and_then(|bytes| String::from_utf8(bytes).ok());
        text.is_some_and(|text| {
            text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(what))
        })
    };
    for (name, what) in [(chain, "CERTIFICATE-----"), (key, "PRIVATE KEY-----")] {
        if data.get(name).is_none() {
            return Err(format!("it has no key {name}"));
        }
        if !holds(name, what) {
            return Err(format!("expected PEM with a line -----BEGIN … {what} under {name}"));
        }
    }
    Ok(holds(authority, "CERTIFICATE-----"))
}

fn class(live: &IngressClass) -> Class {
    Class {
        name: live.name_any(),
        controller: live.spec.as_ref().and_then(|spec| spec.controller.clone()).unwrap_or_default(),
        default: live.annotations().get(DEFAULT_CLASS).is_some_and(|value| value == "true"),
        created_at: live.creation_timestamp().map(|time| time.0),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "contents/tests.rs"]
mod tests;
