//! The latest anomalies and the features that caused them, for the page, if somebody wants that.
//!
//! Requests leave copies of anomalous rows in a short queue and wait for nobody: what does not fit is dropped. A task of
//! its own has them explained on the pool, after their answers, a few at a time with a pause between: however many
//! anomalies there are, they take no more than a part of one thread. The last hundred are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use detectors::{Model, Scored};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use crate::information::rfc3339;
use crate::pool::EXPLAINED;
use crate::state::App;

/// The most that are kept.
const MOST: usize = 100;
/// Chunks of rows that may wait to be explained.
const WAITING: usize = 8;
/// Rows that are explained at once, and the pause before the next.
const PART: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);
/// Features that are named of a row, and the least share that one has.
const CAUSES: usize = 4;
const LEAST_SHARE: f64 = 0.05;

/// What is kept of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The features that caused it, by name and share.
    Causes,
    /// Their values, too.
    Values,
}

/// The queue and what is kept.
#[derive(Debug)]
pub(crate) struct Recent {
    keep: Keep,
    anomalies: Mutex<VecDeque<Anomaly>>,
    sender: mpsc::Sender<Vec<Noted>>,
    /// Until a task takes it.
    receiver: Mutex<Option<mpsc::Receiver<Vec<Noted>>>>,
}

/// An anomalous row that waits to be explained.
#[derive(Debug)]
struct Noted {
    at: SystemTime,
    row: Vec<f64>,
    scored: Scored,
}

#[derive(Debug)]
struct Anomaly {
    at: SystemTime,
    scored: Scored,
    causes: Vec<Cause>,
}

#[derive(Debug)]
struct Cause {
    column: usize,
    contribution: f64,
    share: f64,
    value: Option<f64>,
}

impl Recent {
    pub(crate) fn new(keep: Keep) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { keep, anomalies: Mutex::default(), sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Notes the last of the anomalous ones among these rows.
    pub(crate) fn note(&self, values: &[f64], scored: &[Scored]) {
        if scored.iter().all(|scored| scored.is_inlier) {
            return;
        }
        let Ok(permit) = self.sender.try_reserve() else { return };
        let at = SystemTime::now();
        let rows = values.chunks_exact(values.len() / scored.len()).zip(scored);
        let anomalous = rows.rev().filter(|(_, scored)| !scored.is_inlier).take(MOST);
        let mut noted: Vec<Noted> =
            anomalous.map(|(row, scored)| Noted { at, row: row.to_vec(), scored: *scored }).collect();
        noted.reverse();
        permit.send(noted);
    }

    fn store(&self, model: &Model, noted: Vec<Noted>) {
        let explained: Vec<Anomaly> =
            noted.into_iter().filter_map(|noted| self.explain(model, noted)).collect();
        let mut anomalies = self.anomalies.lock().unwrap_or_else(PoisonError::into_inner);
        anomalies.extend(explained);
        let beyond = anomalies.len().saturating_sub(MOST);
        anomalies.drain(..beyond);
    }

    fn explain(&self, model: &Model, noted: Noted) -> Option<Anomaly> {
        let Noted { at, row, scored } = noted;
        let explanation = model.explain(&row).ok()?;
        let mut causes: Vec<Cause> = (explanation.shares.iter().zip(&explanation.contributions).enumerate())
            .filter(|(_, (share, _))| **share >= LEAST_SHARE)
            .map(|(column, (&share, &contribution))| {
                let value = (self.keep == Keep::Values).then_some(row[column]);
                Cause { column, contribution, share, value }
            })
            .collect();
        causes.sort_by(|a, b| b.share.total_cmp(&a.share));
        causes.truncate(CAUSES);
        Some(Anomaly { at, scored, causes })
    }

    /// The latest first.
    pub(super) fn told<'a>(&self, features: &'a [String]) -> Told<'a> {
        let anomalies = self.anomalies.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = anomalies.iter().rev().map(|anomaly| told(anomaly, features)).collect();
        Told { most: MOST, values: self.keep == Keep::Values, rows }
    }
}

/// Explains what is noted, for as long as the server runs.
pub(crate) async fn explain(app: Arc<App>) {
    let Some(recent) = &app.recent else { return };
    let receiver = recent.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut noted) = receiver else { return };
    let mut waiting = VecDeque::new();
    while let Some(rows) = noted.recv().await {
        waiting.extend(rows);
        while !waiting.is_empty() {
            // What would be pushed out before anybody sees it is not explained.
            while let Ok(rows) = noted.try_recv() {
                waiting.extend(rows);
            }
            waiting.drain(..waiting.len().saturating_sub(MOST));
            let part: Vec<_> = waiting.drain(..waiting.len().min(PART)).collect();
            let rows = part.len() * EXPLAINED;
            // What is noted was scored, so there is a model.
            if let Ok(served) = app.model() {
                let (recent, served) = (Arc::clone(recent), Arc::clone(served));
                let _ = app.pool.run(rows, move || recent.store(&served.model, part)).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What is shown.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    most: usize,
    /// Whether values are kept.
    values: bool,
    rows: Vec<ToldRow<'a>>,
}

#[derive(Serialize)]
struct ToldRow<'a> {
    #[serde(serialize_with = "time")]
    at: SystemTime,
    severity: Option<f64>,
    anomaly_score: f64,
    features: Vec<ToldCause<'a>>,
}

#[derive(Serialize)]
struct ToldCause<'a> {
    feature: &'a str,
    contribution: f64,
    share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

fn told<'a>(anomaly: &Anomaly, features: &'a [String]) -> ToldRow<'a> {
    let cause = |cause: &Cause| ToldCause {
        feature: &features[cause.column],
        contribution: cause.contribution,
        share: cause.share,
        value: cause.value,
    };
    ToldRow {
        at: anomaly.at,
        severity: anomaly.scored.severity,
        anomaly_score: anomaly.scored.anomaly_score,
        features: anomaly.causes.iter().map(cause).collect(),
    }
}

fn time<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_str(&rfc3339(i64::try_from(since.as_secs()).unwrap_or_default()))
}
