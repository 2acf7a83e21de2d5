//! Compute resources of our pods: what the user wrote, with defaults, as the API server stores it. Pure.
//!
//! Defaults give way to what was written: a request never exceeds its limit because of a default.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use api::spec::ResourceRequirements;
use api::validation::FieldError;
use k8s_openapi::api::core::v1::ResourceRequirements as PodResources;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as PodQuantity;

/// Canonical amounts, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// What the scheduler reserves.
    pub requests: BTreeMap<String, String>,
    /// What the container may use at most.
    pub limits: BTreeMap<String, String>,
}

/// What a pod gets when nothing is written. No CPU limit: throttling makes scores late and saves nothing.
pub struct Defaults {
    cpu: &'static str,
    memory: &'static str,
    memory_limit: &'static str,
}

/// Defaults of the training pod.
pub const TRAINER: Defaults = Defaults { cpu: "100m", memory: "128Mi", memory_limit: "512Mi" };
/// Defaults of a scoring pod.
pub const SERVER: Defaults = Defaults { cpu: "20m", memory: "32Mi", memory_limit: "128Mi" };

/// The resources at `path` with defaults; what cannot be honoured is added to `errors`.
pub fn complete(
    path: &str,
    written: &ResourceRequirements,
    defaults: &Defaults,
    errors: &mut Vec<FieldError>,
) -> Resources {
    let ResourceRequirements { requests, limits } = written;
    names(path, written, errors);
    let (mut requests, mut limits) = (requests.clone(), limits.clone());
    // A limit below the default request lowers the request; a request above the default limit raises the limit.
    for (name, default) in [("cpu", defaults.cpu), ("memory", defaults.memory)] {
        let default = Quantity::new(default);
        let request = limits.get(name).filter(|limit| less(limit, &default)).cloned().unwrap_or(default);
        requests.entry(name.into()).or_insert(request);
    }
    let default = Quantity::new(defaults.memory_limit);
    let limit = requests.get("memory").filter(|request| less(&default, request)).cloned().unwrap_or(default);
    limits.entry("memory".into()).or_insert(limit);

    for (name, request) in &requests {
        if let Some(limit) = limits.get(name).filter(|limit| less(limit, request)) {
            errors.push(FieldError {
                path: format!("{path}.requests[{name}]"),
                message: format!(
                    "the request {request} exceeds the limit {limit}: lower it, or raise the limit"
                ),
            });
        }
    }
    Resources { requests: canonical(&requests), limits: canonical(&limits) }
}

impl Resources {
    /// As a container wants them.
    pub fn to_pod(&self) -> PodResources {
        let amounts = |of: &BTreeMap<String, String>| {
            let amounts: BTreeMap<_, _> =
                of.iter().map(|(k, v)| (k.clone(), PodQuantity(v.clone()))).collect();
            (!amounts.is_empty()).then_some(amounts)
        };
        PodResources { requests: amounts(&self.requests), limits: amounts(&self.limits), claims: None }
    }
}

/// Names that no node can have: the API server would refuse the pod.
fn names(path: &str, written: &ResourceRequirements, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
    for (kind, amounts) in [("requests", &written.requests), ("limits", &written.limits)] {
        for name in amounts.keys() {
            if !(KNOWN.contains(&name.as_str()) || name.starts_with("hugepages-") || name.contains('/')) {
                errors.push(FieldError {
                    path: format!("{path}.{kind}[{name}]"),
                    message:
                        "expected cpu, memory, ephemeral-storage, hugepages-… or a name like example.com/gpu"
                            .into(),
                });
            }
        }
    }
}

fn canonical(amounts: &BTreeMap<String, Quantity>) -> BTreeMap<String, String> {
    amounts.iter().map(|(name, amount)| (name.clone(), amount.canonical())).collect()
}

/// Unreadable amounts compare as equal: they are an error of their own.
fn less(a: &Quantity, b: &Quantity) -> bool {
    matches!((a.nanos(), b.nanos()), (Some(a), Some(b)) if a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(written: &str, defaults: &Defaults) -> (Resources, Vec<String>) {
        let mut errors = Vec::new();
        let written = serde_yaml::from_str(written).unwrap();
        let resources = complete("r", &written, defaults, &mut errors);
        (resources, errors.into_iter().map(|e| e.path).collect())
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn nothing_written_gives_requests_and_a_memory_limit_but_no_cpu_limit() {
        let (server, _) = completed("{}", &SERVER);
        assert_eq!(server.requests, map(&[("cpu", "20m"), ("memory", "32Mi")]));
        assert_eq!(server.limits, map(&[("memory", "128Mi")]));
        let (trainer, _) = completed("{}", &TRAINER);
        assert_eq!(trainer.requests, map(&[("cpu", "100m"), ("memory", "128Mi")]));
        assert_eq!(trainer.limits, map(&[("memory", "512Mi")]));
    }

    #[test]
    fn amounts_are_written_as_the_api_server_writes_them() {
        let (resources, errors) =
            completed("{requests: {cpu: 0.5, memory: 1024Mi}, limits: {memory: 2048Mi}}", &SERVER);
        assert_eq!(resources.requests, map(&[("cpu", "500m"), ("memory", "1Gi")]));
        assert_eq!(resources.limits, map(&[("memory", "2Gi")]));
        assert!(errors.is_empty());
    }

    #[test]
    fn a_default_request_gives_way_to_a_lower_limit() {
        let (resources, errors) = completed("{limits: {cpu: 10m, memory: 16Mi}}", &SERVER);
        assert_eq!(resources.requests, map(&[("cpu", "10m"), ("memory", "16Mi")]));
        assert!(errors.is_empty());
    }

    #[test]
    fn a_default_limit_gives_way_to_a_higher_request() {
        let (resources, errors) = completed("{requests: {memory: 1Gi}}", &TRAINER);
        assert_eq!(resources.limits, map(&[("memory", "1Gi")]));
        assert!(errors.is_empty());
    }

    #[test]
    fn what_the_api_server_would_refuse_is_an_error_with_its_path() {
        let (_, errors) = completed("{requests: {memory: 2Gi, gpus: 1}, limits: {memory: 1Gi}}", &SERVER);
        assert_eq!(errors, ["r.requests[gpus]", "r.requests[memory]"]);
    }
}
