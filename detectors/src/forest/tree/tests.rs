use proptest::prelude::*;

use super::*;
use crate::forest::IsolationForest;

const LEAF: TreeNode = TreeNode::Leaf { samples: 1 };

fn split(column: u32, threshold: f32, left: u32, right: u32) -> TreeNode {
    TreeNode::Split { column, threshold, left, right, missing_left: false }
}

/// The problem found in a tree of two columns and subsamples of four.
fn problem(tree: Vec<TreeNode>) -> String {
    IsolationForest::from_trees(vec![0.0; 2], 4, vec![tree]).unwrap_err().to_string()
}

#[test]
fn malformed_trees_are_refused_with_the_node_named() {
    let nan = f32::NAN;
    assert_eq!(problem(vec![]), "tree 0 has 0 nodes: 1 to 262144 are supported");
    assert_eq!(problem(vec![split(2, 0.0, 1, 2), LEAF, LEAF]), "tree 0, node 0: the column does not exist");
    assert_eq!(
        problem(vec![split(0, nan, 1, 2), LEAF, LEAF]),
        "tree 0, node 0: the threshold is not below infinity"
    );
    assert_eq!(problem(vec![split(0, 0.0, 1, 3), LEAF, LEAF]), "tree 0, node 0: a child is not in the tree");
    assert_eq!(problem(vec![split(0, 0.0, 1, 1), LEAF]), "tree 0, node 1: the node is reached twice");
    assert_eq!(problem(vec![split(0, 0.0, 0, 1), LEAF]), "tree 0, node 0: the node is reached twice");
    assert_eq!(problem(vec![LEAF, LEAF]), "tree 0, node 1: the node is never reached");
    let crowded = TreeNode::Leaf { samples: 5 };
    assert_eq!(problem(vec![crowded]), "tree 0, node 0: a leaf holds no rows, or more than the subsample");
}

#[test]
fn a_tree_deeper_than_the_limit_is_refused() {
    let mut chain: Vec<TreeNode> =
        (0..40).flat_map(|i| [split(0, 0.0, 2 * i + 1, 2 * i + 2), LEAF]).collect();
    chain.push(LEAF);
    assert_eq!(problem(chain), "tree 0, node 64: the tree is too deep");
}

#[test]
fn forests_without_trees_or_columns_are_refused() {
    assert_eq!(IsolationForest::from_trees(vec![0.0], 4, vec![]).unwrap_err(), ForestError::NoTrees);
    let error = IsolationForest::from_trees(vec![], 4, vec![vec![LEAF]]).unwrap_err();
    assert_eq!(error, ForestError::Columns { columns: 0 });
    let error = IsolationForest::from_trees(vec![f64::NAN], 4, vec![vec![LEAF]]).unwrap_err();
    assert_eq!(error, ForestError::Median);
}

#[test]
fn forests_of_too_many_trees_are_refused() {
    let error = IsolationForest::from_trees(vec![0.0], 4, vec![vec![LEAF]; 8_193]).unwrap_err();
    assert_eq!(error.to_string(), "the forest has 8193 trees: at most 8192 are supported");
}

#[test]
fn forests_of_too_many_nodes_are_refused() {
    let trees = vec![vec![LEAF; 200_000]; 21];
    let error = IsolationForest::from_trees(vec![0.0], 4, trees).unwrap_err();
    assert_eq!(error.to_string(), "the forest has 4200000 nodes: at most 4000000 are supported");
}

#[test]
fn unpacking_gives_back_a_preorder_tree() {
    let tree = vec![split(0, 1.5, 1, 4), split(1, -0.5, 2, 3), LEAF, LEAF, TreeNode::Leaf { samples: 2 }];
    let forest = IsolationForest::from_trees(vec![0.0; 2], 4, vec![tree.clone(), vec![LEAF]]).unwrap();
    assert_eq!(forest.to_trees(), [tree, vec![LEAF]]);
}

#[test]
fn thresholds_beyond_f32_still_part_all_finite_values() {
    assert_eq!(round_down_to_f32(1e300), f32::MAX);
    assert_eq!(round_down_to_f32(-1e300), f32::NEG_INFINITY);
    assert_eq!(round_down_to_f32(-1e-320), -f32::from_bits(1));
    assert_eq!(round_down_to_f32(1e-320), 0.0);
}

proptest! {
    #[test]
    fn rounding_a_threshold_down_never_changes_a_comparison(threshold in any::<f64>(), bits in any::<u32>()) {
        prop_assume!(!threshold.is_nan() && threshold < f64::INFINITY);
        let rounded = round_down_to_f32(threshold);
        let near = [rounded, rounded.next_up(), rounded.next_down(), f32::from_bits(bits), 0.0];
        for x in near.into_iter().filter(|x| x.is_finite()) {
            prop_assert_eq!(f64::from(x) <= threshold, x <= rounded, "{} {}", x, threshold);
        }
    }

    #[test]
    fn no_list_of_nodes_makes_the_constructor_panic(
        nodes in prop::collection::vec((0_u32..4, any::<f32>(), 0_u32..8, 0_u32..8, any::<bool>()), 0..8),
    ) {
        let tree = nodes
            .into_iter()
            .map(|(column, threshold, left, right, leaf)| match leaf {
                true => TreeNode::Leaf { samples: left },
                false => split(column, threshold, left, right),
            })
            .collect();
        // A forest that is accepted can be scored.
        if let Ok(forest) = IsolationForest::from_trees(vec![0.0; 2], 4, vec![tree]) {
            use crate::detector::Detector;
            prop_assert!(forest.measure_row(&[0.5, -0.5]).is_finite());
        }
    }
}
