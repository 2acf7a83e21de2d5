//! All that should be done for a model now. Pure: decides (training, revisions, exposure), then builds the children.

use std::time::Duration;

use api::names;
use jiff::Timestamp;

use super::deployment::{Public, Served, deployment};
use super::exposure::{self, Asks, Exposure};
use super::monitoring::{self, dashboards, rules, service_monitor};
use super::revisions::{self, Choice};
use super::tls::{self, Hold};
use super::{Children, TrainingJob};
use super::{credentials, htpasswd, ingress, middleware, network_policy};
use super::{servers_transport, service, trainer_rbac};
use super::{training_input, training_job};
use crate::kinds::Kind;
use crate::observed::{Auth, Credentials, Observed};
use crate::outcome::Plan;
use crate::settings::Settings;
use crate::training::{self, Decision, Run};
use crate::validate::{Training, Validated};

/// Why the plan is what it is; for status.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// Whether to train, and why not.
    pub training: Decision,
    /// What is served.
    pub revisions: Choice,
    /// Whether it is exposed, and why not.
    pub exposure: Exposure,
    /// What watches it, and what is missing for that.
    pub monitoring: monitoring::Decision,
    /// Why what serves is left as it is, if it is.
    pub hold: Option<Hold>,
}

/// All that should be done for the model now.
pub fn plan(model: &Validated, observed: &Observed, settings: &Settings) -> Plan {
    let revisions = revisions::choose(model, observed);
    let training = training::decide(model, observed, settings, revisions.reject.as_deref());
    let exposure = exposure::decide(model, observed, revisions.serve.is_some());
    let job = |(key, run): (&Training, &Run)| TrainingJob {
        job: training_job::training_job(model, key, run, settings),
        input: training_input::training_input(model, key, run),
    };
    let key = model.training.as_ref();
    let monitoring = monitoring::decide(model, observed);
    let hold = tls::hold(model, observed);
    let decisions = Decisions { training, revisions, exposure, hold, monitoring };
    Plan {
        children: children(model, observed, settings, &decisions),
        start: key.zip(decisions.training.start.as_ref()).map(job),
        missing_input: key
            .zip(decisions.training.lost_input.as_ref())
            .map(|(key, (uid, run))| (uid.clone(), training_input::training_input(model, key, run))),
        delete_jobs: decisions.training.delete.clone(),
        reject: decisions.revisions.reject.clone(),
        prune_revisions: decisions.revisions.prune.clone(),
        look_again: decisions.training.look_again_at.map(|at| until(observed.now, at)),
        decisions,
    }
}

