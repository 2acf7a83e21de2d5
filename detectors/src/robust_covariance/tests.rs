use super::*;
use crate::config::RobustCovarianceConfig;
use crate::random::Random;

/// Roughly normal, of unit variance.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

fn table(rows: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(7, b"covariance-tests", 0);
    CheckedMatrix::from_vec((0..rows * columns).map(|_| normal(&mut random)).collect(), columns).unwrap()
}

fn map(rows: &CheckedMatrix, value: impl Fn(usize, &[f64]) -> Vec<f64>) -> CheckedMatrix {
    let values: Vec<Vec<f64>> = (0..rows.rows()).map(|row| value(row, rows.row(row))).collect();
    let columns = values[0].len();
    CheckedMatrix::from_vec(values.concat(), columns).unwrap()
}

fn fit_with_warnings(rows: &CheckedMatrix) -> (RobustCovariance, Vec<Warning>) {
    let names: Vec<String> = (0..rows.columns()).map(|column| format!("c{column}")).collect();
    RobustCovariance::fit(&RobustCovarianceConfig::default().check().unwrap(), &names, rows).unwrap()
}

fn fit(rows: &CheckedMatrix) -> RobustCovariance {
    fit_with_warnings(rows).0
}

fn distances(detector: &RobustCovariance, rows: &CheckedMatrix) -> Vec<f64> {
    (0..rows.rows()).map(|row| -detector.measure_row(rows.row(row))).collect()
}

/// The largest relative difference.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1e-3 + a.abs())).fold(0.0, f64::max)
}

#[test]
fn the_distances_of_a_fixed_table_never_change() {
    let detector = fit(&table(200, 3));
    let found = [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [5.0, 5.0, 5.0]].map(|row| detector.measure_row(&row));
    assert_eq!(found, [-0.010087916775747906, -5.392724828071374, -59.492746504375816]);
}

#[test]
fn squared_distances_of_normal_rows_are_about_as_many_as_columns() {
    for columns in [1, 2, 5, 20] {
        let rows = table(4_000, columns);
        let mean = distances(&fit(&rows), &rows).iter().sum::<f64>() / 4_000.0;
        assert!((mean / columns as f64 - 1.0).abs() < 0.05, "{columns}: {mean}");
    }
}

#[test]
fn a_fifth_of_far_rows_does_not_move_the_estimate() {
    let clean = table(500, 4);
    let spoilt = map(&clean, |row, values| {
        values.iter().map(|value| if row.is_multiple_of(5) { 0.1 * value + 30.0 } else { *value }).collect()
    });
    let distances = distances(&fit(&spoilt), &spoilt);
    let far = |row: &usize| row.is_multiple_of(5);
    let least_far = (0..500).filter(far).map(|row| distances[row]).fold(f64::INFINITY, f64::min);
    let most_near = (0..500).filter(|row| !far(row)).map(|row| distances[row]).fold(0.0, f64::max);
    assert!(least_far > 50.0 * most_near, "{least_far} {most_near}");
}

#[test]
fn distances_do_not_depend_on_units_nor_on_offsets() {
    let rows = table(300, 3);
    let found = distances(&fit(&rows), &rows);
    let scale = [1e-30, 1.0, 3e30];
    let other = map(&rows, |_, row| row.iter().zip(scale).map(|(value, scale)| value * scale).collect());
    assert!(difference(&found, &distances(&fit(&other), &other)) < 1e-9);
    let other = map(&rows, |_, row| row.iter().map(|value| value + 1e6).collect());
    assert!(difference(&found, &distances(&fit(&other), &other)) < 1e-6);
}

#[test]
fn distances_do_not_depend_on_the_axes() {
    let rows = table(400, 3);
    let found = distances(&fit(&rows), &rows);
    let turned = map(&rows, |_, row| {
        let [x, y, z] = [row[0], row[1], row[2]];
        vec![3.0 * x - y + 5.0, 0.5 * y + z, 2.0 * x + y - 0.3 * z - 7.0]
    });
    let other = distances(&fit(&turned), &turned);
    assert!(difference(&found, &other) < 1e-6, "{}", difference(&found, &other));
}

