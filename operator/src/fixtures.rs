//! A model in a small world, for tests: verbs on the resource and on what Kubernetes does with it. `reconcile` is one
//! pass of the pure steps, whose plan is carried out at once and in full.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::conditions::MONITORING_READY;
use api::job::TrainingResult;
use api::{AnomalyModelSpec, AnomalyModelStatus, labels, names};
use detectors::description::Description;
use jiff::{SignedDuration, Timestamp};

use crate::desired;
use crate::monitoring;
use crate::observed::{
    Auth, Credentials, Deployment, IngressClass, Job, JobState, MonitoringKinds, Observed, Password,
    Presence, Revision, Source, Tls,
};
use crate::outcome::{Applied, Plan};
use crate::settings::{SecretsAccess, Settings};
use crate::status::{Outcome, status};
use crate::validate::{Validated, validate};

const MODEL: &str = "
apiVersion: anomaly-operator.io/v1alpha1
kind: AnomalyModel
metadata: {name: machine, namespace: demo, uid: 11111111-2222-3333-4444-555555555555, generation: 1}
spec:
  features: [{name: mean}, {name: sd}]
  detector: {isolationForest: {seed: 16}}
  training: {source: {configMap: {name: data, key: train.csv}}}
  serving: {replicas: 2}
";

/// One model, and all that the operator sees of it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) observed: Observed,
    pub(crate) settings: Settings,
    /// What the next pass is told of its writes.
    pub(crate) applied: Applied,
    deployed: Option<k8s_openapi::api::apps::v1::Deployment>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        trainer_image: "anomaly-operator/trainer:1".into(),
        server_image: "anomaly-operator/server:1".into(),
        server_otel: Default::default(),
        image_pull_policy: "IfNotPresent".into(),
        monitoring_namespaces: vec!["monitoring".into()],
        secrets: SecretsAccess::Cluster,
        monitoring: monitoring::Defaults::default(),
        max_concurrent_trainings: 4,
        debounce: SignedDuration::from_secs(30),
    }
}

impl World {
    /// A model that trains on a ConfigMap and is not exposed; nothing was done for it yet.
    pub(crate) fn new() -> Self {
        let observed = Observed {
            model: Arc::new(serde_yaml::from_str(MODEL).unwrap()),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            source: Source::Found {
                digest: "sha256:1".into(),
                origin: "ConfigMap demo/data key train.csv".into(),
                changed_at: None,
            },
            jobs: Vec::new(),
            terminating_jobs: Vec::new(),
            names_taken: Vec::new(),
            revisions: Vec::new(),
            deployment: None,
            pod_problems: Vec::new(),
            auth: Auth::NotAsked,
            tls: Tls::NotAsked,
            ingress_class: None,
            ingress_exists: false,
            middleware_installed: true,
            monitoring: MonitoringKinds {
                service_monitor: Presence::Installed,
                prometheus_rule: Presence::Installed,
                watch_failing: None,
            },
            servers_transport_installed: true,
            host_conflict: None,
            training_slot_free: true,
            fresh_password: Password("freshly-made".into()),
        };
        Self { observed, settings: settings(), applied: Applied::default(), deployed: None }
    }

    /// Trained on 980 rows, rolled out and at rest.
    pub(crate) fn ready() -> Self {
        Self::new().reconciled().published(980).reconciled().rolled_out().reconciled()
    }

    // What the user does.

    pub(crate) fn edited(mut self, edit: impl FnOnce(&mut AnomalyModelSpec)) -> Self {
        let model = Arc::make_mut(&mut self.observed.model);
        edit(&mut model.spec);
        model.metadata.generation = model.metadata.generation.map(|g| g + 1);
        self
    }

    pub(crate) fn seed(self, seed: u64) -> Self {
        self.edited(|spec| spec.detector.isolation_forest.as_mut().unwrap().seed = seed)
    }

