//! Whether the model is exposed, and who asks for the password. Pure.
//!
//! Fails closed: no Ingress without a Secret that the server can ask for.

use api::conditions::reason;

use super::tls;
use crate::observed::{Auth, IngressClass, Observed};
use crate::validate::{Exposed, Validated};

const TRAEFIK: &str = "traefik.io/ingress-controller";
const INGRESS_NGINX: &str = "k8s.io/ingress-nginx";

/// Whether the model is exposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Exposure {
    /// It is not asked for.
    #[default]
    NotAsked,
    /// It is asked for, and something is missing.
    Closed {
        /// Reason of the condition.
        reason: &'static str,
        /// What is missing, and what to do.
        message: String,
    },
    /// It is.
    Open(Open),
}

/// How the model is exposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// IngressClass.
    pub class: String,
    /// Its controller.
    pub controller: String,
    /// Who asks for the password besides the server.
    pub asks: Asks,
    /// Whether the ingress has a certificate.
    pub tls: bool,
    /// Where it is served.
    pub url: String,
}

/// Who asks for the password; the server always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Traefik, told by a Middleware.
    Traefik,
    /// ingress-nginx, told by annotations.
    IngressNginx,
    /// The server alone.
    ServerOnly(Alone),
}

/// Why the server alone asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// The controller is none whose basic auth is known here.
    UnknownController,
    /// Traefik has no Middleware here.
    MiddlewareMissing,
    /// Traefik would refuse the whole Secret for this line of it.
    LineUnfit(usize),
}

/// Decides; `serves` tells whether there is a revision to serve.
pub fn decide(model: &Validated, observed: &Observed, serves: bool) -> Exposure {
    let Some(exposed) = &model.ingress else { return Exposure::NotAsked };
    let (class, controller) = match class(observed) {
        Ok(class) => class,
        Err(closed) => return closed,
    };
    if let Some(closed) = auth(model, exposed, observed) {
        return closed;
    }
    if let Some(older) = &observed.host_conflict {
        let Exposed { host, path, .. } = exposed;
        return closed(
            reason::HOST_CONFLICT,
            format!(
                "host {host} path {path} belongs to the older AnomalyModel {older}: choose another host or path"
            ),
        );
    }
    if !serves {
        return closed(
            reason::WAITING_FOR_REVISION,
            "nothing is exposed before the first revision is trained",
        );
    }
    if let Some(closed) = transport(model, observed, &controller) {
        return closed;
    }
    let asks = match controller.as_str() {
        TRAEFIK => asks_of_traefik(observed),
        INGRESS_NGINX => Asks::IngressNginx,
        _ => Asks::ServerOnly(Alone::UnknownController),
    };
    Exposure::Open(Open { class, controller, asks, tls: exposed.tls_secret.is_some(), url: url(exposed) })
}

/// An annotation that names a Middleware that Traefik cannot know or cannot make would take the whole route away.
fn asks_of_traefik(observed: &Observed) -> Asks {
    let unfit = match &observed.auth {
        Auth::Named(lines) => lines.unfit_for_traefik(),
        _ => None,
    };
    match (observed.middleware_installed, unfit) {
        (false, _) => Asks::ServerOnly(Alone::MiddlewareMissing),
        (true, Some(line)) => Asks::ServerOnly(Alone::LineUnfit(line)),
        (true, None) => Asks::Traefik,
    }
}

/// What keeps the ingress controller from speaking TLS with the pods, if they speak it, and from verifying them.
fn transport(model: &Validated, observed: &Observed, controller: &str) -> Option<Exposure> {
    model.tls_secret.as_ref()?;
    if ![TRAEFIK, INGRESS_NGINX].contains(&controller) {
        return None;
    }
    if let Some(message) = tls::unverifiable(model, observed) {
        return Some(closed(reason::SECRET_INVALID, message));
    }
    let missing = controller == TRAEFIK && !observed.servers_transport_installed;
    missing.then(|| {
        closed(
            reason::CRD_NOT_INSTALLED,
            "serverstransports.traefik.io is not installed: without it Traefik cannot verify the TLS of the pods \
             (spec.serving.tls); install Traefik's custom resource definitions",
        )
    })
}

/// Whether Traefik is to be told how to speak TLS with the pods.
pub(super) fn needs_transport(model: &Validated, exposure: &Exposure) -> bool {
    let traefik = matches!(exposure, Exposure::Open(open) if open.controller == TRAEFIK);
    traefik && model.tls_secret.is_some()
}

/// Whether there is a Secret that the server can ask for: without one it opens no public port.
pub fn has_password(observed: &Observed) -> bool {
    matches!(observed.auth, Auth::Generated(_) | Auth::Named(_))
}

fn class(observed: &Observed) -> Result<(String, String), Exposure> {
    let listed = |present: &[String]| match present {
        [] => "the cluster has none".to_owned(),
        some => format!("the cluster has {}", some.join(", ")),
    };
    match &observed.ingress_class {
        Some(IngressClass::Found { name, controller }) => Ok((name.clone(), controller.clone())),
        Some(IngressClass::NotFound { name, present }) => Err(closed(
            reason::INGRESS_CLASS_NOT_FOUND,
            format!(
                "IngressClass {name} does not exist ({}): correct spec.ingress.className",
                listed(present)
            ),
        )),
        Some(IngressClass::NoDefault { present }) => Err(closed(
            reason::NO_DEFAULT_INGRESS_CLASS,
            format!("no IngressClass is the default ({}): set spec.ingress.className", listed(present)),
        )),
        None => Err(closed(reason::INGRESS_CLASS_NOT_FOUND, "the IngressClasses are not known yet")),
    }
}

fn auth(model: &Validated, exposed: &Exposed, observed: &Observed) -> Option<Exposure> {
    let secret = format!("Secret {}/{}", model.namespace, exposed.auth_secret.as_deref().unwrap_or_default());
    let (reason, message) = match &observed.auth {
        Auth::Generated(_) | Auth::Named(_) => return None,
        Auth::NamedNotFound => (
            reason::SECRET_NOT_FOUND,
            format!("{secret} does not exist: create it with htpasswd lines under the key auth"),
        ),
        Auth::NamedInvalid(why) => (reason::SECRET_INVALID, format!("{secret} cannot be used: {why}")),
        Auth::Required | Auth::NotAsked => (
            reason::SECRET_REQUIRED,
            "the operator may not generate Secrets here: name one with htpasswd lines in \
             spec.ingress.basicAuth.secretName"
                .to_owned(),
        ),
    };
    Some(closed(reason, message))
}

fn url(exposed: &Exposed) -> String {
    let scheme = if exposed.tls_secret.is_some() { "https" } else { "http" };
    format!("{scheme}://{}{}", exposed.host, exposed.path)
}

fn closed(reason: &'static str, message: impl Into<String>) -> Exposure {
    Exposure::Closed { reason, message: message.into() }
}
