//! The input's columns and the verdicts behind them, as CSV or Parquet.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use detectors::Scored;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::Arguments;
use crate::table::Format;

/// What is added to every row.
const ADDED: [(&str, DataType); 4] = [
    ("is_inlier", DataType::Boolean),
    ("anomaly_score", DataType::Float64),
    ("severity", DataType::Float64),
    ("error", DataType::Utf8),
];

/// Why the result cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The file cannot be made or written.
    #[error("cannot write {}: {source}", shown(.path.as_ref()))]
    Write {
        /// The file; the standard output if none.
        path: Option<PathBuf>,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be made as Parquet.
    #[error("cannot write {}: {source}", shown(Some(.path)))]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// Cells that cannot be printed.
    #[error("cannot print: {0}")]
    Arrow(#[from] ArrowError),
    /// Parquet is written to files only.
    #[error("Parquet cannot be written to the standard output: name a file with --output")]
    ParquetToPipe,
    /// A column is called as one that is added.
    #[error("the rows have a column {0} already: choose other names with --prefix, like --prefix model_")]
    Taken(String),
    /// The file that is read.
    #[error("{0} is the file that is read: write to another one")]
    Same(PathBuf),
}

fn shown(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "the standard output".to_owned(), |path| path.display().to_string())
}

/// An open output; nothing is complete before [`Output::close`].
pub(super) struct Output {
    sink: Sink,
    schema: SchemaRef,
    path: Option<PathBuf>,
    anomalies: bool,
}

enum Sink {
    Csv(Box<dyn Write>),
    Parquet(Box<ArrowWriter<File>>),
}

impl Output {
    /// Makes the file and writes the header.
    pub(super) fn open(arguments: &Arguments, input: &Schema) -> Result<Self, OutputError> {
        let path = arguments.output.clone().filter(|path| path.as_os_str() != "-");
        let format =
            arguments.output_format.or_else(|| path.as_deref().map(Format::of)).unwrap_or(Format::Csv);
        let schema = Arc::new(widened(input, &arguments.prefix)?);
        if let Some(path) = path.as_ref().filter(|path| same(path, &arguments.rows)) {
            return Err(OutputError::Same(path.clone()));
        }
        let create = |path: &PathBuf| {
            File::create(path).map_err(|source| OutputError::Write { path: Some(path.clone()), source })
        };
        let mut sink = match (format, &path) {
            (Format::Csv, None) => Sink::Csv(Box::new(BufWriter::new(io::stdout().lock()))),
            (Format::Csv, Some(path)) => Sink::Csv(Box::new(BufWriter::new(create(path)?))),
            (Format::Parquet, None) => return Err(OutputError::ParquetToPipe),
            (Format::Parquet, Some(path)) => {
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                let writer = ArrowWriter::try_new(create(path)?, Arc::clone(&schema), Some(properties))
                    .map_err(|source| OutputError::Parquet { path: path.clone(), source })?;
                Sink::Parquet(Box::new(writer))
            }
        };
        if let Sink::Csv(out) = &mut sink {
            let names = schema.fields().iter().map(|field| field.name().as_str());
            write_record(out, names).map_err(|source| OutputError::Write { path: path.clone(), source })?;
        }
        Ok(Self { sink, schema, path, anomalies: arguments.anomalies })
    }

    /// Writes a chunk: `scored` has a member for each row without a fault.
    pub(super) fn write(
        &mut self,
        batch: &RecordBatch,
        scored: &[Scored],
        faults: &[Option<String>],
    ) -> Result<(), OutputError> {
        let batch = self.with_verdicts(batch, scored, faults);
        match &mut self.sink {
            Sink::Csv(out) => match write_csv(out, &batch)? {
                Ok(()) => Ok(()),
                Err(source) => Err(OutputError::Write { path: self.path.clone(), source }),
            },
            Sink::Parquet(writer) => writer.write(&batch).map_err(|source| self.parquet(source)),
        }
    }

    /// Writes what is left, to the disk.
    pub(super) fn close(mut self) -> Result<(), OutputError> {
        match &mut self.sink {
            Sink::Csv(out) => {
                out.flush().map_err(|source| OutputError::Write { path: self.path.clone(), source })
            }
            Sink::Parquet(writer) => match writer.finish() {
                Ok(_) => Ok(()),
                Err(source) => Err(self.parquet(source)),
            },
        }
    }

    fn parquet(&self, source: ParquetError) -> OutputError {
        OutputError::Parquet { path: self.path.clone().unwrap_or_default(), source }
    }

    fn with_verdicts(
        &self,
        batch: &RecordBatch,
        scored: &[Scored],
        faults: &[Option<String>],
    ) -> RecordBatch {
        let mut good = scored.iter();
        let of_rows: Vec<Option<&Scored>> =
            faults.iter().map(|fault| if fault.is_some() { None } else { good.next() }).collect();
        let verdicts: BooleanArray = of_rows.iter().map(|scored| scored.map(|s| s.is_inlier)).collect();
        let scores: Float64Array = of_rows.iter().map(|scored| scored.map(|s| s.anomaly_score)).collect();
        let severities: Float64Array = of_rows.iter().map(|scored| scored.and_then(|s| s.severity)).collect();
        let errors: StringArray = faults.iter().map(Option::as_deref).collect();
        let keep: BooleanArray = verdicts.iter().map(|inlier| Some(inlier != Some(true))).collect();
        let added: [ArrayRef; 4] =
            [Arc::new(verdicts), Arc::new(scores), Arc::new(severities), Arc::new(errors)];
        let columns = batch.columns().iter().cloned().chain(added).collect();
        let all =
            RecordBatch::try_new(Arc::clone(&self.schema), columns).expect("one value a row and column");
        if !self.anomalies {
            return all;
        }
        arrow_select::filter::filter_record_batch(&all, &keep).expect("one value a row")
    }
}

fn widened(input: &Schema, prefix: &str) -> Result<Schema, OutputError> {
    let added: Vec<Field> =
        ADDED.into_iter().map(|(name, kind)| Field::new(format!("{prefix}{name}"), kind, true)).collect();
    if let Some(taken) = added.iter().find(|field| input.fields().iter().any(|f| f.name() == field.name())) {
        return Err(OutputError::Taken(taken.name().clone()));
    }
    let fields: Vec<Field> = input.fields().iter().map(|field| field.as_ref().clone()).chain(added).collect();
    Ok(Schema::new_with_metadata(fields, input.metadata().clone()))
}

/// Whether both are one file: it would be gone before it is read.
fn same(output: &std::path::Path, input: &std::path::Path) -> bool {
    match (output.canonicalize(), input.canonicalize()) {
        (Ok(output), Ok(input)) => output == input,
        _ => false,
    }
}

fn write_csv(out: &mut impl Write, batch: &RecordBatch) -> Result<io::Result<()>, ArrowError> {
    let options = FormatOptions::default();
    let cells: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<_, _>>()?;
    let written = (0..batch.num_rows()).try_for_each(|row| {
        let texts: Vec<String> = cells.iter().map(|column| column.value(row).to_string()).collect();
        write_record(out, texts.iter().map(String::as_str))
    });
    Ok(written)
}

/// One line; cells with a comma, a quote or a line end are quoted (RFC 4180).
fn write_record<'a>(out: &mut impl Write, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}
