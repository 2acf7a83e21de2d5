//! Which columns make a row's path short: path attribution.
//!
//! Every node has the mean path length of the training rows that pass it. Walking down a tree, a row comes from the
//! root's mean, step by step, to its own path length; each step is credited to the column that was split there. The
//! steps of all trees sum exactly to the difference between the average training row's path length and this one's.
//!
//! Saabas: *Interpreting random forests*, 2014; Palczewska, Palczewski, Marchese Robinson, Neagu: *Interpreting random
//! forest models using a feature contribution method*, IEEE IRI 2013. A split deep in a tree gets no credit for what
//! splits above it prepared, which Shapley values (Lundberg et al., *From local explanations to global understanding
//! with explainable AI for trees*, Nature Machine Intelligence 2, 2020) would share out; with splits drawn at random,
//! the mean over the trees comes close to these, at a hundredth of the cost.

use super::kernel::STACK_SLOTS;
use super::tree::{PackedTree, PackedTrees};

/// Trees that a row is walked down in step, so that their memory accesses overlap.
const TREES: usize = 8;

/// The mean path length of the training rows.
pub(super) fn baseline(trees: &PackedTrees) -> f64 {
    let roots = (0..trees.len()).map(|tree| trees.tree(tree).values[0]);
    roots.sum::<f64>() / trees.len() as f64
}

/// Sets each column's contribution, positive where it makes the path shorter, and returns the row's mean path length.
pub(super) fn attribute(trees: &PackedTrees, row: &[f64], contributions: &mut [f64]) -> f64 {
    let slots = trees.slots();
    if slots.len() <= STACK_SLOTS {
        let mut values = [0.0; STACK_SLOTS];
        slots.read(row, &mut values[..slots.len()]);
        walk(trees, |slot| values[slot], contributions)
    } else {
        // Of so many columns, few are met: each is read where it is.
        walk(trees, |slot| slots.get(slot).read(row), contributions)
    }
}

fn walk(trees: &PackedTrees, value: impl Fn(usize) -> f32, contributions: &mut [f64]) -> f64 {
    contributions.fill(0.0);
    let mut sum = 0.0;
    for first in (0..trees.len()).step_by(TREES) {
        let count = TREES.min(trees.len() - first);
        // Beyond the last tree, that tree again; it is not walked.
        let group: [PackedTree<'_>; TREES] =
            std::array::from_fn(|next| trees.tree(first + next.min(count - 1)));
        let mut at = [0; TREES];
        let depth = group.iter().map(|tree| tree.depth).max().unwrap_or(0);
        for _ in 0..depth {
            for (tree, at) in group[..count].iter().zip(&mut at) {
                // From a leaf this stays there and adds 0.
                let node = tree.nodes[*at];
                let next = node.left() + usize::from(value(node.slot()) > node.threshold);
                let column = trees.slots().get(node.slot()).column as usize;
                contributions[column] += tree.values[*at] - tree.values[next];
                *at = next;
            }
        }
        sum = (0..count).fold(sum, |sum, tree| sum + group[tree].values[at[tree]]);
    }
    let trees = trees.len() as f64;
    contributions.iter_mut().for_each(|contribution| *contribution /= trees);
    sum / trees
}
