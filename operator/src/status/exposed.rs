//! `Exposed`: the ingress that was asked for exists, behind basic auth. It does not wait for an address of the ingress:
//! many controllers never give one. Pure.

use api::conditions::{Condition, EXPOSED, Status, Verdict, reason};
use api::names;

use super::view::View;
use crate::desired::exposure::{Alone, Asks, Exposure, Open};
use crate::observed::{Auth, IngressClass, Observed};
use crate::outcome::Problem;

/// The longest that an ingress controller that is known here keeps a silent connection: Traefik 90 s, ingress-nginx 60 s.
const KEPT_SECONDS: u32 = 90;

pub(super) fn verdict(view: &View<'_>) -> Option<Verdict> {
    let open = match &view.decisions.exposure {
        Exposure::NotAsked => return None,
        Exposure::Closed { reason, message } => return Some(Verdict::no(*reason, message.clone())),
        Exposure::Open(open) => open,
    };
    if let Some(problem) = way_in(&view.applied.conflicts) {
        return Some(Verdict::no(reason::NAME_CONFLICT, format!("{}: {}", problem.object, problem.message)));
    }
    if let Some(problem) = way_in(&view.applied.failures) {
        return Some(Verdict::no(reason::APPLY_FAILED, format!("{}: {}", problem.object, problem.message)));
    }
    if let Some(hold) = &view.decisions.hold
        && !view.observed.ingress_exists
    {
        return Some(Verdict::no(hold.reason, hold.message.clone()));
    }
    if !view.applied.ingress_in_place && !view.observed.ingress_exists {
        return Some(if view.applied.paused {
            Verdict::no(reason::PAUSED, "the annotation paused holds the Ingress back")
        } else {
            Verdict::no(reason::APPLY_FAILED, "the Ingress is not written yet; it is tried again")
        });
    }
    Some(Verdict::yes(why(open), message(view.observed, open)))
}

/// Where it is exposed, if it is.
pub(super) fn url(view: &View<'_>, exposed: Option<&Verdict>) -> Option<String> {
    let exposed = exposed.is_some_and(|e| e.status == Status::True);
    match &view.decisions.exposure {
        Exposure::Open(open) if exposed => Some(open.url.clone()),
        _ => None,
    }
}

/// The IngressClass that applies.
pub(super) fn class(observed: &Observed) -> Option<String> {
    match &observed.ingress_class {
        Some(IngressClass::Found { name, .. }) => Some(name.clone()),
        _ => None,
    }
}

/// While the spec is invalid, an Ingress that exists stays what it was.
pub(super) fn of_invalid(observed: &Observed) -> Option<Verdict> {
    observed.model.spec.ingress.as_ref()?;
    let previous =
        observed.model.status.as_ref().and_then(|s| s.conditions.iter().find(|c| c.type_ == EXPOSED));
    Some(match previous.filter(|_| observed.ingress_exists).cloned() {
        Some(Condition { status, reason, message, .. }) => Verdict { status, reason: reason.into(), message },
        None => Verdict::no(reason::INVALID_SPEC, "nothing is exposed while the spec is invalid"),
    })
}

/// A problem with an object that the way in needs.
fn way_in(problems: &[Problem]) -> Option<&Problem> {
    const KINDS: [&str; 5] = ["Ingress ", "Middleware ", "Secret ", "ServersTransport ", "Service "];
    problems.iter().find(|p| KINDS.iter().any(|kind| p.object.starts_with(kind)))
}

/// What the reader should know first: that only the server asks, else that passwords travel readable.
fn why(open: &Open) -> &'static str {
    match (open.asks, open.tls) {
        (Asks::ServerOnly(_), _) => reason::AUTHENTICATED_BY_SERVER,
        (_, false) => reason::EXPOSED_WITHOUT_TLS,
        (_, true) => reason::AUTHENTICATED_BY_INGRESS,
    }
}

fn message(observed: &Observed, open: &Open) -> String {
    let Open { class, controller, asks, tls, url } = open;
    let asks = match asks {
        Asks::Traefik | Asks::IngressNginx => "it and the server ask for the password".to_owned(),
        Asks::ServerOnly(why) => {
            format!("the server asks for the password, because {}", alone(*why, controller))
        }
    };
    let tls = if *tls { "" } else { "; without TLS passwords travel readable: set spec.ingress.tls" };
    let warnings: Vec<String> =
        [of_lines(observed, open), idle(observed)].concat().iter().map(|w| format!("; {w}")).collect();
    format!("{url} through IngressClass {class}: {asks}{}{tls}{}", password(observed), warnings.concat())
}

fn alone(why: Alone, controller: &str) -> String {
    match why {
        Alone::UnknownController => format!("{controller} is not known"),
        Alone::MiddlewareMissing => format!("{}: middlewares.traefik.io", reason::CRD_NOT_INSTALLED),
        Alone::LineUnfit(line) => format!(
            "Traefik refuses all lines of the Secret for line {line}: it takes empty ones and those with one colon, and \
             no comments"
        ),
    }
}

/// Where the password is, if we made it.
fn password(observed: &Observed) -> String {
    let metadata = &observed.model.metadata;
    match (&observed.auth, &metadata.namespace, &metadata.name) {
        (Auth::Generated(_), Some(namespace), Some(name)) => {
            format!(" in Secret {namespace}/{}", names::credentials(name))
        }
        _ => String::new(),
    }
}

/// What the user should know of the lines of the Secret that the model names.
fn of_lines(observed: &Observed, open: &Open) -> Vec<String> {
    let Auth::Named(lines) = &observed.auth else { return Vec::new() };
    let left_out = lines.left_out().map(|told| format!("in the Secret {told}"));
    // The server remembers who was let in; the others check with every request.
    let asked_often = !matches!(open.asks, Asks::ServerOnly(_));
    left_out.into_iter().chain(lines.expensive().filter(|_| asked_often)).collect()
}

/// A connection that both sides may close at once costs a request now and then.
fn idle(observed: &Observed) -> Vec<String> {
    let idle = observed.model.spec.serving.limits.idle_timeout_seconds;
    let warning = format!(
        "pods close connections that are silent for {idle} s, and an ingress controller that keeps its own for longer \
         (Traefik {KEPT_SECONDS} s) loses requests: set spec.serving.limits.idleTimeoutSeconds above that"
    );
    (idle <= KEPT_SECONDS).then_some(warning).into_iter().collect()
}
