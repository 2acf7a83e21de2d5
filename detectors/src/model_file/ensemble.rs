//! The section `ensb`: each member's weight, its own section, and its calibration.

use super::bytes::{Problem, Reader, Writer};
use super::sections::{read_calibration, read_fitted, write_calibration, write_fitted};
use crate::ensemble::{Ensemble, MAX_MEMBERS, Member};

pub(super) fn encode(detector: &Ensemble, writer: &mut Writer) {
    writer.u32(detector.members().len() as u32);
    for Member { fitted, calibration, weight } in detector.members() {
        writer.f64(*weight);
        write_fitted(writer, fitted);
        write_calibration(calibration, writer);
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Ensemble, Problem> {
    let count = reader.u32()? as usize;
    if count > MAX_MEMBERS {
        return Err(format!("it has {count} members: at most {MAX_MEMBERS} are expected"));
    }
    let members = (0..count).map(|_| {
        let weight = reader.f64()?;
        // Nor could a file make this nest without end.
        if reader.starts_with(b"ensb") {
            return Err("a member is an ensemble itself".to_owned());
        }
        let fitted = read_fitted(reader).map_err(|error| error.to_string())?;
        Ok(Member { fitted, calibration: read_calibration(reader)?, weight })
    });
    Ensemble::from_parts(members.collect::<Result<_, Problem>>()?)
}
