//! The sections of the model file, written and read in one order.

use serde::{Deserialize, Serialize};

use super::ModelFileError;
use super::bytes::{Problem, Reader, Writer};
use super::reference;
use crate::calibration::{Calibration, Knot};
use crate::config::{DetectorConfig, IMPORTED, ThresholdConfig};
use crate::description::Warning;
use crate::detector::Fitted;
use crate::every::every_detector;
use crate::golden::{self, GoldenRow, Outcome};
use crate::model::{Facts, Model};
use crate::threshold::Line;

#[derive(Serialize, Deserialize)]
struct Configuration {
    detector: DetectorConfig,
    threshold: ThresholdConfig,
}

pub(super) fn encode(model: &Model) -> Vec<u8> {
    let (facts, fitted, line, calibration, golden_rows, reference) = model.parts();
    let mut writer = Writer::default();
    section(&mut writer, "conf", |writer| write_configuration(facts, writer));
    section(&mut writer, "feat", |writer| write_features(&facts.features, writer));
    section(&mut writer, "trng", |writer| write_training(facts, writer));
    section(&mut writer, "line", |writer| {
        writer.f64(line.threshold);
        writer.f64(line.cut);
    });
    write_fitted(&mut writer, fitted);
    section(&mut writer, "cali", |writer| {
        if let Some(calibration) = calibration {
            write_calibration(calibration, writer);
        }
    });
    section(&mut writer, "gold", |writer| write_golden(golden_rows, writer));
    if let Some(reference) = reference {
        section(&mut writer, "refs", |writer| reference::encode(reference, writer));
    }
    writer.0
}

/// Files of version 1 have all sections but the last.
pub(super) fn decode(contents: &[u8], version: u16) -> Result<Model, ModelFileError> {
    let mut reader = Reader::new(contents);
    let configuration = read(&mut reader, "conf", read_configuration)?;
    let features = read(&mut reader, "feat", read_features)?;
    let (training_rows, flagged_training_share, warnings) = read(&mut reader, "trng", read_training)?;
    let line = read(&mut reader, "line", read_line)?;
    let fitted = read_fitted(&mut reader)?;
    // An imported model is a forest.
    let asked =
        configuration.detector.kind().map(|kind| if kind == IMPORTED { "isolationForest" } else { kind });
    if asked != Some(fitted.kind()) {
        let problem = format!("it asks for another detector than the {} that follows", fitted.kind());
        return Err(ModelFileError::Invalid { section: "conf", problem });
    }
    let columns = fitted.columns();
    if features.len() != columns {
        let problem = format!("{} features for {columns} columns", features.len());
        return Err(ModelFileError::Invalid { section: "feat", problem });
    }
    let calibration = read(&mut reader, "cali", read_calibration_if_any)?;
    let golden_rows = read(&mut reader, "gold", |reader| read_golden(reader, &fitted))?;
    let reference = if version == 1 || reader.is_empty() {
        None
    } else {
        Some(read(&mut reader, "refs", |reader| reference::decode(reader, columns, training_rows))?)
    };
    reader.end().map_err(|problem| ModelFileError::Invalid { section: "gold", problem })?;
    let facts = Facts {
        features,
        detector: configuration.detector,
        threshold_config: configuration.threshold,
        training_rows,
        flagged_training_share,
        warnings,
    };
    Ok(Model::from_parts(facts, fitted, line, calibration, golden_rows, reference))
}

