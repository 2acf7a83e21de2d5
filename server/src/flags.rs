//! The command line. Every flag has an environment variable; no flag takes a secret.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use server::{
    About, AccessLog, BasePath, Config, Drain, Keep, Limits, Public, Source, TlsFiles, TraceConfig,
};

use crate::logs::LogFormat;

/// More threads than this gain nothing for single rows.
const MAX_WORKER_THREADS: usize = 4;

/// Serves one anomaly model over HTTP.
#[derive(Debug, Parser)]
#[command(name = "anomaly-server", version)]
pub(crate) struct Flags {
    /// Directory with model.afm and description.json; tried again until it can be loaded.
    #[arg(long, env, default_value = "/model")]
    model_dir: PathBuf,
    /// Name of the model: password prompt, /model_information, metrics.
    #[arg(long, env, default_value = "model")]
    model_name: String,
    /// Namespace of the model.
    #[arg(long, env, default_value = "")]
    model_namespace: String,
    /// In-cluster port: all routes, no passwords.
    #[arg(long, env, default_value = "[::]:8000")]
    http_address: SocketAddr,
    /// Port for an ingress: scoring routes behind basic authentication. Only opened with --htpasswd-file.
    #[arg(long, env, default_value = "[::]:8080")]
    public_address: SocketAddr,
    /// In-cluster port of the Open Inference Protocol over gRPC, no passwords.
    #[arg(long, env, default_value = "[::]:8001")]
    grpc_address: SocketAddr,
    /// htpasswd file (bcrypt, {SHA} or $apr1$ lines), read again when it changes.
    #[arg(long, env)]
    htpasswd_file: Option<PathBuf>,
    /// Path under which the public port serves.
    #[arg(long, env, default_value = "/")]
    public_base_path: BasePath,
    /// Directory with tls.crt and tls.key: all ports speak TLS. Read again when they change.
    #[arg(long, env)]
    tls_dir: Option<PathBuf>,
    /// Threads that serve [default: min(4, CPUs of the cgroup or the node)].
    #[arg(long, env, value_parser = parse_threads)]
    worker_threads: Option<usize>,
    /// Largest request body, in bytes; streams of rows may be longer.
    #[arg(long, env, default_value_t = Limits::default().max_body_bytes)]
    max_body_bytes: usize,
    /// Rows in a batch that is answered as a whole; streams may have more.
    #[arg(long, env, default_value_t = Limits::default().max_batch_rows, value_parser = parse_rows)]
    max_batch_rows: usize,
    /// Rows of batches in flight; beyond it 503.
    #[arg(long, env, default_value_t = Limits::default().max_concurrent_rows, value_parser = parse_rows)]
    max_concurrent_rows: usize,
    /// How long a batch may have to wait for those before it; beyond it 503.
    #[arg(long, env, default_value = "15ms", value_parser = parse_duration)]
    max_batch_wait: Duration,
    /// Requests in flight on each port, probes and metrics aside; beyond it 503.
    #[arg(long, env, default_value_t = Limits::default().max_concurrent_requests, value_parser = parse_rows)]
    max_concurrent_requests: usize,
    /// Open connections a port; beyond it 503.
    #[arg(long, env, default_value_t = Limits::default().max_connections as u32,
        value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,
    /// Time for a whole request.
    #[arg(long, env, default_value = "10s", value_parser = parse_duration)]
    request_timeout: Duration,
    /// Time for a request's head, from its first byte.
    #[arg(long, env, default_value = "5s", value_parser = parse_duration)]
    header_timeout: Duration,
    /// Time that a stream of rows, or a client that is being answered, may stand still.
    #[arg(long, env, default_value = "30s", value_parser = parse_duration)]
    stall_timeout: Duration,
    /// Time that a connection may be idle.
    #[arg(long, env, default_value = "120s", value_parser = parse_duration)]
    idle_timeout: Duration,
    /// After SIGTERM: how long to go on accepting, with `Connection: close`.
    #[arg(long, env, default_value = "10s", value_parser = parse_duration)]
    lame_duck: Duration,
    /// A feature whose drift is watched; one flag a feature, an empty one for none [default: the first 32].
    #[arg(long, env)]
    drift_features: Option<Vec<String>>,
    /// When the model was trained, in seconds of Unix time.
    #[arg(long, env)]
    trained_at: Option<i64>,
    /// How long the training took, in seconds.
    #[arg(long, env, value_parser = parse_seconds)]
    training_duration: Option<Duration>,
    /// Which requests have a line in the log.
    #[arg(long, env, value_enum, default_value = "errors")]
    access_log: AccessLog,
    /// Keeps the latest hundred anomalies and the features that caused them, for the page.
    #[arg(long, env)]
    recent_verdicts: bool,
    /// With --recent-verdicts: their features' values, too.
    #[arg(long, env)]
    recent_values: bool,
    /// json or text.
    #[arg(long, env, value_enum, default_value = "json")]
    pub(crate) log_format: LogFormat,
}

