//! The section `mcov`: the columns that vary with their scales, the center, and the lower triangle of the factor, whose
//! entries have 32 bits where there are many.

use super::bytes::{Problem, Reader, Writer};
use crate::detector::Detector;
use crate::robust_covariance::{Parts, RobustCovariance};
use crate::scaling::Scale;

pub(super) fn encode(detector: &RobustCovariance, writer: &mut Writer) {
    let (used, scales, center, factor) = detector.parts();
    writer.u32(detector.columns() as u32);
    writer.u32(used.len() as u32);
    used.iter().for_each(|&column| writer.u16(column as u16));
    scales.iter().for_each(|scale| writer.f64(scale.center));
    scales.iter().for_each(|scale| writer.f64(scale.width));
    center.iter().for_each(|&value| writer.f64(value));
    match RobustCovariance::entry_bytes(used.len()) {
        8 => factor.iter().for_each(|&entry| writer.f64(entry)),
        _ => factor.iter().for_each(|&entry| writer.u32((entry as f32).to_bits())),
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<RobustCovariance, Problem> {
    let columns = reader.u32()? as usize;
    let size = reader.count(2)?;
    let used = (0..size).map(|_| reader.u16().map(u32::from)).collect::<Result<_, Problem>>()?;
    let centers = reader.f64s(size)?;
    let widths = reader.f64s(size)?;
    let scales = centers.into_iter().zip(widths).map(|(center, width)| Scale { center, width }).collect();
    let center = reader.f64s(size)?;
    let entries = size.saturating_mul(size + 1) / 2;
    let factor = match RobustCovariance::entry_bytes(size) {
        8 => reader.f64s(entries)?,
        _ => reader.f32s(entries)?.into_iter().map(f64::from).collect(),
    };
    RobustCovariance::from_parts(Parts { columns, used, scales, center, factor })
}
