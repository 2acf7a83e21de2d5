//! Drift: whether what is scored looks like what was trained on. The formula once in Rust, where it is tested, and once
//! as PromQL, which promtool compares with it. Pure.
//!
//! The population stability index (PSI) over bins that each hold a known share of the training rows:
//! Σ (a − e) · ln(a / e), where a is a bin's share of the rows in the window and e its share of the training rows, each
//! smoothed: (n_b + ½) / (n + B/2). The server exports e smoothed already. Without drift, PSI · N·M / (N + M) is χ² with
//! B − 1 degrees of freedom, for N rows in the window and M rows of training. Drift is a PSI beyond [`LIMIT`] that is also
//! beyond what chance does once in a thousand times; with fewer than [`FEWEST_ROWS`] rows in the window there is no PSI.

/// The window, as PromQL writes it.
pub const WINDOW: &str = "1d";
/// Fewest rows in the window.
pub const FEWEST_ROWS: f64 = 1_000.0;
/// A PSI that matters: a common rule of thumb.
pub const LIMIT: f64 = 0.2;
/// The 99.9 % quantiles of χ² with 1, 2, … degrees of freedom. There are at most eleven bins: ten, and one of what is
/// missing.
pub const CHI_SQUARED: [f64; 10] =
    [10.8276, 13.8155, 16.2662, 18.4668, 20.5150, 22.4577, 24.3219, 26.1245, 27.8772, 29.5883];

/// The population stability index of the rows in each bin, against the smoothed share of training rows that each held.
pub fn psi(rows: &[f64], expected: &[f64]) -> f64 {
    let half = rows.len() as f64 / 2.0;
    let all: f64 = rows.iter().sum();
    let term = |(rows, expected): (&f64, &f64)| {
        let actual = (rows + 0.5) / (all + half);
        (actual - expected) * (actual / expected).ln()
    };
    rows.iter().zip(expected).map(term).sum()
}

/// The PSI that chance exceeds once in a thousand times, with `bins` bins, `rows` rows and `training` training rows.
pub fn critical(bins: usize, rows: f64, training: f64) -> f64 {
    let quantile = bins.checked_sub(2).and_then(|at| CHI_SQUARED.get(at)).copied().unwrap_or(f64::INFINITY);
    quantile * (rows + training) / (rows * training)
}

/// Whether the rows have drifted.
pub fn drifted(rows: &[f64], expected: &[f64], training: f64) -> bool {
    let all: f64 = rows.iter().sum();
    let psi = psi(rows, expected);
    all >= FEWEST_ROWS && psi > LIMIT && psi > critical(rows.len(), all, training)
}

/// The same as PromQL, for one kind of counter.
pub(super) struct Watched<'a> {
    /// Matchers of the model.
    pub model: &'a str,
    /// Counter of rows by bin.
    pub rows: &'static str,
    /// Gauge of the share of training rows by bin.
    pub expected: &'static str,
    /// First part of the names of what is recorded.
    pub name: &'static str,
    /// Labels by which there is one PSI.
    pub by: &'static str,
}

impl Watched<'_> {
    /// Recorded: rows by bin.
    pub(super) fn bin_rows(&self) -> (String, String) {
        let Self { model, rows, expected, name, by } = self;
        // Bins of another revision are other bins: counted are pods that are there, and those serve one revision but
        // for the minutes of a roll-out. A bin that has met no row counts as 0.
        let expr = format!(
            "sum by ({by}, bin) (\n  increase({rows}{{{model}}}[{WINDOW}])\n  and on ({by}, pod, bin) \
             {expected}{{{model}}}\n)\nor\n0 * avg by ({by}, bin) ({expected}{{{model}}})"
        );
        (format!("anomaly:{name}_bin_rows:{WINDOW}"), expr)
    }

    /// Recorded: the PSI, absent below the fewest rows.
    pub(super) fn psi(&self) -> (String, String) {
        let Self { model, expected, by, .. } = self;
        let (bin_rows, bins) = (self.recorded_rows(), self.bins());
        let rows = self.all_rows();
        let actual = format!("(({bin_rows} + 0.5) / on ({by}) group_left ()\n      ({rows} + {bins} / 2))");
        let share = format!("avg by ({by}, bin) ({expected}{{{model}}})");
        let expr = format!(
            "sum by ({by}) (\n  ({actual}\n    - {share})\n  * ln({actual}\n    / {share})\n)\nand {rows} >= {FEWEST_ROWS}"
        );
        (self.recorded_psi(), expr)
    }

    /// Recorded: the PSI that chance exceeds once in a thousand times.
    pub(super) fn critical(&self) -> (String, String) {
        let (by, bins, rows, training) = (self.by, self.bins(), self.all_rows(), self.training());
        let quantiles: Vec<String> = CHI_SQUARED
            .iter()
            .zip(2..)
            .map(|(quantile, n)| format!("({bins} == bool {n}) * {quantile}"))
            .collect();
        let quantile = quantiles.join("\n  + ");
        let expr = format!(
            "(\n  {quantile}\n)\n* on ({by}) ({rows} + on (namespace, model) group_left () {training})\n\
             / on ({by}) ({rows} * on (namespace, model) group_left () {training})\nand {rows} >= {FEWEST_ROWS}"
        );
        (self.recorded_critical(), expr)
    }

    /// True where there is drift; its value is the PSI.
    pub(super) fn drifted(&self) -> String {
        let (psi, critical, model) = (self.recorded_psi(), self.recorded_critical(), self.model);
        format!("{psi}{{{model}}} > {LIMIT}\nand\n{psi}{{{model}}} > {critical}{{{model}}}")
    }

    fn recorded_rows(&self) -> String {
        format!("anomaly:{}_bin_rows:{WINDOW}{{{}}}", self.name, self.model)
    }

    fn recorded_psi(&self) -> String {
        format!("anomaly:{}_psi:{WINDOW}", self.name)
    }

    fn recorded_critical(&self) -> String {
        format!("anomaly:{}_psi_critical:{WINDOW}", self.name)
    }

    /// Rows in the window.
    pub(super) fn all_rows(&self) -> String {
        format!("sum by ({}) ({})", self.by, self.recorded_rows())
    }

    fn bins(&self) -> String {
        format!("count by ({}) ({})", self.by, self.recorded_rows())
    }

    fn training(&self) -> String {
        format!("max by (namespace, model) (anomaly_model_training_rows{{{}}})", self.model)
    }
}

#[cfg(test)]
#[path = "drift/tests.rs"]
mod tests;
