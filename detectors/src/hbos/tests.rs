use super::*;
use crate::config::HbosConfig;

fn fit(values: Vec<f64>, columns: usize, bins: Option<u32>) -> Hbos {
    let rows = CheckedMatrix::from_vec(values, columns).unwrap();
    let features: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    Hbos::fit(&HbosConfig { bins }.check().unwrap(), &features, &rows).unwrap().0
}

fn ln(share: f64) -> f64 {
    -libm::log(share)
}

#[test]
fn heights_are_relative_to_the_tallest_bin_and_summed_over_the_columns() {
    // 0 … 29 and four times 100: bins of 50 wide have 30 and 4 rows. The second column has two values.
    let mut values: Vec<f64> = (0..30).flat_map(|row| [f64::from(row), 1.0]).collect();
    values.extend((0..4).flat_map(|_| [100.0, 2.0]));
    let hbos = fit(values, 2, Some(2));
    assert_eq!(hbos.measure_row(&[3.0, 1.0]), 0.0);
    assert_eq!(hbos.measure_row(&[60.0, 1.0]), -ln(4.0 / 30.0));
    assert_eq!(hbos.measure_row(&[100.0, 2.0]), -(ln(4.0 / 30.0) + ln(4.0 / 30.0)));
    let mut terms = [0.0; 2];
    let level = hbos.explain_row(&[60.0, 9.0], &mut terms);
    assert_eq!(terms, [ln(4.0 / 30.0), ln(1.0 / 35.0)]);
    assert_eq!(level, Level { baseline: 0.0, value: -(terms[0] + terms[1]) });
}

#[test]
fn a_training_row_is_as_far_out_as_a_row_like_it() {
    let values: Vec<f64> = (0..30).map(f64::from).chain([60.0, 100.0, 100.0]).collect();
    let hbos = fit(values.clone(), 1, Some(4));
    let rows = CheckedMatrix::from_vec(values, 1).unwrap();
    let (mut training, at): (Vec<f64>, Vec<u32>) = (vec![0.0; 33], (0..33).collect());
    hbos.measure_training(rows.view(), &at, &mut training);
    // Bins of 25: 25 rows, 5 rows, the single 60, two times 100.
    let expected = [0.0, ln(5.0 / 25.0), ln(1.0 / 25.0), ln(2.0 / 25.0)];
    assert_eq!([training[0], training[25], training[30], training[32]], expected.map(|term| -term));
}

#[test]
fn outside_and_in_empty_bins_the_height_is_the_floor() {
    let values: Vec<f64> = (0..30).map(f64::from).chain([1_000.0]).collect();
    let hbos = fit(values, 1, Some(10));
    for value in [-0.1, 500.0, 1_000.1, f64::from(f32::MAX)] {
        assert_eq!(hbos.measure_row(&[value]), -libm::log(32.0), "{value}");
    }
    assert_eq!(hbos.measure_row(&[1_000.0]), -ln(1.0 / 30.0));
}

#[test]
fn few_different_values_have_a_bin_each_and_a_32_bit_copy_of_one_is_it() {
    let hbos = fit([0.1, 0.1, 0.1, 0.2].repeat(10), 1, Some(7));
    assert_eq!(hbos.measure_row(&[0.1]), 0.0);
    assert_eq!(hbos.measure_row(&[f64::from(0.2_f32)]), -ln(10.0 / 30.0));
    assert_eq!(hbos.measure_row(&[0.15]), -libm::log(41.0));
    // A column of one value is a bin, too: another value is a surprise.
    let constant = fit(vec![7.1; 5], 1, None);
    assert_eq!(constant.measure_row(&[f64::from(7.1_f32)]), 0.0);
    assert_eq!(constant.measure_row(&[7.2]), -libm::log(6.0));
}

#[test]
fn the_number_of_bins_is_freedman_and_diaconis_within_bounds() {
    let ramp: Vec<f64> = (0..1_000).map(f64::from).collect();
    // Range 999, IQR 499.5, ∛1000 = 10: width 99.9, 10 bins.
    assert_eq!(freedman_diaconis(&ramp), 10);
    assert_eq!(freedman_diaconis(&ramp[..21]), 5);
    let spike: Vec<f64> = [5.0; 900].into_iter().chain((0..100).map(|row| 5.0 + f64::from(row))).collect();
    assert_eq!(freedman_diaconis(&spike), 100);
    assert_eq!(freedman_diaconis(&[3.0; 9]), 5);
}

#[test]
fn parts_that_are_no_histograms_are_refused() {
    let equal = |from, to| Places::Equal { from, to };
    let discrete = |values: &[f64], near| Places::Discrete { values: values.to_vec(), near };
    let read = |places, counts: &[u32]| Hbos::from_parts(5, vec![(places, counts.to_vec())]);
    assert!(read(equal(0.0, 1.0), &[2, 3]).is_ok());
    assert!(read(discrete(&[0.0, 1.0], 0.25), &[2, 3]).is_ok());
    assert!(read(equal(0.0, 1.0), &[2, 2]).is_err());
    assert!(read(equal(0.0, 1.0), &[u32::MAX, 6]).is_err());
    assert!(read(equal(1.0, 1.0), &[5]).is_err());
    assert!(read(equal(f64::NAN, 1.0), &[5]).is_err());
    assert!(read(discrete(&[1.0, 0.0], 0.0), &[2, 3]).is_err());
    assert!(read(discrete(&[0.0, 1.0], 0.5), &[2, 3]).is_err());
    assert!(read(discrete(&[0.0], 0.0), &[2, 3]).is_err());
    assert!(Hbos::from_parts(0, vec![(equal(0.0, 1.0), vec![0])]).is_err());
    assert!(Hbos::from_parts(5, vec![]).is_err());
}

#[test]
fn the_smallest_and_the_largest_numbers_have_bins() {
    let max = f64::from(f32::MAX);
    let tiny: Vec<f64> = (0..40).map(f64::from_bits).collect();
    let huge: Vec<f64> = (0..40).map(|row| max * (f64::from(row) / 20.0 - 0.975)).collect();
    for values in [tiny, huge, vec![-max, max], vec![0.0, f64::from_bits(1)]] {
        let hbos = fit(values.clone(), 1, None);
        for value in values.into_iter().chain([max, -max]) {
            assert!(hbos.measure_row(&[value]).is_finite(), "{value}");
        }
    }
}
