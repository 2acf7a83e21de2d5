//! Publishing a revision: one server-side apply of one named ConfigMap. The only module of the trainer that talks to
//! the API server, and it never sends anything else: the trainer's Role allows this one name and nothing more.

use std::time::Duration;

use api::labels;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::core::Status;
use kube::{Client, Config};

/// How long one attempt may take.
const TIME_OUT: Duration = Duration::from_secs(10);
/// Pauses between attempts; their number bounds the attempts.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Why a revision is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Not in a pod with a service account, or its files are unusable.
    #[error("cannot reach the API server from here: {0}")]
    Configuration(String),
    /// 403: the Role does not name this ConfigMap, a quota is used up, or the namespace is being deleted.
    #[error("may not write ConfigMap {name}: {message}")]
    Forbidden {
        /// `namespace/name`.
        name: String,
        /// What the API server said.
        message: String,
    },
    /// A revision of this name exists with other content; revisions are immutable.
    #[error(
        "ConfigMap {name} exists with other content and is immutable: delete it to publish it anew ({message})"
    )]
    Exists {
        /// `namespace/name`.
        name: String,
        /// What the API server said.
        message: String,
    },
    /// Another writer was faster, or the object is being deleted.
    #[error("ConfigMap {name} was written by somebody else at the same time: {message}")]
    Conflict {
        /// `namespace/name`.
        name: String,
        /// What the API server said.
        message: String,
    },
    /// The API server refuses the object.
    #[error("ConfigMap {name} is refused ({code}): {message}")]
    Refused {
        /// `namespace/name`.
        name: String,
        /// HTTP status.
        code: u16,
        /// What the API server said.
        message: String,
    },
    /// No useful answer, however often it was asked.
    #[error("cannot write ConfigMap {name} in {attempts} attempts: {message}")]
    Unavailable {
        /// `namespace/name`.
        name: String,
        /// Attempts made.
        attempts: usize,
        /// What happened last.
        message: String,
    },
}

/// A client of the cluster that this pod runs in.
///
/// # Errors
/// [`PublishError::Configuration`].
pub fn client() -> Result<Client, PublishError> {
    let configuration = |e: &dyn std::fmt::Display| PublishError::Configuration(e.to_string());
    let mut config = Config::incluster().map_err(|e| configuration(&e))?;
    config.connect_timeout = Some(TIME_OUT);
    config.read_timeout = Some(TIME_OUT);
    config.write_timeout = Some(TIME_OUT);
    config.reset_reader_on_write = true;
    // The attempts below are the only ones: kube's own would go on for many minutes.
    config.default_retry = false;
    Client::try_from(config).map_err(|e| configuration(&e))
}

/// Writes the revision. Doing so again with the same content changes nothing and succeeds, so that a Job whose first
/// pod died after the write ends well.
///
/// # Errors
/// [`PublishError`].
pub async fn publish(client: Client, revision: &ConfigMap) -> Result<(), PublishError> {
    let namespace = revision.metadata.namespace.as_deref().unwrap_or_default();
    let name = revision.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<ConfigMap>::namespaced(client, namespace);
    let parameters = PatchParams::apply(labels::TRAINER).force();
    let shown = format!("{namespace}/{name}");

    let mut attempts = 0;
    loop {
        attempts += 1;
        let patch = Patch::Apply(revision);
        let answer = tokio::time::timeout(TIME_OUT, api.patch(name, &parameters, &patch)).await;
        let message = match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(kube::Error::Api(status))) if !is_temporary(status.code) => {
                return Err(refusal(shown, &status));
            }
            Ok(Err(kube::Error::Api(status))) => format!("{} ({})", status.message, status.code),
            Ok(Err(other)) => with_causes(&other),
            Err(_) => format!("no answer in {} s", TIME_OUT.as_secs()),
        };
        let Some(pause) = PAUSES.get(attempts - 1) else {
            return Err(PublishError::Unavailable { name: shown, attempts, message });
        };
        tracing::warn!(attempt = attempts, error = message, "publishing is tried again");
        tokio::time::sleep(*pause).await;
    }
}

/// An error and what caused it: "client error (Connect)" alone hides that it was the certificate or the address.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Many errors repeat their cause already.
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}

/// Whether the same request may succeed a moment later.
fn is_temporary(code: u16) -> bool {
    code == 429 || code >= 500
}

fn refusal(name: String, status: &Status) -> PublishError {
    let message = status.message.clone();
    match status.code {
        403 => PublishError::Forbidden { name, message },
        409 => PublishError::Conflict { name, message },
        // The only field that can collide with an existing object is one that `immutable` protects.
        422 if message.contains("immutable") => PublishError::Exists { name, message },
        code => PublishError::Refused { name, code, message },
    }
}

#[cfg(test)]
mod tests;
