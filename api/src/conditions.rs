//! Condition types, their reasons, and the rules of `metav1.Condition`.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `metav1.Condition`: the transition time moves only when `status` flips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: Status,
    /// Generation of the spec that the condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// Why, as a word in CamelCase.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, as a sentence with numbers, and the next step.
    #[schemars(length(max = 32_768))]
    pub message: String,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Status {
    /// As it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The current generation is trained, rolled out and, if asked for, exposed.
pub const READY: &str = "Ready";
/// A revision answers.
pub const SERVING: &str = "Serving";
/// The current spec and data have a revision.
pub const TRAINED: &str = "Trained";
/// A training or a roll-out is under way.
pub const PROGRESSING: &str = "Progressing";
/// The ingress that was asked for exists, behind basic auth.
pub const EXPOSED: &str = "Exposed";
/// What watches the model exists as asked for; never counts towards `Ready`.
pub const MONITORING_READY: &str = "MonitoringReady";
/// The spec cannot be honoured until somebody changes something (kstatus).
pub const STALLED: &str = "Stalled";

/// Reasons of conditions: words that scripts may compare.
pub mod reason {
    /// All as the spec says.
    pub const AS_SPECIFIED: &str = "AsSpecified";
    /// The first training runs.
    pub const TRAINING: &str = "Training";
    /// A changed spec or data trains or rolls out while the old revision serves.
    pub const UPDATING: &str = "Updating";
    /// The same spec and data are trained again on request.
    pub const RETRAINING: &str = "Retraining";
    /// A new revision rolls out.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// Nothing is trained yet.
    pub const NO_REVISION: &str = "NoRevision";
    /// Pods answer.
    pub const PODS_READY: &str = "PodsReady";
    /// No pod answers.
    pub const NO_READY_PODS: &str = "NoReadyPods";
    /// Fewer pods answer than are asked for, although nothing rolls out.
    pub const PODS_NOT_READY: &str = "PodsNotReady";
    /// A roll-out exceeded its deadline and was taken back.
    pub const ROLL_OUT_FAILED: &str = "RollOutFailed";
    /// `serving.replicas` is 0.
    pub const SCALED_TO_ZERO: &str = "ScaledToZero";
    /// `spec.suspend` is true and training would be due.
    pub const SUSPENDED: &str = "Suspended";
    /// The annotation `anomaly-operator.io/paused` is set: status only, no writes.
    pub const PAUSED: &str = "Paused";
    /// The training failed; the message says why.
    pub const TRAINING_FAILED: &str = "TrainingFailed";
    /// The training waits for a free place (`maxConcurrentTrainings`).
    pub const QUEUED: &str = "Queued";
    /// Nothing is left to do.
    pub const IDLE: &str = "Idle";
    /// The spec is contradictory or out of range.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The stored object cannot be read.
    pub const UNREADABLE: &str = "Unreadable";
    /// The ConfigMap of the data does not exist.
    pub const SOURCE_NOT_FOUND: &str = "SourceNotFound";
    /// The ConfigMap has no such key.
    pub const SOURCE_KEY_NOT_FOUND: &str = "SourceKeyNotFound";
    /// The data changed a moment ago; training waits until it rests.
    pub const DATA_CHANGING: &str = "DataChanging";
    /// The training pod cannot be scheduled, started or admitted.
    pub const POD_BLOCKED: &str = "PodBlocked";
    /// An object with a name of ours belongs to somebody else.
    pub const NAME_CONFLICT: &str = "NameConflict";
    /// The API server refused a write; the message says which.
    pub const APPLY_FAILED: &str = "ApplyFailed";
    /// The operator cannot list or watch a resource; the message says which.
    pub const WATCH_FAILING: &str = "WatchFailing";
    /// The named IngressClass does not exist.
    pub const INGRESS_CLASS_NOT_FOUND: &str = "IngressClassNotFound";
    /// No class was named and the cluster has no default.
    pub const NO_DEFAULT_INGRESS_CLASS: &str = "NoDefaultIngressClass";
    /// A custom resource definition that is needed is not installed.
    pub const CRD_NOT_INSTALLED: &str = "CRDNotInstalled";
    /// Whether an optional kind is installed is not known yet.
    pub const LOOKING_UP: &str = "LookingUp";
    /// The named Secret does not exist.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// The named Secret is not an htpasswd file under the single key `auth`.
    pub const SECRET_INVALID: &str = "SecretInvalid";
    /// The operator may not touch Secrets (`rbac.secrets: none`) and none is named.
    pub const SECRET_REQUIRED: &str = "SecretRequired";
    /// An older model holds the host and path.
    pub const HOST_CONFLICT: &str = "HostConflict";
    /// The ingress controller asks for the password, and the server again.
    pub const AUTHENTICATED_BY_INGRESS: &str = "AuthenticatedByIngress";
    /// The ingress controller is not known; the server asks for the password.
    pub const AUTHENTICATED_BY_SERVER: &str = "AuthenticatedByServer";
    /// Exposed behind basic auth, without TLS at the ingress.
    pub const EXPOSED_WITHOUT_TLS: &str = "ExposedWithoutTLS";
    /// Nothing is exposed before a revision serves.
    pub const WAITING_FOR_REVISION: &str = "WaitingForRevision";
}

/// A condition without its times: what pure code decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Status.
    pub status: Status,
    /// Reason: one of [`reason`], or the trainer's own word.
    pub reason: Cow<'static, str>,
    /// Message.
    pub message: String,
}

impl Verdict {
    /// A condition that holds.
    pub fn yes(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: Status::True, reason: reason.into(), message: message.into() }
    }

    /// A condition that does not hold.
    pub fn no(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: Status::False, reason: reason.into(), message: message.into() }
    }

    /// A condition of which nothing is known.
    pub fn unknown(reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: Status::Unknown, reason: reason.into(), message: message.into() }
    }

    /// The condition as published: the transition time of `previous` stays unless the status flips.
    pub fn publish(
        self,
        type_: &str,
        generation: Option<i64>,
        previous: &[Condition],
        now: &Time,
    ) -> Condition {
        let since = previous
            .iter()
            .find(|c| c.type_ == type_ && c.status == self.status)
            .map_or_else(|| now.clone(), |c| c.last_transition_time.clone());
        Condition {
            type_: type_.into(),
            status: self.status,
            observed_generation: generation,
            last_transition_time: since,
            reason: self.reason.into(),
            message: shortened(self.message),
        }
    }
}

/// Longest message in bytes: far below what the schema allows, and enough for people. A longer one would be refused with
/// the whole status.
const LONGEST_MESSAGE: usize = 4_096;

fn shortened(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE - '…'.len_utf8()));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let now = Time("2026-01-01T00:00:00Z".parse().unwrap());
        let published = |message: String| Verdict::no("X", message).publish(READY, None, &[], &now).message;
        assert_eq!(published("short".into()), "short");
        for message in ["ä".repeat(LONGEST_MESSAGE), format!("x{}", "ä".repeat(LONGEST_MESSAGE))] {
            let cut = published(message);
            assert!(cut.len() <= LONGEST_MESSAGE && cut.ends_with("ä…"), "{} bytes", cut.len());
        }
    }
}
