//! A small API server in memory: get, list, create, apply, merge-patch and delete, with UIDs, versions, preconditions and
//! managed fields. Crude where nothing here depends on it: lists are atomic, and whoever applies owns all that was applied.
//! A request can be made to fail, before or after it was carried out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};
use tower::{BoxError, service_fn};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Lost,
    /// It is carried out, and the answer never arrives.
    Unanswered,
}

/// The server. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    applied: BTreeMap<String, Value>,
    counter: u64,
    log: Vec<String>,
    fault: Option<(usize, Fault)>,
    refused: Vec<(String, String)>,
    webhook: Option<fn(&mut Value)>,
}

type Answer = Result<Value, (u16, &'static str, String)>;

impl ApiServer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A client without retries, time-outs or fence.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.serve(request).await }
        });
        Client::new(service, "default")
    }

    async fn serve(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (parts, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes()).unwrap_or_default();
        let kind = parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let mut state = self.lock();
        state.log.push(format!("{} {}", parts.method, parts.uri.path()));
        let fault = state.fault.filter(|(at, _)| *at == state.log.len()).map(|(_, fault)| fault);
        if fault == Some(Fault::Lost) {
            return Err("the connection was closed".into());
        }
        let answer =
            state.handle(&parts.method, parts.uri.path(), kind.starts_with("application/apply"), &body);
        if fault == Some(Fault::Unanswered) {
            return Err("the connection was closed".into());
        }
        let (code, body) = match answer {
            Ok(body) => (200, body),
            Err((code, reason, message)) => (
                code,
                json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}),
            ),
        };
        Ok(Response::builder().status(code).body(Body::from(serde_json::to_vec(&body)?))?)
    }

    /// The `at`-th request from now on, counted from 1, goes wrong.
    pub(crate) fn fail_at(&self, at: usize, fault: Fault) {
        let mut state = self.lock();
        state.fault = Some((state.log.len() + at, fault));
    }

    /// Writes to paths that end like this are refused.
    pub(crate) fn refuse(&self, path: &str, message: &str) {
        self.lock().refused.push((path.into(), message.into()));
    }

    /// What is refused no longer is.
    pub(crate) fn refuse_nothing(&self) {
        self.lock().refused.clear();
    }

    /// Everything that is applied is changed before it is stored.
    pub(crate) fn mutate(&self, webhook: fn(&mut Value)) {
        self.lock().webhook = Some(webhook);
    }

    /// Requests since the last call, as `VERB path`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let mut state = self.lock();
        state.fault = None;
        std::mem::take(&mut state.log)
    }

    /// All objects by path, as they are stored.
    pub(crate) fn objects(&self) -> BTreeMap<String, Value> {
        self.lock().objects.clone()
    }

    /// An object whose path ends like this.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.iter().find(|(at, _)| at.ends_with(path)).map(|(_, object)| object.clone())
    }

    /// What a user or a controller of Kubernetes creates.
    pub(crate) fn create(&self, collection: &str, object: Value) -> Value {
        self.lock().create(collection, &object).unwrap()
    }

    /// What a user or a controller of Kubernetes changes.
    pub(crate) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.lock();
        let at = state.objects.keys().find(|at| at.ends_with(path)).cloned().unwrap();
        let mut object = state.objects[&at].clone();
        edit(&mut object);
        state.store(&at, object);
    }

    /// What a user or a controller of Kubernetes deletes.
    pub(crate) fn delete(&self, path: &str) {
        let mut state = self.lock();
        let at = state.objects.keys().find(|at| at.ends_with(path)).cloned().unwrap();
        state.delete(&at, &Value::Null).unwrap();
    }

    /// An object goes, and what it owns stays for a while.
    pub(crate) fn delete_alone(&self, path: &str) {
        let mut state = self.lock();
        state.applied.remove(path);
        state.objects.remove(path).unwrap();
    }
}

impl State {
    fn handle(&mut self, method: &Method, path: &str, apply: bool, body: &Value) -> Answer {
        if *method != Method::GET
            && let Some((_, message)) = self.refused.iter().find(|(end, _)| path.ends_with(end))
        {
            return Err((403, "Forbidden", message.clone()));
        }
        match method.as_str() {
            "GET" => self.objects.get(path).cloned().map_or_else(|| self.list(path), Ok),
            "POST" => self.create(path, body),
            "PATCH" if apply && path.ends_with("/status") => {
                self.status(path.trim_end_matches("/status"), body)
            }
            "PATCH" if apply => self.apply(path, body),
            "PATCH" => self.merge(path, body),
            "DELETE" => self.delete(path, body),
            other => panic!("{other} {path} is not what the operator does"),
        }
    }

    /// Events are all that is listed by request; the watches of the tests are fed without one.
    fn list(&self, path: &str) -> Answer {
        if !path.ends_with("/events") {
            return Err((404, "NotFound", format!("{path} not found")));
        }
        Ok(
            json!({"apiVersion": "v1", "kind": "EventList", "metadata": {"resourceVersion": "1"}, "items": []}),
        )
    }

