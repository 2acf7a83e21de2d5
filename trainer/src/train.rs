//! From a training input and the bytes of its data to a model and its description. Pure: no clock, no I/O.

use api::job::{DataFile, INPUT_VERSION, TrainingInput};
use api::training_key::digest;
use detectors::config::ImportedConfig;
use detectors::description::{DESCRIPTION_VERSION, reasons};
use detectors::{
    CheckedMatrix, Description, DetectorConfig, ImportError, ImportOptions, Model, TrainError, Warning,
};

use crate::data::{InputError, column_names, read_csv};

/// Most bytes of model and description that a revision holds. The API server takes 1,048,576 in a ConfigMap; the rest
/// is for metadata.
pub const MOST_BYTES: usize = 1_000_000;

/// A model that is ready to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model file: the same bytes for the same data, features, detector and threshold.
    pub model: Vec<u8>,
    /// What is known about it without opening it.
    pub description: Description,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// An operator of another release wrote the input.
    #[error(
        "the training input has version {found}, this trainer reads {INPUT_VERSION}: use images of one release"
    )]
    Version {
        /// The input's version.
        found: u32,
    },
    /// The data changed after the operator had looked at it. A later Job sees the new data.
    #[error("{origin} has changed since the training was planned: it will be planned again")]
    DataChanged {
        /// Where the data came from.
        origin: String,
    },
    /// The data cannot be used.
    #[error(transparent)]
    Data(#[from] InputError),
    /// The detector refuses its parameters or the rows.
    #[error("{origin}: {source}")]
    Train {
        /// Where the data came from.
        origin: String,
        /// Why.
        source: TrainError,
    },
    /// An exported model that is damaged or does not prove itself.
    #[error("{origin}: {source}")]
    Import {
        /// Where it came from.
        origin: String,
        /// Why.
        source: ImportError,
    },
    /// The model is sure not to fit a revision.
    #[error(
        "{origin}: the model would take {bytes} bytes or more, a revision holds at most {MOST_BYTES}: lower trees or sampleSize \
         of the forest"
    )]
    TooLarge {
        /// Where the data came from.
        origin: String,
        /// The least bytes of the model file.
        bytes: u64,
    },
    /// The encoded model does not score as the trained one does.
    #[error("the model does not reproduce its own scores on this machine: {0}")]
    SelfCheck(String),
}

/// Trains on `data`, the bytes of the CSV that `input` speaks of; or imports it, if it is an exported model.
///
/// The model is decoded again and checked against its golden rows before it is given back.
///
/// # Errors
/// [`TrainerError`]: see [`crate::outcome`] for which of them the user must act on.
pub fn train(input: &TrainingInput, data: &[u8]) -> Result<Trained, TrainerError> {
    train_within(None, input, data)
}

/// As [`train`], for a revision: a model that is sure not to fit one is refused before it is fitted.
///
/// # Errors
/// As [`train`], and [`TrainerError::TooLarge`].
pub fn train_to_publish(input: &TrainingInput, data: &[u8]) -> Result<Trained, TrainerError> {
    train_within(Some(MOST_BYTES as u64), input, data)
}

fn train_within(most: Option<u64>, input: &TrainingInput, data: &[u8]) -> Result<Trained, TrainerError> {
    if input.version != INPUT_VERSION {
        return Err(TrainerError::Version { found: input.version });
    }
    let origin = &input.data.origin;
    if digest(data) != input.data.digest {
        return Err(TrainerError::DataChanged { origin: origin.clone() });
    }
    if let Some(source) = &input.detector.imported {
        return import(input, source, data);
    }
    let (features, rows) = read(input, data)?;
    let (found, needed) = (rows.rows() as u64, u64::from(input.min_rows));
    if found < needed {
        return Err(InputError::too_few(origin, found, needed).into());
    }
    if let Some(bytes) = most.and_then(|most| Model::sure_to_exceed(most, &features, &input.detector, &rows))
    {
        return Err(TrainerError::TooLarge { origin: origin.clone(), bytes });
    }
    let model = Model::train(&features, &input.detector, &input.threshold, &rows)
        .map_err(|source| TrainerError::Train { origin: origin.clone(), source })?;
    finished(model, input)
}

/// The rows and the names of their columns: those that are asked for, or all there are.
fn read(input: &TrainingInput, data: &[u8]) -> Result<(Vec<String>, CheckedMatrix), InputError> {
    let TrainingInput { features, data: DataFile { origin, .. }, .. } = input;
    let missing = input.missing.unwrap_or_default();
    if !features.is_empty() {
        return Ok((features.clone(), read_csv(data, features, origin, missing)?));
    }
    let features = column_names(data, origin)?;
    let rows = read_csv(data, &features, origin, missing).map_err(InputError::of_every_column)?;
    Ok((features, rows))
}

/// The exported model in `data`, proven on its golden rows.
fn import(input: &TrainingInput, source: &ImportedConfig, data: &[u8]) -> Result<Trained, TrainerError> {
    let options = ImportOptions {
        source: source.clone(),
        features: (!input.features.is_empty()).then(|| input.features.clone()),
        threshold: input.threshold.clone(),
        missing: input.missing,
    };
    let model = Model::import(data, options)
        .map_err(|source| TrainerError::Import { origin: input.data.origin.clone(), source })?;
    finished(model, input)
}

