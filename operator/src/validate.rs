//! From what was observed to what can be built: names, paths and resources that need no further check. Pure; builders
//! take [`Validated`] and cannot fail, so whatever could make one fail is an error here.

use std::collections::BTreeMap;

use api::AnomalyModelSpec;
use api::spec::{AccessLog, Ingress, Limits, Page};
use api::validation::FieldError;
use api::{labels, training_key, validation};
use detectors::config::{ConfigError, DetectorConfig, Missing, ThresholdConfig};

use crate::monitoring::{self, Monitoring};
use crate::observed::{Observed, Source};
use crate::resources::{self, Resources};
use crate::settings::Settings;

/// A model whose spec can be honoured.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Name; every child's name starts with it.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID, which owns the children.
    pub uid: String,
    /// Whether training is stopped.
    pub suspend: bool,
    /// Value of the annotation that asks for another training.
    pub retrain: Option<String>,
    /// Columns in the order of the vector; none: all that the data has.
    pub features: Vec<String>,
    /// Detector with its parameters.
    pub detector: DetectorConfig,
    /// Threshold, with the default filled in.
    pub threshold: ThresholdConfig,
    /// What becomes of rows that lack values, if it is said.
    pub missing: Option<Missing>,
    /// Fewest rows.
    pub min_rows: u32,
    /// Where the data is.
    pub data: Data,
    /// What determines the model, if the data can be read.
    pub training: Option<Training>,
    /// Revisions kept besides the current one.
    pub history_limit: usize,
    /// Of the training pod, canonical and with defaults.
    pub trainer_resources: Resources,
    /// Of a scoring pod, canonical and with defaults.
    pub server_resources: Resources,
    /// Scoring pods.
    pub replicas: i32,
    /// What one scoring pod takes on.
    pub limits: Limits,
    /// Secret with the certificate of the scoring pods, if they speak TLS.
    pub tls_secret: Option<String>,
    /// What the page at `/` shows besides the model.
    pub page: Page,
    /// Which requests are a line in the log.
    pub access_log: AccessLog,
    /// Features whose drift is watched, if they are named.
    pub drift_features: Option<Vec<String>>,
    /// How it is exposed, if it is.
    pub ingress: Option<Exposed>,
    /// What watches it.
    pub monitoring: Monitoring,
}

/// What determines the model's bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Training key, 64 hexadecimal digits.
    pub key: String,
    /// Digest of the data, `sha256:…`.
    pub digest: String,
    /// What the data is called in messages.
    pub origin: String,
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// In the model itself.
    Inline {
        /// CSV with a header.
        csv: String,
    },
    /// In a ConfigMap of the same namespace.
    ConfigMap {
        /// Its name.
        name: String,
        /// The key in it.
        key: String,
    },
}

/// How the model is exposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposed {
    /// Host name.
    pub host: String,
    /// Path, from `/`.
    pub path: String,
    /// The user's annotations, none of which touches the password.
    pub annotations: BTreeMap<String, String>,
    /// Secret with the certificate.
    pub tls_secret: Option<String>,
    /// Secret with htpasswd lines; none = generated.
    pub auth_secret: Option<String>,
}

/// A spec that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Invalid {
    /// All that is wrong, each with its path.
    pub errors: Vec<FieldError>,
}

/// Checks the spec and fills in what it leaves out.
///
/// # Errors
/// [`Invalid`] with every fault; nothing but a change of the spec can mend them.
pub fn validate(observed: &Observed, settings: &Settings) -> Result<Validated, Invalid> {
    let model = &observed.model;
    let spec = &model.spec;
    let name = model.metadata.name.clone().unwrap_or_default();
    let mut errors = validation::validate(&name, spec);
    errors.extend(detector_errors(spec));
    let trainer_resources = resources::complete(
        "spec.training.resources",
        &spec.training_resources(),
        &resources::TRAINER,
        &mut errors,
    );
    let server_resources = resources::complete(
        "spec.serving.resources",
        &spec.serving.resources,
        &resources::SERVER,
        &mut errors,
    );
    let data = data(spec);
    let (Some(data), true) = (data, errors.is_empty()) else {
        return Err(Invalid { errors });
    };
    Ok(Validated {
        name,
        namespace: model.metadata.namespace.clone().unwrap_or_default(),
        uid: model.metadata.uid.clone().unwrap_or_default(),
        suspend: spec.suspend,
        retrain: model.metadata.annotations.as_ref().and_then(|a| a.get(labels::RETRAIN)).cloned(),
        features: spec.feature_names(),
        detector: spec.detector.clone(),
        threshold: spec.threshold(),
        missing: spec.missing,
        min_rows: spec.min_rows(),
        data,
        training: training(observed),
        history_limit: usize::try_from(spec.revision_history_limit()).unwrap_or(usize::MAX),
        trainer_resources,
        server_resources,
        replicas: spec.serving.replicas,
        limits: spec.serving.limits,
        tls_secret: spec.serving.tls.as_ref().map(|tls| tls.secret_name.clone()),
        page: spec.serving.page,
        access_log: spec.serving.access_log,
        drift_features: (spec.monitoring.drift_features.as_ref())
            .map(|names| names.iter().map(|name| name.0.clone()).collect()),
        ingress: spec.ingress.as_ref().map(exposed),
        monitoring: monitoring::asked(spec, &settings.monitoring),
    })
}

fn training(observed: &Observed) -> Option<Training> {
    match &observed.source {
        Source::Found { digest, origin, .. } => Some(Training {
            key: training_key::training_key(&observed.model.spec, digest),
            digest: digest.clone(),
            origin: origin.clone(),
        }),
        Source::NotFound { .. } | Source::KeyNotFound { .. } => None,
    }
}

fn data(spec: &AnomalyModelSpec) -> Option<Data> {
    match (spec.config_map(), spec.inline()) {
        (Some(at), None) => Some(Data::ConfigMap { name: at.name, key: at.key }),
        (None, Some(csv)) => Some(Data::Inline { csv: csv.to_owned() }),
        _ => None,
    }
}

fn exposed(ingress: &Ingress) -> Exposed {
    let Ingress { host, path, class_name: _, annotations, tls, basic_auth } = ingress;
    Exposed {
        host: host.clone(),
        path: path.clone(),
        annotations: annotations.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect(),
        tls_secret: tls.as_ref().map(|tls| tls.secret_name.clone()),
        auth_secret: basic_auth.as_ref().map(|auth| auth.secret_name.clone()),
    }
}

/// Faults of the detector's parameters and of the threshold; that there is no detector, or more than one, was said already.
fn detector_errors(spec: &api::AnomalyModelSpec) -> Vec<FieldError> {
    let detector = spec.detector.validate().err().map(|e| field_error("spec.detector", &e));
    let threshold = spec.threshold().check(&spec.detector).err().map(|e| field_error("spec.threshold", &e));
    [detector, threshold].into_iter().flatten().flatten().collect()
}

fn field_error(fallback: &str, error: &ConfigError) -> Option<FieldError> {
    let (path, message) = match error {
        ConfigError::NoDetector | ConfigError::SeveralDetectors { .. } => return None,
        ConfigError::IntegerOutOfRange { field, value, min, max } => {
            (format!("spec.{field}"), format!("expected a whole number from {min} to {max}, got {value}"))
        }
        ConfigError::OutOfRange { field, value, range } => {
            (format!("spec.{field}"), format!("expected a number in {range}, got {value}"))
        }
        other => (fallback.to_owned(), other.to_string()),
    };
    Some(FieldError { path, message })
}

#[cfg(test)]
mod tests;