#[test]
fn one_row_has_the_bits_of_many() {
    for columns in [1, 2, 7, 8, 9, 40] {
        let rows = table(203, columns);
        let detector = fit(&rows);
        let mut measures = vec![0.0; 203];
        detector.measure(rows.view(), &mut measures);
        for (row, measure) in measures.iter().enumerate() {
            assert_eq!(measure.to_bits(), detector.measure_row(rows.row(row)).to_bits(), "{columns}");
        }
    }
}

#[test]
fn contributions_sum_to_the_distance_and_are_shapley_values() {
    let rows = table(300, 2);
    let detector = fit(&map(&rows, |_, row| vec![row[0], 0.8 * row[0] + 0.6 * row[1]]));
    for row in [[3.0, -1.0], [0.1, 0.2], [1e6, 3.0], [2.0, 1.9]] {
        let mut contributions = [0.0; 2];
        let Level { baseline, value } = detector.explain_row(&row, &mut contributions);
        assert_eq!(value.to_bits(), detector.measure_row(&row).to_bits());
        let sum: f64 = contributions.iter().sum();
        assert!((sum - (baseline - value)).abs() <= 1e-9 * (1.0 + value.abs()), "{row:?}");
        // By definition, for two columns: a column absent is at its center.
        let center: Vec<f64> = (0..2)
            .map(|at| detector.scales[at].center + detector.scales[at].width * detector.center[at])
            .collect();
        let alone = -detector.measure_row(&[row[0], center[1]]);
        let shapley = (alone + (-value + detector.measure_row(&[center[0], row[1]]))) / 2.0;
        assert!((contributions[0] - shapley).abs() <= 1e-9 * (1.0 + value.abs()), "{row:?}");
    }
}

#[test]
fn constant_columns_are_named_and_ignored() {
    let rows = map(&table(100, 2), |_, row| vec![row[0], 7.0, row[1]]);
    let (detector, warnings) = fit_with_warnings(&rows);
    assert!(warnings.len() == 1 && warnings[0].message.contains("c1"), "{warnings:?}");
    assert_eq!(detector.measure_row(&[1.0, 7.0, 0.0]), detector.measure_row(&[1.0, 1e9, 0.0]));
    let mut contributions = [1.0; 3];
    detector.explain_row(&[1.0, 0.0, 0.0], &mut contributions);
    assert_eq!(contributions[1], 0.0);
}

#[test]
fn a_covariance_that_had_to_be_regularised_says_so() {
    let (_, warnings) = fit_with_warnings(&table(12, 10));
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].reason, "RegularisedCovariance");
    assert!(
        warnings[0].message.starts_with("12 rows are too few for the covariance of 10 columns: "),
        "{warnings:?}"
    );
    assert_eq!(fit_with_warnings(&table(60, 10)).1, []);
}

#[test]
fn rows_that_are_all_equal_are_all_ordinary() {
    let (detector, warnings) = fit_with_warnings(&map(&table(9, 1), |_, _| vec![3.0, 4.0]));
    assert_eq!(warnings.len(), 1);
    assert_eq!(detector.measure_row(&[1.0, 2.0]).to_bits(), 0.0_f64.to_bits());
}

/// Every finite table has a finite answer for every finite row.
fn is_defined(rows: &CheckedMatrix) -> RobustCovariance {
    let detector = fit(rows);
    let max = f64::from(f32::MAX);
    for value in [0.0, 1.0, max, -max, 1e-30] {
        let measure = detector.measure_row(&vec![value; rows.columns()]);
        assert!((-1e100..=0.0).contains(&measure), "{value}: {measure}");
    }
    assert!(distances(&detector, rows).iter().all(|distance| distance.is_finite()));
    detector
}

#[test]
fn few_rows_and_many_columns_are_regularised() {
    for rows in 1..=10 {
        for columns in [1, 2, 5, 30] {
            is_defined(&table(rows, columns));
        }
    }
    let rows = table(60, 100);
    let detector = is_defined(&rows);
    let far = detector.measure_row(&[4.0; 100]);
    assert!(distances(&detector, &rows).iter().all(|distance| -distance > far));
}

#[test]
fn columns_that_follow_from_others_are_no_trouble() {
    let rows = map(&table(300, 2), |_, row| vec![row[0], row[1], row[0] + row[1], 2.0 * row[0]]);
    let detector = is_defined(&rows);
    let (on, off) =
        (detector.measure_row(&[1.0, 1.0, 2.0, 2.0]), detector.measure_row(&[1.0, 1.0, -2.0, 2.0]));
    assert!(off < 5.0 * on, "{off} {on}");
}

