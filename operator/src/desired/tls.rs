//! The certificate of the scoring pods: whether they can have it. Pure.
//!
//! Without it nothing of what serves is written: pods would wait for a volume that cannot be mounted, and the ingress
//! controller would speak TLS with pods that do not. What runs stays as it is.

use api::conditions::reason;
use api::names;

use crate::observed::{Observed, Tls};
use crate::validate::Validated;

/// Why what serves is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Reason of the condition.
    pub reason: &'static str,
    /// What is missing, and what to do.
    pub message: String,
}

/// Whether serving waits for the certificate. A Secret that the operator may not look at is the kubelet's to find.
pub fn hold(model: &Validated, observed: &Observed) -> Option<Hold> {
    let name = model.tls_secret.as_deref()?;
    let secret = format!("Secret {}/{name} (spec.serving.tls.secretName)", model.namespace);
    let (reason, message) = match &observed.tls {
        Tls::NotAsked | Tls::Named { .. } | Tls::Unseen => return None,
        Tls::NotFound => (
            reason::SECRET_NOT_FOUND,
            format!(
                "{secret} does not exist: create it with tls.crt and tls.key for {}; pods stay as they are until then",
                names::server_host(&model.name, &model.namespace)
            ),
        ),
        Tls::Invalid(why) => (
            reason::SECRET_INVALID,
            format!("{secret} cannot be used: {why}; pods stay as they are until it is corrected"),
        ),
    };
    Some(Hold { reason, message })
}

/// What keeps an ingress controller from verifying the pods: nothing says who signed their certificate.
pub(super) fn unverifiable(model: &Validated, observed: &Observed) -> Option<String> {
    let name = model.tls_secret.as_deref()?;
    (observed.tls == Tls::Named { authority: false }).then(|| {
        format!(
            "Secret {}/{name} (spec.serving.tls.secretName) has no ca.crt, by which the ingress controller verifies the \
             pods: add the certificate of who signed tls.crt",
            model.namespace
        )
    })
}
