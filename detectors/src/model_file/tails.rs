//! The sections `ecod` and `copd`: kept values of each column with their ranks, and how its tails fall.

use super::bytes::{Problem, Reader, Writer};
use crate::tails::{Rank, StoredColumn, Tails};

const IGNORED: u8 = 0;
const RIGHT_SKEWED: u8 = 1;
const LEFT_SKEWED: u8 = 2;

pub(super) fn encode(tails: &Tails, writer: &mut Writer) {
    let (rows, columns) = tails.to_parts();
    writer.u32(rows);
    writer.u32(columns.len() as u32);
    for column in &columns {
        let Some(StoredColumn { values, ranks, decay, left_skewed }) = column else {
            writer.u8(IGNORED);
            continue;
        };
        writer.u8(if *left_skewed { LEFT_SKEWED } else { RIGHT_SKEWED });
        decay.iter().for_each(|&decay| writer.f64(decay));
        writer.u32(values.len() as u32);
        values.iter().for_each(|&value| writer.f64(value));
        let mut before = 0;
        for &Rank { below, not_above } in ranks {
            writer.varint(below - before);
            writer.varint(not_above - below);
            before = not_above;
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Tails, Problem> {
    let rows = reader.u32()?;
    let columns = reader.count(1)?;
    Tails::from_parts(rows, (0..columns).map(|_| column(reader)).collect::<Result<_, Problem>>()?)
}

fn column(reader: &mut Reader<'_>) -> Result<Option<StoredColumn>, Problem> {
    let left_skewed = match reader.u8()? {
        IGNORED => return Ok(None),
        skew @ (RIGHT_SKEWED | LEFT_SKEWED) => skew == LEFT_SKEWED,
        other => return Err(format!("{other} is no skew")),
    };
    let decay = [reader.f64()?, reader.f64()?];
    let count = reader.count(10)?;
    let values = reader.f64s(count)?;
    let mut rank = 0_u32;
    let mut next = || -> Result<u32, Problem> {
        rank = rank.checked_add(reader.varint()?).ok_or_else(|| "a rank is beyond 32 bits".to_owned())?;
        Ok(rank)
    };
    let ranks = (0..count)
        .map(|_| Ok(Rank { below: next()?, not_above: next()? }))
        .collect::<Result<_, Problem>>()?;
    Ok(Some(StoredColumn { values, ranks, decay, left_skewed }))
}
