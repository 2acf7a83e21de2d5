//! What came back: verdicts as they come, and figures at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::client::{Outcome, Target, Verdict};
use super::{Arguments, Print};

/// Counts while requests are under way.
pub struct Report {
    latencies: Histogram<u64>,
    totals: Totals,
    print: Print,
    batch: usize,
    rows: usize,
}

/// The figures of a replay.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Name and revision of the model.
    pub model: String,
    /// Requests sent.
    pub requests: u64,
    /// Requests without verdicts.
    pub failed: u64,
    /// What failed requests said, with their number: the first ten.
    pub failures: BTreeMap<String, u64>,
    /// What the first of them said.
    pub first_failure: Option<String>,
    /// Rows with a verdict.
    pub scored: u64,
    /// Anomalies among them.
    pub anomalies: u64,
    /// The highest severity.
    pub worst: f64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies from the due time to the answer, in microseconds, at 50, 90, 99, 99.9 and 100 %.
    pub latencies: [u64; 5],
}

/// The shares that latencies are given at.
const SHARES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

impl Report {
    pub(super) fn new(target: &Target, arguments: &Arguments, rows: usize) -> Self {
        Self {
            // Microseconds up to an hour, to three digits; what is longer counts as an hour.
            latencies: Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("constant bounds"),
            totals: Totals {
                model: format!("{}, revision {}", target.name, target.revision),
                ..Totals::default()
            },
            print: arguments.print,
            batch: arguments.batch as usize,
            rows,
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome, out: &mut impl Write) -> io::Result<()> {
        let Outcome { index, due, answered, result } = outcome;
        let micros = u64::try_from((answered - due).as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
        self.totals.requests += 1;
        let first = index * self.batch;
        match result {
            Ok(verdicts) => {
                for (verdict, row) in verdicts.iter().zip(first + 1..=self.rows) {
                    self.verdict(verdict, row, out)?;
                }
                Ok(())
            }
            Err(failure) => self.failure(failure, first + 1, out),
        }
    }

    fn verdict(&mut self, verdict: &Verdict, row: usize, out: &mut impl Write) -> io::Result<()> {
        let totals = &mut self.totals;
        totals.scored += 1;
        totals.anomalies += u64::from(!verdict.is_inlier);
        totals.worst = totals.worst.max(verdict.severity.unwrap_or(0.0));
        let wanted = match self.print {
            Print::All => true,
            Print::Anomalies => !verdict.is_inlier,
            Print::None => false,
        };
        if !wanted {
            return Ok(());
        }
        let word = if verdict.is_inlier { "inlier" } else { "ANOMALY" };
        let severity =
            verdict.severity.map_or_else(String::new, |severity| format!("  severity {severity:.2}"));
        writeln!(out, "row {row:>6}  {word:<7}{severity}  score {:.6}", verdict.anomaly_score)
    }

    fn failure(&mut self, failure: String, row: usize, out: &mut impl Write) -> io::Result<()> {
        let totals = &mut self.totals;
        totals.failed += 1;
        if totals.failures.len() < 10 || totals.failures.contains_key(&failure) {
            *totals.failures.entry(failure.clone()).or_default() += 1;
        }
        if self.print != Print::None {
            writeln!(out, "row {row:>6}  failed: {failure}")?;
        }
        totals.first_failure.get_or_insert(failure);
        Ok(())
    }

    pub(super) fn finish(mut self, elapsed: Duration) -> Totals {
        self.totals.elapsed = elapsed;
        self.totals.latencies = SHARES.map(|share| self.latencies.value_at_percentile(share));
        self.totals
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let Self { requests, failed, scored, anomalies, worst, .. } = self;
        let share = if *scored == 0 { 0.0 } else { 100.0 * *anomalies as f64 / *scored as f64 };
        writeln!(f, "model      {}", self.model)?;
        writeln!(
            f,
            "requests   {requests} in {seconds:.1} s ({:.1}/s), {failed} failed",
            *requests as f64 / seconds
        )?;
        for (failure, times) in &self.failures {
            writeln!(f, "           {times} x {failure}")?;
        }
        writeln!(f, "rows       {scored} scored ({:.1}/s)", *scored as f64 / seconds)?;
        writeln!(f, "anomalies  {anomalies} ({share:.2} %), highest severity {worst:.2}")?;
        let [p50, p90, p99, p999, most] = self.latencies.map(|micros| micros as f64 / 1_000.0);
        write!(f, "latency    p50 {p50:.2}  p90 {p90:.2}  p99 {p99:.2}  p99.9 {p999:.2}  max {most:.2} ms")
    }
}