fn children(model: &Validated, observed: &Observed, settings: &Settings, decisions: &Decisions) -> Children {
    let trains = publishes(model, observed, &decisions.training);
    let serve = decisions.revisions.serve.as_deref();
    let auth = auth_secret(model);
    // The server asks for the password itself, so its port is opened as soon as there is one, whoever is in front.
    let public = model
        .ingress
        .as_ref()
        .filter(|_| exposure::has_password(observed))
        .map(|exposed| Public { auth: auth.clone(), path: exposed.path.clone() });
    let generated = generated(model, observed);
    let transport = exposure::needs_transport(model, &decisions.exposure);
    let open = match &decisions.exposure {
        Exposure::Open(open) => Some(open),
        Exposure::NotAsked | Exposure::Closed { .. } => None,
    };
    // Nothing is watched that is not there: an alert would say so from the first minute on.
    let watched = |kind| serve.is_some() && decisions.monitoring.makes(kind);
    Children {
        trainer_service_account: trains.as_ref().map(|_| trainer_rbac::service_account(model)),
        trainer_role: trains.as_ref().map(|revision| trainer_rbac::role(model, revision)),
        trainer_role_binding: trains.as_ref().map(|_| trainer_rbac::role_binding(model)),
        credentials: generated.as_ref().map(|c| credentials::credentials(model, c)),
        htpasswd: generated.as_ref().map(|c| htpasswd::htpasswd(model, c)),
        // Nothing listens before there is a revision.
        network_policy: serve.map(|_| network_policy::network_policy(model, public.is_some(), settings)),
        deployment: serve
            .map(|revision| deployment(model, &served(revision, observed), public.as_ref(), settings)),
        service: serve.map(|_| service::service(model, public.is_some(), transport)),
        // Only Traefik knows it.
        middleware: open
            .filter(|open| open.asks == Asks::Traefik)
            .map(|_| middleware::middleware(model, &auth)),
        servers_transport: (model.tls_secret.as_ref().filter(|_| transport))
            .map(|secret| servers_transport::servers_transport(model, secret)),
        ingress: model
            .ingress
            .as_ref()
            .zip(open)
            .map(|(exposed, open)| ingress::ingress(model, exposed, open, &auth)),
        service_monitor: model
            .monitoring
            .service_monitor
            .as_ref()
            .filter(|_| watched(Kind::ServiceMonitor))
            .map(|asked| service_monitor::service_monitor(model, asked)),
        prometheus_rule: model
            .monitoring
            .alerts
            .as_ref()
            .filter(|_| watched(Kind::PrometheusRule))
            .map(|asked| rules::rules(model, asked)),
        dashboards: model
            .monitoring
            .dashboard
            .as_ref()
            .filter(|_| watched(Kind::Dashboards))
            .map(|asked| dashboards::dashboards(model, asked)),
    }
}

/// The revision with its times, which status keeps: pods are not rolled because its ConfigMap is gone.
fn served(name: &str, observed: &Observed) -> Served {
    let published = observed.revisions.iter().find(|r| r.name == name);
    let told = observed.model.status.as_ref().and_then(|status| status.revision.as_ref());
    let told = told.filter(|told| told.current.as_deref() == Some(name));
    let (trained_at, training_seconds) = match (published, told) {
        (Some(revision), _) => (Some(revision.created_at), revision.training_seconds),
        (None, Some(told)) => (told.trained_at.as_ref().map(|at| at.0), told.training_duration_seconds),
        (None, None) => (None, None),
    };
    Served { revision: name.to_owned(), trained_at, training_seconds }
}

/// The revision that the trainer may write: that of the Job that runs, else of the last one, so that the end of a
/// training writes nothing.
fn publishes(model: &Validated, observed: &Observed, training: &Decision) -> Option<String> {
    let of_job = |job: &str| {
        let (key, number) = job.strip_prefix(&format!("{}-t-", model.name))?.rsplit_once('-')?;
        Some(names::revision(&model.name, key, number.parse().ok()?))
    };
    let running = observed.jobs.iter().find(|job| Some(&job.name) == training.record.job.as_ref());
    (training.start.as_ref().map(|run| run.revision.clone()))
        .or_else(|| running.map(|job| job.revision.clone()))
        .or_else(|| training.record.job.as_deref().and_then(of_job))
        .or_else(|| revisions::newest_first(&observed.revisions).first().map(|r| r.name.clone()))
}

/// The Secret that server and ingress controller ask.
fn auth_secret(model: &Validated) -> String {
    let named = model.ingress.as_ref().and_then(|exposed| exposed.auth_secret.clone());
    named.unwrap_or_else(|| names::htpasswd(&model.name))
}

/// The credentials that exist, else fresh ones.
fn generated(model: &Validated, observed: &Observed) -> Option<Credentials> {
    match &observed.auth {
        Auth::Generated(Some(existing)) => Some(existing.clone()),
        Auth::Generated(None) => {
            Some(Credentials { username: model.name.clone(), password: observed.fresh_password.0.clone() })
        }
        Auth::NotAsked | Auth::Named(_) | Auth::NamedNotFound | Auth::NamedInvalid(_) | Auth::Required => {
            None
        }
    }
}

/// Rounded up to whole seconds, so that at the end of the pause it is over.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    let pause = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    Duration::from_secs(pause.as_secs() + 1)
}
