//! From memory to facts. Talks to the API server, reads only, and only what has changed since it was last read.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::training_key::digest;
use api::{AnomalyModel, names};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use kube::core::{Resource, ResourceExt};

use crate::contents;
use crate::context::Context;
use crate::facts::{self, Child, Facts, Pod};
use crate::htpasswd::Lines;
use crate::kinds::{Kind, resource_name};
use crate::observed::{
    Auth, Credentials, Deployment, IngressClass, Job, JobState, MonitoringKinds, Observed, Password,
    PodProblem, Presence, Revision, Source, Tls,
};
use crate::references::{Known, Reference, ReferenceKind};
use crate::settings::SecretsAccess;
use crate::store::ModelRef;
use crate::watch;

/// A pod that is created, or not ready, for this long is a problem. Longer than an ordinary start.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// A Job without a pod for this long is asked why.
const NO_POD: SignedDuration = SignedDuration::from_secs(15);
/// A revision that is not seen for so long after its Job succeeded is asked for; sooner than it would be trained again.
const OVERDUE: SignedDuration = SignedDuration::from_secs(25);
/// After so long it was deleted.
const ASKED_FOR: SignedDuration = SignedDuration::from_mins(5);
/// Bytes of a generated password: 160 bits.
const PASSWORD_BYTES: usize = 20;

/// What was seen of a model.
#[derive(Debug)]
pub struct Seen {
    /// The facts.
    pub observed: Observed,
    /// Revisions with our label that nobody controls: to be adopted.
    pub orphans: Vec<Arc<Child>>,
    /// When a fact is going to change by the passing of time alone.
    pub look_again: Option<Duration>,
}

/// The facts could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A read failed.
    #[error("cannot read {what}: {}", watch::said(source))]
    Read {
        /// What was to be read.
        what: String,
        /// Why not.
        source: kube::Error,
    },
    /// The operating system has no random numbers.
    #[error("cannot make a password: {0}")]
    Random(#[from] rand::rngs::SysError),
}

fn cannot(what: impl Into<String>) -> impl FnOnce(kube::Error) -> ObserveError {
    let what = what.into();
    move |source| ObserveError::Read { what, source }
}

/// Sees one model.
pub async fn observe(
    context: &Context,
    model: &Arc<AnomalyModel>,
    now: Timestamp,
) -> Result<Seen, ObserveError> {
    let eye = Eye {
        context,
        model,
        at: ModelRef::new(model.namespace().unwrap_or_default(), model.name_any()),
        now,
    };
    let mut look_again = None;
    let (jobs, terminating_jobs) = eye.jobs();
    let (mut revisions, orphans) = eye.revisions();
    revisions.extend(eye.unseen_revisions(&jobs, &revisions).await?);
    let observed = Observed {
        model: Arc::clone(model),
        now,
        source: eye.source().await?,
        pod_problems: eye.pod_problems(&jobs, &mut look_again).await?,
        jobs,
        terminating_jobs,
        names_taken: eye.names_taken(),
        revisions,
        deployment: eye.deployment(),
        auth: eye.auth().await?,
        tls: eye.tls().await?,
        ingress_class: eye.ingress_class().await?,
        ingress_exists: eye.ours(Kind::Ingress).iter().any(|child| !child.deleting),
        middleware_installed: context.memory.is_installed(Kind::Middleware),
        monitoring: eye.monitoring_kinds(),
        servers_transport_installed: context.memory.is_installed(Kind::ServersTransport),
        host_conflict: eye.host_conflict(),
        // Whether it is, is asked when a training would start: who asks takes it.
        training_slot_free: true,
        fresh_password: Password(fresh_password()?),
    };
    Ok(Seen { observed, orphans, look_again })
}

struct Eye<'a> {
    context: &'a Context,
    model: &'a Arc<AnomalyModel>,
    at: ModelRef,
    now: Timestamp,
}

