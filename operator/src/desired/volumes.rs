//! Volumes of the scoring pods: the revision, the passwords and the certificate. Pure.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, SecretVolumeSource, Volume, VolumeMount};

use super::deployment::Public;
use crate::validate::Validated;

/// Where the server finds the revision.
pub(super) const MODEL_DIR: &str = "/model";
/// Where it finds the htpasswd lines.
pub(super) const AUTH_DIR: &str = "/auth";
/// Where it finds the certificate and its key.
pub(super) const TLS_DIR: &str = "/tls";

/// A new revision is another ConfigMap, so that it rolls the pods.
pub(super) fn volumes(model: &Validated, revision: &str, public: Option<&Public>) -> Vec<Volume> {
    let served = Volume {
        name: "model".into(),
        config_map: Some(ConfigMapVolumeSource { name: revision.into(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let auth = public.map(|public| secret("auth", &public.auth));
    let tls = model.tls_secret.as_ref().map(|name| secret("tls", name));
    std::iter::once(served).chain(auth).chain(tls).collect()
}

fn secret(volume: &str, name: &str) -> Volume {
    Volume {
        name: volume.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Secrets are mounted as directories: a file mounted by `subPath` would never change, and passwords and certificates are
/// reloaded.
pub(super) fn mounts(model: &Validated, public: Option<&Public>) -> Vec<VolumeMount> {
    let mut mounts = vec![mount("model", MODEL_DIR)];
    if public.is_some() {
        mounts.push(mount("auth", AUTH_DIR));
    }
    if model.tls_secret.is_some() {
        mounts.push(mount("tls", TLS_DIR));
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
