//! What an explanation of a forest promises: contributions that sum exactly, that are what a walk node by node gives, and
//! that are near to Shapley values.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::forest::ImportedTree;
use detectors::{Detector, IsolationForest, IsolationForestConfig, Model, RowError};
use proptest::prelude::*;
use support::sklearn::{Case, c};
use support::{bell, contamination, matrix, noise, train};

/// Baseline, value and contributions of one tree, from scikit-learn's own arrays.
fn brute_force(tree: &ImportedTree, row: &[f64]) -> (f64, f64, Vec<f64>) {
    let value = |node: usize| mean_path(tree, node, 0) + path_to(tree, 0, node).unwrap();
    let mut contributions = vec![0.0; row.len()];
    let mut at = 0;
    while tree.children_left[at] >= 0 {
        let column = tree.features[tree.feature[at] as usize] as usize;
        let seen = row[column] as f32;
        let left = match seen.is_nan() {
            true => tree.missing_go_to_left[at] != 0,
            false => f64::from(seen) <= tree.threshold[at],
        };
        let child = if left { tree.children_left[at] } else { tree.children_right[at] } as usize;
        contributions[column] += value(at) - value(child);
        at = child;
    }
    (value(0), value(at), contributions)
}

/// The mean over the training rows of a node of depth below it + c(n).
fn mean_path(tree: &ImportedTree, node: usize, below: u32) -> f64 {
    let samples = tree.n_node_samples[node];
    if tree.children_left[node] < 0 {
        return f64::from(below) + c(samples);
    }
    let [left, right] = [tree.children_left[node], tree.children_right[node]].map(|child| child as usize);
    let part = |child: usize| f64::from(tree.n_node_samples[child]) * mean_path(tree, child, below + 1);
    (part(left) + part(right)) / f64::from(samples)
}

/// The depth of a node.
fn path_to(tree: &ImportedTree, from: usize, node: usize) -> Option<f64> {
    if from == node {
        return Some(0.0);
    }
    let children = [tree.children_left[from], tree.children_right[from]];
    let below = |child: i64| path_to(tree, usize::try_from(child).ok()?, node);
    children.into_iter().find_map(below).map(|depth| depth + 1.0)
}

fn explains_as_brute_force(compressed: &[u8]) {
    let case = Case::read(compressed);
    let forest = IsolationForest::import(&case.forest(&case.values())).unwrap();
    let trees = case.model.trees.len() as f64;
    let mut contributions = vec![f64::NAN; forest.columns()];
    for row in case.values().chunks_exact(forest.columns()).take(12) {
        let level = forest.explain_row(row, &mut contributions);
        let (mut baseline, mut value, mut expected) = (0.0, 0.0, vec![0.0; row.len()]);
        for tree in &case.model.trees {
            let one = brute_force(tree, row);
            baseline += one.0 / trees;
            value += one.1 / trees;
            expected.iter_mut().zip(one.2).for_each(|(sum, part)| *sum += part / trees);
        }
        assert!((level.baseline - baseline).abs() < 1e-9 && (level.value - value).abs() < 1e-9);
        for (contribution, expected) in contributions.iter().zip(expected) {
            assert!((contribution - expected).abs() < 1e-9, "{contribution} instead of {expected}");
        }
        let sum: f64 = contributions.iter().sum();
        assert!((sum - (level.baseline - level.value)).abs() < 1e-9);
        let mean = forest.measure_row(row) / trees;
        assert!((level.value - mean).abs() < 1e-12, "the value is the path length that is scored");
    }
}

macro_rules! cases {
    ($($test:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            explains_as_brute_force(include_bytes!(concat!("data/sklearn/", $file, ".json.gz")));
        }
    )*};
}

cases! {
    an_imported_forest_explains_itself_as_a_walk_node_by_node_does: "breast-cancer",
    trees_on_some_columns_of_bootstrapped_rows_explain_themselves: "bootstrap-subfeatures",
    deep_trees_explain_themselves: "deep",
    missing_values_follow_the_path_that_scores_them: "missing-trained",
    infinities_follow_the_path_that_scores_them: "infinite-scored",
}

#[test]
fn a_forest_that_cannot_split_explains_nothing() {
    let model = train(&matrix(50, 3, |_, _| 4.25), Default::default(), contamination(0.1));
    let explanation = model.explain(&[1e30, 0.0, -7.0]).unwrap();
    assert_eq!((explanation.contributions, explanation.shares), (vec![0.0; 3], vec![0.0; 3]));
    assert!((explanation.baseline - explanation.value).abs() < 1e-9);
}