impl Flags {
    pub(crate) fn into_config(self) -> Config {
        let public = self.htpasswd_file.map(|file| Public {
            base_path: self.public_base_path,
            ..Public::new(self.public_address, file)
        });
        let limits = Limits {
            max_body_bytes: self.max_body_bytes,
            max_batch_rows: self.max_batch_rows,
            max_concurrent_rows: self.max_concurrent_rows,
            max_batch_wait: self.max_batch_wait,
            max_concurrent_requests: self.max_concurrent_requests,
            max_connections: self.max_connections as usize,
            request_timeout: self.request_timeout,
            header_timeout: self.header_timeout,
            stall_timeout: self.stall_timeout,
            idle_timeout: self.idle_timeout,
            ..Limits::default()
        };
        let about = About {
            trained_at: self.trained_at,
            training_duration: self.training_duration,
            drift_features: self
                .drift_features
                .map(|names| names.into_iter().filter(|n| !n.is_empty()).collect()),
        };
        // What was accepted last may take its whole time.
        let finish = Drain::default().finish.max(self.request_timeout + Duration::from_secs(2));
        let keep = if self.recent_values { Keep::Values } else { Keep::Causes };
        Config {
            recent: self.recent_verdicts.then_some(keep),
            model_namespace: self.model_namespace,
            about,
            public,
            grpc_address: Some(self.grpc_address),
            tls: self.tls_dir.map(TlsFiles::new),
            access_log: self.access_log,
            traces: TraceConfig::from_env(),
            limits,
            drain: Drain { lame_duck: self.lame_duck, finish },
            ..Config::new(self.model_name, Source::Directory(self.model_dir), self.http_address)
        }
    }

    /// The standard library's count heeds affinity and the CPU quota of cgroups v1 and v2.
    pub(crate) fn worker_threads(&self) -> usize {
        let cpus = available_parallelism().map_or(1, usize::from);
        self.worker_threads.unwrap_or(cpus.min(MAX_WORKER_THREADS))
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1_024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

fn parse_rows(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rows @ 1..=100_000_000) => Ok(rows),
        _ => Err("expected a number from 1 to 100000000".to_owned()),
    }
}

/// `0.25`, `12`.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 0.25".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// `500ms`, `10s`, `2m` or `0s`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds: Option<u64> = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let total =
        number.parse::<u64>().ok().zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    // A day: whatever is longer is a slip, and timers have their limits too.
    total
        .filter(|total| *total <= 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a number with a unit, such as 500ms, 10s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent_and_their_defaults_parse() {
        Flags::command().debug_assert();
        let config = Flags::try_parse_from(["anomaly-server"]).unwrap().into_config();
        assert!(config.public.is_none());
        assert_eq!(config.drain.lame_duck, Drain::default().lame_duck);
        assert_eq!(config.limits.max_batch_wait, Limits::default().max_batch_wait);
        assert_eq!(config.limits.idle_timeout, Limits::default().idle_timeout);
        assert_eq!(config.limits.request_timeout, Limits::default().request_timeout);
        assert_eq!(config.limits.header_timeout, Limits::default().header_timeout);
        assert_eq!(config.limits.stall_timeout, Limits::default().stall_timeout);
    }

    #[test]
    fn what_is_known_of_the_model_comes_by_flags() {
        let about = |flags: &[&str]| {
            Flags::try_parse_from([&["anomaly-server"], flags].concat()).unwrap().into_config().about
        };
        let told = about(&[
            "--drift-features=a,b",
            "--drift-features=c",
            "--trained-at=1700000000",
            "--training-duration=0.25",
        ]);
        assert_eq!(told.drift_features.unwrap(), ["a,b", "c"]);
        assert_eq!(told.trained_at, Some(1_700_000_000));
        assert_eq!(told.training_duration, Some(Duration::from_millis(250)));
        assert_eq!(about(&[]).drift_features, None);
        assert_eq!(about(&["--drift-features="]).drift_features.unwrap(), [""; 0]);
    }

    #[test]
    fn no_limit_on_numbers_is_zero() {
        for flag in
            ["--max-batch-rows", "--max-concurrent-rows", "--max-concurrent-requests", "--max-connections"]
        {
            let parsed = |value: &str| Flags::try_parse_from(["anomaly-server", flag, value]);
            let error = parsed("0").unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
            assert!(parsed("200000").is_ok(), "{flag}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "10", "s", "-1s", "1h", "99999999999999999999s", "1 s"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_file_opens_the_public_port() {
        let flags = ["anomaly-server", "--htpasswd-file", "/auth/auth", "--public-base-path", "/a/"];
        let config = Flags::try_parse_from(flags).unwrap().into_config();
        let public = config.public.unwrap();
        assert_eq!(public.address.port(), 8080);
        assert_eq!(public.base_path, "/a".parse().unwrap());
    }
}
