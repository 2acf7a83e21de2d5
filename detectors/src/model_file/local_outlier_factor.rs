//! The section `lofs`: the number of neighbours, the references, and each one's reach and density.

use super::bytes::{Problem, Reader, Writer};
use super::neighbors;
use crate::local_outlier_factor::LocalOutlierFactor;

pub(super) fn encode(detector: &LocalOutlierFactor, writer: &mut Writer) {
    let (references, wanted, reaches, densities) = detector.parts();
    writer.u32(wanted as u32);
    neighbors::encode(references, writer);
    reaches.iter().chain(densities).for_each(|&number| writer.f64(number));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<LocalOutlierFactor, Problem> {
    let wanted = reader.u32()? as usize;
    let references = neighbors::decode(reader)?;
    let count = references.count();
    LocalOutlierFactor::from_parts(references, wanted, reader.f64s(count)?, reader.f64s(count)?)
}
