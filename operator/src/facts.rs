//! A live object reduced to what the operator remembers of it; the object itself is dropped. Pure: no I/O here.

use api::job::{EXIT_INPUT, TrainingResult};
use api::{labels, names};
use jiff::Timestamp;
use serde_json::Value;

use crate::kinds::Kind;
use crate::observed::{Deployment, Job, JobState, PodProblem, Revision};
use crate::owned_fields;

/// What the operator remembers of a child.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Kind.
    pub kind: Kind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The model that its label names.
    pub model: String,
    /// UID.
    pub uid: String,
    /// `resourceVersion`.
    pub version: String,
    /// The owner that controls it.
    pub owner: Option<Owner>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Digest of the fields that we own; `None` for kinds that are never applied, or whose content is not watched.
    pub digest: Option<String>,
    /// What status needs.
    pub facts: Facts,
}

/// The owner that controls a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// What status needs of a child, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// Nothing but that it exists.
    None,
    /// A training Job; `has_input` and the trainer's own words are filled in by `observe`.
    Job(Box<Job>),
    /// A revision that can be read.
    Revision(Box<Revision>),
    /// The Deployment.
    Deployment(Box<Deployment>),
    /// A pod.
    Pod(Box<Pod>),
}

/// A training or scoring pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    /// The Job it belongs to; `None` for a scoring pod.
    pub job: Option<String>,
    /// What keeps it from working, from when on.
    pub problem: Option<(PodProblem, Timestamp)>,
    /// How its container ended.
    pub end: Option<End>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// Exit code.
    pub code: i64,
    /// `Error`, `OOMKilled`, …
    pub reason: String,
    /// What it wrote to its termination log.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// Reduces a live object. `None` if it has no name, namespace or UID, which no stored object lacks.
pub fn reduce(kind: Kind, live: &Value) -> Option<Child> {
    let (name, model) = (text(live, "/metadata/name")?, label(live, labels::MODEL).unwrap_or_default());
    let applied = kind.prunable() && !kind.metadata_only();
    Some(Child {
        kind,
        namespace: text(live, "/metadata/namespace")?,
        model,
        uid: text(live, "/metadata/uid")?,
        version: text(live, "/metadata/resourceVersion").unwrap_or_default(),
        owner: controller(live),
        deleting: live.pointer("/metadata/deletionTimestamp").is_some_and(|v| !v.is_null()),
        digest: applied.then(|| owned_fields::live_digest(live, labels::OPERATOR)),
        facts: facts(kind, &name, live).unwrap_or(Facts::None),
        name,
    })
}

/// The owner reference that controls an object.
pub fn controller(live: &Value) -> Option<Owner> {
    let owners = live.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(Owner { kind: text(owner, "/kind")?, name: text(owner, "/name")?, uid: text(owner, "/uid")? })
}

fn facts(kind: Kind, name: &str, live: &Value) -> Option<Facts> {
    match kind {
        Kind::Job => Some(Facts::Job(Box::new(job(name, live)?))),
        Kind::ConfigMap => Some(Facts::Revision(Box::new(revision(name, live)?))),
        Kind::Deployment => Some(Facts::Deployment(Box::new(deployment(live)))),
        Kind::Pod => Some(Facts::Pod(Box::new(pod(name, live)))),
        _ => None,
    }
}

fn job(name: &str, live: &Value) -> Option<Job> {
    Some(Job {
        name: name.into(),
        uid: text(live, "/metadata/uid")?,
        key: annotation(live, labels::FULL_TRAINING_KEY).unwrap_or_default(),
        inputs: annotation(live, labels::INPUTS).unwrap_or_default(),
        retrain: annotation(live, labels::RETRAIN),
        revision: annotation(live, labels::REVISION).unwrap_or_default(),
        attempt: names::attempt(name)?,
        created_at: time(live, "/metadata/creationTimestamp")?,
        state: job_state(live),
        has_input: false,
    })
}

/// A Job has ended when it says so by condition; counts of pods run ahead of that.
fn job_state(live: &Value) -> JobState {
    let at = |condition: &Value| time(condition, "/lastTransitionTime").unwrap_or_default();
    if let Some(complete) = condition(live, "Complete", "True") {
        return JobState::Succeeded {
            at: time(live, "/status/completionTime").unwrap_or_else(|| at(complete)),
        };
    }
    let Some(failed) = condition(live, "Failed", "True") else { return JobState::Active };
    let reason = text(failed, "/reason").unwrap_or_else(|| "Failed".into());
    JobState::Failed {
        at: at(failed),
        input_at_fault: reason == "PodFailurePolicy",
        result: TrainingResult {
            reason,
            message: text(failed, "/message").unwrap_or_else(|| "the training Job failed".into()),
            ..TrainingResult::default()
        },
    }
}

/// What the end of a training pod adds to the failure of its Job.
pub fn explain_failure(state: &mut JobState, end: &End) {
    let JobState::Failed { input_at_fault, result, .. } = state else { return };
    *input_at_fault |= end.code == i64::from(EXIT_INPUT);
    if let Ok(said) = serde_json::from_str::<TrainingResult>(&end.message)
        && !said.reason.is_empty()
    {
        *result = said;
    } else if end.reason == "OOMKilled" {
        *result = TrainingResult {
            reason: "OOMKilled".into(),
            message:
                "the training needed more memory than its limit; raise spec.training.resources.limits.memory"
                    .into(),
            ..TrainingResult::default()
        };
    }
}

