//! CSV, by the reader that reads training data: what it refuses there it refuses here.

use std::io::Read;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use trainer::data::InputError;
use trainer::data::records::Records;

use super::{CHUNK_ROWS, Chunk};

/// A CSV whose header has been read.
pub(super) struct Csv<R> {
    records: Records<R>,
    schema: SchemaRef,
    origin: String,
}

impl<R: Read> Csv<R> {
    pub(super) fn open(input: R, origin: &str) -> Result<Self, InputError> {
        let mut records = Records::new(input);
        let located = |at| InputError::new(origin, at);
        let header = records.next_record().map_err(located)?.ok_or_else(|| InputError::no_data(origin))?;
        let field = |name: &str| Field::new(name.trim(), DataType::Utf8, false);
        let fields: Vec<Field> = header.cells.iter().map(|cell| field(cell)).collect();
        Ok(Self { records, schema: Arc::new(Schema::new(fields)), origin: origin.to_owned() })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(super) fn next(&mut self) -> Result<Option<Chunk>, InputError> {
        let width = self.schema.fields().len();
        let mut columns: Vec<StringBuilder> = (0..width).map(|_| StringBuilder::new()).collect();
        let mut faults = Vec::new();
        while faults.len() < CHUNK_ROWS {
            let record = self.records.next_record().map_err(|at| InputError::new(&self.origin, at))?;
            let Some(record) = record else { break };
            let cells = record.cells.iter().map(AsRef::as_ref).chain(std::iter::repeat(""));
            columns.iter_mut().zip(cells).for_each(|(column, cell): (_, &str)| column.append_value(cell));
            let got = record.cells.len();
            let ragged = || format!("line {} has {got} cells, but the header has {width}", record.line);
            faults.push((got != width).then(ragged));
        }
        if faults.is_empty() {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> =
            columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let batch =
            RecordBatch::try_new(self.schema(), columns).expect("columns of one length, of the schema");
        Ok(Some(Chunk { batch, faults }))
    }
}
