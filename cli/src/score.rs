//! `anomaly score`: the rows of a file with a verdict each, in another file.

mod model;
mod output;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use detectors::Scored;

use crate::table::{Columns, Format, Table, TableError};

pub use model::ModelError;
pub use output::OutputError;

/// What `anomaly score` is told.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Arguments {
    /// CSV with a header, or Parquet; - is the standard input (CSV).
    #[arg(value_name = "ROWS")]
    pub rows: PathBuf,

    /// Train the AnomalyModel of this manifest, and score with it.
    #[arg(short = 'f', long, value_name = "FILE", group = "source")]
    pub file: Option<PathBuf>,

    /// A trained model: a revision's ConfigMap as YAML, a model.afm, or a folder with one.
    #[arg(short, long, value_name = "PATH", group = "source")]
    pub model: Option<PathBuf>,

    /// Where to write; CSV or Parquet by its name. Omitted: CSV on the standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// How ROWS is read, where its name does not tell.
    #[arg(long, value_enum)]
    pub input_format: Option<Format>,

    /// How the output is written, where its name does not tell.
    #[arg(long, value_enum)]
    pub output_format: Option<Format>,

    /// Put before the names of the columns that are added: is_inlier, anomaly_score, severity, error.
    #[arg(long, default_value = "")]
    pub prefix: String,

    /// Write the anomalies only, and the rows that cannot be scored.
    #[arg(long)]
    pub anomalies: bool,

    /// The model, if the manifest has several: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME", requires = "file")]
    pub name: Option<String>,
}

/// Why rows are not, or not all, scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// There is no model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The rows cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Everything is written, but some rows have no verdict.
    #[error("{bad} of {rows} rows could not be scored; the column {column} says why, first: {first}")]
    BadRows {
        /// Rows without a verdict.
        bad: u64,
        /// All rows.
        rows: u64,
        /// The column with the reasons.
        column: String,
        /// The first reason.
        first: String,
    },
}

/// What was scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Rows read.
    pub rows: u64,
    /// Anomalies among them.
    pub anomalies: u64,
    /// Rows that could not be scored.
    pub bad: u64,
    /// The reason of the first of these.
    pub first: String,
}

/// Scores a file; the summary goes to the standard error, so that the output can be piped.
///
/// # Errors
/// [`ScoreError`]. With [`ScoreError::BadRows`] the output is complete all the same.
pub fn score(arguments: &Arguments) -> Result<(), ScoreError> {
    let model = model::find(arguments)?;
    let mut table = Table::open(&arguments.rows, arguments.input_format)?;
    let columns = Columns::find(&table.schema(), model.features(), table.file())?;
    let mut output = output::Output::open(arguments, &table.schema())?;
    let began = Instant::now();
    let mut counts = Counts::default();
    while let Some(chunk) = table.next_chunk()? {
        let rows = columns.read(&chunk, |value| model.accepts(value));
        // Every value has been checked; only an empty table is refused.
        let scored =
            model.check_rows(rows.values).map_or_else(|_| Vec::new(), |rows| model.score_rows(&rows));
        counts.add(&scored, &rows.faults, counts.rows);
        output.write(&chunk.batch, &scored, &rows.faults)?;
    }
    output.close()?;
    table.finish();
    // Nobody needs the summary if nobody reads it.
    let _ = writeln!(io::stderr(), "{}", counts.summary(began.elapsed().as_secs_f64()));
    if counts.bad > 0 {
        let Counts { bad, rows, first, .. } = counts;
        return Err(ScoreError::BadRows { bad, rows, column: format!("{}error", arguments.prefix), first });
    }
    Ok(())
}

impl Counts {
    fn add(&mut self, scored: &[Scored], faults: &[Option<String>], before: u64) {
        self.rows += faults.len() as u64;
        self.anomalies += scored.iter().filter(|scored| !scored.is_inlier).count() as u64;
        let mut bad = faults.iter().zip(1..).filter_map(|(fault, row)| Some((row, fault.as_ref()?)));
        if let (0, Some((row, fault))) = (self.bad, bad.clone().next()) {
            let row: u64 = row;
            self.first = format!("row {}: {fault}", before + row);
        }
        self.bad += bad.by_ref().count() as u64;
    }

    fn summary(&self, seconds: f64) -> String {
        let Self { rows, anomalies, bad, .. } = self;
        let good = rows - bad;
        let share = if good == 0 { 0.0 } else { 100.0 * *anomalies as f64 / good as f64 };
        format!("{rows} rows, {anomalies} anomalies ({share:.2} %), {bad} not scored, {seconds:.2} s")
    }
}
