//! What is counted of rows: one function for all routes.
//!
//! Families are registered at start-up. What depends on the model, its children and the buckets of its score, is
//! resolved when it is loaded ([`RowCounters`]).

use detectors::{Description, Model, Scored};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};
use tracing::{error, warn};

use super::add;
use super::bins::{BinCounters, BinFamilies, ColumnCounters};
use super::histogram::ChunkHistogram;
use super::top::TopFeatures;
use crate::config::About;

const SEVERITY_BUCKETS: [f64; 11] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];

/// 1, 4, 16, … 1,048,576.
const BATCH_BUCKETS: usize = 11;

/// As many features are watched if nobody says which.
const WATCHED: usize = 32;

/// What there is before a model, and the families of what a model adds.
#[derive(Debug)]
pub(crate) struct RowMetrics {
    always: Always,
    refused: IntCounter,
    batch_rows: Histogram,
    scores: BinFamilies,
    features: BinFamilies,
    top_feature: IntCounterVec,
    info: IntGaugeVec,
    training_rows: IntGaugeVec,
    flagged: GaugeVec,
    duration: GaugeVec,
    trained: GaugeVec,
}

/// One number of each for every row.
#[derive(Clone, Debug)]
struct Always {
    inliers: IntCounter,
    outliers: IntCounter,
    severity: ChunkHistogram,
}

impl RowMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let batch_rows =
            HistogramOpts::new("anomaly_batch_rows", "Rows scored for a batch, counted when it ends.");
        let batch_rows = batch_rows.buckets(prometheus::exponential_buckets(1.0, 4.0, BATCH_BUCKETS)?);
        let gauge = |name: &str, help: &str| add(registry, GaugeVec::new(Opts::new(name, help), &[])?);
        Ok(Self {
            always: Always::register(registry)?,
            refused: add(
                registry,
                IntCounter::new(
                    "anomaly_rows_refused_total",
                    "Rows that do not fit the model and were not scored.",
                )?,
            )?,
            batch_rows: add(registry, Histogram::with_opts(batch_rows)?)?,
            scores: BinFamilies::register(
                registry,
                Opts::new("anomaly_score_rows_total", "Rows scored, by the bin of their score."),
                Opts::new(
                    "anomaly_score_expected_ratio",
                    "Share of the rows to expect in a bin of the score.",
                ),
                &[],
            )?,
            features: BinFamilies::register(
                registry,
                Opts::new("anomaly_feature_rows_total", "Rows scored, by feature and the bin of its value."),
                Opts::new(
                    "anomaly_feature_expected_ratio",
                    "Share of the rows to expect in a bin of a feature.",
                ),
                &["feature"],
            )?,
            top_feature: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "anomaly_top_feature_total",
                        "Anomalous rows that were explained, by the feature that made them so most of all.",
                    ),
                    &["feature"],
                )?,
            )?,
            info: add(
                registry,
                IntGaugeVec::new(
                    Opts::new("anomaly_model_info", "The model that is served; always 1."),
                    &["name", "namespace", "revision", "detector", "version"],
                )?,
            )?,
            training_rows: add(
                registry,
                IntGaugeVec::new(
                    Opts::new("anomaly_model_training_rows", "Rows that the model was trained on."),
                    &[],
                )?,
            )?,
            flagged: gauge(
                "anomaly_model_flagged_training_ratio",
                "Share of the training rows that the model flags.",
            )?,
            duration: gauge("anomaly_model_training_duration_seconds", "Time that the training took.")?,
            trained: gauge(
                "anomaly_model_trained_timestamp_seconds",
                "When the model was trained, Unix time.",
            )?,
        })
    }

    /// Counts rows that do not fit the model.
    pub(crate) fn refuse(&self, rows: usize) {
        self.refused.inc_by(rows as u64);
    }

    /// Counts a batch that has ended, with the rows that were scored for it.
    pub(crate) fn count_batch(&self, rows: u64) {
        self.batch_rows.observe(rows as f64);
    }

    /// Called once, when the model is loaded.
    pub(crate) fn describe(&self, name: &str, namespace: &str, description: &Description, about: &About) {
        let detector = description.detector.kind().unwrap_or("unknown");
        let labels = [name, namespace, &description.revision, detector, env!("CARGO_PKG_VERSION")];
        self.info.with_label_values(&labels).set(1);
        const NONE: &[&str] = &[];
        self.training_rows.with_label_values(NONE).set(i64::try_from(description.rows).unwrap_or(i64::MAX));
        if let Some(share) = description.flagged_training_share {
            self.flagged.with_label_values(NONE).set(share);
        }
        if let Some(duration) = about.training_duration {
            self.duration.with_label_values(NONE).set(duration.as_secs_f64());
        }
        if let Some(at) = about.trained_at {
            self.trained.with_label_values(NONE).set(at as f64);
        }
    }

    /// The counters of a model's rows; called once, when it is loaded.
    pub(crate) fn of_model(&self, registry: &Registry, model: &Model, about: &About) -> RowCounters {
        let features = model.features();
        let watched = watched(features, about.drift_features.as_deref());
        let with_missing = model.accepts_missing_values();
        let reference = model.reference();
        RowCounters {
            always: self.always.clone(),
            score: reference.and_then(|reference| {
                ChunkHistogram::register(
                    registry,
                    "anomaly_prediction_score",
                    "Score of the rows scored; the buckets are quantiles of the training rows.",
                    reference.score_quantiles(),
                )
                .inspect_err(|error| error!(%error, "the scores are not counted"))
                .ok()
            }),
            score_bins: reference.map(|reference| self.scores.counters(reference.score(), false, &[])),
            columns: reference.map_or_else(ColumnCounters::default, |reference| {
                ColumnCounters::new(&self.features, reference.columns(), features, &watched, with_missing)
            }),
            top: TopFeatures::new(&self.top_feature, features, &watched),
        }
    }
}

