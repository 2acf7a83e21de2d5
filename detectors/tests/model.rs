//! What a trained model promises: verdicts, severities and scores that agree, the same model for the same training,
//! and an answer or an error for every input.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::description::reasons;
use detectors::{CheckedMatrix, IsolationForestConfig, Model, RowError, Scored, ThresholdConfig};
use proptest::prelude::*;
use support::{bell, contamination, forest, matrix, names, noise, train};

fn bells(rows: usize) -> CheckedMatrix {
    matrix(rows, 2, bell)
}

fn reasons_of(model: &Model) -> Vec<&str> {
    model.warnings().iter().map(|warning| warning.reason.as_str()).collect()
}

fn bits(scored: &[Scored]) -> Vec<(bool, u64, u64)> {
    scored.iter().map(|s| (s.is_inlier, s.anomaly_score.to_bits(), s.severity.unwrap().to_bits())).collect()
}

#[test]
fn a_far_row_is_anomalous_and_a_central_one_is_not() {
    let model = train(&bells(2_000), Default::default(), Default::default());
    let far = model.score_row(&[30.0, -40.0]).unwrap();
    let central = model.score_row(&[0.0, 0.0]).unwrap();
    assert!(!far.is_inlier && far.severity > Some(1.0));
    assert!(central.is_inlier && central.severity < Some(0.2));
    assert!(far.anomaly_score < model.threshold() && model.threshold() < central.anomaly_score);
}

#[test]
fn the_contamination_is_the_share_of_flagged_training_rows() {
    for share in [0.01, 0.05, 0.5] {
        let rows = bells(4_000);
        let model = train(&rows, Default::default(), contamination(share));
        assert!((model.flagged_training_share().unwrap() - share).abs() < 0.002);
        let flagged = model.score_rows(&rows).iter().filter(|scored| !scored.is_inlier).count();
        assert_eq!(Some(flagged as f64 / 4_000.0), model.flagged_training_share());
        assert_eq!(model.training_rows(), 4_000);
        assert_eq!(reasons_of(&model), [""; 0]);
    }
}

#[test]
fn the_share_of_training_rows_below_a_score_is_theirs() {
    let rows = bells(3_000);
    let model = train(&rows, Default::default(), contamination(0.05));
    let scores: Vec<f64> = model.score_rows(&rows).iter().map(|scored| scored.anomaly_score).collect();
    let (lowest, highest) = model.training_scores();
    assert_eq!(lowest, scores.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(highest, scores.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    for step in -3..=23 {
        let score = lowest + (highest - lowest) * f64::from(step) / 20.0;
        let below = scores.iter().filter(|&&other| other < score).count() as f64 / 3_000.0;
        let share = model.training_share_below(score).unwrap();
        assert!((share - below).abs() < 0.005, "{share} of {below} below {score}");
    }
    assert_eq!((model.training_share_below(-1.0), model.training_share_below(0.0)), (Some(0.0), Some(1.0)));
}

#[test]
fn no_threshold_means_a_contamination_of_one_percent() {
    let rows = bells(1_000);
    let omitted = train(&rows, Default::default(), ThresholdConfig::default());
    let explicit = train(&rows, Default::default(), contamination(0.01));
    assert_eq!(omitted.threshold(), explicit.threshold());
}

#[test]
fn a_score_threshold_flags_scores_below_it() {
    let rows = bells(1_000);
    let threshold = ThresholdConfig { score: Some(-0.55), ..Default::default() };
    let model = train(&rows, Default::default(), threshold);
    assert_eq!(model.threshold(), -0.55);
    for scored in model.score_rows(&rows) {
        assert_eq!(scored.is_inlier, scored.anomaly_score >= -0.55);
    }
}

#[test]
fn many_rows_score_as_one_by_one_in_any_order() {
    let rows = matrix(333, 5, bell);
    let model = train(&rows, Default::default(), Default::default());
    let together = model.score_rows(&rows);
    let mut alone: Vec<Scored> = (0..333).rev().map(|row| model.score_row(rows.row(row)).unwrap()).collect();
    alone.reverse();
    assert_eq!(bits(&together), bits(&alone));
}

#[test]
fn the_kernel_is_named() {
    use detectors::forest::Kernel;
    let model = train(&bells(300), Default::default(), Default::default());
    assert!(Kernel::all().iter().any(|kernel| kernel.name() == model.kernel()), "{}", model.kernel());
}

#[test]
fn wide_rows_score_as_one_by_one() {
    let rows = matrix(70, 3_000, |row, column| if column % 7 == 0 { 1.0 } else { noise(row, column) });
    let model = train(&rows, Default::default(), Default::default());
    let alone: Vec<Scored> = (0..70).map(|row| model.score_row(rows.row(row)).unwrap()).collect();
    assert_eq!(bits(&model.score_rows(&rows)), bits(&alone));
    assert_eq!(model.verify_golden_rows(), Ok(()));
}

#[test]
fn threads_that_share_a_model_get_the_same_scores() {
    let rows = bells(500);
    let model = train(&rows, Default::default(), Default::default());
    let expected = bits(&model.score_rows(&rows));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| bits(&model.score_rows(&rows)))).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), expected));
    });
}

