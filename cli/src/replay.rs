//! `anomaly replay`: rows of a file, sent to a server at a rate, and what came back.
//!
//! The rate is kept whatever the server does (open loop), and a latency counts from when its request was due: a server
//! that stalls makes the requests behind the stall late, and is not spared for it (Tene, "How NOT to Measure
//! Latency", 2015).

mod client;
mod report;
mod schedule;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::table::{Columns, Format, Table, TableError};

pub use client::ClientError;
use client::{Client, Target};
pub use report::{Report, Totals};
use schedule::Schedule;

/// What `anomaly replay` is told.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// CSV with a header, or Parquet; - is the standard input (CSV).
    #[arg(value_name = "ROWS")]
    pub rows: PathBuf,

    /// Where the model is served, like http://localhost:8000 or https://machine.example.com/path.
    #[arg(long, value_name = "URL")]
    pub url: Url,

    /// Requests a second; 0 sends the next as soon as the last is answered.
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    pub rate: f64,

    /// Rows a request: 1 asks /prediction, more ask /predictions.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch: u32,

    /// Requests that may be under way at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,

    /// How often the rows are sent; 0 goes on until Ctrl-C or --duration.
    #[arg(long, default_value_t = 1)]
    pub repeat: u32,

    /// Stop after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<u64>,

    /// User of the basic auth. The password is read from ANOMALY_PASSWORD or --password-file, never from the arguments.
    #[arg(long, short)]
    pub user: Option<String>,

    /// File with the password.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,

    /// Certificates (PEM) to trust besides those of this machine.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Which verdicts are printed as they come.
    #[arg(long, value_enum, default_value_t = Print::Anomalies)]
    pub print: Print,

    /// How ROWS is read, where its name does not tell.
    #[arg(long, value_enum)]
    pub input_format: Option<Format>,
}

/// Which verdicts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Print {
    /// Every row's.
    All,
    /// Anomalies and errors.
    Anomalies,
    /// None: the summary only.
    None,
}

/// Why nothing, or not everything, was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The rows cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A row that is no row of numbers: nothing is sent, so that no figure is of half a file.
    #[error("{file}, row {row}: {fault}")]
    Row {
        /// The file.
        file: String,
        /// The row, from 1, without the header.
        row: usize,
        /// What is wrong.
        fault: String,
    },
    /// There are no rows.
    #[error("{0} has no rows")]
    NoRows(String),
    /// The server cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Requests failed; the summary says how many.
    #[error("{failed} of {requests} requests failed, first: {first}")]
    Failed {
        /// Those that failed.
        failed: u64,
        /// All.
        requests: u64,
        /// What the first said.
        first: String,
    },
    /// Nothing can be printed.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Sends the rows, prints verdicts as they come and a summary at the end.
///
/// # Errors
/// [`ReplayError`]: of [`ReplayError::Failed`] the summary is printed all the same.
pub async fn replay(arguments: &Arguments, out: &mut (impl Write + Send)) -> Result<(), ReplayError> {
    let client = Client::new(arguments)?;
    let target = client.target().await?;
    let rows = read(arguments, &target)?;
    let bodies = client.bodies(&rows, arguments.batch as usize);
    let schedule = Arc::new(Schedule::new(bodies.len(), arguments));
    let client = Arc::new(client);
    let bodies = Arc::new(bodies);

    let (sender, mut outcomes) = tokio::sync::mpsc::channel(1_024);
    let mut workers = JoinSet::new();
    let began = Instant::now();
    for _ in 0..arguments.connections {
        let (client, bodies, schedule) = (Arc::clone(&client), Arc::clone(&bodies), Arc::clone(&schedule));
        let sender = sender.clone();
        workers.spawn(async move {
            while let Some((index, due)) = schedule.next(began).await {
                let outcome = client.send(&bodies[index], index, due).await;
                if sender.send(outcome).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut report = Report::new(&target, arguments, rows.len());
    loop {
        tokio::select! {
            outcome = outcomes.recv() => match outcome {
                Some(outcome) => report.add(outcome, out)?,
                None => break,
            },
            _ = tokio::signal::ctrl_c() => schedule.stop(),
        }
    }
    let totals = report.finish(began.elapsed());
    writeln!(out, "{totals}")?;
    out.flush()?;
    match totals.first_failure {
        Some(first) => Err(ReplayError::Failed { failed: totals.failed, requests: totals.requests, first }),
        None => Ok(()),
    }
}

/// All rows: what is sent must not wait for a disk.
fn read(arguments: &Arguments, target: &Target) -> Result<Vec<Vec<f64>>, ReplayError> {
    let mut table = Table::open(&arguments.rows, arguments.input_format)?;
    let columns = Columns::find(&table.schema(), &target.features, table.file())?;
    let mut all = Vec::new();
    while let Some(chunk) = table.next_chunk()? {
        let rows = columns.read(&chunk, |value| value.abs() <= f64::from(f32::MAX));
        if let Some((at, Some(fault))) = rows.faults.iter().enumerate().find(|(_, fault)| fault.is_some()) {
            let row = all.len() + at + 1;
            return Err(ReplayError::Row { file: table.file().to_owned(), row, fault: fault.clone() });
        }
        all.extend(rows.values.chunks_exact(target.features.len()).map(<[f64]>::to_vec));
    }
    table.finish();
    if all.is_empty() {
        return Err(ReplayError::NoRows(table.file().to_owned()));
    }
    Ok(all)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(rate),
        _ => Err("expected requests a second, from 0 to 1000000".to_owned()),
    }
}

impl Arguments {
    /// When to stop, measured from the beginning.
    fn limit(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs)
    }
}
