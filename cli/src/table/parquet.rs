//! Parquet, with the types it has.

use std::fs::File;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{CHUNK_ROWS, TableError};

pub(super) struct Parquet {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    rows: u64,
}

impl Parquet {
    pub(super) fn open(input: File, file: &str) -> Result<Self, TableError> {
        let failed = |e: parquet::errors::ParquetError| broken(file, &e);
        let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(failed)?;
        let rows = builder.metadata().file_metadata().num_rows().try_into().unwrap_or(0);
        let reader = builder.with_batch_size(CHUNK_ROWS).build().map_err(failed)?;
        let schema = arrow_array::RecordBatchReader::schema(&reader);
        Ok(Self { reader, schema, rows })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn next(&mut self, file: &str) -> Result<Option<RecordBatch>, TableError> {
        self.reader.next().transpose().map_err(|e| broken(file, &e))
    }
}

fn broken(file: &str, reason: &dyn std::error::Error) -> TableError {
    TableError::Parquet { file: file.to_owned(), reason: reason.to_string() }
}