    pub(crate) fn annotated(mut self, key: &str, value: &str) -> Self {
        let model = Arc::make_mut(&mut self.observed.model);
        model.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    pub(crate) fn retrain(self, value: &str) -> Self {
        self.annotated(labels::RETRAIN, value)
    }

    pub(crate) fn inline(self, csv: &str) -> Self {
        let source = serde_yaml::from_str(&format!("{{inline: {{csv: {csv:?}}}}}")).unwrap();
        self.edited(|spec| spec.training.as_mut().unwrap().source = source)
    }

    /// A model that scikit-learn trained, in the same ConfigMap.
    pub(crate) fn imported(self) -> Self {
        self.edited(|spec| {
            spec.features.clear();
            spec.training = None;
            spec.detector =
                serde_yaml::from_str("{imported: {configMap: {name: data, key: forest.json.gz}}}").unwrap();
        })
    }

    /// Exposed by a class of this controller, with generated credentials.
    pub(crate) fn exposed(self, controller: &str) -> Self {
        let mut world = self.edited(|spec| {
            spec.ingress = Some(serde_yaml::from_str("{host: machine.localhost, path: /}").unwrap());
        });
        world.observed.auth = Auth::Generated(None);
        world.observed.ingress_class =
            Some(IngressClass::Found { name: "web".into(), controller: controller.to_owned() });
        world
    }

    /// With a certificate for the pods that a private authority signed.
    pub(crate) fn with_tls(self) -> Self {
        let mut world = self.edited(|spec| {
            spec.serving.tls = Some(serde_yaml::from_str("{secretName: certificate}").unwrap());
        });
        world.observed.tls = Tls::Named { authority: true };
        world
    }

    pub(crate) fn data(mut self, digest: &str) -> Self {
        let now = self.observed.now;
        if let Source::Found { digest: old, changed_at, .. } = &mut self.observed.source {
            *old = digest.to_owned();
            *changed_at = Some(now);
        }
        self
    }

    // What Kubernetes does.

    pub(crate) fn later(mut self, pause: SignedDuration) -> Self {
        self.observed.now += pause;
        self
    }

    /// The newest Job publishes its revision and succeeds.
    pub(crate) fn published(mut self, rows: u64) -> Self {
        let now = self.observed.now;
        let job = self.active_job();
        job.state = JobState::Succeeded { at: now };
        let job = job.clone();
        self.observed.revisions.push(revision(&self.observed.model.spec, &job, rows, now));
        self
    }

    pub(crate) fn failed(mut self, reason: &str, message: &str, input_at_fault: bool) -> Self {
        let at = self.observed.now;
        let result =
            TrainingResult { reason: reason.into(), message: message.into(), ..TrainingResult::default() };
        self.active_job().state = JobState::Failed { at, input_at_fault, result };
        self
    }

    pub(crate) fn too_few_rows(self) -> Self {
        self.failed("TooFewRows", "20 of at least 32 rows in ConfigMap demo/data key train.csv", true)
    }

    pub(crate) fn jobs_expired(mut self) -> Self {
        self.observed.jobs.retain(|job| job.state == JobState::Active);
        self
    }

    pub(crate) fn rolled_out(mut self) -> Self {
        if let Some(d) = &mut self.observed.deployment {
            let n = d.replicas;
            *d =
                Deployment { existing: n, updated: n, ready: n, available: n, up_to_date: true, ..d.clone() };
            d.deadline_exceeded = None;
        }
        self
    }

    /// The pods of the new template do not become ready within the deadline.
    pub(crate) fn stalled(mut self) -> Self {
        if let Some(d) = &mut self.observed.deployment {
            d.up_to_date = true;
            d.updated = 1;
            d.existing = d.replicas + 1;
            d.deadline_exceeded = Some("ReplicaSet \"machine-1\" has timed out progressing.".into());
        }
        self
    }

    // What the operator does.

    pub(crate) fn validated(&self) -> Validated {
        validate(&self.observed, &self.settings).unwrap()
    }

    pub(crate) fn plan(&self) -> Plan {
        desired::plan(&self.validated(), &self.observed, &self.settings)
    }

    pub(crate) fn status(&self) -> AnomalyModelStatus {
        self.observed.model.status.clone().unwrap_or_default()
    }

    /// One pass: the status is published, the plan is carried out.
    pub(crate) fn reconciled(mut self) -> Self {
        self.reconcile();
        self
    }

    pub(crate) fn reconcile(&mut self) -> Plan {
        let plan = self.plan();
        self.note_writes(&plan);
        let new = status(&self.observed, &Outcome::Applied { plan: &plan, applied: &self.applied });
        Arc::make_mut(&mut self.observed.model).status = Some(new);
        if !self.applied.paused {
            self.carry_out(&plan);
        }
        plan
    }

    /// What is not paused, refused or somebody else's is written.
    fn note_writes(&mut self, plan: &Plan) {
        let applied = &mut self.applied;
        let problems: Vec<&str> =
            applied.failures.iter().chain(&applied.conflicts).map(|p| p.object.as_str()).collect();
        let paused = applied.paused;
        let good = |kind: &str| !paused && !problems.iter().any(|object| object.starts_with(kind));
        let serves = plan.decisions.hold.is_none();
        let (job, deployment) = (good("Job "), serves && good("Deployment "));
        let ingress = serves && good("Ingress ");
        applied.started = plan.start.is_some() && job;
        applied.deployment_in_place = deployment;
        applied.deployment_written = deployment && plan.children.deployment != self.deployed;
        applied.monitoring_in_place = !paused;
        applied.ingress_in_place = plan.children.ingress.is_some() && ingress;
    }

    fn carry_out(&mut self, plan: &Plan) {
        let o = &mut self.observed;
        o.jobs.retain(|job| !plan.delete_jobs.contains(&job.name));
        o.revisions.retain(|r| !plan.prune_revisions.contains(&r.name));
        for revision in o.revisions.iter_mut().filter(|r| Some(&r.name) == plan.reject.as_ref()) {
            revision.rejected = true;
        }
        if let Some(start) = &plan.start {
            o.jobs.push(created(&start.job, o.now));
        }
        if let (Auth::Generated(None), Some(_)) = (&o.auth, &plan.children.credentials) {
            let password = o.fresh_password.0.clone();
            o.auth = Auth::Generated(Some(Credentials { username: "machine".into(), password }));
        }
        let held = plan.decisions.hold.is_some() && !o.ingress_exists;
        o.ingress_exists = plan.children.ingress.is_some() && !held;
        if self.applied.deployment_written {
            self.deployed.clone_from(&plan.children.deployment);
            self.deploy();
        }
    }

    /// The pods of the template before go on answering while the new ones come.
    fn deploy(&mut self) {
        let Some(spec) = self.deployed.as_ref().and_then(|d| d.spec.as_ref()) else {
            self.observed.deployment = None;
            return;
        };
        let annotations = spec.template.metadata.as_ref().and_then(|m| m.annotations.as_ref());
        let revision = annotations.map(|a| a[labels::REVISION].clone()).unwrap_or_default();
        let before = self.observed.deployment.take().unwrap_or_default();
        let replicas = spec.replicas.unwrap_or(1);
        self.observed.deployment = Some(Deployment {
            revision,
            replicas,
            up_to_date: false,
            deadline_exceeded: None,
            updated: 0,
            ..before
        });
    }

    fn active_job(&mut self) -> &mut Job {
        self.observed.jobs.iter_mut().rfind(|j| j.state == JobState::Active).unwrap()
    }
}

/// The Job as the operator sees it a moment later.
fn created(job: &k8s_openapi::api::batch::v1::Job, now: Timestamp) -> Job {
    let none = BTreeMap::new();
    let annotations = job.metadata.annotations.as_ref().unwrap_or(&none);
    let name = job.metadata.name.clone().unwrap();
    Job {
        uid: format!("uid-of-{name}"),
        key: annotations[labels::FULL_TRAINING_KEY].clone(),
        inputs: annotations[labels::INPUTS].clone(),
        retrain: annotations.get(labels::RETRAIN).cloned(),
        revision: annotations[labels::REVISION].clone(),
        attempt: names::attempt(&name).unwrap(),
        created_at: now,
        state: JobState::Active,
        has_input: true,
        name,
    }
}

fn revision(spec: &AnomalyModelSpec, job: &Job, rows: u64, now: Timestamp) -> Revision {
    Revision {
        name: job.revision.clone(),
        created_at: now,
        key: job.key.clone(),
        retrain: job.retrain.clone(),
        description: Description {
            format_version: 1,
            revision: job.revision.clone(),
            key: job.key.clone(),
            detector: spec.detector.clone(),
            features: spec.feature_names(),
            rows,
            threshold: -0.6125,
            threshold_config: spec.threshold(),
            flagged_training_share: Some(0.01),
            data_digest: "sha256:1".into(),
            model_digest: "sha256:2".into(),
            model_bytes: 30_000,
            warnings: Vec::new(),
        },
        training_seconds: Some(1.25),
        rejected: false,
    }
}

/// A status in one line a condition, for tables. `MonitoringReady`, which goes its own way, has tests of its own.
pub(crate) fn table(status: &AnomalyModelStatus) -> String {
    let conditions = status.conditions.iter().filter(|c| c.type_ != MONITORING_READY);
    let lines: Vec<String> =
        conditions.map(|c| format!("{} {} {}", c.type_, c.status.as_str(), c.reason)).collect();
    lines.join("\n")
}
