//! A cluster in memory: the API server, what Kubernetes' controllers and the trainer do, and the operator itself, one
//! reconcile at a time. The watches are replaced by complete lists that cost no request.

pub(crate) mod api_server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::training_key::digest;
use api::{AnomalyModelStatus, labels};
use futures::channel::mpsc::UnboundedReceiver;
use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::ObjectRef;
use operator::context::Context;
use operator::kinds::Kind;
use operator::memory::{ChildSink, Memory, ModelSink, ReferenceSink};
use operator::models::Stored;
use operator::monitoring;
use operator::reconcile::{Error, reconcile, retry};
use operator::references::ReferenceKind;
use operator::settings::{Namespaces, SecretsAccess, Settings};
use operator::telemetry::Metrics;
use operator::watch::Sink;
use serde_json::{Value, json};

use api_server::ApiServer;

/// Most reconciles until nothing changes any more.
const MOST_PASSES: usize = 40;

/// The cluster with one model, `demo/machine`.
pub(crate) struct Cluster {
    pub(crate) api: ApiServer,
}

/// The operator's process: its memory is lost with it.
pub(crate) struct Operator {
    pub(crate) context: Arc<Context>,
    triggered: UnboundedReceiver<ObjectRef<Stored>>,
}

pub(crate) const MODELS: &str = "/apis/anomaly-operator.io/v1alpha1/namespaces/demo/anomalymodels";
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/demo/configmaps";

impl Operator {
    /// Names of the models that were asked to be reconciled since the last call.
    pub(crate) fn triggered(&mut self) -> BTreeSet<String> {
        std::iter::from_fn(|| self.triggered.try_recv().ok()).map(|model| model.name).collect()
    }
}

