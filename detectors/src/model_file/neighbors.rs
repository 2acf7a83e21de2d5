//! Reference rows, in the sections of nearest neighbours and the local outlier factor.

use super::bytes::{Problem, Reader, Writer};
use crate::neighbors::References;
use crate::scaling::Scale;

/// Columns' scales, then the references column by column, which compresses better than row by row.
pub(super) fn encode(references: &References, writer: &mut Writer) {
    writer.u32(references.columns() as u32);
    writer.u32(references.count() as u32);
    references.scales().iter().for_each(|scale| writer.f64(scale.center));
    references.scales().iter().for_each(|scale| writer.f64(scale.width));
    for column in 0..references.columns() {
        for reference in 0..references.count() {
            writer.u32(references.value(reference, column).to_bits());
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<References, Problem> {
    let columns = reader.u32()? as usize;
    let count = reader.u32()? as usize;
    let centers = reader.f64s(columns)?;
    let widths = reader.f64s(columns)?;
    let scales = centers.into_iter().zip(widths).map(|(center, width)| Scale { center, width }).collect();
    let values = reader.f32s(columns.saturating_mul(count))?;
    let by_row: Vec<f32> = (0..values.len()).map(|at| values[at % columns * count + at / columns]).collect();
    References::from_parts(scales, &by_row)
}
