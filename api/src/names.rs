//! Names of the children of a model, and of files and ports that two programs share.
//!
//! A model's name has at most 40 characters, so that every name here fits a label (63).

/// Longest name of a model.
pub const MODEL_NAME_MAX: usize = 40;
/// What the API server checks by CEL: a DNS label that starts with a letter, with at most 40 characters.
pub const MODEL_NAME_PATTERN: &str = "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$";

/// Name of the port that serves the cluster: all routes, probes and metrics.
pub const PORT_HTTP: &str = "http";
/// Number of [`PORT_HTTP`].
pub const PORT_HTTP_NUMBER: i32 = 8000;
/// Name of the port that the ingress uses: scoring and documentation, behind basic auth.
pub const PORT_PUBLIC: &str = "public";
/// Number of [`PORT_PUBLIC`].
pub const PORT_PUBLIC_NUMBER: i32 = 8080;

/// Name of the port that serves the Open Inference Protocol over gRPC, in the cluster.
pub const PORT_GRPC: &str = "grpc";
/// Number of [`PORT_GRPC`].
pub const PORT_GRPC_NUMBER: i32 = 8001;

/// Key of the model file in a revision's `binaryData`.
pub const MODEL_FILE: &str = "model.afm";
/// Key of the description in a revision's `data`.
pub const DESCRIPTION_FILE: &str = "description.json";
/// Keys of a certificate in a Secret of type `kubernetes.io/tls`: the chain, its private key, who signed it.
pub const TLS_KEYS: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];
/// Key of the htpasswd lines in a basic-auth Secret; the only one, because Traefik demands that.
pub const HTPASSWD_KEY: &str = "auth";

/// Characters of a training key that stand in names.
pub const SHORT_KEY: usize = 8;

/// The first characters of a training key.
pub fn short_key(key: &str) -> &str {
    key.get(..SHORT_KEY).unwrap_or(key)
}

/// A training Job and its input ConfigMap.
pub fn training_job(model: &str, key: &str, attempt: u32) -> String {
    format!("{model}-t-{}-{attempt}", short_key(key))
}

/// A revision ConfigMap.
pub fn revision(model: &str, key: &str, attempt: u32) -> String {
    format!("{model}-r-{}-{attempt}", short_key(key))
}

/// The number at the end of a Job's or revision's name.
pub fn attempt(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// ServiceAccount, Role and RoleBinding of the trainer.
pub fn trainer(model: &str) -> String {
    format!("{model}-trainer")
}

/// Secret with the generated user name and password.
pub fn credentials(model: &str) -> String {
    format!("{model}-credentials")
}

/// Secret with the htpasswd line of the generated password.
pub fn htpasswd(model: &str) -> String {
    format!("{model}-htpasswd")
}

/// Traefik Middleware that asks for the password.
pub fn middleware(model: &str) -> String {
    format!("{model}-basic-auth")
}

/// ConfigMap with the Grafana dashboards.
pub fn dashboards(model: &str) -> String {
    format!("{model}-dashboards")
}

/// Name of the scoring pods in a certificate: that of their Service.
pub fn server_host(model: &str, namespace: &str) -> String {
    format!("{model}.{namespace}.svc")
}

/// Whether a model may have this name.
pub fn is_model_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= MODEL_NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_model_name_leaves_room_for_every_child() {
        let model = "m".repeat(MODEL_NAME_MAX);
        let key = "0123456789abcdef";
        for name in [training_job(&model, key, 99_999), revision(&model, key, 99_999), credentials(&model)] {
            assert!(name.len() <= 63, "{name}");
        }
    }

    #[test]
    fn the_attempt_is_read_back_from_the_name() {
        assert_eq!(attempt(&training_job("a-1", "0123456789", 17)), Some(17));
        assert_eq!(attempt("nothing"), None);
    }

    #[test]
    fn model_names_follow_the_pattern() {
        for (name, ok) in
            [("a", true), ("a-1", true), ("1a", false), ("a-", false), ("A", false), ("", false)]
        {
            assert_eq!(is_model_name(name), ok, "{name}");
        }
        assert!(!is_model_name(&"a".repeat(41)));
    }
}