#[test]
fn odd_tables_have_answers() {
    let noise = table(200, 2);
    // Mostly one value; two values; nearly constant; far outliers; denormals.
    is_defined(&map(&noise, |row, values| vec![f64::from(u8::from(row.is_multiple_of(10))), values[0]]));
    is_defined(&map(&noise, |row, _| vec![(row % 2) as f64, f64::from(u8::from(row.is_multiple_of(3)))]));
    is_defined(&map(&noise, |row, _| vec![1.0 + if row == 7 { 1e-15 } else { 0.0 }, 5.0]));
    is_defined(&map(&noise, |row, values| vec![if row == 3 { 3e38 } else { values[0] }, 1e-30 * values[1]]));
    is_defined(&map(&noise, |row, values| vec![5e-324 * row as f64, values[1]]));
    is_defined(&map(
        &noise,
        |row, values| if !row.is_multiple_of(4) { vec![1.0, 2.0] } else { values.to_vec() },
    ));
}

#[test]
fn too_many_columns_are_refused() {
    let names: Vec<String> = (0..513).map(|column| format!("c{column}")).collect();
    let parameters = RobustCovarianceConfig::default().check().unwrap();
    let error = RobustCovariance::fit(&parameters, &names, &table(3, 513)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the rows have 513 columns, but the detector takes at most 512: choose fewer features"
    );
}

#[test]
fn parts_that_are_no_covariance_are_refused() {
    let parts = || Parts {
        columns: 3,
        used: vec![0, 2],
        scales: vec![Scale { center: 0.0, width: 1.0 }; 2],
        center: vec![0.0; 2],
        factor: vec![1.0, 0.5, 1.0],
    };
    assert!(RobustCovariance::from_parts(parts()).is_ok());
    for wrong in [
        Parts { columns: 0, ..parts() },
        Parts { columns: 2, ..parts() },
        Parts { columns: 513, ..parts() },
        Parts { used: vec![2, 0], ..parts() },
        Parts { scales: vec![Scale { center: 0.0, width: 0.0 }; 2], ..parts() },
        Parts { center: vec![0.0], ..parts() },
        Parts { center: vec![0.0, f64::NAN], ..parts() },
        Parts { factor: vec![1.0, 0.5], ..parts() },
        Parts { factor: vec![1.0, 0.5, 0.0], ..parts() },
        Parts { factor: vec![1.0, f64::INFINITY, 1.0], ..parts() },
    ] {
        assert!(RobustCovariance::from_parts(wrong).is_err());
    }
}

#[test]
fn only_some_rows_of_very_many_take_part_whatever_their_order() {
    assert_eq!(table::spread(5, 10), [0, 1, 2, 3, 4]);
    let chosen = table::spread(1_000_003, 1_000);
    assert_eq!(chosen.len(), 1_000);
    assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen[999] < 1_000_003);
    // Not always the same place of a period of 1,000.
    let places: std::collections::HashSet<u32> = chosen.iter().map(|row| row % 1_000).collect();
    assert!(places.len() > 500, "{}", places.len());
}

#[test]
fn a_factor_that_32_bits_cannot_hold_is_refused_by_its_row() {
    let with = |size: usize, row: usize, column: usize, entry: f64| {
        let entries =
            (0..size).flat_map(|row| (0..=row).map(move |column| f64::from(u8::from(row == column))));
        let mut entries: Vec<f64> = entries.collect();
        entries[row * (row + 1) / 2 + column] = entry;
        narrowed(Factor::packed(size, entries)).map(|factor| factor.entries()[row * (row + 1) / 2 + column])
    };
    assert_eq!(with(WIDE, 7, 3, 0.1), Ok(f64::from(0.1_f32)));
    assert_eq!(with(WIDE, 7, 3, 1e39), Err(7));
    assert_eq!(with(WIDE, 9, 9, 1e-60), Err(9));
    assert_eq!(with(WIDE - 1, 7, 3, 1e39), Ok(1e39));
    let error = FitError::Beyond32Bits { feature: "load".to_owned(), columns: WIDE, exact: WIDE - 1 };
    assert!(error.to_string().contains("feature load") && error.to_string().contains("at most 256 features"));
}
