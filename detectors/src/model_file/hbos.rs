//! The section `hbos`: bins and the training rows in each.

use super::bytes::{Problem, Reader, Writer};
use crate::hbos::{Hbos, Places};

const EQUAL: u8 = 0;
const DISCRETE: u8 = 1;

pub(super) fn encode(detector: &Hbos, writer: &mut Writer) {
    let (rows, columns) = detector.parts();
    writer.u32(rows);
    writer.u32(columns.len() as u32);
    for (places, counts) in columns {
        match places {
            Places::Equal { from, to } => {
                writer.u8(EQUAL);
                writer.f64(*from);
                writer.f64(*to);
                writer.u32(counts.len() as u32);
            }
            Places::Discrete { values, near } => {
                writer.u8(DISCRETE);
                writer.f64(*near);
                writer.u32(counts.len() as u32);
                values.iter().for_each(|&value| writer.f64(value));
            }
        }
        counts.iter().for_each(|&count| writer.varint(count));
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Hbos, Problem> {
    let rows = reader.u32()?;
    let columns = reader.count(1)?;
    Hbos::from_parts(rows, (0..columns).map(|_| column(reader)).collect::<Result<_, Problem>>()?)
}

fn column(reader: &mut Reader<'_>) -> Result<(Places, Vec<u32>), Problem> {
    let (places, bins) = match reader.u8()? {
        EQUAL => (Places::Equal { from: reader.f64()?, to: reader.f64()? }, reader.count(1)?),
        DISCRETE => {
            let near = reader.f64()?;
            let count = reader.count(9)?;
            (Places::Discrete { values: reader.f64s(count)?, near }, count)
        }
        other => return Err(format!("{other} is no kind of bins")),
    };
    let counts = (0..bins).map(|_| reader.varint()).collect::<Result<_, Problem>>()?;
    Ok((places, counts))
}
