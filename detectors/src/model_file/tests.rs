use proptest::prelude::*;

use super::*;
use crate::config::{DetectorConfig, IsolationForestConfig, ThresholdConfig};
use crate::matrix::CheckedMatrix;

fn model_of(rows: usize, columns: usize, config: IsolationForestConfig) -> Model {
    let values = (0..rows * columns).map(|at| libm::sin(at as f64 * 12.9898) * 43.75).collect();
    let rows = CheckedMatrix::from_vec(values, columns).unwrap();
    let features: Vec<String> = (0..columns).map(|column| format!("färbe {column}")).collect();
    let detector = DetectorConfig::from(config);
    Model::train(&features, &detector, &ThresholdConfig::default(), &rows).unwrap()
}

fn small() -> Model {
    model_of(40, 2, IsolationForestConfig { trees: 3, sample_size: 16, ..Default::default() })
}

fn error(bytes: &[u8]) -> ModelFileError {
    decode(bytes).unwrap_err()
}

/// A file of these contents with a checksum that is right.
fn sealed(contents: &[u8], stated: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![0; HEADER], Compression::fast());
    encoder.write_all(contents).unwrap();
    let mut file = encoder.finish().unwrap();
    file[..8].copy_from_slice(&MAGIC);
    file[8..10].copy_from_slice(&MODEL_FORMAT_VERSION.to_le_bytes());
    file[12..16].copy_from_slice(&stated.to_le_bytes());
    let checksum = checksum(&file);
    file[PREFIX..HEADER].copy_from_slice(&checksum);
    file
}

#[test]
fn decoding_gives_back_the_model() {
    let model = small();
    let read = decode(&encode(&model)).unwrap();
    assert_eq!(format!("{model:?}"), format!("{read:?}"));
    assert_eq!(encode(&read), encode(&model));
    assert_eq!(read.verify_golden_rows(), Ok(()));
}

