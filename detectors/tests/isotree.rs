//! The extended isolation forest finds anomalies as well as isotree's, within what differs: isotree standardises in each
//! node anew and its hyperplanes always divide their rows. `hack/reference-vectors/isotree_auroc.py` wrote the figures, of
//! all sets of `make accuracy`; here are the small ones.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading with --nocapture")]

mod support;

use detectors::config::ExtendedIsolationForestConfig;
use detectors::{Detector, ExtendedIsolationForest};
use support::labelled::Labelled;
use support::names;

const SEEDS: u64 = 5;
const FIGURES: &str = include_str!("data/adbench/isotree-auroc.csv");
/// Of one set, and of the mean of all.
const BOUND: f64 = 0.05;
const BOUND_OF_MEAN: f64 = 0.02;

fn isotree(set: &str, ndim: usize) -> f64 {
    let is_it = |line: &&str| {
        let fields: Vec<&str> = line.split(',').collect();
        fields[0] == set && fields[2] == ndim.to_string()
    };
    FIGURES.lines().find(is_it).unwrap().split(',').nth(3).unwrap().parse().unwrap()
}

fn ours(set: &Labelled, ndim: usize) -> f64 {
    let auroc = |seed| {
        let config = ExtendedIsolationForestConfig {
            extension_level: Some(ndim as u32 - 1),
            seed,
            ..Default::default()
        };
        let names = names(set.rows.columns());
        let (forest, _) = ExtendedIsolationForest::fit(&config.check().unwrap(), &names, &set.rows).unwrap();
        let mut lengths = vec![0.0; set.rows.rows()];
        forest.measure(set.rows.view(), &mut lengths);
        set.auroc(&lengths)
    };
    (0..SEEDS).map(auroc).sum::<f64>() / SEEDS as f64
}

/// `whole`: hyperplanes of all columns, otherwise of two.
fn check(whole: bool) {
    let sets: [(&str, &[u8]); 6] = [
        ("14_glass", include_bytes!("data/adbench/14_glass.npz")),
        ("29_Pima", include_bytes!("data/adbench/29_Pima.npz")),
        ("37_Stamps", include_bytes!("data/adbench/37_Stamps.npz")),
        ("42_WBC", include_bytes!("data/adbench/42_WBC.npz")),
        ("4_breastw", include_bytes!("data/adbench/4_breastw.npz")),
        ("6_cardio", include_bytes!("data/adbench/6_cardio.npz")),
    ];
    let mut sum = 0.0;
    for (name, archive) in sets {
        let set = Labelled::read(archive);
        let ndim = if whole { set.rows.columns() } else { 2 };
        let (found, expected) = (ours(&set, ndim), isotree(name, ndim));
        println!("{name}: AUROC {found:.4}, isotree with ndim={ndim} {expected:.4}");
        assert!((found - expected).abs() <= BOUND, "{name}: {found}, isotree with ndim={ndim} {expected}");
        sum += found - expected;
    }
    let mean = sum / sets.len() as f64;
    assert!(mean.abs() <= BOUND_OF_MEAN, "{mean} on average");
}

#[test]
fn hyperplanes_of_all_columns_are_as_accurate_as_isotrees() {
    check(true);
}

#[test]
fn hyperplanes_of_two_columns_are_as_accurate_as_isotrees() {
    check(false);
}
