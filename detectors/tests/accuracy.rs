//! Forests trained here find anomalies as well as scikit-learn's do, within what their randomness allows: on some of the
//! sets; `make accuracy` has all of them, and all detectors.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading with --nocapture")]

mod support;

use detectors::{CheckedMatrix, IsolationForestConfig};
use support::labelled::{Labelled, Reference};
use support::train;

const SEEDS: u64 = 10;

fn check(name: &str, archive: &[u8]) {
    let set = Labelled::read(archive);
    let auroc = |seed| {
        let config = IsolationForestConfig { seed, ..Default::default() };
        let model = train(&set.rows, config, Default::default());
        set.auroc(&model.score_rows(&set.rows).iter().map(|scored| scored.anomaly_score).collect::<Vec<_>>())
    };
    let found = (0..SEEDS).map(auroc).sum::<f64>() / SEEDS as f64;
    let reference = Reference::of(name);
    println!("{name}: AUROC {found:.4}, scikit-learn {:.4}", reference.auroc);
    let (expected, bound) = (reference.auroc, reference.bound(SEEDS));
    assert!(
        (found - expected).abs() <= bound,
        "{name}: {found} differs from {expected} by more than {bound}"
    );
}

macro_rules! sets {
    ($($test:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            check($file, include_bytes!(concat!("data/adbench/", $file, ".npz")));
        }
    )*};
}

sets! {
    breastw_is_as_accurate_as_scikit_learn: "4_breastw",
    glass_is_as_accurate_as_scikit_learn: "14_glass",
    stamps_is_as_accurate_as_scikit_learn: "37_Stamps",
    vertebral_is_as_accurate_as_scikit_learn: "39_vertebral",
    wbc_is_as_accurate_as_scikit_learn: "42_WBC",
    wine_is_as_accurate_as_scikit_learn: "45_wine",
}

fn labelled(is_anomaly: &[bool]) -> Labelled {
    let values = (0..is_anomaly.len()).map(|row| row as f64).collect();
    Labelled { rows: CheckedMatrix::from_vec(values, 1).unwrap(), is_anomaly: is_anomaly.to_vec() }
}

#[test]
fn auroc_and_average_precision_are_scikit_learns() {
    // roc_auc_score and average_precision_score of [1, 0, 1, 0, 0], [0.9, 0.8, 0.8, 0.3, 0.1].
    let set = labelled(&[true, false, true, false, false]);
    let scores = [-0.9, -0.8, -0.8, -0.3, -0.1];
    assert!((set.auroc(&scores) - 11.0 / 12.0).abs() < 1e-12);
    assert!((set.average_precision(&scores) - 5.0 / 6.0).abs() < 1e-12);
}

#[test]
fn halves_share_rows_and_anomalies_and_differ_by_the_seed() {
    let set = labelled(&(0..101).map(|row| row % 10 == 0).collect::<Vec<_>>());
    let halves = set.halves(3);
    assert_eq!(halves.each_ref().map(|half| (half.rows.rows(), half.anomalies())), [(50, 5), (51, 6)]);
    let values = |half: &Labelled| (0..half.rows.rows()).map(|row| half.rows.row(row)[0]).collect::<Vec<_>>();
    let mut all: Vec<f64> = halves.iter().flat_map(values).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(all, (0..101).map(f64::from).collect::<Vec<_>>());
    assert_ne!(values(&set.halves(4)[0]), values(&halves[0]));
    assert_eq!(values(&set.halves(3)[0]), values(&halves[0]));
}