    fn create(&mut self, collection: &str, object: &Value) -> Answer {
        let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
        if self.objects.contains_key(&path) {
            return Err((409, "AlreadyExists", format!("{path} already exists")));
        }
        let mut object = object.clone();
        self.counter += 1;
        object["metadata"]["uid"] = format!("uid-{}", self.counter).into();
        object["metadata"]["generation"] = 1.into();
        object["metadata"]["creationTimestamp"] = Timestamp::now().to_string().into();
        if let Some(namespace) =
            collection.split("/namespaces/").nth(1).and_then(|rest| rest.split('/').next())
        {
            object["metadata"]["namespace"] = namespace.into();
        }
        Ok(self.store(&path, object))
    }

    fn apply(&mut self, path: &str, wanted: &Value) -> Answer {
        let mut wanted = wanted.clone();
        let uid = wanted["metadata"].as_object_mut().and_then(|metadata| metadata.remove("uid"));
        let exists = self.objects.get(path);
        if uid.is_some() && exists.map(|live| &live["metadata"]["uid"]) != uid.as_ref() {
            return Err((409, "Conflict", format!("{path}: uid mismatch")));
        }
        if let Some(webhook) = self.webhook {
            webhook(&mut wanted);
        }
        let mut live = match exists {
            Some(live) => live.clone(),
            None => self.create(path.rsplit_once('/').unwrap().0, &wanted)?,
        };
        if let Some(before) = self.applied.insert(path.into(), wanted.clone()) {
            remove_members(&mut live, &before, &wanted);
        }
        merge_objects(&mut live, &wanted);
        live["metadata"]["managedFields"] = json!([{
            "manager": "anomaly-operator", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields(&wanted),
        }]);
        Ok(self.store(path, live))
    }

    fn status(&mut self, path: &str, wanted: &Value) -> Answer {
        let mut live =
            self.objects.get(path).cloned().ok_or((404, "NotFound", format!("{path} not found")))?;
        if live["metadata"]["uid"] != wanted["metadata"]["uid"] {
            return Err((409, "Conflict", format!("{path}: uid mismatch")));
        }
        live["status"] = wanted["status"].clone();
        Ok(self.store(path, live))
    }

    fn merge(&mut self, path: &str, patch: &Value) -> Answer {
        let mut live =
            self.objects.get(path).cloned().ok_or((404, "NotFound", format!("{path} not found")))?;
        for member in ["uid", "resourceVersion"] {
            if patch["metadata"].get(member).is_some_and(|wanted| *wanted != live["metadata"][member]) {
                return Err((409, "Conflict", format!("{path}: {member} mismatch")));
            }
        }
        merge_objects(&mut live, patch);
        Ok(self.store(path, live))
    }

    /// Dependents go at once.
    fn delete(&mut self, path: &str, options: &Value) -> Answer {
        let live = self.objects.get(path).cloned().ok_or((404, "NotFound", format!("{path} not found")))?;
        for member in ["uid", "resourceVersion"] {
            let wanted = &options["preconditions"][member];
            if !wanted.is_null() && *wanted != live["metadata"][member] {
                return Err((409, "Conflict", format!("{path}: {member} mismatch")));
            }
        }
        self.counter += 1;
        self.objects.remove(path);
        self.applied.remove(path);
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == live["metadata"]["uid"]))
        };
        let dependents: Vec<String> =
            self.objects.iter().filter(|(_, object)| owned(object)).map(|(path, _)| path.clone()).collect();
        for dependent in dependents {
            self.delete(&dependent, &Value::Null)?;
        }
        Ok(json!({"kind": "Status", "status": "Success", "code": 200}))
    }

    /// A new version if anything changed, a new generation if the spec did.
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        if let Some(before) = self.objects.get(path) {
            if *before == object {
                return object;
            }
            if before["spec"] != object["spec"] {
                object["metadata"]["generation"] =
                    (before["metadata"]["generation"].as_u64().unwrap_or(1) + 1).into();
            }
        }
        self.counter += 1;
        object["metadata"]["resourceVersion"] = self.counter.to_string().into();
        self.objects.insert(path.into(), object.clone());
        object
    }
}

fn merge_objects(live: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *live = patch.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    for (name, value) in patch {
        merge_objects(&mut live[name], value);
    }
}

/// Members that were applied before and are no longer.
fn remove_members(live: &mut Value, before: &Value, now: &Value) {
    let (Some(live), Some(before)) = (live.as_object_mut(), before.as_object()) else { return };
    for (name, value) in before {
        match (now.get(name), live.get_mut(name)) {
            (None, _) => drop(live.remove(name)),
            (Some(now), Some(live)) => remove_members(live, value, now),
            (Some(_), None) => {}
        }
    }
}

/// The `fieldsV1` of an applied object: every list is a leaf.
fn fields(applied: &Value) -> Value {
    let mut applied = applied.clone();
    for (place, names) in [("", ["apiVersion", "kind"]), ("/metadata", ["name", "namespace"])] {
        if let Some(Value::Object(members)) = applied.pointer_mut(place) {
            members.retain(|name, _| !names.contains(&name.as_str()));
        }
    }
    nodes(&applied)
}

fn nodes(value: &Value) -> Value {
    let Value::Object(members) = value else { return json!({}) };
    Value::Object(members.iter().map(|(name, value)| (format!("f:{name}"), nodes(value))).collect())
}
