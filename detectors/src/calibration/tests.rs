use proptest::prelude::*;

use super::*;

fn ramp(rows: usize) -> Vec<f64> {
    (0..rows).map(|row| row as f64 / rows as f64).collect()
}

/// Tail probability.
fn p(calibration: &Calibration, outlyingness: f64) -> f64 {
    libm::exp10(-calibration.surprise(outlyingness))
}

#[test]
fn every_row_of_a_ramp_has_its_mid_rank() {
    let rows = ramp(10_000);
    let calibration = Calibration::new(&rows);
    for index in [0, 77, 5_000, 9_000, 9_499] {
        let expected = (10_000.0 - index as f64 - 0.5) / 10_000.0;
        assert!((p(&calibration, rows[index]) - expected).abs() < 1e-9, "{index}");
    }
}

#[test]
fn the_quantiles_reach_from_the_smallest_value_to_the_largest() {
    let calibration = Calibration::new(&ramp(10_000));
    // The last of the geometric steps meet the same few rows.
    assert!((230..=QUANTILES).contains(&calibration.knots.len()), "{}", calibration.knots.len());
    assert_eq!(calibration.knots[0].value, 0.0);
    assert_eq!(calibration.knots.last().unwrap().value, 0.9999);
    assert_eq!(calibration.knots[calibration.tail].value, 0.9499);
}

#[test]
fn a_tied_group_has_the_share_above_plus_half_of_the_group() {
    let mut rows = vec![0.1; 600];
    rows.extend([0.5; 300]);
    rows.extend([0.9; 100]);
    let calibration = Calibration::new(&rows);
    assert!((p(&calibration, 0.1) - 0.7).abs() < 1e-12);
    assert!((p(&calibration, 0.5) - 0.25).abs() < 1e-12);
    assert!((p(&calibration, 0.9) - 0.05).abs() < 1e-12);
    assert_eq!(calibration.surprise(0.0), 0.0);
}

#[test]
fn beyond_the_training_range_surprise_grows_by_one_per_mean_excess_times_ln_10() {
    let calibration = Calibration::new(&ramp(10_000));
    let decade = calibration.mean_excess * std::f64::consts::LN_10;
    let grown = calibration.surprise(2.0 + decade) - calibration.surprise(2.0);
    assert!((grown - 1.0).abs() < 1e-9);
    assert!((calibration.mean_excess - 0.02505).abs() < 1e-9);
}

#[test]
fn the_threshold_has_severity_one_and_ten_times_rarer_is_one_more() {
    let calibration = Calibration::new(&ramp(10_000));
    let threshold = calibration.threshold_surprise(0.99);
    let severity_at = |a| severity(a <= 0.99, calibration.surprise(a), threshold);
    assert!((severity_at(0.99) - 1.0).abs() < 1e-12);
    let decade = calibration.mean_excess * std::f64::consts::LN_10;
    assert!((severity_at(0.99 + decade) - 2.0).abs() < 1e-9);
    assert_eq!(severity_at(1e6), MAX_SEVERITY);
    assert_eq!(severity_at(-1.0), 0.0);
}

#[test]
fn equal_rows_still_give_a_scale() {
    for rows in [1, 2, 50] {
        let calibration = Calibration::new(&vec![0.5; rows]);
        assert!((p(&calibration, 0.5) - 0.5).abs() < 1e-12);
        assert!(calibration.surprise(0.6) > 1.0 && calibration.surprise(0.6).is_finite());
    }
    assert!(Calibration::new(&[0.0]).surprise(0.1).is_finite());
}

#[test]
fn a_tiny_mean_excess_still_gives_severities() {
    let knots = vec![Knot { value: 0.4, twice_rank: 3 }];
    let calibration = Calibration::from_parts(2, knots, 0, f64::from_bits(1)).unwrap();
    let threshold = calibration.threshold_surprise(0.6);
    assert_eq!(severity(true, calibration.surprise(0.6), threshold), 1.0);
    assert_eq!(severity(false, calibration.surprise(0.7), threshold), 1.0_f64.next_up());
}

#[test]
fn stored_parts_are_checked() {
    let knot = |value, twice_rank| Knot { value, twice_rank };
    let good = vec![knot(0.1, 15), knot(0.2, 5)];
    assert!(Calibration::from_parts(10, good.clone(), 1, 0.1).is_some());
    assert!(Calibration::from_parts(10, good.clone(), 2, 0.1).is_none());
    assert!(Calibration::from_parts(10, good.clone(), 1, 0.0).is_none());
    assert!(Calibration::from_parts(10, good.clone(), 1, f64::NAN).is_none());
    assert!(Calibration::from_parts(7, good, 1, 0.1).is_none());
    assert!(Calibration::from_parts(10, vec![], 0, 0.1).is_none());
    assert!(Calibration::from_parts(10, vec![knot(0.2, 15), knot(0.1, 5)], 0, 0.1).is_none());
    assert!(Calibration::from_parts(10, vec![knot(0.1, 5), knot(0.2, 15)], 0, 0.1).is_none());
    assert!(Calibration::from_parts(10, vec![knot(f64::NAN, 5)], 0, 0.1).is_none());
    assert!(Calibration::from_parts(u64::MAX, vec![knot(0.1, 5)], 0, 0.1).is_none());
}

proptest! {
    #[test]
    fn surprise_never_decreases(mut rows in prop::collection::vec(0_u8..40, 1..400), mut probes in prop::collection::vec(-0.5_f64..2.0, 2..40)) {
        rows.sort_unstable();
        let rows: Vec<f64> = rows.into_iter().map(|row| f64::from(row) / 40.0).collect();
        let calibration = Calibration::new(&rows);
        probes.sort_unstable_by(f64::total_cmp);
        for pair in probes.windows(2) {
            prop_assert!(calibration.surprise(pair[0]) <= calibration.surprise(pair[1]) + 1e-12);
        }
        let (count, knots, tail, mean_excess) = calibration.parts();
        let again = Calibration::from_parts(count, knots.to_vec(), tail, mean_excess);
        prop_assert_eq!(again, Some(calibration));
    }

    #[test]
    fn severity_agrees_with_the_verdict(is_inlier: bool, surprise in 0.0_f64..400.0, threshold in 0.01_f64..10.0) {
        let severity = severity(is_inlier, surprise, threshold);
        prop_assert_eq!(severity <= 1.0, is_inlier);
        prop_assert!((0.0..=MAX_SEVERITY).contains(&severity));
    }
}