#[test]
fn a_default_forest_on_two_columns_is_about_30_kilobytes() {
    let mut random = crate::random::Random::new(1, b"model-file-sizes", 0);
    let mut normal = || (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    let values = (0..4_000).map(|_| normal()).collect();
    let rows = CheckedMatrix::from_vec(values, 2).unwrap();
    let detector = DetectorConfig::from(IsolationForestConfig::default());
    let features = ["mean".to_owned(), "sd".to_owned()];
    let model = Model::train(&features, &detector, &ThresholdConfig::default(), &rows).unwrap();
    let bytes = encode(&model).len();
    assert!((25_000..36_000).contains(&bytes), "{bytes}");
}

#[test]
fn more_than_256_columns_are_stored() {
    let model = model_of(60, 300, IsolationForestConfig { trees: 30, ..Default::default() });
    let read = decode(&encode(&model)).unwrap();
    assert_eq!(format!("{model:?}"), format!("{read:?}"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = encode(&small());
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert!(decode(&damaged).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_truncated_file_is_noticed() {
    let file = encode(&small());
    for length in 0..file.len() {
        assert!(decode(&file[..length]).is_err(), "{length}");
    }
    assert_eq!(error(&[]), ModelFileError::NotAModelFile);
    assert_eq!(error(&file[..11]), ModelFileError::Incomplete { bytes: 11 });
    assert_eq!(error(&file[..HEADER]), ModelFileError::Incomplete { bytes: HEADER });
    assert_eq!(error(&file[..file.len() - 1]), ModelFileError::Checksum);
    assert_eq!(error(&[&file[..], b"\n"].concat()), ModelFileError::Checksum);
}

#[test]
fn other_files_are_told_apart_from_damaged_ones() {
    assert_eq!(
        error(b"PK\x03\x04 something else entirely, long enough for a header"),
        ModelFileError::NotAModelFile
    );
    let mut newer = encode(&small());
    newer[8] = 4;
    assert_eq!(error(&newer), ModelFileError::UnknownVersion { found: 4 });
}

#[test]
fn contents_that_do_not_have_their_length_are_refused() {
    let contents = sections::encode(&small());
    let length = contents.len() as u32;
    assert!(decode(&sealed(&contents, length)).is_ok());
    assert_eq!(error(&sealed(&contents, length - 1)), ModelFileError::Compression);
    assert_eq!(error(&sealed(&contents, length + 1)), ModelFileError::Compression);
    assert_eq!(error(&sealed(&contents, u32::MAX)), ModelFileError::TooLarge { bytes: u32::MAX });
}

#[test]
fn a_compression_bomb_is_not_unpacked_beyond_the_stated_length() {
    assert_eq!(error(&sealed(&vec![0; 8 << 20], 1_000)), ModelFileError::Compression);
}

#[test]
fn a_section_that_is_wrong_is_named() {
    let contents = sections::encode(&small());
    let mut other = contents.clone();
    other[..4].copy_from_slice(b"jazz");
    let problem = "another section is in its place".to_owned();
    assert_eq!(
        error(&sealed(&other, other.len() as u32)),
        ModelFileError::Invalid { section: "conf", problem }
    );
    let longer = [&contents[..], b"!"].concat();
    let message = error(&sealed(&longer, longer.len() as u32)).to_string();
    assert_eq!(message, "section gold of the model file is invalid: 1 bytes are left over");
}

/// `tests/data/model-v1`: made by the release that wrote version 1.
#[test]
fn a_file_of_version_1_scores_as_it_did_and_has_no_reference() {
    let file = include_bytes!("../../tests/data/model-v1/model.afm");
    assert_eq!(version(file), Some(1));
    let model = decode(file).unwrap();
    assert_eq!(model.verify_golden_rows(), Ok(()));
    let scored = [[10.0, 4.0, 30.0], [1_000.0, -4.0, 30.0]]
        .map(|row| model.score_row(&row).unwrap())
        .map(|s| (s.anomaly_score, s.severity.unwrap()));
    assert_eq!(
        scored,
        [(-0.5038901978618598, 0.15178551832619544), (-0.7185990834519586, 1.8015024127710766)]
    );
    assert_eq!(model.reference(), None);
}

#[test]
fn a_model_without_its_reference_is_smaller_and_scores_the_same() {
    let model = small();
    assert!(model.reference().is_some());
    let file = encode(&model.clone().without_reference());
    assert!(file.len() < encode(&model).len());
    let read = decode(&file).unwrap();
    assert_eq!(read.reference(), None);
    assert_eq!(read.score_row(&[1.0, 2.0]), model.score_row(&[1.0, 2.0]));
}

#[test]
fn a_reference_of_other_rows_is_refused() {
    let contents = sections::encode(&small());
    let at = contents.windows(4).rposition(|tag| tag == b"refs").unwrap() + 8;
    let mut other = contents.clone();
    other[at] = 1;
    let message = error(&sealed(&other, other.len() as u32)).to_string();
    assert!(message.starts_with("section refs of the model file is invalid"), "{message}");
}

/// A small model of one of the detectors, and the detector's name.
fn of_kind(which: usize) -> (&'static Model, &'static str) {
    static MODELS: std::sync::OnceLock<Vec<Model>> = std::sync::OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let values = (0..160).map(|at| libm::sin(f64::from(at) * 12.9898) * 43.75).collect();
        let rows = CheckedMatrix::from_vec(values, 4).unwrap();
        let features: Vec<String> = (0..4).map(|column| format!("c{column}")).collect();
        let train = |kind: &&str| {
            let detector: DetectorConfig =
                serde_json::from_value(serde_json::json!({ (*kind): {} })).unwrap();
            Model::train(&features, &detector, &ThresholdConfig::default(), &rows).unwrap()
        };
        crate::config::KINDS.iter().map(train).collect()
    });
    let which = which % models.len();
    (&models[which], crate::config::KINDS[which])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The same for every other detector.
    #[test]
    fn changed_contents_of_any_detector_never_panic(which in 0_usize..1_000, at in 0_usize..10_000, replacement in prop::collection::vec(any::<u8>(), 1..9), cut in 0_usize..9) {
        let (model, kind) = of_kind(which);
        let mut contents = sections::encode(model);
        // Half of the changes are in the detector's own section.
        let tag = contents.windows(4).position(|tag| tag == b"line").unwrap() + 24;
        let end = contents.windows(4).position(|tag| tag == b"cali").unwrap();
        let at = if at % 2 == 0 { at / 2 % contents.len() } else { tag + at / 2 % (end - tag) };
        let end = (at + cut).min(contents.len());
        contents.splice(at..end, replacement);
        if let Ok(model) = decode(&sealed(&contents, contents.len() as u32)) {
            for value in [0.25, -0.0, f64::from(f32::MAX)] {
                let row = vec![value; model.features().len()];
                let scored = model.score_row(&row).unwrap();
                prop_assert!(scored.anomaly_score.is_finite(), "{kind}");
                model.explain(&row).unwrap();
            }
        }
    }

    /// Behind a checksum that is right, as a bug or an attacker would write it.
    #[test]
    fn changed_contents_never_panic(at in 0_usize..10_000, replacement in prop::collection::vec(any::<u8>(), 1..6), cut in 0_usize..8) {
        let mut contents = sections::encode(&small());
        let at = at % contents.len();
        let end = (at + cut).min(contents.len());
        contents.splice(at..end, replacement);
        // Whatever decodes can be scored.
        if let Ok(model) = decode(&sealed(&contents, contents.len() as u32)) {
            let row = vec![0.25; model.features().len()];
            let scored = model.score_row(&row).unwrap();
            prop_assert!((0.0..=10.0).contains(&scored.severity.unwrap()));
        }
    }
}