impl Eye<'_> {
    /// Children of a kind that this model controls.
    fn ours(&self, kind: Kind) -> Vec<Arc<Child>> {
        let mut children = self.context.memory.children.of_model(kind, &self.at);
        children.retain(|child| self.owns(child));
        children
    }

    async fn source(&self) -> Result<Source, ObserveError> {
        let spec = &self.model.spec;
        let Some(wanted) = &spec.config_map() else {
            let csv = spec.inline().unwrap_or_default();
            let origin = format!("AnomalyModel {} spec.training.source.inline.csv", self.at);
            return Ok(Source::Found { digest: digest(csv.as_bytes()), origin, changed_at: None });
        };
        let known = match self.known(ReferenceKind::ConfigMap, &wanted.name) {
            Known::Absent => return Ok(Source::NotFound { name: wanted.name.clone() }),
            Known::Nothing => None,
            Known::Version(version) => Some(version),
        };
        let Context { client, contents, .. } = self.context;
        let read =
            contents.data(client, &self.at, (&wanted.name, &wanted.key), known.as_deref(), self.now).await;
        read.map_err(cannot(format!("ConfigMap {}/{}", self.at.namespace, wanted.name)))
    }

    fn known(&self, kind: ReferenceKind, name: &str) -> Known {
        let reference = Reference { kind, namespace: self.at.namespace.clone(), name: name.into() };
        self.context.memory.references.known(&reference)
    }

    /// Jobs that are ours, with what their pods said at the end; and names of those that are on their way out.
    fn jobs(&self) -> (Vec<Job>, Vec<String>) {
        let (going, staying): (Vec<_>, Vec<_>) =
            self.ours(Kind::Job).into_iter().partition(|child| child.deleting);
        let inputs = self.context.memory.children.of_model(Kind::ConfigMap, &self.at);
        let jobs = staying.iter().filter_map(|child| {
            let Facts::Job(job) = &child.facts else { return None };
            let mut job = (**job).clone();
            job.has_input = inputs.iter().any(|input| {
                input.name == job.name && input.owner.as_ref().is_some_and(|owner| owner.uid == job.uid)
            });
            let ends = self.pods().into_iter().filter(|(_, pod)| pod.job.as_ref() == Some(&job.name));
            if let Some(end) =
                ends.filter_map(|(_, pod)| pod.end.filter(|end| end.code != 0)).max_by_key(|end| end.at)
            {
                facts::explain_failure(&mut job.state, &end);
            }
            Some(job)
        });
        (jobs.collect(), going.iter().map(|child| child.name.clone()).collect())
    }

    fn names_taken(&self) -> Vec<String> {
        let children = |kind| self.context.memory.children.of_model(kind, &self.at);
        let all = [Kind::Job, Kind::ConfigMap].into_iter().flat_map(children);
        all.map(|child| child.name.clone()).collect()
    }

    fn pods(&self) -> Vec<(String, Pod)> {
        let pods = self.context.memory.children.of_model(Kind::Pod, &self.at);
        let facts = pods.iter().filter_map(|child| match &child.facts {
            Facts::Pod(pod) => Some((child.name.clone(), (**pod).clone())),
            _ => None,
        });
        facts.collect()
    }

    /// Revisions that are ours, or that nobody controls any more (a backup, an orphaning delete): those are adopted.
    fn revisions(&self) -> (Vec<Revision>, Vec<Arc<Child>>) {
        let mut all = self.ours(Kind::ConfigMap);
        let mut orphans = self.context.memory.children.of_model(Kind::ConfigMap, &self.at);
        orphans.retain(|child| {
            child.owner.is_none() && matches!(child.facts, Facts::Revision(_)) && !child.deleting
        });
        all.extend(orphans.iter().cloned());
        let revisions = all.iter().filter(|child| !child.deleting).filter_map(|child| match &child.facts {
            Facts::Revision(revision) => Some((**revision).clone()),
            _ => None,
        });
        (revisions.collect(), orphans)
    }

    /// Revisions of Jobs that succeeded a while ago and that the watch has still not shown: before such a one is trained
    /// again, it is asked for.
    async fn unseen_revisions(&self, jobs: &[Job], seen: &[Revision]) -> Result<Vec<Revision>, ObserveError> {
        let overdue = |at: Timestamp| (OVERDUE..ASKED_FOR).contains(&self.now.duration_since(at));
        let mut found = Vec::new();
        for job in jobs {
            let JobState::Succeeded { at } = job.state else { continue };
            if !overdue(at) || seen.iter().any(|revision| revision.name == job.revision) {
                continue;
            }
            let resource = Kind::ConfigMap.resource();
            let read =
                contents::get(&self.context.client, &resource, &self.at.namespace, &job.revision).await;
            let live = read.map_err(cannot(format!("ConfigMap {}/{}", self.at.namespace, job.revision)))?;
            let child = live.and_then(|live| facts::reduce(Kind::ConfigMap, &live));
            found.extend(child.filter(|child| self.owns(child) && !child.deleting).and_then(|child| {
                match child.facts {
                    Facts::Revision(revision) => Some(*revision),
                    _ => None,
                }
            }));
        }
        Ok(found)
    }

    fn owns(&self, child: &Child) -> bool {
        child.owner.as_ref().is_some_and(|owner| Some(&owner.uid) == self.model.meta().uid.as_ref())
    }

    fn deployment(&self) -> Option<Deployment> {
        self.ours(Kind::Deployment).iter().find_map(|child| match &child.facts {
            Facts::Deployment(deployment) if child.name == self.at.name && !child.deleting => {
                Some((**deployment).clone())
            }
            _ => None,
        })
    }

    /// One problem for each reason, so that the order of events does not change status.
    async fn pod_problems(
        &self,
        jobs: &[Job],
        look_again: &mut Option<Duration>,
    ) -> Result<Vec<PodProblem>, ObserveError> {
        let active: Vec<&Job> = jobs.iter().filter(|job| job.state == JobState::Active).collect();
        let pods = self.pods();
        let mut problems = Vec::new();
        for (_, pod) in &pods {
            let Some((problem, since)) = &pod.problem else { continue };
            let relevant = pod.job.as_ref().is_none_or(|name| active.iter().any(|job| job.name == *name));
            let slow =
                matches!(problem.reason.as_str(), "ContainerCreating" | "PodInitializing" | "NotReady");
            if relevant && (!slow || self.is_over(*since, PATIENCE, look_again)) {
                problems.push(problem.clone());
            }
        }
        for job in active {
            let alone = !pods.iter().any(|(_, pod)| pod.job.as_ref() == Some(&job.name));
            if alone && self.is_over(job.created_at, NO_POD, look_again) {
                problems.extend(self.refusal(job).await?);
                sooner(look_again, Duration::from_secs(30));
            }
        }
        problems
            .sort_by(|a, b| (a.training, &a.reason, &a.message).cmp(&(b.training, &b.reason, &b.message)));
        problems.dedup_by(|a, b| a.training == b.training && a.reason == b.reason);
        Ok(problems)
    }

    /// Whether `since` is longer ago than `patience`; if not, when it will be.
    fn is_over(&self, since: Timestamp, patience: SignedDuration, look_again: &mut Option<Duration>) -> bool {
        let rest = patience - self.now.duration_since(since);
        if rest.is_positive() {
            // A little later than that: time stamps have whole seconds.
            sooner(look_again, rest.unsigned_abs() + Duration::from_secs(1));
        }
        !rest.is_positive()
    }

    /// Why the Job controller could not create a pod (quota, admission); it says so in Events only.
    async fn refusal(&self, job: &Job) -> Result<Option<PodProblem>, ObserveError> {
        let events: Api<Event> = Api::namespaced(self.context.client.clone(), &self.at.namespace);
        let about =
            ListParams::default().fields(&format!("involvedObject.uid={},reason=FailedCreate", job.uid));
        let listed = events.list(&about).await.map_err(cannot(format!("events of Job {}", job.name)))?;
        let time = |event: &Event| {
            let last = event.last_timestamp.as_ref().map(|time| time.0);
            last.max(event.event_time.as_ref().map(|time| time.0))
        };
        let newest = listed.items.into_iter().max_by_key(time);
        Ok(newest.map(|event| PodProblem {
            training: true,
            reason: "FailedCreate".into(),
            message: event.message.unwrap_or_default(),
        }))
    }

    async fn auth(&self) -> Result<Auth, ObserveError> {
        let Some(ingress) = &self.model.spec.ingress else { return Ok(Auth::NotAsked) };
        match (&ingress.basic_auth, self.context.settings.secrets) {
            (Some(_), SecretsAccess::None) => Ok(Auth::Named(Lines::default())),
            (None, SecretsAccess::None) => Ok(Auth::Required),
            (Some(named), SecretsAccess::Cluster) => self.named(&named.secret_name).await,
            (None, SecretsAccess::Cluster) => Ok(Auth::Generated(self.generated().await?)),
        }
    }

    async fn named(&self, name: &str) -> Result<Auth, ObserveError> {
        Ok(match self.secret(name).await? {
            Ok(None) => Auth::NamedNotFound,
            Ok(Some(secret)) => secret.htpasswd.map_or_else(Auth::NamedInvalid, Auth::Named),
            Err(forbidden) => Auth::NamedInvalid(forbidden),
        })
    }

    async fn tls(&self) -> Result<Tls, ObserveError> {
        let Some(tls) = &self.model.spec.serving.tls else { return Ok(Tls::NotAsked) };
        if self.context.settings.secrets == SecretsAccess::None {
            return Ok(Tls::Unseen);
        }
        Ok(match self.secret(&tls.secret_name).await? {
            Ok(None) => Tls::NotFound,
            Ok(Some(secret)) => {
                secret.certificate.map_or_else(Tls::Invalid, |authority| Tls::Named { authority })
            }
            Err(forbidden) => Tls::Invalid(forbidden),
        })
    }

    /// A Secret that the model names; or why the operator may not read it.
    async fn secret(&self, name: &str) -> Result<Result<Option<contents::Secret>, String>, ObserveError> {
        let version = match self.known(ReferenceKind::Secret, name) {
            Known::Absent => return Ok(Ok(None)),
            Known::Nothing => None,
            Known::Version(version) => Some(version),
        };
        let Context { client, contents, .. } = self.context;
        match contents.secret(client, &self.at.namespace, name, version.as_deref()).await {
            Ok(secret) => Ok(Ok(secret)),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(Err(status.message.clone())),
            Err(error) => Err(cannot(format!("Secret {}/{name}", self.at.namespace))(error)),
        }
    }

    /// Credentials that exist are never replaced: a Secret that the watch does not show (somebody took its label) is
    /// asked for before another password is made.
    async fn generated(&self) -> Result<Option<Credentials>, ObserveError> {
        let name = names::credentials(&self.at.name);
        let Context { client, contents, memory, .. } = self.context;
        let version =
            memory.children.get(Kind::Secret, &self.at.namespace, &name).map(|child| child.version.clone());
        let read = contents.secret(client, &self.at.namespace, &name, version.as_deref()).await;
        let secret = read.map_err(cannot(format!("Secret {}/{name}", self.at.namespace)))?;
        let ours = secret.filter(|secret| match &secret.owner {
            Some(owner) => Some(&owner.uid) == self.model.meta().uid.as_ref(),
            None => secret.model == self.at.name,
        });
        Ok(ours.and_then(|secret| secret.credentials))
    }

    async fn ingress_class(&self) -> Result<Option<IngressClass>, ObserveError> {
        let Some(ingress) = &self.model.spec.ingress else { return Ok(None) };
        let known = self.context.memory.references.ingress_classes().unwrap_or_default();
        let read = self.context.contents.classes(&self.context.client, &known).await;
        let mut classes = read.map_err(cannot("IngressClasses"))?;
        let present = classes.iter().map(|class| class.name.clone()).collect();
        // As the API server's own admission does: of several defaults the newest, then the first by name.
        classes.sort_by(|a, b| (Reverse(a.created_at), &a.name).cmp(&(Reverse(b.created_at), &b.name)));
        let found = match &ingress.class_name {
            Some(name) => classes.into_iter().find(|class| class.name == *name),
            None => classes.into_iter().find(|class| class.default),
        };
        Ok(Some(match (found, &ingress.class_name) {
            (Some(class), _) => IngressClass::Found { name: class.name, controller: class.controller },
            (None, Some(name)) => IngressClass::NotFound { name: name.clone(), present },
            (None, None) => IngressClass::NoDefault { present },
        }))
    }

    fn monitoring_kinds(&self) -> MonitoringKinds {
        let memory = &self.context.memory;
        let presence = |kind| match memory.is_installed(kind) {
            false => Presence::Absent,
            true if memory.children.is_complete(kind, &self.at.namespace) => Presence::Installed,
            true => Presence::Unknown,
        };
        let ours = [Kind::ServiceMonitor, Kind::PrometheusRule].map(|kind| resource_name(&kind.resource()));
        let mut failing = memory.health.failing(Some(&self.at.namespace));
        failing.retain(|failure| ours.contains(&failure.resource));
        let causes: Vec<String> = failing.iter().map(ToString::to_string).collect();
        MonitoringKinds {
            service_monitor: presence(Kind::ServiceMonitor),
            prometheus_rule: presence(Kind::PrometheusRule),
            watch_failing: (!causes.is_empty()).then(|| causes.join("; ")),
        }
    }

    /// The oldest other model with the same host and path, if it is older than this one.
    fn host_conflict(&self) -> Option<String> {
        let wanted = self.model.spec.ingress.as_ref()?;
        let age = |model: &AnomalyModel| (model.creation_timestamp().map(|time| time.0), model.uid());
        let all = self.context.memory.models.state();
        let older = all.iter().filter_map(|stored| {
            let other = stored.readable()?;
            let ingress = other.spec.ingress.as_ref()?;
            let same = ingress.host == wanted.host && ingress.path == wanted.path;
            let older = age(other) < age(self.model) && other.metadata.deletion_timestamp.is_none();
            (same && older).then(|| (age(other), stored.reference()))
        });
        older.min().map(|(_, other)| other.to_string())
    }
}