macro_rules! detector_sections {
    ($($(#[$about:meta])+ $member:ident $kind:literal $tag:literal $name:ident $config:ident $parameters:ident $range:ident;)+) => {
        /// The section of a fitted detector.
        pub(super) fn write_fitted(writer: &mut Writer, fitted: &Fitted) {
            match fitted {
                $(Fitted::$name(detector) => {
                    section(writer, $tag, |writer| super::$member::encode(detector, writer));
                })+
            }
        }

        /// The next section, of whichever detector it is.
        pub(super) fn read_fitted(reader: &mut Reader<'_>) -> Result<Fitted, ModelFileError> {
            $(
                if reader.starts_with($tag.as_bytes()) {
                    let detector = read(reader, $tag, super::$member::decode)?;
                    return Ok(Fitted::$name(Box::new(detector)));
                }
            )+
            let problem = "the section after it is of no detector that this release knows".to_owned();
            Err(ModelFileError::Invalid { section: "line", problem })
        }
    };
}

every_detector!(detector_sections);

fn section(writer: &mut Writer, tag: &'static str, write: impl FnOnce(&mut Writer)) {
    let mut contents = Writer::default();
    write(&mut contents);
    writer.bytes(tag.as_bytes());
    writer.u32(contents.0.len() as u32);
    writer.bytes(&contents.0);
}

/// Reads one section, which must be the next and must be read to its end.
fn read<T>(
    reader: &mut Reader<'_>,
    section: &'static str,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Problem>,
) -> Result<T, ModelFileError> {
    let inner = |reader: &mut Reader<'_>| {
        if reader.take(4)? != section.as_bytes() {
            return Err("another section is in its place".to_owned());
        }
        let length = reader.u32()? as usize;
        let mut contents = Reader::new(reader.take(length)?);
        let value = read(&mut contents)?;
        contents.end().map(|()| value)
    };
    inner(reader).map_err(|problem| ModelFileError::Invalid { section, problem })
}

fn write_configuration(facts: &Facts, writer: &mut Writer) {
    let configuration =
        Configuration { detector: facts.detector.clone(), threshold: facts.threshold_config.clone() };
    writer.text(&serde_json::to_string(&configuration).expect("checked configuration is JSON"));
}

fn read_configuration(reader: &mut Reader<'_>) -> Result<Configuration, Problem> {
    let configuration: Configuration =
        serde_json::from_str(&reader.text()?).map_err(|error| error.to_string())?;
    configuration.detector.validate().map_err(|error| error.to_string())?;
    configuration.threshold.check(&configuration.detector).map_err(|error| error.to_string())?;
    Ok(configuration)
}

fn write_features(features: &[String], writer: &mut Writer) {
    writer.u32(features.len() as u32);
    for name in features {
        // Names are at most 1,024 bytes long.
        writer.u16(name.len() as u16);
        writer.bytes(name.as_bytes());
    }
}

fn read_features(reader: &mut Reader<'_>) -> Result<Vec<String>, Problem> {
    let count = reader.count(2)?;
    (0..count)
        .map(|_| {
            let length = reader.u16()?;
            reader.utf8(length.into())
        })
        .collect()
}

fn write_training(facts: &Facts, writer: &mut Writer) {
    writer.u64(facts.training_rows);
    writer.f64(facts.flagged_training_share);
    writer.u32(facts.warnings.len() as u32);
    for Warning { reason, message } in &facts.warnings {
        writer.text(reason);
        writer.text(message);
    }
}

fn read_training(reader: &mut Reader<'_>) -> Result<(u64, f64, Vec<Warning>), Problem> {
    let rows = reader.u64()?;
    let share = reader.f64()?;
    if !(0.0..=1.0).contains(&share) {
        return Err(format!("{share} is no share"));
    }
    let count = reader.count(8)?;
    let warnings = (0..count).map(|_| Ok(Warning { reason: reader.text()?, message: reader.text()? }));
    Ok((rows, share, warnings.collect::<Result<_, Problem>>()?))
}

fn read_line(reader: &mut Reader<'_>) -> Result<Line, Problem> {
    let line = Line { threshold: reader.f64()?, cut: reader.f64()? };
    if !line.threshold.is_finite() || line.cut.is_nan() {
        return Err(format!("threshold {} with cut {}", line.threshold, line.cut));
    }
    Ok(line)
}

pub(super) fn write_calibration(calibration: &Calibration, writer: &mut Writer) {
    let (rows, knots, tail, mean_excess) = calibration.parts();
    writer.u64(rows);
    writer.u32(tail as u32);
    writer.f64(mean_excess);
    writer.u32(knots.len() as u32);
    knots.iter().for_each(|knot| writer.f64(knot.value));
    knots.iter().for_each(|knot| writer.u64(knot.twice_rank));
}

/// An empty section: the model is not calibrated.
fn read_calibration_if_any(reader: &mut Reader<'_>) -> Result<Option<Calibration>, Problem> {
    if reader.is_empty() {
        return Ok(None);
    }
    read_calibration(reader).map(Some)
}

pub(super) fn read_calibration(reader: &mut Reader<'_>) -> Result<Calibration, Problem> {
    let rows = reader.u64()?;
    let tail = reader.u32()? as usize;
    let mean_excess = reader.f64()?;
    let count = reader.count(16)?;
    let values = reader.f64s(count)?;
    let knots = values
        .into_iter()
        .map(|value| Ok(Knot { value, twice_rank: reader.u64()? }))
        .collect::<Result<_, Problem>>()?;
    Calibration::from_parts(rows, knots, tail, mean_excess)
        .ok_or_else(|| "the quantiles are out of order or out of range".to_owned())
}

fn write_golden(rows: &[GoldenRow], writer: &mut Writer) {
    writer.u32(rows.len() as u32);
    for GoldenRow { values, result: Outcome { measure, score, is_inlier } } in rows {
        writer.f64(*measure);
        writer.f64(*score);
        writer.u8(u8::from(*is_inlier));
        values.iter().for_each(|&value| writer.f64(value));
    }
}

fn read_golden(reader: &mut Reader<'_>, fitted: &Fitted) -> Result<Vec<GoldenRow>, Problem> {
    let count = reader.count(17)?;
    if !(1..=golden::MAX_ROWS).contains(&count) {
        return Err(format!("it has {count} rows: 1 to {} are expected", golden::MAX_ROWS));
    }
    (0..count)
        .map(|_| {
            let (measure, score) = (reader.f64()?, reader.f64()?);
            let is_inlier = match reader.u8()? {
                0 => false,
                1 => true,
                other => return Err(format!("{other} is no verdict")),
            };
            let values = reader.f64s(fitted.columns())?;
            if !values.iter().all(|&value| fitted.accepts(value)) {
                return Err("a value is not finite".to_owned());
            }
            Ok(GoldenRow { values, result: Outcome { measure, score, is_inlier } })
        })
        .collect()
}
