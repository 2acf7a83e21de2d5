use super::*;
use crate::config::NearestNeighborsConfig;
use crate::random::Random;

fn table(rows: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(9, b"neighbors--tests", 0);
    CheckedMatrix::from_vec((0..rows * columns).map(|_| random.unit()).collect(), columns).unwrap()
}

fn of(values: &[f64], columns: usize) -> CheckedMatrix {
    CheckedMatrix::from_vec(values.to_vec(), columns).unwrap()
}

fn fit_with_warnings(
    rows: &CheckedMatrix,
    config: &NearestNeighborsConfig,
) -> (NearestNeighbors, Vec<Warning>) {
    let names: Vec<String> = (0..rows.columns()).map(|column| format!("c{column}")).collect();
    NearestNeighbors::fit(&config.check().unwrap(), &names, rows).unwrap()
}

fn fit(rows: &CheckedMatrix) -> NearestNeighbors {
    fit_with_warnings(rows, &Default::default()).0
}

fn training(detector: &NearestNeighbors, rows: &CheckedMatrix) -> Vec<f64> {
    let places: Vec<u32> = (0..rows.rows() as u32).collect();
    let mut measures = vec![0.0; rows.rows()];
    detector.measure_training(rows.view(), &places, &mut measures);
    measures
}

#[test]
fn the_distances_of_a_fixed_table_never_change() {
    let detector = fit(&table(2_000, 3));
    let found = [[0.5, 0.5, 0.5], [1.0, -2.0, 0.5], [5.0, 5.0, 5.0]].map(|row| detector.measure_row(&row));
    assert_eq!(found, [-0.25372307786955767, -4.174533879112408, -14.432617684117082]);
}

#[test]
fn the_distance_is_the_mean_to_the_nearest_in_units_of_the_interquartile_range() {
    // Median 2, quartiles 1 and 3: scaled by 1/2.
    let rows = of(&[0.0, 1.0, 2.0, 3.0, 4.0], 1);
    let (detector, _) =
        fit_with_warnings(&rows, &NearestNeighborsConfig { neighbors: 2, ..Default::default() });
    assert_eq!(detector.measure_row(&[6.0]), -(1.0 + 1.5) / 2.0);
    assert_eq!(detector.measure_row(&[2.0]), -0.25);
    // A training row leaves itself out.
    assert_eq!(training(&detector, &rows), [-0.75, -0.5, -0.5, -0.5, -0.75]);
}

#[test]
fn a_row_equal_to_others_still_has_them_as_neighbours() {
    let rows = of(&[1.0, 1.0, 1.0, 2.0, 3.0, 4.0], 1);
    let (detector, _) =
        fit_with_warnings(&rows, &NearestNeighborsConfig { neighbors: 2, ..Default::default() });
    assert_eq!(training(&detector, &rows)[..3], [0.0; 3]);
}

#[test]
fn one_row_has_the_bits_of_many() {
    for columns in [1, 3, 20, 70, 300] {
        let rows = table(100, columns);
        let detector = fit(&rows);
        let mut measures = vec![0.0; 100];
        detector.measure(rows.view(), &mut measures);
        for (row, measure) in measures.iter().enumerate() {
            assert_eq!(measure.to_bits(), detector.measure_row(rows.row(row)).to_bits(), "{columns}");
        }
    }
}

#[test]
fn contributions_sum_to_the_distance() {
    let detector = fit(&table(500, 4));
    for row in [[0.5; 4], [3.0, 0.5, 0.5, -1.0], [1e30, 0.0, 0.0, -1e30]] {
        let mut contributions = [0.0; 4];
        let Level { baseline, value } = detector.explain_row(&row, &mut contributions);
        assert_eq!(value.to_bits(), detector.measure_row(&row).to_bits());
        let sum: f64 = contributions.iter().sum();
        assert!((sum - (baseline - value)).abs() <= 1e-9 * value.abs(), "{row:?}");
        assert!(contributions.iter().all(|contribution| *contribution >= 0.0));
    }
    let mut contributions = [0.0; 4];
    detector.explain_row(&[0.5, 0.5, 9.0, 0.5], &mut contributions);
    assert!(contributions[2] > 100.0 * contributions[0]);
}

#[test]
fn constant_columns_are_named_and_ignored() {
    let rows = of(&[1.0, 7.0, 2.0, 7.0, 3.0, 7.0], 2);
    let (detector, warnings) = fit_with_warnings(&rows, &Default::default());
    assert!(warnings.len() == 1 && warnings[0].message.contains("c1"), "{warnings:?}");
    assert_eq!(detector.measure_row(&[5.0, 7.0]), detector.measure_row(&[5.0, -1e30]));
}

#[test]
fn every_table_has_finite_answers() {
    let max = f64::from(f32::MAX);
    let odd = [
        table(1, 3),
        table(2, 3),
        table(10, 3),
        table(4, 2_000),
        of(&[5.0; 60], 3),
        of(&(0..60).map(|at| f64::from(at % 2)).collect::<Vec<f64>>(), 3),
        of(&(0..60).map(|at| 1e-320 * f64::from(at)).collect::<Vec<f64>>(), 3),
        of(&(0..60).map(|at| if at == 7 { max } else { 1e-30 * f64::from(at) }).collect::<Vec<f64>>(), 3),
        of(&(0..60).map(|at| 1e12 + f64::from(at)).collect::<Vec<f64>>(), 3),
    ];
    for rows in odd {
        let detector = fit(&rows);
        assert!(training(&detector, &rows).iter().all(|measure| measure.is_finite()));
        for value in [0.0, max, -max, 1e-300] {
            let measure = detector.measure_row(&vec![value; rows.columns()]);
            assert!((-1e100..=0.0).contains(&measure), "{value}: {measure}");
        }
    }
}