#[test]
fn the_same_training_gives_the_same_bytes() {
    let encoded = || train(&bells(700), Default::default(), Default::default()).encode();
    let expected = encoded();
    assert_eq!(encoded(), expected);
    let elsewhere =
        std::thread::spawn(move || train(&bells(700), Default::default(), Default::default()).encode());
    assert_eq!(elsewhere.join().unwrap(), expected);
    let seeded = IsolationForestConfig { seed: 1, ..Default::default() };
    assert_ne!(train(&bells(700), seeded, Default::default()).encode(), expected);
}

#[test]
fn rows_of_the_wrong_length_and_bad_values_are_errors_that_name_them() {
    let features = ["mean".to_owned(), "sd".to_owned()];
    let model =
        Model::train(&features, &forest(Default::default()), &Default::default(), &bells(50)).unwrap();
    assert_eq!(model.score_row(&[1.0]), Err(RowError::WrongLength { expected: 2, got: 1 }));
    assert_eq!(
        model.score_row(&[]).unwrap_err().to_string(),
        "the row has 0 values, but the model has 2 features"
    );
    let error = model.score_row(&[1.0, 3.5e38]).unwrap_err();
    assert!(matches!(&error, RowError::NotFinite { column: 1, feature, .. } if feature == "sd"));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let message = model.score_row(&[bad, 0.0]).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("value 1 (feature mean) is {bad}: values must be finite and within ±3.4028234e38")
        );
    }
}

#[test]
fn one_to_ten_rows_train_score_and_round_trip() {
    for count in 1..=10 {
        let rows = bells(count);
        let model = train(&rows, Default::default(), Default::default());
        let read = Model::decode(&model.encode()).unwrap();
        assert_eq!(bits(&read.score_rows(&rows)), bits(&model.score_rows(&rows)));
        assert_eq!(read.verify_golden_rows(), Ok(()));
    }
    let one = train(&bells(1), Default::default(), Default::default());
    let scored = one.score_row(&[1e30, -1e30]).unwrap();
    assert_eq!((scored.is_inlier, scored.anomaly_score), (true, -0.5));
}

#[test]
fn equal_rows_cannot_be_told_apart_and_a_warning_says_so() {
    let rows = matrix(300, 3, |_, _| 4.25);
    let model = train(&rows, Default::default(), contamination(0.1));
    assert_eq!(reasons_of(&model), [reasons::NO_SPLITS, reasons::TIED_SCORES]);
    assert_eq!(
        model.warnings()[0].message,
        "100 of 100 trees cannot split anything; every column is constant: check the data"
    );
    let scored = model.score_row(&[1e30, 0.0, -7.0]).unwrap();
    assert!(scored.is_inlier && scored.severity <= Some(1.0));
}

#[test]
fn constant_columns_beside_varying_ones_need_no_warning() {
    let rows = matrix(300, 3, |row, column| if column == 1 { 1.0 } else { noise(row, column) });
    assert_eq!(reasons_of(&train(&rows, Default::default(), Default::default())), [""; 0]);
}

#[test]
fn a_column_that_hardly_ever_varies_raises_no_splits_with_its_constant_neighbour_named() {
    let rows = matrix(2_000, 2, |row, column| if column == 0 && row % 500 == 0 { 1.0 } else { 0.0 });
    let config = IsolationForestConfig { sample_size: 32, ..Default::default() };
    let model = train(&rows, config, Default::default());
    let warning = &model.warnings()[0];
    assert_eq!(warning.reason, reasons::NO_SPLITS);
    assert!(warning.message.contains("constant columns: c1;"), "{}", warning.message);
}

#[test]
fn a_column_beyond_32_bits_raises_precision_loss() {
    let rows = matrix(200, 2, |row, column| match (column, row % 2) {
        (0, 0) => row as f64 * 1e-3,
        (0, _) => 1e9 + row as f64 * 1e-3,
        _ => noise(row, column),
    });
    let model = train(&rows, Default::default(), Default::default());
    assert_eq!(reasons_of(&model), [reasons::PRECISION_LOSS]);
    assert!(model.warnings()[0].message.contains("c0 ("), "{}", model.warnings()[0].message);
}

#[test]
fn extreme_magnitudes_train_and_score() {
    let max = f64::from(f32::MAX);
    let values = [max, -max, 1e-310, 0.0, -0.0, f64::MIN_POSITIVE, 1e38, -1e-38];
    let rows = matrix(80, 2, |row, column| values[(row + 3 * column) % values.len()]);
    let model = train(&rows, Default::default(), Default::default());
    for scored in model.score_rows(&rows) {
        assert!(
            (-1.0..=0.0).contains(&scored.anomaly_score) && (0.0..=10.0).contains(&scored.severity.unwrap())
        );
    }
    assert_eq!(Model::decode(&model.encode()).unwrap().verify_golden_rows(), Ok(()));
}