impl Cluster {
    /// A model that is exposed through Traefik, with data to train on.
    pub(crate) fn new() -> Self {
        let api = ApiServer::default();
        api.create(
            "/apis/networking.k8s.io/v1/ingressclasses",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {"name": "traefik", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
                "spec": {"controller": "traefik.io/ingress-controller"},
            }),
        );
        api.create(
            CONFIG_MAPS,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "data"}, "data": {"train.csv": "mean,sd\n1,2\n"}}),
        );
        api.create(
            MODELS,
            json!({
                "apiVersion": "anomaly-operator.io/v1alpha1", "kind": "AnomalyModel", "metadata": {"name": "machine"},
                "spec": {
                    "features": [{"name": "mean"}, {"name": "sd"}],
                    "detector": {"isolationForest": {"seed": 16}},
                    "training": {"source": {"configMap": {"name": "data", "key": "train.csv"}}},
                    "serving": {"replicas": 2},
                    "ingress": {"host": "machine.localhost"},
                },
            }),
        );
        Self { api }
    }

    /// Starts the operator.
    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(|_| {})
    }

    /// Starts the operator with other settings.
    pub(crate) fn operator_with(&self, edit: impl FnOnce(&mut Settings)) -> Operator {
        let mut settings = Settings {
            trainer_image: "trainer".into(),
            server_image: "server".into(),
            server_otel: Default::default(),
            image_pull_policy: "IfNotPresent".into(),
            monitoring_namespaces: Vec::new(),
            secrets: SecretsAccess::Cluster,
            monitoring: monitoring::Defaults::default(),
            max_concurrent_trainings: 4,
            debounce: SignedDuration::from_secs(30),
        };
        edit(&mut settings);
        let (memory, triggered) = Memory::new();
        let metrics = Arc::new(Metrics::new().unwrap());
        let client = self.api.client();
        let context = Context::new(client, settings, Namespaces::All, memory, metrics, "operator-0".into());
        Operator { context: Arc::new(context), triggered }
    }

    /// One reconcile of the model after the watches have shown everything.
    pub(crate) async fn pass(&self, operator: &Operator) -> Result<(), Error> {
        self.show_all(operator);
        self.pass_blindly(operator).await
    }

    /// One reconcile of the model with what the operator has seen so far.
    pub(crate) async fn pass_blindly(&self, operator: &Operator) -> Result<(), Error> {
        self.pass_of(operator, "machine").await
    }

    /// One reconcile of any model with what the operator has seen so far.
    pub(crate) async fn pass_of(&self, operator: &Operator, name: &str) -> Result<(), Error> {
        let model = ObjectRef::new(name).within("demo");
        let Some(stored) = operator.context.memory.models.get(&model) else { return Ok(()) };
        let result = reconcile(Arc::clone(&stored), Arc::clone(&operator.context)).await;
        if let Err(error) = &result {
            retry(&stored, error, &operator.context);
        }
        result.map(|_| ())
    }

    /// The watches show all that there is.
    pub(crate) fn show_all(&self, operator: &Operator) {
        self.show_all_but(operator, "");
    }

    /// The watches show all that there is but one resource.
    pub(crate) fn show_all_but(&self, operator: &Operator, late: &str) {
        let memory = &operator.context.memory;
        for kind in Kind::ALL.into_iter().filter(|kind| kind.resource().plural != late) {
            let sink = ChildSink { memory: Arc::clone(memory), kind, scope: None };
            show(
                &sink,
                self.of(&kind.resource().plural)
                    .filter(|o| !o["metadata"]["labels"][labels::MODEL].is_null()),
            );
        }
        let references = [ReferenceKind::ConfigMap, ReferenceKind::Secret, ReferenceKind::IngressClass];
        for kind in references.into_iter().filter(|kind| kind.resource().plural != late) {
            let sink = ReferenceSink { memory: Arc::clone(memory), kind, scope: None };
            show(&sink, self.of(&kind.resource().plural));
        }
        show(&ModelSink { memory: Arc::clone(memory), scope: None }, self.of("anomalymodels"));
    }

    fn of(&self, plural: &str) -> impl Iterator<Item = Value> + use<> {
        let place = format!("/{plural}/");
        self.api
            .objects()
            .into_iter()
            .filter(move |(path, _)| path.contains(&place))
            .map(|(_, object)| object)
    }

    /// Jobs succeed and publish, Deployments roll out. Returns whether there was something to do.
    pub(crate) fn kubernetes(&self) -> bool {
        let before = self.api.objects();
        for job in self.of("jobs").filter(|job| job["status"].is_null()) {
            self.train(&job);
        }
        for deployment in self.of("deployments") {
            let (name, n) =
                (deployment["metadata"]["name"].as_str().unwrap(), &deployment["spec"]["replicas"]);
            self.api.edit(&format!("/deployments/{name}"), |live| {
                live["status"] = json!({
                    "observedGeneration": live["metadata"]["generation"], "replicas": n, "updatedReplicas": n,
                    "readyReplicas": n, "availableReplicas": n,
                });
            });
        }
        self.api.objects() != before
    }

    /// What the trainer does with its input; without one it waits.
    fn train(&self, job: &Value) {
        let name = job["metadata"]["name"].as_str().unwrap();
        let Some(input) = self.api.get(&format!("/configmaps/{name}")) else { return };
        let input: api::job::TrainingInput =
            serde_json::from_str(input["data"]["input.json"].as_str().unwrap()).unwrap();
        let owner = input.revision.owner.unwrap();
        let mut annotations = input.revision.annotations;
        let description = json!({
            "formatVersion": 1, "revision": input.revision.name, "key": input.key, "detector": input.detector,
            "features": input.features, "rows": 980, "threshold": -0.5, "thresholdConfig": input.threshold,
            "flaggedTrainingShare": 0.01, "dataDigest": input.data.digest, "modelDigest": digest(b"model"), "modelBytes": 5,
        });
        annotations.insert(labels::DESCRIPTION.into(), description.to_string());
        let revision = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
            "metadata": {
                "name": input.revision.name, "labels": input.revision.labels, "annotations": annotations,
                "ownerReferences": [{
                    "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
                    "controller": true,
                }],
            },
        });
        if self.api.get(&format!("/configmaps/{}", input.revision.name)).is_none() {
            self.api.create(CONFIG_MAPS, revision);
        }
        let now = Timestamp::now().to_string();
        self.api.edit(&format!("/jobs/{name}"), |live| {
            live["status"] = json!({
                "completionTime": now,
                "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": now}],
            });
        });
    }

    /// Reconciles until neither the operator nor Kubernetes has anything left to do.
    pub(crate) async fn converge(&self, operator: &Operator) {
        for _ in 0..MOST_PASSES {
            let before = self.api.objects();
            let done = self.pass(operator).await.is_ok();
            if !self.kubernetes() && done && self.api.objects() == before {
                return;
            }
        }
        panic!("not at rest after {MOST_PASSES} reconciles: {:#?}", self.status());
    }

    pub(crate) fn status(&self) -> AnomalyModelStatus {
        self.status_of("machine")
    }

    pub(crate) fn status_of(&self, name: &str) -> AnomalyModelStatus {
        let model = self.api.get(&format!("/anomalymodels/{name}")).unwrap();
        serde_json::from_value(model["status"].clone()).unwrap_or_default()
    }

    /// `status reason` of a condition.
    pub(crate) fn condition(&self, type_: &str) -> String {
        self.condition_of("machine", type_)
    }

    pub(crate) fn condition_of(&self, name: &str, type_: &str) -> String {
        let status = self.status_of(name);
        let condition = status.conditions.iter().find(|condition| condition.type_ == type_);
        condition.map_or_else(|| "absent".into(), |c| format!("{} {}", c.status.as_str(), c.reason))
    }

    /// Everything that a user sees in the end, without what differs from run to run.
    pub(crate) fn picture(&self) -> BTreeMap<String, Value> {
        let mut objects = self.api.objects();
        objects.retain(|path, _| !path.contains("/events/"));
        for (path, object) in &mut objects {
            blur(object);
            if path.contains("/secrets/") {
                object["data"] = object["data"].as_object().unwrap().keys().cloned().collect();
            }
        }
        objects
    }
}

/// Requests that change something, without Events.
pub(crate) fn writes(requests: &[String]) -> Vec<&str> {
    let writes = requests.iter().filter(|r| !r.starts_with("GET ") && !r.contains("/events.k8s.io/"));
    writes.map(String::as_str).collect()
}

fn show<S: Sink>(sink: &S, objects: impl Iterator<Item = Value>) {
    let reduced = objects.filter_map(|object| sink.reduce(serde_json::from_value(object).unwrap()));
    sink.listed(reduced.collect());
}

/// UIDs, versions and times.
fn blur(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let differs = ["uid", "resourceVersion", "observedGeneration", "generation"]
                    .contains(&name.as_str())
                    || name.ends_with("Time")
                    || name.ends_with("Timestamp")
                    || name.ends_with("At");
                if differs { *value = "…".into() } else { blur(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blur),
        Value::String(text) if text.starts_with("--trained-at=") => *text = "--trained-at=…".into(),
        Value::String(text) if text.contains("uid-") => *text = without_uids(text),
        _ => {}
    }
}

/// UIDs inside of strings, like the input of a Job.
fn without_uids(text: &str) -> String {
    let mut parts = text.split("uid-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts
        .fold(first, |done, part| format!("{done}…{}", part.trim_start_matches(|c: char| c.is_ascii_digit())))
}