/// Takes a place among the trainings of all models, if there is one.
pub fn take_training_slot(context: &Context, model: &ModelRef) -> bool {
    let memory = &context.memory;
    let active = |child: &&Arc<Child>| {
        matches!(&child.facts, Facts::Job(job) if job.state == JobState::Active) && !child.deleting
    };
    let jobs = memory.children.all(Kind::Job);
    let busy: BTreeSet<ModelRef> =
        jobs.iter().filter(active).map(|child| ModelRef::new(&child.namespace, &child.model)).collect();
    memory.slots.reserve(model, &busy, context.settings.max_concurrent_trainings)
}

/// The earlier of two moments.
pub fn sooner(look_again: &mut Option<Duration>, other: Duration) {
    *look_again = Some(look_again.map_or(other, |known| known.min(other)));
}

/// 160 bits from the operating system, as 32 letters and digits that survive every shell and every ingress controller.
fn fresh_password() -> Result<String, ObserveError> {
    use rand::TryRng;
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; PASSWORD_BYTES];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    let bits = |from: usize| {
        (0..5).fold(0, |n, i| n << 1 | usize::from(bytes[(from + i) / 8] >> (7 - (from + i) % 8) & 1))
    };
    Ok((0..PASSWORD_BYTES * 8).step_by(5).map(|from| char::from(ALPHABET[bits(from)])).collect())
}

#[cfg(test)]
#[path = "observe/tests.rs"]
mod tests;
