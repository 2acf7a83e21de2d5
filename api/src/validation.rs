//! What the API server checks by schema and CEL, once more for those who have no API server (`anomaly run`), and what it
//! cannot check (quantities, annotations that would take the password away).

use std::collections::BTreeSet;
use std::fmt;

use detectors::config::Missing;

use crate::names::{MODEL_NAME_PATTERN, credentials, htpasswd, is_model_name};
use crate::spec::{AnomalyModelSpec, Ingress, ResourceRequirements, Source};

mod limits;
mod monitoring;

pub use monitoring::{duration_seconds, is_label_key, is_label_value};

/// A field with a value that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, like `spec.ingress.annotations[x]`.
    pub path: String,
    /// What was expected, and what to do.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All that is wrong with a model's name and spec; the detector's parameters are checked by the detector.
pub fn validate(name: &str, spec: &AnomalyModelSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |ok: bool, path: &str, message: String| {
        if !ok {
            errors.push(FieldError { path: path.into(), message });
        }
    };
    check(
        is_model_name(name),
        "metadata.name",
        format!("{name:?} must match {MODEL_NAME_PATTERN}: names of children are made from it"),
    );
    check(
        spec.features.len() <= 256,
        "spec.features",
        format!("expected at most 256 features, got {}: left out, all columns are read", spec.features.len()),
    );
    let mut seen = BTreeSet::new();
    for (i, feature) in spec.features.iter().enumerate() {
        let path = format!("spec.features[{i}].name");
        check(!feature.name.is_empty(), &path, "a feature needs a name: that of a column of the data".into());
        check(seen.insert(&feature.name), &path, format!("{:?} stands there twice", feature.name));
    }
    let given = spec.detector.given();
    check(
        given.len() == 1,
        "spec.detector",
        format!("at most one detector may be given, got {}: remove all but one", given.join(", ")),
    );
    imported(spec, &mut check);
    if let Some(training) = &spec.training {
        check(
            one_source(&training.source),
            "spec.training.source",
            "exactly one source is needed: configMap or inline".into(),
        );
        check(training.min_rows >= 1, "spec.training.minRows", "expected 1 or more".into());
    }
    check(spec.serving.replicas >= 0, "spec.serving.replicas", "expected 0 or more".into());
    resources("spec.training.resources", &spec.training_resources(), &mut errors);
    resources("spec.serving.resources", &spec.serving.resources, &mut errors);
    limits::limits(&spec.serving.limits, &mut errors);
    if spec.serving.page.recent_values && !spec.serving.page.recent_verdicts {
        errors.push(FieldError {
            path: "spec.serving.page.recentValues".into(),
            message: "recentValues needs recentVerdicts: values are shown beside verdicts".into(),
        });
    }
    if let Some(tls) = &spec.serving.tls
        && [credentials(name), htpasswd(name)].contains(&tls.secret_name)
    {
        errors.push(FieldError {
            path: "spec.serving.tls.secretName".into(),
            message: "this Secret holds generated passwords; name one of type kubernetes.io/tls".into(),
        });
    }
    if let Some(ingress) = &spec.ingress {
        annotations(ingress, &mut errors);
        password_secret(name, ingress, &mut errors);
    }
    monitoring::monitoring(spec, &mut errors);
    errors
}

/// What is trained has a `training`, and what is imported has none.
fn imported(spec: &AnomalyModelSpec, check: &mut impl FnMut(bool, &str, String)) {
    let Some(imported) = &spec.detector.imported else {
        check(
            spec.training.is_some(),
            "spec.training",
            "expected where the training data comes from; only detector.imported goes without".into(),
        );
        check(
            spec.missing != Some(Missing::Route) || spec.detector.isolation_forest.is_some(),
            "spec.missing",
            "route is for isolationForest and imported only: other detectors need every value".into(),
        );
        return;
    };
    check(
        imported.config_map.is_some(),
        "spec.detector.imported.configMap",
        "expected the ConfigMap that holds the exported model".into(),
    );
    check(
        spec.training.is_none(),
        "spec.training",
        "must be left out with detector.imported: the model was trained elsewhere".into(),
    );
}