/// The model as it is published: its bytes, which were read again and score its golden rows as it did, by every kernel that
/// this machine has.
fn finished(model: Model, input: &TrainingInput) -> Result<Trained, TrainerError> {
    let trained = fitting(model, input, MOST_BYTES);
    let decoded = Model::decode(&trained.model).map_err(|e| TrainerError::SelfCheck(e.to_string()))?;
    decoded.verify_golden_rows().map_err(|e| TrainerError::SelfCheck(e.to_string()))?;
    Ok(trained)
}

/// The model's bytes and their description. A model that is within `most` bytes only without the distribution of its
/// training rows goes without: it is what is missed least.
fn fitting(model: Model, input: &TrainingInput, most: usize) -> Trained {
    let bytes = model.encode();
    let whole = Trained { description: describe(input, &model, &bytes), model: bytes };
    if whole.model.len() + description_json(&whole.description).len() <= most {
        return whole;
    }
    let model = model.without_reference();
    let bytes = model.encode();
    let mut description = describe(input, &model, &bytes);
    description.warnings.push(Warning {
        reason: reasons::DRIFT_NOT_MEASURED.to_owned(),
        message: format!(
            "the model fits a revision of {most} bytes only without the distribution of its training rows, so drift is not \
             measured: lower {}",
            remedy(&description)
        ),
    });
    Trained { model: bytes, description }
}

fn describe(input: &TrainingInput, model: &Model, bytes: &[u8]) -> Description {
    Description {
        format_version: DESCRIPTION_VERSION,
        revision: input.revision.name.clone(),
        key: input.key.clone(),
        detector: model.detector().clone(),
        features: model.features().to_vec(),
        rows: model.training_rows(),
        threshold: model.threshold(),
        threshold_config: input.threshold.clone(),
        flagged_training_share: model.flagged_training_share(),
        data_digest: input.data.digest.clone(),
        model_digest: digest(bytes),
        model_bytes: bytes.len() as u64,
        warnings: model.warnings().to_vec(),
    }
}

pub(crate) fn description_json(description: &Description) -> String {
    // Serializing plain data into memory cannot fail; an empty description is refused by every reader.
    serde_json::to_string(description).unwrap_or_default()
}

/// Which parameters decide the size.
pub(crate) fn remedy(description: &Description) -> String {
    let DetectorConfig { isolation_forest, extended_isolation_forest, .. } = &description.detector;
    let forest = isolation_forest.as_ref().map(|forest| (forest.trees, forest.sample_size));
    match forest.or(extended_isolation_forest.as_ref().map(|forest| (forest.trees, forest.sample_size))) {
        Some((trees, sample_size)) => format!("trees ({trees}) or sampleSize ({sample_size})"),
        None => format!("the number of features ({})", description.features.len()),
    }
}

#[cfg(test)]
mod tests {
    use api::job::RevisionTarget;
    use detectors::IsolationForestConfig;

    use super::*;

    fn input() -> TrainingInput {
        let forest = IsolationForestConfig { trees: 5, sample_size: 32, ..IsolationForestConfig::default() };
        TrainingInput {
            version: INPUT_VERSION,
            revision: RevisionTarget::default(),
            key: String::new(),
            features: vec!["x".into()],
            detector: DetectorConfig::from(forest),
            threshold: Default::default(),
            missing: None,
            min_rows: 8,
            data: DataFile { path: String::new(), origin: String::new(), digest: String::new() },
        }
    }

    fn model(input: &TrainingInput) -> Model {
        let rows =
            CheckedMatrix::from_vec((0..400).map(|row| f64::from(row * row % 397)).collect(), 1).unwrap();
        Model::train(&input.features, &input.detector, &input.threshold, &rows).unwrap()
    }

    #[test]
    fn a_model_whose_golden_row_comes_out_otherwise_by_a_bit_is_not_published() {
        let input = input();
        let model = model(&input);
        let other = Model::decode(&fuzz::model_file::with_another_golden_measure(&model.encode())).unwrap();
        assert!(finished(model, &input).is_ok());
        let refused = finished(other, &input).unwrap_err();
        assert!(matches!(refused, TrainerError::SelfCheck(_)), "{refused}");
        assert!(refused.to_string().contains("golden row 0 has measure "), "{refused}");
        let crate::outcome::Outcome { result, exit_code } = (&refused).into();
        assert_eq!((result.reason.as_str(), exit_code), ("SelfCheckFailed", 1));
    }

    #[test]
    fn a_model_that_fits_only_without_the_distribution_of_its_rows_goes_without_and_says_so() {
        let input = input();
        let model = model(&input);

        let whole = fitting(model.clone(), &input, MOST_BYTES);
        assert!(Model::decode(&whole.model).unwrap().reference().is_some());
        assert!(whole.description.warnings.iter().all(|warning| warning.reason != "DriftNotMeasured"));

        let bytes = whole.model.len() + description_json(&whole.description).len();
        let smaller = fitting(model, &input, bytes - 1);
        assert!(smaller.model.len() < whole.model.len());
        assert_eq!(Model::decode(&smaller.model).unwrap().reference(), None);
        assert_eq!(smaller.description.model_digest, digest(&smaller.model));
        let warning = smaller.description.warnings.last().unwrap();
        assert_eq!(warning.reason, "DriftNotMeasured");
        assert!(warning.message.ends_with("lower trees (5) or sampleSize (32)"), "{}", warning.message);
    }
}
