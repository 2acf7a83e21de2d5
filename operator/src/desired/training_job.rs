//! The Job that trains one revision. Made once, never applied again: Jobs are immutable. Pure.

use api::job::{DATA_DIR, EXIT_INPUT, INPUT_DIR, INPUT_FILE};
use api::{labels, names};
use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, KeyToPath, PodSpec, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::volumes::mount;
use super::{metadata, security, training_input};
use crate::settings::Settings;
use crate::training::Run;
use crate::validate::{Data, Training, Validated};

const CONTAINER: &str = "trainer";
/// Pods that may fail before the Job does, when it is not the input's fault.
const BACKOFF_LIMIT: i32 = 2;
/// A training that takes longer has failed.
const ACTIVE_DEADLINE_SECONDS: i64 = 3_600;
/// How long a finished Job and its log remain.
const TTL_SECONDS_AFTER_FINISHED: i32 = 86_400;

/// The Job of `run`.
pub(super) fn training_job(model: &Validated, training: &Training, run: &Run, settings: &Settings) -> Job {
    let mut metadata = metadata::child(model, run.job.clone(), labels::COMPONENT_TRAINER);
    let mut annotations = training_input::annotations(training, run);
    annotations.insert(labels::INPUTS.into(), run.inputs.clone());
    annotations.insert(labels::REVISION.into(), run.revision.clone());
    metadata.annotations = Some(annotations);
    let key = names::short_key(&training.key);
    metadata.labels.get_or_insert_default().insert(labels::TRAINING_KEY.into(), key.into());
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: metadata.labels.clone(), ..ObjectMeta::default() }),
        spec: Some(pod(model, run, settings)),
    };
    Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(BACKOFF_LIMIT),
            active_deadline_seconds: Some(ACTIVE_DEADLINE_SECONDS),
            ttl_seconds_after_finished: Some(TTL_SECONDS_AFTER_FINISHED),
            pod_failure_policy: Some(PodFailurePolicy { rules: vec![disruption(), input_at_fault()] }),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// An evicted or drained pod is replaced and does not count.
fn disruption() -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: Some("True".into()),
        }]),
        ..PodFailurePolicyRule::default()
    }
}

/// When the input is at fault, another pod would fail as well.
fn input_at_fault() -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "FailJob".into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(CONTAINER.into()),
            operator: "In".into(),
            values: vec![EXIT_INPUT],
        }),
        ..PodFailurePolicyRule::default()
    }
}

fn pod(model: &Validated, run: &Run, settings: &Settings) -> PodSpec {
    let mut volumes = vec![config_map_volume("input", &run.job, None)];
    let mut mounts = vec![mount("input", INPUT_DIR)];
    // Data of a ConfigMap is mounted from there, and of that ConfigMap only the one key.
    if let Data::ConfigMap { name, key } = &model.data {
        volumes.push(config_map_volume("data", name, Some(key)));
        mounts.push(mount("data", DATA_DIR));
    }
    PodSpec {
        service_account_name: Some(names::trainer(&model.name)),
        // It publishes the revision itself.
        automount_service_account_token: Some(true),
        enable_service_links: Some(false),
        restart_policy: Some("Never".into()),
        security_context: Some(security::pod()),
        containers: vec![Container {
            name: CONTAINER.into(),
            image: Some(settings.trainer_image.clone()),
            image_pull_policy: Some(settings.image_pull_policy.clone()),
            args: Some(vec!["--input".into(), format!("{INPUT_DIR}/{INPUT_FILE}")]),
            resources: Some(model.trainer_resources.to_pod()),
            security_context: Some(security::container()),
            volume_mounts: Some(mounts),
            ..Container::default()
        }],
        volumes: Some(volumes),
        ..PodSpec::default()
    }
}

fn config_map_volume(volume: &str, config_map: &str, only: Option<&str>) -> Volume {
    let items = only.map(|key| vec![KeyToPath { key: key.into(), path: key.into(), mode: None }]);
    Volume {
        name: volume.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.into(),
            items,
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