#[test]
fn rows_that_cannot_be_scored_cannot_be_explained() {
    let model = train(&matrix(50, 2, bell), Default::default(), Default::default());
    assert_eq!(model.explain(&[1.0]), Err(RowError::WrongLength { expected: 2, got: 1 }));
    let error = model.explain(&[0.0, f64::NAN]).unwrap_err();
    assert!(matches!(error, RowError::NotFinite { column: 1, .. }));
}

/// Ranks from 0; ties do not happen to be.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank as f64);
    ranks
}

/// Spearman's rank correlation.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let squares: f64 = ranks(a).iter().zip(ranks(b)).map(|(a, b)| (a - b).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

fn is_near_treeshap(compressed: &[u8], shapley: &str) {
    let case = Case::read(compressed);
    let forest = IsolationForest::import(&case.forest(&[])).unwrap();
    let mut contributions = vec![0.0; forest.columns()];
    let (values, mut correlations, mut all) = (case.values(), Vec::new(), [Vec::new(), Vec::new()]);
    for (row, line) in values.chunks_exact(forest.columns()).zip(shapley.lines()) {
        let shapley: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        let level = forest.explain_row(row, &mut contributions);
        let sum: f64 = shapley.iter().sum();
        assert!((sum - (level.baseline - level.value)).abs() < 1e-3, "they explain the same difference");
        correlations.push(spearman(&contributions, &shapley));
        all[0].extend_from_slice(&contributions);
        all[1].extend(shapley);
    }
    assert_eq!(correlations.len(), case.queries.len());
    let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
    assert!(spearman(&all[0], &all[1]) >= 0.85);
    assert!(mean >= 0.85, "in a row: {mean}");
}

#[test]
fn contributions_rank_thirty_columns_as_treeshap_does() {
    is_near_treeshap(
        include_bytes!("data/sklearn/breast-cancer.json.gz"),
        include_str!("data/treeshap/breast-cancer.csv"),
    );
}

#[test]
fn contributions_rank_thirteen_columns_as_treeshap_does() {
    is_near_treeshap(
        include_bytes!("data/sklearn/wine-bootstrap-small.json.gz"),
        include_str!("data/treeshap/wine-bootstrap-small.csv"),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn contributions_sum_to_what_they_explain(
        columns in 1_usize..12,
        sample_size in 2_u32..3_000,
        seed in 0_u64..1_000_000,
        scale in -30_i32..30,
    ) {
        let rows = matrix(400, columns, |row, column| noise(row, column) * 2.0_f64.powi(scale));
        let config = IsolationForestConfig { trees: 13, sample_size, seed, ..Default::default() };
        let model = train(&rows, config, Default::default());
        let read = Model::decode(&model.encode()).unwrap();
        let mut contributions = vec![f64::NAN; columns];
        for row in (0..400).step_by(37).map(|row| rows.row(row)) {
            let explanation = model.explain(row).unwrap();
            let sum: f64 = explanation.contributions.iter().sum();
            prop_assert!((sum - (explanation.baseline - explanation.value)).abs() < 1e-9);
            let shares: f64 = explanation.shares.iter().sum();
            prop_assert!(shares == 0.0 || (shares - 1.0).abs() < 1e-12);
            prop_assert_eq!(&read.explain(row).unwrap(), &explanation);
            let level = model.explain_into(row, &mut contributions).unwrap();
            prop_assert_eq!((level.value, &contributions), (explanation.value, &explanation.contributions));
        }
    }

    #[test]
    fn many_columns_explain_as_few_do(seed in 0_u64..1_000) {
        // More slots than are read on the stack, and as many constant columns less.
        let wide = matrix(100, 600, |row, column| if column < 300 { noise(row, column) } else { 1.0 });
        let config = IsolationForestConfig { trees: 20, seed, ..Default::default() };
        let model = train(&wide, config, Default::default());
        let explanation = model.explain(wide.row(3)).unwrap();
        let sum: f64 = explanation.contributions.iter().sum();
        prop_assert!((sum - (explanation.baseline - explanation.value)).abs() < 1e-9);
        prop_assert!(explanation.contributions[300..].iter().all(|&contribution| contribution == 0.0));
    }
}
