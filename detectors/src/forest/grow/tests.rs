use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::config::IsolationForestConfig;
use crate::forest::IsolationForest;

fn config() -> IsolationForestConfig {
    IsolationForestConfig { trees: 20, ..Default::default() }
}

/// Rows of `columns` values that a formula gives.
fn table(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> CheckedMatrix {
    let values = (0..rows * columns).map(|at| value(at / columns, at % columns)).collect();
    CheckedMatrix::from_vec(values, columns).unwrap()
}

/// Grows without centring, so that thresholds are in the scale of the rows.
fn grow(config: &IsolationForestConfig, rows: &CheckedMatrix) -> Vec<Vec<TreeNode>> {
    let parameters = config.check().unwrap();
    let max_samples = config.sample_size.min(rows.rows() as u32);
    grow_forest(&parameters, rows, &vec![0.0; rows.columns()], max_samples)
}

fn leaf_rows(tree: &[TreeNode]) -> u32 {
    let rows = tree.iter().map(|node| match node {
        TreeNode::Leaf { samples } => *samples,
        TreeNode::Split { .. } => 0,
    });
    rows.sum()
}

fn split_columns(trees: &[Vec<TreeNode>]) -> HashSet<u32> {
    let column = |node: &TreeNode| match node {
        TreeNode::Split { column, .. } => Some(*column),
        TreeNode::Leaf { .. } => None,
    };
    trees.iter().flatten().filter_map(column).collect()
}

fn depth(tree: &[TreeNode], at: u32) -> u32 {
    match tree[at as usize] {
        TreeNode::Split { left, right, .. } => 1 + depth(tree, left).max(depth(tree, right)),
        TreeNode::Leaf { .. } => 0,
    }
}

/// Rows of which every third lacks its second value and every fifth its first.
fn lacking(rows: usize) -> CheckedMatrix {
    let value = |row: usize, column: usize| match (row, column) {
        (row, 1) if row % 3 == 0 => f64::NAN,
        (row, 0) if row % 5 == 0 => f64::NAN,
        (row, column) => ((row * 37 + column * 61) % 199) as f64,
    };
    let values = (0..rows * 2).map(|at| value(at / 2, at % 2)).collect();
    CheckedMatrix::with_missing(values, 2).unwrap()
}

#[test]
fn missing_values_are_split_to_either_side_and_every_row_is_kept() {
    let sides: Vec<bool> = grow(&config(), &lacking(300))
        .iter()
        .flat_map(|tree| {
            assert_eq!(leaf_rows(tree), 256);
            tree.iter().filter_map(|node| match node {
                TreeNode::Split { missing_left, .. } => Some(*missing_left),
                TreeNode::Leaf { samples } => {
                    assert!(*samples > 0);
                    None
                }
            })
        })
        .collect();
    let left = sides.iter().filter(|&&left| left).count();
    assert!(left > sides.len() / 4 && left < 3 * sides.len() / 4, "{left} of {}", sides.len());
}

#[test]
fn a_column_with_one_value_is_split_from_its_missing_ones() {
    let values = (0..64).map(|row| if row % 2 == 0 { 7.0 } else { f64::NAN }).collect();
    let rows = CheckedMatrix::with_missing(values, 1).unwrap();
    for tree in grow(&config(), &rows) {
        let [TreeNode::Split { threshold: 7.0, missing_left: false, .. }, rest @ ..] = &tree[..] else {
            panic!("{tree:?}")
        };
        assert!(matches!(rest, [TreeNode::Leaf { samples: 32 }, TreeNode::Leaf { samples: 32 }]), "{rest:?}");
    }
}

#[test]
fn the_height_limit_is_the_logarithm_rounded_up() {
    assert_eq!([1, 2, 3, 4, 5, 256, 257, 65_536].map(height_limit), [1, 1, 2, 2, 3, 8, 9, 16]);
}

#[test]
fn trees_stop_at_the_height_limit_and_keep_every_row_of_their_sample() {
    // Powers of two make splits as uneven as can be.
    let rows = table(100, 1, |row, _| libm::exp2(row as f64));
    for tree in grow(&IsolationForestConfig { sample_size: 64, ..config() }, &rows) {
        assert_eq!(leaf_rows(&tree), 64);
        assert_eq!(depth(&tree, 0), 6);
    }
}

#[test]
fn a_constant_column_is_never_split() {
    let rows = table(300, 3, |row, column| if column == 1 { 7.0 } else { row as f64 });
    assert_eq!(split_columns(&grow(&config(), &rows)), HashSet::from([0, 2]));
}

#[test]
fn a_column_of_tiny_numbers_is_split() {
    let rows = table(300, 1, |row, _| row as f64 * 1e-30);
    assert_eq!(split_columns(&grow(&config(), &rows)), HashSet::from([0]));
}

#[test]
fn equal_rows_give_trees_of_one_leaf() {
    for tree in grow(&config(), &table(300, 4, |_, column| column as f64)) {
        assert_eq!(tree, [TreeNode::Leaf { samples: 256 }]);
    }
}

#[test]
fn sampling_without_replacement_takes_every_row_once() {
    // All rows are sampled and all differ: with depth enough, every leaf would hold one row. Leaves at the limit may
    // hold more, so the sampled rows themselves are compared.
    let rows = table(50, 1, |row, _| row as f64);
    let parameters = config().check().unwrap();
    let mut sampler = Sampler::new(&parameters, &rows, &[0.0], 50);
    sampler.draw(&mut Random::new(0, PURPOSE, 0));
    let mut sample = Sample::default();
    sampler.read(&mut sample);
    let mut values = sample.values;
    values.sort_unstable_by(f32::total_cmp);
    assert_eq!(values, (0..50_u8).map(f32::from).collect::<Vec<f32>>());
}

#[test]
fn a_bootstrap_draws_some_rows_twice_and_counts_them_twice() {
    let rows = table(50, 1, |row, _| row as f64);
    let bootstrap = IsolationForestConfig { bootstrap: true, ..config() };
    let parameters = bootstrap.check().unwrap();
    let mut sampler = Sampler::new(&parameters, &rows, &[0.0], 50);
    sampler.draw(&mut Random::new(0, PURPOSE, 0));
    let mut sample = Sample::default();
    sampler.read(&mut sample);
    let values = &sample.values;
    let distinct: HashSet<u32> = values.iter().map(|value| value.to_bits()).collect();
    assert!((25..40).contains(&distinct.len()), "about 1 − 1/e of 50, not {}", distinct.len());
    assert!(grow(&bootstrap, &rows).iter().all(|tree| leaf_rows(tree) == 50));
}

#[test]
fn max_features_is_a_fresh_draw_of_columns_for_each_tree() {
    let rows = table(300, 10, |row, column| ((row * 31 + column * 17) % 101) as f64);
    let trees = grow(&IsolationForestConfig { max_features: 0.25, ..config() }, &rows);
    assert!(trees.iter().all(|tree| split_columns(std::slice::from_ref(tree)).len() <= 2));
    assert_eq!(split_columns(&trees).len(), 10);
    let narrow = grow(&IsolationForestConfig { max_features: 1e-9, ..config() }, &rows);
    assert!(narrow.iter().all(|tree| split_columns(std::slice::from_ref(tree)).len() == 1));
}

#[test]
fn columns_that_vary_in_a_node_are_drawn_equally_often() {
    let rows = table(64, 6, |row, column| if column < 2 { 1.0 } else { ((row * (column + 3)) % 61) as f64 });
    let trees = grow(&IsolationForestConfig { trees: 1000, ..Default::default() }, &rows);
    let mut roots = [0_u32; 6];
    for tree in &trees {
        if let TreeNode::Split { column, .. } = tree[0] {
            roots[column as usize] += 1;
        }
    }
    // Expected 250 each, standard deviation 14.
    assert!(roots[..2] == [0, 0] && roots[2..].iter().all(|&count| count.abs_diff(250) < 80), "{roots:?}");
}

#[test]
fn a_tree_depends_on_the_seed_and_its_number_only() {
    let rows = table(500, 3, |row, column| ((row * 37 + column * 11) % 97) as f64);
    let few = grow(&IsolationForestConfig { trees: 5, ..Default::default() }, &rows);
    let many = grow(&IsolationForestConfig { trees: 50, ..Default::default() }, &rows);
    assert_eq!(few, many[..5]);
    assert_ne!(few, grow(&IsolationForestConfig { trees: 5, seed: 1, ..Default::default() }, &rows));
}

#[test]
fn thousands_of_columns_are_grown_from() {
    let rows =
        table(40, 5_000, |row, column| if column % 3 == 0 { 0.5 } else { ((row * column) % 13) as f64 });
    let trees = grow(&config(), &rows);
    assert!(split_columns(&trees).iter().all(|column| column % 3 != 0));
    assert!(trees.iter().all(|tree| leaf_rows(tree) == 40));
}

proptest! {
    #[test]
    fn thresholds_lie_in_the_half_open_range(seed: u64, a in any::<f32>(), b in any::<f32>()) {
        prop_assume!(a.is_finite() && b.is_finite() && a != b);
        let (min, max) = (a.min(b), a.max(b));
        let threshold = draw_threshold(&mut Random::new(seed, PURPOSE, 0), min, max);
        prop_assert!(min <= threshold && threshold < max, "{min} {threshold} {max}");
    }

    #[test]
    fn any_rows_give_well_formed_trees(
        values in prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), -1e38..1e38, -1.0..1.0], 2..120),
        bootstrap: bool,
        sample_size in 2_u32..40,
        seed in 0_u64..1000,
    ) {
        let rows = CheckedMatrix::from_vec(values[..values.len() / 2 * 2].to_vec(), 2).unwrap();
        let config = IsolationForestConfig { trees: 3, sample_size, bootstrap, seed, ..Default::default() };
        let trees = grow(&config, &rows);
        let max_samples = sample_size.min(rows.rows() as u32);
        prop_assert!(trees.iter().all(|tree| leaf_rows(tree) == max_samples));
        prop_assert!(trees.iter().all(|tree| depth(tree, 0) <= height_limit(max_samples)));
        let forest = IsolationForest::from_trees(vec![0.0; 2], max_samples, trees.clone());
        prop_assert_eq!(forest.unwrap().to_trees(), trees);
    }
}
