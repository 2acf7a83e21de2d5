//! The section of [`Copod`]: see [`super::tails`].

use super::bytes::{Problem, Reader, Writer};
use super::tails;
use crate::copod::Copod;

pub(super) fn encode(detector: &Copod, writer: &mut Writer) {
    tails::encode(&detector.tails, writer);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Copod, Problem> {
    Ok(Copod { tails: tails::decode(reader)? })
}
