use super::*;
use crate::config::PrincipalComponentsConfig;
use crate::random::Random;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|column| format!("c{column}")).collect()
}

fn table(columns: usize, values: Vec<f64>) -> CheckedMatrix {
    CheckedMatrix::from_vec(values, columns).unwrap()
}

/// Rows of independent bell-shaped columns, each in its own unit.
fn rows(count: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(1, b"test-rows-of-pca", 0);
    let value = |at: usize| f64::from(random.bell()) * [1.0, 1e6, 1e-6][at % columns % 3];
    table(columns, (0..count * columns).map(value).collect())
}

fn fit(variance: f64, rows: &CheckedMatrix) -> PrincipalComponents {
    let parameters = PrincipalComponentsConfig { variance }.check().unwrap();
    PrincipalComponents::fit(&parameters, &names(rows.columns()), rows).unwrap().0
}

#[test]
fn the_score_of_a_row_never_changes() {
    let fitted = fit(0.999, &rows(1_000, 3));
    let measures =
        [[0.0, 0.0, 0.0], [4.0, 4e6, -4e-6], [20.0, -2e7, 1e-5]].map(|row| fitted.measure_row(&row));
    assert_eq!(measures, [-0.000456536093648724, -2.945336826384309, -54.785743339623444]);
}

#[test]
fn with_all_components_the_outlyingness_is_the_squared_mahalanobis_distance() {
    let fitted = fit(1.0, &rows(1_000, 4));
    // Its mean over the training rows is the number of columns.
    let mut measures = vec![0.0; 1_000];
    fitted.measure(rows(1_000, 4).view(), &mut measures);
    let mean = -measures.iter().sum::<f64>() / 1e3;
    assert!((mean - 4.0).abs() < 1e-6, "{mean}");
}

#[test]
fn a_row_that_leaves_the_plane_of_the_others_is_anomalous() {
    // The third column is the sum of the first two, but for a thousandth.
    let mut random = Random::new(3, b"test-rows-of-pca", 0);
    let values = (0..500).flat_map(|_| {
        let [a, b, c] = [random.bell(), random.bell(), random.bell()].map(f64::from);
        [a, b, a + b + 1e-3 * c]
    });
    let fitted = fit(0.999, &table(3, values.collect()));
    assert!(fitted.measure_row(&[4.0, 4.0, 8.0]) > -10.0);
    assert!(fitted.measure_row(&[4.0, 4.0, 0.0]) < -1e4);
}

#[test]
fn one_row_and_many_give_the_same_bits() {
    for columns in [1, 2, 9, 40] {
        let rows = rows(100, columns);
        let fitted = fit(0.9, &rows);
        let mut many = vec![0.0; 100];
        fitted.measure(rows.view(), &mut many);
        let one: Vec<f64> = (0..100).map(|row| fitted.measure_row(rows.row(row))).collect();
        assert_eq!(one, many);
    }
}

#[test]
fn contributions_sum_to_the_outlyingness() {
    let rows = rows(500, 6);
    let fitted = fit(0.9, &rows);
    for row in 0..100 {
        let mut contributions = vec![f64::NAN; 6];
        let level = fitted.explain_row(rows.row(row), &mut contributions);
        assert_eq!(level.value, fitted.measure_row(rows.row(row)));
        assert!((contributions.iter().sum::<f64>() + level.value).abs() < 1e-9);
    }
}

#[test]
fn constant_columns_are_left_out_and_named() {
    let values = (0..50).flat_map(|row| [7.0, f64::from(row % 7), 1e9]);
    let rows = table(3, values.collect());
    let parameters = PrincipalComponentsConfig::default().check().unwrap();
    let (fitted, warnings) = PrincipalComponents::fit(&parameters, &names(3), &rows).unwrap();
    assert!(warnings[0].message.contains("c0, c2"), "{warnings:?}");
    assert_eq!(fitted.measure_row(&[7.0, 2.0, 1e9]), fitted.measure_row(&[-7e30, 2.0, 0.0]));
}

#[test]
fn tables_without_variance_make_every_row_ordinary() {
    let fitted = fit(0.999, &table(2, vec![3.0; 20]));
    assert_eq!(fitted.measure_row(&[3.0, 1e38]), 0.0);
    let fitted = fit(0.999, &table(2, vec![3.0, 4.0]));
    assert_eq!(fitted.measure_row(&[3.0, 1e38]), 0.0);
}

#[test]
fn collinear_columns_and_fewer_rows_than_columns_have_finite_results() {
    let max = f64::from(f32::MAX);
    for table in [
        rows(5, 20),
        table(2, (0..40).map(|at| f64::from(at / 2)).collect()),
        table(2, vec![max, -max, -max, max]),
    ] {
        for variance in [0.5, 0.999, 1.0] {
            let fitted = fit(variance, &table);
            for extreme in [0.0, 1.0, max, -max] {
                let measure = fitted.measure_row(&vec![extreme; table.columns()]);
                assert!(measure.is_finite() && measure.abs() <= 1e100, "{measure}");
            }
        }
    }
}

#[test]
fn too_many_columns_are_refused() {
    let parameters = PrincipalComponentsConfig::default().check().unwrap();
    let error = PrincipalComponents::fit(&parameters, &names(513), &rows(2, 513)).unwrap_err();
    assert!(error.to_string().contains("at most 512"), "{error}");
}

#[test]
fn parts_out_of_range_are_refused() {
    let fitted = fit(0.999, &rows(20, 3));
    let (scales, means, triangle) = fitted.parts();
    let of = |scales: &[Scale], means: &[f64], triangle: &[f64]| {
        PrincipalComponents::from_parts(scales.to_vec(), means.to_vec(), triangle.to_vec())
    };
    assert_eq!(of(scales, means, triangle), Ok(fitted.clone()));
    assert!(of(&[], &[], &[]).is_err());
    assert!(of(scales, &means[1..], triangle).is_err());
    assert!(of(scales, means, &triangle[1..]).is_err());
    assert!(of(scales, &[f64::NAN; 3], triangle).is_err());
    assert!(of(scales, means, &[f64::INFINITY; 6]).is_err());
    assert!(of(&[Scale { center: 0.0, width: -1.0 }; 3], means, triangle).is_err());
}
