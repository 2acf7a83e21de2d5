//! What a monitor computes from the counters: nothing for rows like those of the training, much for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use detectors::{CheckedMatrix, IsolationForestConfig, Model};

use super::fixture::serving;
use crate::state::App;

const COLUMNS: usize = 3;

/// Normal, discrete and constant columns; each seed gives other rows of the same kind.
fn rows(count: u64, seed: u64) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (seed << 32 | 1);
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    // What follows a seed of few bits is not random yet.
    for _ in 0..64 {
        uniform();
    }
    (0..count)
        .flat_map(|_| {
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            [normal, (uniform() * 4.0).floor() / 10.0, 7.5]
        })
        .collect()
}

fn trained() -> Arc<App> {
    let features = ["normal", "discrete", "constant"].map(str::to_owned);
    let forest = IsolationForestConfig { trees: 25, ..IsolationForestConfig::default() };
    let training = CheckedMatrix::from_vec(rows(8_000, 1), COLUMNS).unwrap();
    serving(&Model::train(&features, &forest.into(), &Default::default(), &training).unwrap())
}

/// PSI of each feature and of the score, from the text that Prometheus scrapes.
fn psi(app: &App) -> BTreeMap<String, f64> {
    let text = app.metrics.render().unwrap();
    let series = |name: &str| -> BTreeMap<String, Vec<f64>> {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with(&format!("{name}{{"))) {
            let feature = line.split("feature=\"").nth(1).and_then(|rest| rest.split('"').next());
            let value = line.rsplit(' ').next().unwrap().parse().unwrap();
            values.entry(feature.unwrap_or("score").to_owned()).or_default().push(value);
        }
        values
    };
    let (mut rows, mut expected) =
        (series("anomaly_feature_rows_total"), series("anomaly_feature_expected_ratio"));
    rows.extend(series("anomaly_score_rows_total"));
    expected.extend(series("anomaly_score_expected_ratio"));
    let of = |(feature, counts): (String, Vec<f64>)| {
        let expected = &expected[&feature];
        assert_eq!(counts.len(), expected.len());
        let (bins, all) = (counts.len() as f64, counts.iter().sum::<f64>());
        let psi = counts.iter().zip(expected).map(|(count, expected)| {
            let share = (count + 0.5) / (all + bins / 2.0);
            (share - expected) * (share / expected).ln()
        });
        (feature, psi.sum())
    };
    rows.into_iter().map(of).collect()
}

fn score(app: &App, values: &[f64]) {
    let served = app.model().unwrap();
    for chunk in values.chunks(4_096 * COLUMNS) {
        served.score_rows(chunk.to_vec());
    }
}

#[test]
fn rows_like_those_of_the_training_show_no_drift() {
    let app = trained();
    score(&app, &rows(10_000, 2));
    let psi = psi(&app);
    assert_eq!(psi.len(), 4);
    for (feature, psi) in psi {
        assert!(psi < 0.01, "{feature}: {psi}");
    }
}

#[test]
fn a_column_that_moves_by_its_standard_deviation_shows_and_the_others_do_not() {
    let app = trained();
    let mut values = rows(500, 3);
    values.iter_mut().step_by(COLUMNS).for_each(|value| *value += 1.0);
    score(&app, &values);
    let psi = psi(&app);
    assert!(psi["normal"] > 0.2, "{psi:?}");
    assert!(psi["discrete"] < 0.1 && psi["constant"] < 0.1, "{psi:?}");
}

#[test]
fn a_column_that_was_constant_and_is_lower_now_shows() {
    let app = trained();
    let mut values = rows(500, 4);
    values.iter_mut().skip(2).step_by(COLUMNS).for_each(|value| *value -= 0.5);
    score(&app, &values);
    assert!(psi(&app)["constant"] > 0.2);
}

#[test]
fn rows_that_come_in_32_bits_show_no_drift() {
    let app = trained();
    let values: Vec<f64> = rows(10_000, 5).into_iter().map(|value| f64::from(value as f32)).collect();
    score(&app, &values);
    for (feature, psi) in psi(&app) {
        assert!(psi < 0.01, "{feature}: {psi}");
    }
}

#[test]
fn more_anomalies_than_in_training_show_in_the_score() {
    let app = trained();
    let mut values = rows(2_000, 6);
    values.iter_mut().step_by(4 * COLUMNS).for_each(|value| *value *= 3.0);
    score(&app, &values);
    assert!(psi(&app)["score"] > 0.02, "{:?}", psi(&app));
}
