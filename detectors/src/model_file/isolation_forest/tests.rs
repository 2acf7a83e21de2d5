use proptest::prelude::*;

use super::*;
use crate::forest::{ImportedForest, ImportedTree, Unusual, average_path_length};

/// Five nodes: a split of column 3, whose right child splits column 1; missing values go left, then right.
fn imported() -> ImportedForest {
    let tree = ImportedTree {
        features: vec![3, 1],
        children_left: vec![1, -1, 3, -1, -1],
        children_right: vec![2, -1, 4, -1, -1],
        feature: vec![0, -2, 1, -2, -2],
        threshold: vec![0.1, -2.0, 1e300, -2.0, -2.0],
        n_node_samples: vec![9, 4, 5, 3, 2],
        missing_go_to_left: vec![1, 0, 0, 0, 0],
    };
    ImportedForest {
        n_features_in: 5,
        max_samples: 9,
        trees: vec![tree.clone(), tree],
        c: [2, 3, 4, 9].map(|n| (n, average_path_length(n))).to_vec(),
        offset: -0.5,
        depth_cut: Some(2.0 * average_path_length(9)),
        missing: Unusual::Route,
        non_finite: Unusual::Route,
    }
}

fn without_side(mut node: TreeNode) -> TreeNode {
    if let TreeNode::Split { missing_left, .. } = &mut node {
        *missing_left = false;
    }
    node
}

fn encoded(forest: &IsolationForest) -> Vec<u8> {
    let mut writer = Writer::default();
    encode(forest, &mut writer);
    writer.0
}

fn decoded(bytes: &[u8]) -> Result<IsolationForest, Problem> {
    let mut reader = Reader::new(bytes);
    let forest = decode(&mut reader)?;
    reader.end().map(|()| forest)
}

#[test]
fn an_imported_forest_is_stored_with_its_sides_its_table_and_its_routes() {
    for missing in [Unusual::Route, Unusual::Refuse] {
        for non_finite in [Unusual::Route, Unusual::Refuse] {
            let forest = ImportedForest { missing, non_finite, ..imported() };
            let forest = IsolationForest::import(&forest).unwrap();
            let read = decoded(&encoded(&forest)).unwrap();
            assert_eq!(format!("{read:?}"), format!("{forest:?}"));
            assert_eq!(encoded(&read), encoded(&forest));
        }
    }
}

#[test]
fn stored_forests_route_as_the_original_did() {
    let forest = decoded(&encoded(&IsolationForest::import(&imported()).unwrap())).unwrap();
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    // Missing in column 3 goes left; in column 1 right, where c(2) = 1.
    let left = forest.measure_row(&[0.0, 0.0, 0.0, nan, 0.0]);
    assert_eq!(left, forest.measure_row(&[0.0, 0.0, 0.0, -inf, 0.0]));
    assert_eq!(forest.measure_row(&[0.0, nan, 0.0, 1.0, 0.0]), 6.0);
    // Infinity is above a threshold that is beyond 32 bits, the largest f32 is not.
    assert_eq!(forest.measure_row(&[0.0, inf, 0.0, inf, 0.0]), 6.0);
    assert!(forest.measure_row(&[0.0, f64::from(f32::MAX), 0.0, 1.0, 0.0]) > 6.0);
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let trees = IsolationForest::import(&imported()).unwrap().to_trees();
    let sideless = trees.into_iter().map(|tree| tree.into_iter().map(without_side).collect()).collect();
    let plain = IsolationForest::from_trees(vec![0.0; 5], 9, sideless).unwrap();
    let bytes = encoded(&plain);
    assert!(decoded(&bytes).is_ok());
    for flags in [0, 8, 255] {
        let error = decoded(&[&bytes[..], &[flags]].concat()).unwrap_err();
        assert_eq!(error, format!("{flags} are no flags of an imported forest"));
    }
}

#[test]
fn a_table_that_lacks_a_leaf_or_is_wrong_is_refused() {
    for (c, message) in [
        (
            vec![(9, average_path_length(9)), (4, average_path_length(4))],
            "tree 0, node 3: c(n) of the leaf's rows is not given",
        ),
        (vec![(4, average_path_length(4))], "c(9), the mean path length of 9 rows, is missing or wrong"),
        (vec![(4, 4.0)], "c(4), the mean path length of 4 rows, is missing or wrong"),
    ] {
        let error = IsolationForest::import(&ImportedForest { c, ..imported() }).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_cut_is_taken_as_it_is_given_and_refused_if_it_belongs_to_another_offset() {
    let given = imported();
    let forest = IsolationForest::import(&given).unwrap();
    let bit_above = given.depth_cut.map(f64::next_up);
    let near = ImportedForest { depth_cut: bit_above, ..imported() };
    assert_eq!(near.cut(&forest).ok(), bit_above);
    for depth_cut in [Some(6.0), Some(f64::NAN), None] {
        let error = ImportedForest { depth_cut, ..imported() }.cut(&forest).unwrap_err();
        assert!(error.to_string().starts_with("the cut on the sum of path lengths is "), "{error}");
    }
    assert_eq!(ImportedForest { depth_cut: None, offset: 0.5, ..imported() }.cut(&forest), Ok(f64::INFINITY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Whatever decodes can be scored, by every kernel and with any values: kernels check nothing again.
    #[test]
    fn changed_bytes_never_lead_a_kernel_astray(
        changes in prop::collection::vec((0_usize..1_000, any::<u8>()), 1..4),
        values in prop::collection::vec(any::<f64>(), 5 * 20),
    ) {
        let mut bytes = encoded(&IsolationForest::import(&imported()).unwrap());
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        if let Ok(forest) = decoded(&bytes) {
            let columns = forest.columns();
            let rows = values.len() / columns.max(1);
            prop_assume!(rows > 0);
            let rows = ndarray::ArrayView2::from_shape((rows, columns), &values[..rows * columns]).unwrap();
            let measures = forest.measure_every_way(rows);
            for (kernel, found) in &measures {
                for (at, measure) in found.iter().enumerate() {
                    let expected = measures[0].1[at % rows.nrows()];
                    prop_assert_eq!(measure.to_bits(), expected.to_bits(), "{}, row {}", kernel, at);
                }
            }
        }
    }
}