fn revision(name: &str, live: &Value) -> Option<Revision> {
    let description = serde_json::from_str(&annotation(live, labels::DESCRIPTION)?).ok()?;
    Some(Revision {
        name: name.into(),
        created_at: time(live, "/metadata/creationTimestamp")?,
        key: annotation(live, labels::FULL_TRAINING_KEY)?,
        retrain: annotation(live, labels::RETRAIN),
        description,
        training_seconds: annotation(live, labels::TRAINING_SECONDS).and_then(|text| seconds(&text)),
        rejected: annotation(live, labels::REJECTED).is_some(),
    })
}

/// What is no duration is none.
fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

fn deployment(live: &Value) -> Deployment {
    let count = |path: &str| live.pointer(path).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    let status = |name: &str| count(&format!("/status/{name}")).unwrap_or_default();
    let message =
        |type_: &str, status: &str| condition(live, type_, status).and_then(|c| text(c, "/message"));
    let exceeded =
        condition(live, "Progressing", "False").filter(|c| c["reason"] == "ProgressDeadlineExceeded");
    let template = live.pointer("/spec/template/metadata/annotations").unwrap_or(&Value::Null);
    let seen = live.pointer("/status/observedGeneration").and_then(Value::as_i64);
    Deployment {
        revision: template[labels::REVISION].as_str().unwrap_or_default().into(),
        replicas: count("/spec/replicas").unwrap_or(1),
        up_to_date: seen >= live.pointer("/metadata/generation").and_then(Value::as_i64),
        existing: status("replicas"),
        updated: status("updatedReplicas"),
        ready: status("readyReplicas"),
        available: status("availableReplicas"),
        deadline_exceeded: exceeded.and_then(|c| text(c, "/message")),
        replica_failure: message("ReplicaFailure", "True"),
    }
}

fn pod(name: &str, live: &Value) -> Pod {
    let job = label(live, "batch.kubernetes.io/job-name").or_else(|| label(live, "job-name"));
    let statuses = live.pointer("/status/containerStatuses").and_then(Value::as_array);
    let end = statuses.into_iter().flatten().find_map(|c| end(&c["state"]["terminated"]));
    let over = matches!(live["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let leaving = live.pointer("/metadata/deletionTimestamp").is_some();
    let problem = if over || leaving { None } else { problem(name, job.is_some(), live) };
    Pod { job, problem, end }
}

fn end(terminated: &Value) -> Option<End> {
    Some(End {
        code: terminated.get("exitCode")?.as_i64()?,
        reason: text(terminated, "/reason").unwrap_or_default(),
        message: text(terminated, "/message").unwrap_or_default(),
        at: time(terminated, "/finishedAt").unwrap_or_default(),
    })
}

/// Why a pod does not work: not scheduled, its container does not start, or does not get ready.
fn problem(name: &str, training: bool, live: &Value) -> Option<(PodProblem, Timestamp)> {
    let found = |reason: &str, message: String, since: Option<Timestamp>| {
        Some((PodProblem { training, reason: reason.into(), message }, since.unwrap_or_default()))
    };
    let since = |condition: &Value| time(condition, "/lastTransitionTime");
    if let Some(scheduled) = condition(live, "PodScheduled", "False") {
        let reason = text(scheduled, "/reason").unwrap_or_else(|| "Unschedulable".into());
        return found(&reason, text(scheduled, "/message").unwrap_or_default(), since(scheduled));
    }
    let scheduled = condition(live, "PodScheduled", "True").and_then(since);
    let statuses = live.pointer("/status/containerStatuses").and_then(Value::as_array);
    for container in statuses.into_iter().flatten() {
        if let Some((reason, message)) = waiting(name, container) {
            return found(reason, message, scheduled);
        }
    }
    let unready = condition(live, "Ready", "False")?;
    if training {
        return None;
    }
    found("NotReady", format!("pod {name} runs and is not ready; see its log and events"), since(unready))
}

/// Why a container waits, in words that do not change with every attempt.
fn waiting<'a>(pod: &str, container: &'a Value) -> Option<(&'a str, String)> {
    let waiting = &container["state"]["waiting"];
    let (reason, said) = (waiting["reason"].as_str()?, waiting["message"].as_str().unwrap_or_default());
    Some(match reason {
        "ErrImagePull" | "ImagePullBackOff" => {
            let cause = said.split_once("ErrImagePull: ").map_or(said, |(_, cause)| cause);
            (
                "ImagePullBackOff",
                format!("cannot pull {}: {cause}", container["image"].as_str().unwrap_or_default()),
            )
        }
        "CrashLoopBackOff" => {
            let last = end(&container["lastState"]["terminated"]).unwrap_or_default();
            let words = [last.reason.as_str(), last.message.trim()].join(" ");
            (
                reason,
                format!("the container ends with exit code {}: {}; see its log", last.code, words.trim()),
            )
        }
        "ContainerCreating" | "PodInitializing" => (
            reason,
            format!("pod {pod} is not started; `kubectl describe pod {pod}` names what it waits for"),
        ),
        _ => (reason, said.to_owned()),
    })
}

fn condition<'a>(live: &'a Value, type_: &str, status: &str) -> Option<&'a Value> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|c| c["type"] == type_ && c["status"] == status)
}

fn label(live: &Value, key: &str) -> Option<String> {
    live.pointer("/metadata/labels")?.get(key)?.as_str().map(str::to_owned)
}

fn annotation(live: &Value, key: &str) -> Option<String> {
    live.pointer("/metadata/annotations")?.get(key)?.as_str().map(str::to_owned)
}

/// A string at a JSON pointer.
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    value.pointer(pointer)?.as_str()?.parse().ok()
}

#[cfg(test)]
#[path = "facts/tests.rs"]
mod tests;
