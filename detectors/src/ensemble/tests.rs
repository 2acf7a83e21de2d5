use super::*;
use crate::config::EnsembleConfig;
use crate::random::Random;

fn table(rows: usize, columns: usize) -> CheckedMatrix {
    let mut random = Random::new(5, b"ensemble---tests", 0);
    let mut normal = || (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
    CheckedMatrix::from_vec((0..rows * columns).map(|_| normal()).collect(), columns).unwrap()
}

fn fit_with_warnings(config: &str, rows: &CheckedMatrix) -> (Ensemble, Vec<Warning>) {
    let config: EnsembleConfig = serde_json::from_str(config).unwrap();
    let names: Vec<String> = (0..rows.columns()).map(|column| format!("c{column}")).collect();
    Ensemble::fit(&config.check().unwrap(), &names, rows).unwrap()
}

fn fit(config: &str, rows: &CheckedMatrix) -> Ensemble {
    fit_with_warnings(config, rows).0
}

fn kinds(ensemble: &Ensemble) -> Vec<&'static str> {
    ensemble.members().iter().map(|member| member.fitted.kind()).collect()
}

#[test]
fn the_surprises_of_a_fixed_table_never_change() {
    let ensemble = fit("{}", &table(1_000, 3));
    let found = [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [5.0, 5.0, 5.0]].map(|row| ensemble.measure_row(&row));
    assert_eq!(found, [-0.014785326996837423, -0.7591938035864378, -9.847478446987584]);
}

#[test]
fn the_measure_is_the_weighted_mean_of_the_members_surprises() {
    let rows = table(400, 2);
    let config =
        r#"{"members": {"isolationForest": {}, "robustZScore": {}}, "weights": {"robustZScore": 3}}"#;
    let ensemble = fit(config, &rows);
    let row = [2.0, -1.5];
    let surprise = |member: &Member| {
        let score = member.fitted.score(member.fitted.measure_row(&row));
        member.calibration.surprise(-score)
    };
    let [forest, z] = [0, 1].map(|at| surprise(&ensemble.members()[at]));
    assert!((ensemble.measure_row(&row) + (forest + 3.0 * z) / 4.0).abs() < 1e-12);
}

#[test]
fn a_row_that_is_farther_out_is_never_less_surprising() {
    let ensemble = fit("{}", &table(1_000, 2));
    let distances = [0.5, 2.0, 4.0, 6.0, 20.0, 1e3, 1e6, 1e12, 1e30];
    let measures = distances.map(|distance| ensemble.measure_row(&[distance, -distance]));
    assert!(measures.windows(2).all(|pair| pair[1] < pair[0]), "{measures:?}");
    assert!(ensemble.measure_row(&[f64::from(f32::MAX); 2]) >= -MAX_OUTLYINGNESS);
}

#[test]
fn training_rows_leave_themselves_out_in_the_members_that_do() {
    let rows = table(50, 2);
    let ensemble = fit("{}", &rows);
    let places: Vec<u32> = (0..50).collect();
    let (mut training, mut serving) = (vec![0.0; 50], vec![0.0; 50]);
    ensemble.measure_training(rows.view(), &places, &mut training);
    ensemble.measure(rows.view(), &mut serving);
    assert!(training.iter().zip(&serving).all(|(training, serving)| training <= serving));
    assert_ne!(training, serving);
}

#[test]
fn every_way_of_every_member_gives_the_same_bits() {
    let rows = table(300, 3);
    let ensemble = fit("{}", &rows);
    let few = table(5, 3);
    let ways = ensemble.measure_every_way(few.view());
    assert!(ways.len() >= 6);
    for (kernel, measures) in ways {
        for (at, measure) in measures.iter().enumerate() {
            let expected = ensemble.measure_row(few.row(at % 5));
            assert_eq!(measure.to_bits(), expected.to_bits(), "{kernel}");
        }
    }
}

#[test]
fn contributions_sum_to_the_surprise() {
    let ensemble = fit("{}", &table(500, 3));
    for row in [[0.0; 3], [4.0, 0.0, 0.0], [3.0, -3.0, 1.0], [1e20, 0.0, 0.0]] {
        let mut contributions = [0.0; 3];
        let Level { baseline, value } = ensemble.explain_row(&row, &mut contributions);
        assert_eq!(value.to_bits(), ensemble.measure_row(&row).to_bits());
        assert!((value..=0.0).contains(&baseline), "{row:?}: {baseline}");
        let sum: f64 = contributions.iter().sum();
        assert!((sum - (baseline - value)).abs() <= 1e-9 * (1.0 + value.abs()), "{row:?}: {sum} {value}");
        assert!(contributions.iter().all(|contribution| *contribution >= 0.0));
    }
    let mut contributions = [0.0; 3];
    ensemble.explain_row(&[0.1, 6.0, -0.1], &mut contributions);
    assert!(contributions[1] > 5.0 * contributions[0].max(contributions[2]), "{contributions:?}");
}

#[test]
fn more_columns_than_a_covariance_takes_leave_it_out_of_the_default_only() {
    let rows = table(30, 513);
    let (ensemble, warnings) = fit_with_warnings("{}", &rows);
    assert_eq!(kinds(&ensemble), ["isolationForest", "nearestNeighbors"]);
    assert!((ensemble.members()[0].weight - 0.5).abs() < 1e-15);
    let said: Vec<&str> = warnings.iter().map(|warning| warning.reason.as_str()).collect();
    assert_eq!(said, ["MemberLeftOut"]);
    let chosen = serde_json::from_str::<EnsembleConfig>(
        r#"{"members": {"robustCovariance": {}, "robustZScore": {}}}"#,
    );
    let names: Vec<String> = (0..513).map(|column| format!("c{column}")).collect();
    let error = Ensemble::fit(&chosen.unwrap().check().unwrap(), &names, &rows).unwrap_err();
    assert!(
        error.to_string().starts_with("member robustCovariance of the ensemble: the rows have 513 columns"),
        "{error}"
    );
}

#[test]
fn references_leave_room_for_the_covariance() {
    // 256 columns: a factor of 263 kB leaves 437 kB, 426 rows of 1 kB.
    let rows = table(1_400, 256);
    let config = r#"{"members": {"robustCovariance": {}, "nearestNeighbors": {}}}"#;
    let ensemble = fit(config, &rows);
    let Fitted::NearestNeighbors(nearest) = &ensemble.members()[1].fitted else { panic!("the order") };
    assert_eq!(nearest.parts().0.count(), (700_000 - 8 * 256 * 257 / 2) / 1_024);
}

#[test]
fn a_warning_of_several_members_is_given_once() {
    let values = (0..300).flat_map(|row| [f64::from(row % 17), 4.0, f64::from(row % 23)]).collect();
    let (_, warnings) = fit_with_warnings("{}", &CheckedMatrix::from_vec(values, 3).unwrap());
    let constant = warnings.iter().filter(|warning| warning.reason == "ConstantColumns").count();
    assert_eq!(constant, 1, "{warnings:?}");
}

#[test]
fn stored_parts_are_checked() {
    let members = || fit("{}", &table(40, 2)).members;
    assert!(Ensemble::from_parts(members()).is_ok());
    assert!(Ensemble::from_parts(Vec::new()).is_err());
    for weight in [0.0, -1.0, 2.0, f64::NAN] {
        let mut wrong = members();
        wrong[0].weight = weight;
        assert!(Ensemble::from_parts(wrong).is_err(), "{weight}");
    }
    let mut wrong = members();
    wrong[0] = fit("{}", &table(40, 3)).members.remove(0);
    assert!(Ensemble::from_parts(wrong).is_err());
}