/// The Secrets that the operator generates come and go with the question whether one is named.
fn password_secret(model: &str, ingress: &Ingress, errors: &mut Vec<FieldError>) {
    let Some(auth) = &ingress.basic_auth else { return };
    if [credentials(model), htpasswd(model)].contains(&auth.secret_name) {
        errors.push(FieldError {
            path: "spec.ingress.basicAuth.secretName".into(),
            message: format!(
                "{:?} is a name of the Secrets that are generated when none is named; choose another, or leave it out",
                auth.secret_name
            ),
        });
    }
}

fn one_source(source: &Source) -> bool {
    let Source { config_map, inline } = source;
    [config_map.is_some(), inline.is_some()].into_iter().filter(|x| *x).count() == 1
}

fn resources(path: &str, resources: &ResourceRequirements, errors: &mut Vec<FieldError>) {
    for (kind, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for (name, amount) in amounts.iter().filter(|(_, amount)| !amount.is_valid()) {
            errors.push(FieldError {
                path: format!("{path}.{kind}[{name}]"),
                message: format!("expected a quantity like 500m or 64Mi, got {:?}", amount.as_str()),
            });
        }
    }
}

/// Annotations that could take the password away, or run code in the ingress controller. Matched in any group, because
/// controllers know several prefixes for the same annotation.
fn annotations(ingress: &Ingress, errors: &mut Vec<FieldError>) {
    const REFUSED: [&str; 6] = ["auth", "snippet", "router.middlewares", "basic-auth", "policies", "satisfy"];
    for key in ingress.annotations.keys() {
        let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
        if REFUSED.iter().any(|family| name.contains(family)) {
            errors.push(FieldError {
                path: format!("spec.ingress.annotations[{key}]"),
                message:
                    "annotations of the auth and snippet families are refused, because they could take the \
                          password away; use spec.ingress.basicAuth"
                        .into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Text;

    fn spec(extra: &str) -> AnomalyModelSpec {
        let yaml = format!(
            "{{features: [{{name: x}}], detector: {{isolationForest: {{}}}}, \
             training: {{source: {{inline: {{csv: 'x'}}}}}}{extra}}}"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn a_minimal_spec_is_valid() {
        assert_eq!(validate("model", &spec("")), []);
    }

    #[test]
    fn features_may_be_left_out_but_the_list_ends_at_256() {
        let mut model = spec("");
        model.features.clear();
        assert_eq!(validate("model", &model), []);
        let named = |at: usize| crate::spec::Feature { name: format!("c{at}") };
        model.features = (0..256).map(named).collect();
        assert_eq!(validate("model", &model), []);
        model.features.push(named(256));
        let [error] = &validate("model", &model)[..] else { panic!("one fault") };
        assert_eq!(
            error.to_string(),
            "spec.features: expected at most 256 features, got 257: left out, all columns are read"
        );
    }

    #[test]
    fn every_fault_is_named_with_its_path() {
        let mut bad = spec(
            ", serving: {resources: {limits: {memory: lots}}, page: {recentValues: true}}, ingress: {host: a.example.com}",
        );
        bad.features.push(bad.features[0].clone());
        bad.training.as_mut().unwrap().source.inline = None;
        bad.ingress
            .as_mut()
            .unwrap()
            .annotations
            .insert("nginx.ingress.kubernetes.io/auth-url".into(), Text("http://x".into()));
        let paths: Vec<String> = validate("Model", &bad).into_iter().map(|e| e.path).collect();
        assert_eq!(
            paths,
            [
                "metadata.name",
                "spec.features[1].name",
                "spec.training.source",
                "spec.serving.resources.limits[memory]",
                "spec.serving.page.recentValues",
                "spec.ingress.annotations[nginx.ingress.kubernetes.io/auth-url]",
            ]
        );
    }

    #[test]
    fn a_generated_secret_cannot_be_named() {
        for (secret, errors) in [("model-htpasswd", 1), ("model-credentials", 1), ("mine", 0)] {
            let model =
                spec(&format!(", ingress: {{host: a.example.com, basicAuth: {{secretName: {secret}}}}}"));
            assert_eq!(validate("model", &model).len(), errors, "{secret}");
        }
    }

    #[test]
    fn harmless_annotations_pass() {
        let mut model = spec(", ingress: {host: a.example.com}");
        let annotations = &mut model.ingress.as_mut().unwrap().annotations;
        annotations.insert("cert-manager.io/cluster-issuer".into(), Text("le".into()));
        annotations.insert("nginx.ingress.kubernetes.io/proxy-body-size".into(), Text("1m".into()));
        assert_eq!(validate("model", &model), []);
    }
}
