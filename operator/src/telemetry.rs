//! What people and machines see of the operator: its metrics and its log. No HTTP here, see `http`.
//!
//! Every metric is described in `docs/metrics.md`; a test compares the two. Handles whose labels are known are resolved
//! once. Labels never hold names of models, but of those whose training failed: their number must not grow with the cluster.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// All is as the spec asks for, or on its way.
    Applied,
    /// The spec cannot be carried out; waits for a change.
    Invalid,
    /// Something failed; tried again later.
    Failed,
}

impl ReconcileOutcome {
    const ALL: [Self; 3] = [Self::Applied, Self::Invalid, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }
}

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: Histogram,
    errors: IntCounterVec,
    writes: IntCounterVec,
    watch_failing: IntGaugeVec,
    models: IntGaugeVec,
    leader: IntGauge,
    running: IntGauge,
    queue: IntGauge,
    trainings: IntGaugeVec,
    training_failed: IntGaugeVec,
}

impl Metrics {
    /// Registers all metrics. Fails only if two of them have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            reconciles: counters("reconciles_total", "Reconciles by outcome", &["outcome"])?,
            reconcile_seconds: Histogram::with_opts(
                HistogramOpts::new(name("reconcile_duration_seconds"), "Time of one reconcile, in seconds")
                    .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            )?,
            errors: counters("reconcile_errors_total", "Failed reconciles by reason", &["reason"])?,
            writes: counters(
                "writes_total",
                "Writes to the API server, Lease renewals excepted",
                &["kind", "verb"],
            )?,
            watch_failing: gauges(
                "watch_failing",
                "1 while the watch of a kind has failed for over a minute, else 0",
                &["resource"],
            )?,
            models: gauges("models", "AnomalyModels by condition and its status", &["condition", "status"])?,
            leader: IntGauge::new(name("leader"), "1 while this process leads")?,
            running: IntGauge::new(name("reconciles_running"), "Reconciles that run now; 16 at most")?,
            queue: IntGauge::new(name("queue_length"), "AnomalyModels that wait to be reconciled")?,
            trainings: gauges("trainings", "Trainings that run, and that wait for a free place", &["state"])?,
            training_failed: gauges(
                "training_failed",
                "1 while the last training of a model failed; absent otherwise",
                &["namespace", "model"],
            )?,
        };
        metrics.register()?;
        for outcome in ReconcileOutcome::ALL {
            metrics.reconciles.with_label_values(&[outcome.label()]);
        }
        metrics.trainings(0, 0);
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let build = gauges("build_info", "Always 1; the label tells the version", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let all: [Box<dyn Collector>; 12] = [
            Box::new(build),
            Box::new(self.reconciles.clone()),
            Box::new(self.reconcile_seconds.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.writes.clone()),
            Box::new(self.watch_failing.clone()),
            Box::new(self.models.clone()),
            Box::new(self.leader.clone()),
            Box::new(self.running.clone()),
            Box::new(self.queue.clone()),
            Box::new(self.trainings.clone()),
            Box::new(self.training_failed.clone()),
        ];
        for collector in all {
            self.registry.register(collector)?;
        }
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(())
    }

    /// Where all of them are registered.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A reconcile has ended.
    pub fn reconciled(&self, outcome: ReconcileOutcome, took: Duration) {
        self.reconciles.with_label_values(&[outcome.label()]).inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A reconcile failed; `reason` is one of a few words, never a message.
    pub fn failed(&self, reason: &str) {
        self.errors.with_label_values(&[reason]).inc();
    }

    /// A write was sent: `kind` like `Deployment`, `verb` like `apply`, `create`, `delete`, `status`.
    pub fn wrote(&self, kind: &str, verb: &str) {
        self.writes.with_label_values(&[kind, verb]).inc();
    }

    /// `resource` is watched from now on: its series is there before anything has failed.
    pub fn watch_begins(&self, resource: &str) {
        self.watch_failing.with_label_values(&[resource]);
    }

    /// Whether the watch of `resource` (plural, like `deployments.apps`) has failed for over a minute.
    pub fn watch_failing(&self, resource: &str, failing: bool) {
        self.watch_failing.with_label_values(&[resource]).set(i64::from(failing));
    }

    /// A watch that is no longer wanted.
    pub fn watch_gone(&self, resource: &str) {
        // Fails only if it was never there.
        let _ = self.watch_failing.remove_label_values(&[resource]);
    }

    /// How many models have `condition` with `status` (`True`, `False` or `Unknown`).
    pub fn models(&self, condition: &str, status: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.models.with_label_values(&[condition, status]).set(count);
    }

    /// How many models wait to be reconciled.
    pub fn queue(&self, length: usize) {
        self.queue.set(i64::try_from(length).unwrap_or(i64::MAX));
    }

    /// How many trainings run, and how many wait for a free place.
    pub fn trainings(&self, running: usize, queued: usize) {
        for (state, count) in [("running", running), ("queued", queued)] {
            self.trainings.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Whose last training failed; nobody else has a series.
    pub fn training_failed<'a>(&self, models: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let failed: BTreeSet<(&str, &str)> = models.into_iter().collect();
        let known: Vec<(String, String)> = self.failed_before();
        for (namespace, model) in &known {
            if !failed.contains(&(namespace.as_str(), model.as_str())) {
                // Fails only if it was never there.
                let _ = self.training_failed.remove_label_values(&[namespace, model]);
            }
        }
        for (namespace, model) in failed {
            self.training_failed.with_label_values(&[namespace, model]).set(1);
        }
    }

    fn failed_before(&self) -> Vec<(String, String)> {
        let families = self.training_failed.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        let label = |metric: &prometheus::proto::Metric, name: &str| {
            let labels = metric.get_label().iter();
            labels.filter(|label| label.name() == name).map(|label| label.value().to_owned()).next()
        };
        series.filter_map(|metric| Some((label(metric, "namespace")?, label(metric, "model")?))).collect()
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A reconcile has begun, and runs until what is returned is dropped. At the limit, models have to wait.
    pub fn running(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// All of them in Prometheus' text format.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// A reconcile that runs.
#[derive(Debug)]
#[must_use]
pub struct Running(IntGauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn name(last: &str) -> String {
    format!("anomaly_operator_{last}")
}

fn counters(last: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name(last), help), labels)
}

fn gauges(last: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name(last), help), labels)
}

/// What is logged when `RUST_LOG` says nothing.
const DEFAULT_FILTER: &str = "info";
/// The client logs every failed call by itself; here a failure is logged once, where it is handled. `RUST_LOG` comes after
/// it and may name these too.
const QUIET: &str = "kube_client=off,kube_runtime=error";

/// The filter for what `RUST_LOG` says.
fn filter(wanted: &str) -> Result<EnvFilter, LogError> {
    let wanted = if wanted.trim().is_empty() { DEFAULT_FILTER } else { wanted };
    EnvFilter::try_new(format!("{QUIET},{wanted}"))
        .map_err(|e| LogError::Filter(wanted.to_owned(), e.to_string()))
}

/// Starts logging to stderr. To be called once.
pub fn start_logging(format: LogFormat) -> Result<(), LogError> {
    let filter = filter(&std::env::var("RUST_LOG").unwrap_or_default())?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
    }
    .map_err(|e| LogError::Twice(e.to_string()))
}

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `RUST_LOG` cannot be read.
    #[error("cannot read RUST_LOG={0:?}: {1}; write something like info,operator=debug")]
    Filter(String, String),
    /// Somebody else logs already.
    #[error("logging was started twice: {0}")]
    Twice(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every metric with a sample.
    fn exercised() -> Metrics {
        let metrics = Metrics::new().unwrap();
        metrics.reconciled(ReconcileOutcome::Applied, Duration::from_millis(20));
        metrics.failed("Conflict");
        metrics.wrote("Deployment", "apply");
        metrics.watch_failing("deployments.apps", true);
        metrics.models("Ready", "True", 3);
        metrics.leads(true);
        metrics.queue(2);
        metrics.trainings(1, 4);
        metrics.training_failed([("demo", "machine")]);
        metrics
    }

    /// Names in the first column of the table below the heading `Operator`.
    fn documented() -> BTreeSet<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        let section = text.split("\n## ").find(|s| s.starts_with("Operator\n")).unwrap_or_default();
        let first_cell =
            |line: &str| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned());
        section.lines().filter_map(first_cell).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_metric_is_documented_and_nothing_else() {
        let registered: BTreeSet<String> =
            exercised().registry().gather().iter().map(|family| family.name().to_owned()).collect();
        assert_eq!(
            registered,
            documented(),
            "docs/metrics.md, heading Operator, must name exactly these metrics"
        );
    }

    #[test]
    fn the_text_format_shows_what_was_counted() {
        let text = String::from_utf8(exercised().text().unwrap()).unwrap();
        for line in [
            r#"anomaly_operator_reconciles_total{outcome="applied"} 1"#,
            r#"anomaly_operator_reconciles_total{outcome="failed"} 0"#,
            r#"anomaly_operator_writes_total{kind="Deployment",verb="apply"} 1"#,
            r#"anomaly_operator_watch_failing{resource="deployments.apps"} 1"#,
            r#"anomaly_operator_models{condition="Ready",status="True"} 3"#,
            "anomaly_operator_leader 1",
            "anomaly_operator_queue_length 2",
            r#"anomaly_operator_trainings{state="queued"} 4"#,
            r#"anomaly_operator_training_failed{model="machine",namespace="demo"} 1"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing from:\n{text}");
        }
    }

    #[test]
    fn a_training_that_failed_has_a_series_until_one_succeeds() {
        let metrics = exercised();
        metrics.training_failed([("demo", "other"), ("demo", "other")]);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        let series: Vec<&str> =
            text.lines().filter(|l| l.starts_with("anomaly_operator_training_failed{")).collect();
        assert_eq!(series, [r#"anomaly_operator_training_failed{model="other",namespace="demo"} 1"#]);
    }

    #[test]
    fn reconciles_count_as_running_until_they_end_however_they_end() {
        let metrics = Metrics::new().unwrap();
        let (one, another) = (metrics.running(), metrics.running());
        assert_eq!(metrics.running.get(), 2);
        drop(one);
        let panicked = std::panic::catch_unwind(move || {
            let _running = another;
            panic!("a reconcile that panics");
        });
        assert!(panicked.is_err());
        assert_eq!(metrics.running.get(), 0);
    }

    #[test]
    fn a_watch_has_a_series_from_its_beginning_until_it_is_gone() {
        let metrics = exercised();
        let value = || {
            let text = String::from_utf8(metrics.text().unwrap()).unwrap();
            let series = "anomaly_operator_watch_failing{resource=\"rules.example\"} ";
            text.lines().find_map(|line| line.strip_prefix(series)).map(str::to_owned)
        };
        assert_eq!(value(), None);
        metrics.watch_begins("rules.example");
        assert_eq!(value().as_deref(), Some("0"));
        metrics.watch_failing("rules.example", true);
        metrics.watch_begins("rules.example");
        assert_eq!(value().as_deref(), Some("1"), "another scope of the same kind");
        metrics.watch_gone("rules.example");
        assert_eq!(value(), None);
        metrics.watch_begins("rules.example");
        assert_eq!(value().as_deref(), Some("0"));
    }

    #[test]
    fn the_client_is_quiet_until_rust_log_names_it() {
        let client = |wanted: &str| {
            let filter = filter(wanted).unwrap().to_string();
            filter.split(',').find(|d| d.starts_with("kube_client")).map(str::to_owned)
        };
        assert_eq!(client("").as_deref(), Some("kube_client=off"));
        assert_eq!(client("info").as_deref(), Some("kube_client=off"));
        assert_eq!(client("info,kube_client=debug").as_deref(), Some("kube_client=debug"));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_shown_as_it_was_written() {
        let error = filter("=%").unwrap_err().to_string();
        assert!(error.starts_with(r#"cannot read RUST_LOG="=%""#), "{error}");
    }
}