#[test]
fn many_equal_scores_keep_verdict_and_severity_together() {
    // Half of the rows are one value, so half of the scores are tied.
    let rows = matrix(1_000, 1, |row, _| if row % 2 == 0 { 5.0 } else { bell(row, 0) });
    let model = train(&rows, Default::default(), contamination(0.3));
    for scored in model.score_rows(&rows) {
        assert_eq!(scored.is_inlier, scored.severity <= Some(1.0));
    }
}

#[test]
fn rows_that_lack_values_are_trained_on_and_scored() {
    let lacks = |row: usize, column: usize| (row + column).is_multiple_of(7);
    let value = |at: usize| match (at / 3, at % 3) {
        (row, column) if lacks(row, column) => f64::NAN,
        (_, 2) => f64::NAN,
        (row, column) => bell(row, column),
    };
    let rows = CheckedMatrix::with_missing((0..3_000).map(value).collect(), 3).unwrap();
    let train = |detector| Model::train(&names(3), &detector, &Default::default(), &rows);
    let model = train(forest(Default::default())).unwrap();
    let read = Model::decode(&model.encode()).unwrap();
    assert_eq!(read.verify_golden_rows(), Ok(()));
    assert!(read.accepts_missing_values() && !read.score_row(&[9.0, 9.0, f64::NAN]).unwrap().is_inlier);
    assert!(read.score_row(&[0.0, f64::NAN, f64::NAN]).unwrap().is_inlier);
    let explained = read.explain(&[9.0, f64::NAN, f64::NAN]).unwrap();
    assert!(
        (explained.baseline - explained.value - explained.contributions.iter().sum::<f64>()).abs() < 1e-9
    );
    let reference = read.reference().unwrap();
    assert_eq!((reference.columns()[2].bins.missing(), reference.columns()[2].max), (1_000, 0.0));
    let scored = read.score_rows(&rows);
    assert_eq!(scored, model.score_rows(&read.check_rows(rows.as_slice().to_vec()).unwrap()));
    let refused = train(detectors::config::RobustZScoreConfig::default().into()).unwrap_err();
    assert!(refused.to_string().contains("robustZScore needs every value"), "{refused}");
}

#[test]
fn severity_grows_with_distance() {
    let rows = matrix(2_000, 3, bell);
    let model = train(&rows, Default::default(), Default::default());
    let severity = |at: f64| model.score_row(&[at, at, at]).unwrap().severity.unwrap();
    let steps = [0.0, 1.5, 3.0, 6.0].map(severity);
    assert!(steps.is_sorted() && steps[0] < 0.5 && steps[3] > 1.0, "{steps:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_give_a_model_that_agrees_with_itself(
        values in prop::collection::vec(prop_oneof![4 => -5.0_f64..5.0, 1 => Just(0.0), 1 => -3e38_f64..3e38], 3..150),
        share in 0.001_f64..0.5,
        sample_size in 2_u32..64,
        max_features in 0.1_f64..1.0,
        bootstrap: bool,
        seed in 0_u64..1_000_000,
    ) {
        let rows = CheckedMatrix::from_vec(values[..values.len() / 3 * 3].to_vec(), 3).unwrap();
        let config = IsolationForestConfig { trees: 20, sample_size, max_features, bootstrap, seed };
        let model = train(&rows, config, contamination(share));
        let scored = model.score_rows(&rows);
        for one in &scored {
            prop_assert_eq!(one.is_inlier, one.anomaly_score >= model.threshold());
            prop_assert_eq!(one.is_inlier, one.severity <= Some(1.0));
            prop_assert!((0.0..=10.0).contains(&one.severity.unwrap()));
            prop_assert!((-1.0..=0.0).contains(&one.anomaly_score));
        }
        let read = Model::decode(&model.encode()).unwrap();
        prop_assert_eq!(bits(&read.score_rows(&rows)), bits(&scored));
        prop_assert_eq!(read.verify_golden_rows(), Ok(()));
        prop_assert_eq!(names(3), read.features());
    }

    #[test]
    fn a_monotone_change_of_a_column_s_unit_keeps_the_verdicts(scale in -20_i32..20, seed in 0_u64..100) {
        // Powers of two are exact in floating point, so every comparison comes out the same.
        let scale = 2.0_f64.powi(scale);
        let rows = bells(300);
        let scaled = matrix(300, 2, |row, column| rows.row(row)[column] * if column == 0 { scale } else { 1.0 });
        let config = IsolationForestConfig { trees: 10, seed, ..Default::default() };
        let original = train(&rows, config.clone(), Default::default()).score_rows(&rows);
        let changed = train(&scaled, config, Default::default()).score_rows(&scaled);
        prop_assert_eq!(bits(&original), bits(&changed));
    }
}
