//! Volumes of the scoring pods: the revision, and the passwords. Pure.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, SecretVolumeSource, Volume, VolumeMount};

use super::deployment::Public;

/// Where the server finds the revision.
pub(super) const MODEL_DIR: &str = "/model";
/// Where it finds the htpasswd lines.
pub(super) const AUTH_DIR: &str = "/auth";

/// A new revision is another ConfigMap, so that it rolls the pods.
pub(super) fn volumes(revision: &str, public: Option<&Public>) -> Vec<Volume> {
    let model = Volume {
        name: "model".into(),
        config_map: Some(ConfigMapVolumeSource { name: revision.into(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let auth = public.map(|public| Volume {
        name: "auth".into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(public.auth.clone()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    std::iter::once(model).chain(auth).collect()
}

/// The Secret is mounted as a directory: a file mounted by `subPath` would never change, and passwords are reloaded.
pub(super) fn mounts(public: Option<&Public>) -> Vec<VolumeMount> {
    let mut mounts = vec![mount("model", MODEL_DIR)];
    if public.is_some() {
        mounts.push(mount("auth", AUTH_DIR));
    }
    mounts
}

/// A volume where a container may read it.
pub(super) fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.into(),
        mount_path: path.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
