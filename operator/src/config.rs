//! Command line and environment: what people type, checked. Nothing is read from the cluster here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::check::CheckArgs;
use crate::config::monitoring::MonitoringArgs;
use crate::settings::{Namespaces, SecretsAccess, Settings};

mod monitoring;

/// Turns AnomalyModels into trained models that are served behind basic auth.
#[derive(Debug, Parser)]
#[command(name = "anomaly-operator", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` when nothing is named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller (the default).
    Run(Box<RunArgs>),
    /// Ask a URL and compare the answer; exit code 0 if it is as expected, else 1.
    Check(CheckArgs),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
}

/// Options of `run`, as typed.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Image of `anomaly-trainer`.
    #[arg(long, env = "TRAINER_IMAGE", default_value = "", hide_default_value = true)]
    trainer_image: String,
    /// Image of `anomaly-server`.
    #[arg(long, env = "SERVER_IMAGE", default_value = "", hide_default_value = true)]
    server_image: String,
    /// A variable of OpenTelemetry for scoring pods, like OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318; one a flag,
    /// or a line of the variable.
    #[arg(long, env = "SERVER_OTEL", value_delimiter = '\n', hide_env_values = true)]
    server_otel: Vec<String>,
    /// Pull policy of both images.
    #[arg(long, env = "IMAGE_PULL_POLICY", default_value = "IfNotPresent")]
    image_pull_policy: PullPolicy,
    /// Namespaces to work in, separated by commas; none = all.
    #[arg(long, env = "WATCH_NAMESPACES", default_value = "", hide_default_value = true)]
    watch_namespaces: String,
    /// Namespaces whose pods may scrape the scoring pods, separated by commas.
    #[arg(long, env = "MONITORING_NAMESPACES", default_value = "", hide_default_value = true)]
    monitoring_namespaces: String,
    /// What watches models that say nothing about it.
    #[command(flatten)]
    monitoring: MonitoringArgs,
    /// Whether the operator may read and write Secrets.
    #[arg(long, env = "SECRETS", default_value = "cluster")]
    secrets: SecretsArg,
    /// Most training Jobs at a time, over all models.
    #[arg(long, env = "MAX_CONCURRENT_TRAININGS", default_value = "4")]
    max_concurrent_trainings: usize,
    /// How long changed data must rest before it is trained on.
    #[arg(long, env = "DEBOUNCE", default_value = "30s")]
    debounce: String,
    /// Where metrics and probes are served.
    #[arg(long, env = "ADDRESS", default_value = "[::]:8080")]
    address: SocketAddr,
    /// Namespace of the Lease; omitted = the pod's own, or that of the kubeconfig's context.
    #[arg(long, env = "POD_NAMESPACE", default_value = "", hide_default_value = true)]
    lease_namespace: String,
    /// Name of this process in the Lease and in Events.
    #[arg(long, env = "POD_NAME", default_value = "", hide_default_value = true)]
    identity: String,
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading.
    Text,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SecretsArg {
    /// In every namespace that it works in.
    Cluster,
    /// Not at all: every ingress has to name its Secret.
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

/// Options of `run`, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What pure code needs.
    pub settings: Settings,
    /// Where models are looked for.
    pub scope: Namespaces,
    /// Where metrics and probes are served.
    pub address: SocketAddr,
    /// Namespace of the Lease; `None` = the client's default.
    pub lease_namespace: Option<String>,
    /// Name of this process in the Lease and in Events.
    pub identity: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// An option cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// An option that has no default is missing.
    #[error("{flag} is missing: name the image, or set {variable}")]
    MissingImage {
        /// The option.
        flag: &'static str,
        /// The environment variable.
        variable: &'static str,
    },
    /// A namespace that cannot exist.
    #[error("{flag}: {value:?} is no namespace; write DNS labels (a-z, 0-9, -) separated by commas")]
    Namespace {
        /// The option.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// A duration that cannot be read, or that makes no sense.
    #[error("{flag}: {value:?} is no duration between 0s and 24h; write something like 30s, 5m or 1h 30m")]
    Duration {
        /// The option.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// Something that Kubernetes or Prometheus would refuse.
    #[error("{flag}: {value:?} is not what is expected: {expected}")]
    Unusable {
        /// The option.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// Nothing could ever train.
    #[error("--max-concurrent-trainings: 0 would never train anything; give at least 1")]
    NoTrainings,
}

/// `OTEL_NAME=value`; empty members are overlooked, templates leave them behind. The value may hold a key: it is not shown.
fn otel(variables: &[String]) -> Result<BTreeMap<String, String>, ConfigError> {
    let is_name = |name: &str| {
        name.strip_prefix("OTEL_").is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    let variables = variables.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    let variable = |text: &str| match text.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(ConfigError::Unusable {
            flag: "--server-otel",
            value: text.split('=').next().unwrap_or_default().to_owned(),
            expected: "OTEL_NAME=value, a name of OpenTelemetry",
        }),
    };
    variables.map(variable).collect()
}

impl RunArgs {
    /// How log lines look; known before the rest is checked, so that errors are logged too.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Checks every option.
    pub fn check(self) -> Result<Config, ConfigError> {
        Ok(Config {
            settings: self.settings()?,
            scope: self.scope()?,
            address: self.address,
            lease_namespace: match self.lease_namespace.trim() {
                "" => None,
                name => Some(namespace("--lease-namespace", name)?),
            },
            identity: match self.identity.trim() {
                "" => "anomaly-operator".to_owned(),
                name => name.to_owned(),
            },
            log_format: self.log_format,
        })
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        if self.max_concurrent_trainings == 0 {
            return Err(ConfigError::NoTrainings);
        }
        Ok(Settings {
            trainer_image: image("--trainer-image", "TRAINER_IMAGE", &self.trainer_image)?,
            server_otel: otel(&self.server_otel)?,
            server_image: image("--server-image", "SERVER_IMAGE", &self.server_image)?,
            image_pull_policy: match self.image_pull_policy {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            }
            .to_owned(),
            monitoring_namespaces: namespaces("--monitoring-namespaces", &self.monitoring_namespaces)?,
            monitoring: self.monitoring.check()?,
            secrets: match self.secrets {
                SecretsArg::Cluster => SecretsAccess::Cluster,
                SecretsArg::None => SecretsAccess::None,
            },
            max_concurrent_trainings: self.max_concurrent_trainings,
            debounce: SignedDuration::try_from(duration("--debounce", &self.debounce)?)
                .unwrap_or(SignedDuration::MAX),
        })
    }

    fn scope(&self) -> Result<Namespaces, ConfigError> {
        let names = namespaces("--watch-namespaces", &self.watch_namespaces)?;
        Ok(if names.is_empty() { Namespaces::All } else { Namespaces::Some(names) })
    }
}

fn image(flag: &'static str, variable: &'static str, value: &str) -> Result<String, ConfigError> {
    match value.trim() {
        "" => Err(ConfigError::MissingImage { flag, variable }),
        image => Ok(image.to_owned()),
    }
}

/// A comma list without duplicates; empty members are overlooked, templates leave them behind.
fn namespaces(flag: &'static str, list: &str) -> Result<Vec<String>, ConfigError> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = names.map(|name| namespace(flag, name)).collect::<Result<_, _>>()?;
    Ok(names.into_iter().collect())
}

fn namespace(flag: &'static str, name: &str) -> Result<String, ConfigError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() <= 63 && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-') {
        Ok(name.to_owned())
    } else {
        Err(ConfigError::Namespace { flag, value: name.to_owned() })
    }
}

/// Something like `30s`, `5m` or `1h 30m`.
fn duration(flag: &'static str, value: &str) -> Result<Duration, ConfigError> {
    parse_duration(value).ok_or_else(|| ConfigError::Duration { flag, value: value.to_owned() })
}

/// Something like `30s`, `5m` or `1h 30m`, up to a day.
pub fn parse_duration(value: &str) -> Option<Duration> {
    let parsed: Duration = value.trim().parse::<SignedDuration>().ok()?.try_into().ok()?;
    (parsed <= Duration::from_secs(24 * 3600)).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;

    const IMAGES: [&str; 4] = ["--trainer-image", "trainer:1", "--server-image", "server:1"];

    /// Parses without the environment: variables of the machine that runs the tests must not decide them.
    fn try_parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        let deaf = |command: clap::Command| command.mut_args(|argument| argument.env(None));
        let command = deaf(Cli::command()).mut_subcommand("run", deaf);
        let words = ["anomaly-operator"].iter().chain(arguments);
        Cli::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    fn parse(arguments: &[&str]) -> Cli {
        try_parse(arguments).unwrap()
    }

    fn check(arguments: &[&str]) -> Result<Config, String> {
        let all: Vec<&str> = IMAGES.iter().chain(arguments).copied().collect();
        parse(&all).run.check().map_err(|e| e.to_string())
    }

    #[test]
    fn images_alone_are_enough_to_run() {
        let config = check(&[]).unwrap();
        assert_eq!(config.scope, Namespaces::All);
        assert_eq!(config.address, "[::]:8080".parse().unwrap());
        assert_eq!(config.settings.image_pull_policy, "IfNotPresent");
        assert_eq!(config.settings.secrets, SecretsAccess::Cluster);
        assert_eq!(config.settings.max_concurrent_trainings, 4);
        assert_eq!(config.settings.debounce, SignedDuration::from_secs(30));
        assert_eq!(config.lease_namespace, None);
    }

    #[test]
    fn a_missing_image_is_named_with_its_flag_and_variable() {
        let error = parse(&["--server-image", "server:1"]).run.check().unwrap_err();
        assert_eq!(error.to_string(), "--trainer-image is missing: name the image, or set TRAINER_IMAGE");
    }

    #[test]
    fn namespaces_are_a_comma_list_with_spaces_and_repetitions() {
        let config =
            check(&["--watch-namespaces", "b, a,,b,", "--monitoring-namespaces", "monitoring"]).unwrap();
        assert_eq!(config.scope, Namespaces::Some(vec!["a".into(), "b".into()]));
        assert_eq!(config.settings.monitoring_namespaces, ["monitoring"]);
    }

    #[test]
    fn variables_of_opentelemetry_are_lines_and_no_others_are_taken() {
        let config =
            check(&["--server-otel", "OTEL_A=b=c,d\n\nOTEL_SDK_DISABLED=", "--server-otel", ""]).unwrap();
        let expected = [("OTEL_A", "b=c,d"), ("OTEL_SDK_DISABLED", "")];
        assert_eq!(config.settings.server_otel, expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
        for bad in ["LAME_DUCK=secret", "OTEL_=secret", "OTEL_a=secret", "OTEL_A"] {
            let error = check(&["--server-otel", bad]).unwrap_err();
            assert!(error.starts_with("--server-otel: ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_namespace_that_cannot_exist_is_refused() {
        for bad in ["Demo", "-a", "a_b", "a b", "ä"] {
            let error = check(&["--watch-namespaces", &format!("x,{bad}")].map(|s| s)).unwrap_err();
            assert!(error.starts_with("--watch-namespaces: ") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h 30m", 5400), ("1h30m", 5400), ("0s", 0)] {
            let config = check(&["--debounce", text]).unwrap();
            assert_eq!(config.settings.debounce, SignedDuration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_or_sense_is_refused() {
        for bad in ["30", "", "soon", "-5s", "25h", "5 s s"] {
            let error = check(&[&format!("--debounce={bad}")]).unwrap_err();
            assert!(error.contains("write something like 30s"), "{bad}: {error}");
        }
    }

    #[test]
    fn no_trainings_at_all_are_refused() {
        assert!(check(&["--max-concurrent-trainings", "0"]).unwrap_err().contains("at least 1"));
    }

    #[test]
    fn run_is_what_happens_without_a_subcommand() {
        assert!(parse(&IMAGES).command.is_none());
        let explicit: Vec<&str> = ["run"].iter().chain(&IMAGES).copied().collect();
        let Some(Command::Run(arguments)) = parse(&explicit).command else { panic!("not run") };
        assert_eq!(arguments.check().unwrap().settings.trainer_image, "trainer:1");
        assert!(matches!(parse(&["crd"]).command, Some(Command::Crd)));
    }

    #[test]
    fn pull_policies_are_spelled_as_kubernetes_spells_them() {
        assert_eq!(check(&["--image-pull-policy", "Always"]).unwrap().settings.image_pull_policy, "Always");
        assert!(try_parse(&["--image-pull-policy", "sometimes"]).is_err());
    }

    #[test]
    fn every_option_of_run_is_an_environment_variable_too() {
        let command = Cli::command();
        let variables =
            command.get_arguments().filter_map(|a| a.get_env()?.to_str()).collect::<BTreeSet<_>>();
        let expected = [
            "ADDRESS",
            "ALERTS",
            "ALERT_FOR",
            "ALERT_LABELS",
            "ALERT_SEVERITY",
            "ALERT_STALE_AFTER_DAYS",
            "DASHBOARDS",
            "DASHBOARD_FOLDER",
            "DASHBOARD_LABELS",
            "DEBOUNCE",
            "IMAGE_PULL_POLICY",
            "LOG_FORMAT",
            "MAX_CONCURRENT_TRAININGS",
            "MONITORING_NAMESPACES",
            "POD_NAME",
            "POD_NAMESPACE",
            "RUNBOOK_BASE_URL",
            "SECRETS",
            "SERVER_IMAGE",
            "SERVER_OTEL",
            "SERVICE_MONITORS",
            "SERVICE_MONITOR_INTERVAL",
            "SERVICE_MONITOR_LABELS",
            "TRAINER_IMAGE",
            "WATCH_NAMESPACES",
        ];
        assert_eq!(variables, expected.into());
    }
}
