//! The section of [`Ecod`]: see [`super::tails`].

use super::bytes::{Problem, Reader, Writer};
use super::tails;
use crate::ecod::Ecod;

pub(super) fn encode(detector: &Ecod, writer: &mut Writer) {
    tails::encode(&detector.tails, writer);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Ecod, Problem> {
    Ok(Ecod { tails: tails::decode(reader)? })
}
