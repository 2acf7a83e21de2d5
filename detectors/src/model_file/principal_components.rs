//! The section `pcas`: the scale and the mean of each column, and the triangle that rows are multiplied by.

use super::bytes::{Problem, Reader, Writer};
use crate::principal_components::{EXACT_COLUMNS, MAX_COLUMNS, PrincipalComponents, entries};
use crate::scaling::Scale;

pub(super) fn encode(fitted: &PrincipalComponents, writer: &mut Writer) {
    let (scales, means, triangle) = fitted.parts();
    writer.u32(scales.len() as u32);
    scales.iter().for_each(|scale| writer.f64(scale.center));
    scales.iter().for_each(|scale| writer.f64(scale.width));
    means.iter().for_each(|&mean| writer.f64(mean));
    if means.len() <= EXACT_COLUMNS {
        triangle.iter().for_each(|&value| writer.f64(value));
    } else {
        // They have been rounded. By planes of bytes, which deflate rewards.
        for plane in 0..4 {
            triangle.iter().for_each(|&value| writer.u8((value as f32).to_le_bytes()[plane]));
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<PrincipalComponents, Problem> {
    let columns = reader.u32()? as usize;
    if columns > MAX_COLUMNS {
        return Err(format!("{columns} columns are out of bounds"));
    }
    let centers = reader.f64s(columns)?;
    let widths = reader.f64s(columns)?;
    let scales: Vec<Scale> =
        centers.into_iter().zip(widths).map(|(center, width)| Scale { center, width }).collect();
    let live = scales.iter().filter(|scale| scale.width > 0.0).count();
    let means = reader.f64s(live)?;
    let triangle = if live <= EXACT_COLUMNS {
        reader.f64s(entries(live))?
    } else {
        let planes = reader.take(4 * entries(live))?;
        let value = |at: usize| [0, 1, 2, 3].map(|plane| planes[plane * entries(live) + at]);
        (0..entries(live)).map(|at| f32::from_le_bytes(value(at)).into()).collect()
    };
    PrincipalComponents::from_parts(scales, means, triangle)
}
