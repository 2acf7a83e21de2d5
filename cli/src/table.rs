//! Files of rows, CSV or Parquet, read in chunks: memory is a chunk, not the file.
//!
//! A chunk is a [`RecordBatch`]: a CSV's columns are its texts as they stand, a Parquet file's have their own types.

mod columns;
mod csv;
mod parquet;

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use indicatif::{ProgressBar, ProgressStyle};

pub use columns::{Columns, Rows};

/// Rows of a chunk.
pub const CHUNK_ROWS: usize = 4_096;

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180) with a header line, in UTF-8.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file cannot be opened or read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Parquet keeps its schema at the end, so that it cannot be read from a pipe.
    #[error("Parquet cannot be read from the standard input: name a file")]
    ParquetFromPipe,
    /// The file is not what it is read as.
    #[error("{file} is no Parquet file: {reason}")]
    Parquet {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The CSV breaks off, or is none.
    #[error("{0}")]
    Csv(#[from] trainer::data::InputError),
    /// The file lacks what the model reads.
    #[error("{file}: {reason}")]
    Columns {
        /// The file.
        file: String,
        /// What is missing, and what there is.
        reason: String,
    },
}

impl Format {
    /// By the file's name; CSV when it tells nothing.
    pub fn of(path: &Path) -> Self {
        let parquet = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("parquet") || extension.eq_ignore_ascii_case("pq")
        });
        if parquet { Self::Parquet } else { Self::Csv }
    }
}

/// An open file of rows.
pub struct Table {
    source: Source,
    file: String,
    progress: ProgressBar,
}

enum Source {
    Csv(csv::Csv<Box<dyn Read>>),
    Parquet(parquet::Parquet),
}

/// Some rows, and what is wrong with those that are no rows of the table.
pub struct Chunk {
    /// The cells.
    pub batch: RecordBatch,
    /// For each row, why it cannot be used as it stands; its cells may be incomplete.
    pub faults: Vec<Option<String>>,
}

impl Table {
    /// Opens `path` (`-` is the standard input) and reads its header.
    ///
    /// # Errors
    /// [`TableError`], which names the file.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, TableError> {
        let file =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let failed = |source| TableError::Read { file: file.clone(), source };
        let format = format.unwrap_or_else(|| Format::of(path));
        if path == Path::new("-") {
            if format == Format::Parquet {
                return Err(TableError::ParquetFromPipe);
            }
            let input: Box<dyn Read> = Box::new(io::stdin().lock());
            let source = Source::Csv(csv::Csv::open(input, &file)?);
            return Ok(Self { source, file, progress: ProgressBar::hidden() });
        }
        let opened = File::open(path).map_err(failed)?;
        let bytes = opened.metadata().map_err(failed)?.len();
        let (source, progress) = match format {
            Format::Csv => {
                let progress = bar(bytes, "{bar:40} {bytes}/{total_bytes}  {eta} left");
                let input: Box<dyn Read> = Box::new(progress.wrap_read(opened));
                (Source::Csv(csv::Csv::open(input, &file)?), progress)
            }
            Format::Parquet => {
                let opened = parquet::Parquet::open(opened, &file)?;
                let progress = bar(opened.rows(), "{bar:40} {human_pos}/{human_len} rows  {eta} left");
                (Source::Parquet(opened), progress)
            }
        };
        Ok(Self { source, file, progress })
    }

    /// Names and types of its columns.
    pub fn schema(&self) -> SchemaRef {
        match &self.source {
            Source::Csv(csv) => csv.schema(),
            Source::Parquet(parquet) => parquet.schema(),
        }
    }

    /// What it is called in messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The next rows, at most [`CHUNK_ROWS`] of them; none at the end.
    ///
    /// # Errors
    /// The file cannot be read on: what follows would be guessed.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, TableError> {
        match &mut self.source {
            Source::Csv(csv) => Ok(csv.next()?),
            Source::Parquet(parquet) => {
                let batch = parquet.next(&self.file)?;
                self.progress.inc(batch.as_ref().map_or(0, |batch| batch.num_rows() as u64));
                Ok(batch.map(|batch| Chunk { faults: vec![None; batch.num_rows()], batch }))
            }
        }
    }

    /// Takes the progress bar away.
    pub fn finish(&self) {
        self.progress.finish_and_clear();
    }
}

/// Drawn on a terminal only.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
