//! The section `robz`: medians and scales.

use super::bytes::{Problem, Reader, Writer};
use crate::robust_z_score::RobustZScore;

pub(super) fn encode(detector: &RobustZScore, writer: &mut Writer) {
    let (medians, scales) = detector.parts();
    writer.u32(medians.len() as u32);
    medians.iter().chain(scales).for_each(|&number| writer.f64(number));
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<RobustZScore, Problem> {
    let columns = reader.count(16)?;
    RobustZScore::from_parts(reader.f64s(columns)?, reader.f64s(columns)?)
}
