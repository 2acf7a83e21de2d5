//! The section `refs`: how the training rows are distributed.

use super::bytes::{Problem, Reader, Writer};
use crate::reference::{Bins, ColumnReference, Reference};

pub(super) fn encode(reference: &Reference, writer: &mut Writer) {
    writer.u32(reference.columns.len() as u32);
    for ColumnReference { min, low, median, high, max, bins } in &reference.columns {
        [min, low, median, high, max].into_iter().for_each(|&value| writer.f64(value));
        write_bins(bins, writer);
    }
    write_bins(&reference.score, writer);
    write_numbers(&reference.score_quantiles, writer);
}

pub(super) fn decode(reader: &mut Reader<'_>, columns: usize, rows: u64) -> Result<Reference, Problem> {
    // Five numbers, the number of edges, one bin and the missing values at least.
    let count = reader.count(43)?;
    let columns_read = (0..count)
        .map(|_| {
            let (min, low, median, high, max) =
                (reader.f64()?, reader.f64()?, reader.f64()?, reader.f64()?, reader.f64()?);
            Ok(ColumnReference { min, low, median, high, max, bins: read_bins(reader)? })
        })
        .collect::<Result<_, Problem>>()?;
    let score = read_bins(reader)?;
    let reference = Reference { columns: columns_read, score, score_quantiles: read_numbers(reader)? };
    reference.check(columns, rows).map(|()| reference)
}

fn write_bins(bins: &Bins, writer: &mut Writer) {
    write_numbers(bins.edges(), writer);
    bins.counts().iter().for_each(|&count| writer.varint(count));
    writer.varint(bins.missing());
}

fn read_bins(reader: &mut Reader<'_>) -> Result<Bins, Problem> {
    let edges = read_numbers(reader)?;
    let counts = (0..=edges.len()).map(|_| reader.varint()).collect::<Result<_, Problem>>()?;
    Bins::from_parts(edges, counts, reader.varint()?)
}

/// There are at most 20.
fn write_numbers(numbers: &[f64], writer: &mut Writer) {
    writer.u8(numbers.len() as u8);
    numbers.iter().for_each(|&number| writer.f64(number));
}

fn read_numbers(reader: &mut Reader<'_>) -> Result<Vec<f64>, Problem> {
    let count = reader.u8()?;
    reader.f64s(count.into())
}
