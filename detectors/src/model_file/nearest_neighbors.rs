//! The section `knns`: the number of neighbours and the references.

use super::bytes::{Problem, Reader, Writer};
use super::neighbors;
use crate::nearest_neighbors::NearestNeighbors;

pub(super) fn encode(detector: &NearestNeighbors, writer: &mut Writer) {
    let (references, wanted) = detector.parts();
    writer.u32(wanted as u32);
    neighbors::encode(references, writer);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<NearestNeighbors, Problem> {
    let wanted = reader.u32()? as usize;
    NearestNeighbors::from_parts(neighbors::decode(reader)?, wanted)
}
