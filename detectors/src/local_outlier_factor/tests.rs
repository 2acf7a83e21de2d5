use super::*;
use crate::config::LocalOutlierFactorConfig;
use crate::random::Random;

fn table(rows: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(9, b"neighbors--tests", 0);
    CheckedMatrix::from_vec((0..rows * columns).map(|_| random.unit()).collect(), columns).unwrap()
}

fn of(values: &[f64], columns: usize) -> CheckedMatrix {
    CheckedMatrix::from_vec(values.to_vec(), columns).unwrap()
}

fn fit(rows: &CheckedMatrix, neighbors: u32) -> LocalOutlierFactor {
    let config = LocalOutlierFactorConfig { neighbors, ..Default::default() };
    let names: Vec<String> = (0..rows.columns()).map(|column| format!("c{column}")).collect();
    LocalOutlierFactor::fit(&config.check().unwrap(), &names, rows).unwrap().0
}

fn training(detector: &LocalOutlierFactor, rows: &CheckedMatrix) -> Vec<f64> {
    let places: Vec<u32> = (0..rows.rows() as u32).collect();
    let mut measures = vec![0.0; rows.rows()];
    detector.measure_training(rows.view(), &places, &mut measures);
    measures
}

#[test]
fn the_factors_of_a_fixed_table_never_change() {
    let detector = fit(&table(2_000, 3), 20);
    let found = [[0.5, 0.5, 0.5], [1.0, -2.0, 0.5], [5.0, 5.0, 5.0]].map(|row| detector.measure_row(&row));
    assert_eq!(found, [-1.0027910878810615, -10.172280391650597, -36.498742353326875]);
}

/// Worked by hand after the paper, with two neighbours: median 2, quartiles 1 and 4, so distances are divided by 3.
#[test]
fn the_factor_is_that_of_the_paper() {
    let rows = of(&[0.0, 1.0, 2.0, 4.0, 10.0], 1);
    let detector = fit(&rows, 2);
    // In raw units, to the nearest two: 0 → 1, 2; 1 → 0, 2; 2 → 1, 0 (before 4, equally far); 4 → 2, 1; 10 → 4, 2.
    let reach = [2.0, 1.0, 2.0, 3.0, 8.0];
    for (found, expected) in detector.reaches.iter().zip(reach) {
        assert!((found - expected / 3.0).abs() < 1e-7, "{:?}", detector.reaches);
    }
    // Mean reachabilities: 0: (max(1,1) + max(2,2))/2 = 1.5; 1: (2 + 2)/2 = 2; 2: (1 + 2)/2 = 1.5; 4: (2 + 3)/2 = 2.5;
    // 10: (6 + 8)/2 = 7.
    let mean = [1.5, 2.0, 1.5, 2.5, 7.0];
    let factor = |row: usize, a: usize, b: usize| (1.0 / mean[a] + 1.0 / mean[b]) / 2.0 * mean[row];
    let expected = [factor(0, 1, 2), factor(1, 0, 2), factor(2, 1, 0), factor(3, 2, 1), factor(4, 3, 2)];
    for (found, expected) in training(&detector, &rows).iter().zip(expected) {
        assert!((found + expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn a_row_beside_a_dense_cluster_is_found_though_others_are_sparser() {
    let mut values: Vec<f64> = (0..100).map(|at| f64::from(at) * 0.001).collect();
    values.extend((0..100).map(|at| 100.0 + f64::from(at)));
    let detector = fit(&of(&values, 1), 20);
    assert!(detector.measure_row(&[1.0]) < -10.0);
    assert!(detector.measure_row(&[150.5]) > -1.5);
}

#[test]
fn one_row_has_the_bits_of_many() {
    for columns in [1, 3, 20, 300] {
        let rows = table(100, columns);
        let detector = fit(&rows, 20);
        let mut measures = vec![0.0; 100];
        detector.measure(rows.view(), &mut measures);
        for (row, measure) in measures.iter().enumerate() {
            assert_eq!(measure.to_bits(), detector.measure_row(rows.row(row)).to_bits(), "{columns}");
        }
    }
}

#[test]
fn contributions_sum_to_what_the_factor_is_above_one() {
    let detector = fit(&table(500, 4), 20);
    for row in [[0.5; 4], [3.0, 0.5, 0.5, -1.0], [1e30, 0.0, 0.0, -1e30]] {
        let mut contributions = [0.0; 4];
        let Level { baseline, value } = detector.explain_row(&row, &mut contributions);
        assert_eq!((baseline, value.to_bits()), (-1.0, detector.measure_row(&row).to_bits()));
        let sum: f64 = contributions.iter().sum();
        assert!((sum - (baseline - value)).abs() <= 1e-9 * value.abs(), "{row:?}");
    }
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
    ];
    for rows in odd {
        let detector = fit(&rows, 20);
        assert!(training(&detector, &rows).iter().all(|measure| measure.is_finite()));
        for value in [0.0, max, -max, 1e-300] {
            let measure = detector.measure_row(&vec![value; rows.columns()]);
            assert!((-1e100..=0.0).contains(&measure), "{value}: {measure}");
        }
    }
    assert_eq!(training(&fit(&table(1, 3), 20), &table(1, 3)), [-1.0]);
    // Rows that are all equal are as dense as each other.
    let equal = of(&[5.0; 60], 3);
    assert!(training(&fit(&equal, 20), &equal).iter().all(|measure| (measure + 1.0).abs() < 1e-12));
}

#[test]
fn stored_parts_are_checked() {
    let detector = fit(&table(20, 2), 5);
    let of = |reaches: Vec<f64>, densities: Vec<f64>| {
        LocalOutlierFactor::from_parts(detector.references.clone(), 5, reaches, densities)
    };
    assert!(of(detector.reaches.clone(), detector.densities.clone()).is_ok());
    assert!(of(vec![0.1; 19], vec![1.0; 20]).is_err());
    assert!(of(vec![f64::NAN; 20], vec![1.0; 20]).is_err());
    assert!(of(vec![0.1; 20], vec![0.0; 20]).is_err());
    assert!(
        LocalOutlierFactor::from_parts(detector.references.clone(), 20, vec![0.1; 20], vec![1.0; 20])
            .is_err()
    );
}