impl Always {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let verdicts = Opts::new("anomaly_predictions_total", "Rows scored, by verdict.");
        let verdicts = add(registry, IntCounterVec::new(verdicts, &["verdict"])?)?;
        Ok(Self {
            inliers: verdicts.get_metric_with_label_values(&["inlier"])?,
            outliers: verdicts.get_metric_with_label_values(&["outlier"])?,
            severity: ChunkHistogram::register(
                registry,
                "anomaly_prediction_severity",
                "Severity of the rows scored: 1 is the threshold, each further 1 is ten times rarer.",
                &SEVERITY_BUCKETS,
            )?,
        })
    }
}

/// The positions of the features whose drift is watched.
fn watched(features: &[String], names: Option<&[String]>) -> Vec<usize> {
    let Some(names) = names else { return (0..features.len().min(WATCHED)).collect() };
    let position = |name: &String| {
        let position = features.iter().position(|feature| feature == name);
        if position.is_none() {
            warn!(name, "a feature whose drift is to be watched is none of the model's");
        }
        position
    };
    let mut positions: Vec<usize> = names.iter().filter_map(position).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Everything that is counted of the rows of one model.
#[derive(Debug)]
pub(crate) struct RowCounters {
    always: Always,
    /// None for models of a release that did not store how the training rows are distributed.
    score: Option<ChunkHistogram>,
    score_bins: Option<BinCounters>,
    columns: ColumnCounters,
    top: TopFeatures,
}

impl RowCounters {
    /// Counts a chunk of rows, row by row in `values`, each once: into locals that are added at the end.
    pub(crate) fn count_rows(&self, model: &Model, values: &[f64], scored: &[Scored]) {
        let Always { inliers, outliers, severity } = &self.always;
        let scores = scored.iter().map(|scored| scored.anomaly_score);
        let anomalies = match scored {
            [] => return,
            [one] => {
                one.severity.iter().for_each(|&one| severity.observe(one));
                self.score.iter().for_each(|score| score.observe(one.anomaly_score));
                self.score_bins.iter().for_each(|bins| bins.count(one.anomaly_score));
                u64::from(!one.is_inlier)
            }
            _ => {
                // All rows of a model have a severity, or none.
                if model.is_calibrated() {
                    severity.observe_all(scored.iter().map(|scored| scored.severity.unwrap_or_default()));
                }
                self.score.iter().for_each(|score| score.observe_all(scores.clone()));
                self.score_bins.iter().for_each(|bins| bins.count_all(scores.clone()));
                scored.iter().map(|scored| u64::from(!scored.is_inlier)).sum()
            }
        };
        inliers.inc_by(scored.len() as u64 - anomalies);
        self.columns.count_rows(values, model.features().len());
        if anomalies > 0 {
            outliers.inc_by(anomalies);
            self.top.count_rows(model, values, scored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|feature| format!("f{feature}")).collect()
    }

    #[test]
    fn the_first_32_features_are_watched_unless_others_are_named() {
        assert_eq!(watched(&names(40), None), (0..32).collect::<Vec<_>>());
        assert_eq!(watched(&names(2), None), [0, 1]);
        let named = ["f39", "f2", "gone", "f2"].map(str::to_owned);
        assert_eq!(watched(&names(40), Some(&named)), [2, 39]);
        assert_eq!(watched(&names(40), Some(&[])), [0; 0]);
    }
}
