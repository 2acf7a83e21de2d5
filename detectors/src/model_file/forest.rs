//! The section `frst`: medians and trees. Like is kept with like, which deflate rewards: shapes as bits, columns,
//! thresholds by planes of bytes, and leaves.

use super::bytes::{Problem, Reader, Writer};
use crate::detector::Detector;
use crate::forest::{IsolationForest, MAX_COLUMNS, TreeNode};

/// Twice the leaves that the largest forest that can be configured may have.
const MAX_NODES: usize = 4_000_000;

pub(super) fn encode(forest: &IsolationForest, writer: &mut Writer) {
    let trees = forest.to_trees();
    let nodes: Vec<&TreeNode> = trees.iter().flatten().collect();
    writer.u32(forest.columns() as u32);
    writer.u32(forest.max_samples());
    writer.u32(trees.len() as u32);
    writer.u32(nodes.len() as u32);
    forest.medians().iter().for_each(|&median| writer.f64(median));
    for eight in nodes.chunks(8) {
        let bits = eight.iter().enumerate().map(|(bit, node)| u8::from(is_split(node)) << bit);
        writer.u8(bits.sum());
    }
    let splits: Vec<(u32, f32)> = nodes
        .iter()
        .filter_map(|node| match node {
            TreeNode::Split { column, threshold, .. } => Some((*column, *threshold)),
            TreeNode::Leaf { .. } => None,
        })
        .collect();
    for &(column, _) in &splits {
        match is_narrow(forest.columns()) {
            true => writer.u8(column as u8),
            false => writer.u16(column as u16),
        }
    }
    for plane in 0..4 {
        splits.iter().for_each(|(_, threshold)| writer.u8(threshold.to_le_bytes()[plane]));
    }
    for node in nodes {
        if let TreeNode::Leaf { samples } = node {
            writer.varint(*samples);
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<IsolationForest, Problem> {
    let columns = reader.u32()? as usize;
    let max_samples = reader.u32()?;
    let trees = reader.u32()? as usize;
    let nodes = reader.u32()? as usize;
    if columns > MAX_COLUMNS || nodes > MAX_NODES || trees > nodes {
        return Err(format!("{columns} columns, {trees} trees and {nodes} nodes are out of bounds"));
    }
    let medians = reader.f64s(columns)?;
    let bits = reader.take(nodes.div_ceil(8))?;
    let shape: Vec<bool> = (0..nodes).map(|node| bits[node / 8] >> (node % 8) & 1 == 1).collect();
    let splits = read_splits(reader, shape.iter().filter(|&&split| split).count(), columns)?;
    let trees = build_trees(&shape, &splits, trees, reader)?;
    IsolationForest::from_trees(medians, max_samples, &trees).map_err(|error| error.to_string())
}

fn read_splits(reader: &mut Reader<'_>, count: usize, columns: usize) -> Result<Vec<(u32, f32)>, Problem> {
    let width = if is_narrow(columns) { 1 } else { 2 };
    let numbers = reader.take(count * width)?;
    let planes = reader.take(count * 4)?;
    let number = |split: usize| match numbers[split * width..][..width] {
        [low, high] => u32::from(u16::from_le_bytes([low, high])),
        [low, ..] => u32::from(low),
        [] => 0,
    };
    let threshold =
        |split: usize| f32::from_le_bytes([0, 1, 2, 3].map(|plane| planes[plane * count + split]));
    Ok((0..count).map(|split| (number(split), threshold(split))).collect())
}

/// Puts the trees together from their preorder.
fn build_trees(
    shape: &[bool],
    splits: &[(u32, f32)],
    count: usize,
    leaves: &mut Reader<'_>,
) -> Result<Vec<Vec<TreeNode>>, Problem> {
    let mut splits = splits.iter();
    let mut shape = shape.iter();
    let mut trees = Vec::new();
    for _ in 0..count {
        let mut tree = Vec::new();
        // Splits that wait for their right child.
        let mut waiting: Vec<usize> = Vec::new();
        loop {
            let at = tree.len() as u32;
            match shape.next() {
                None => return Err("the last tree does not end".to_owned()),
                Some(true) => {
                    let &(column, threshold) = splits.next().ok_or("splits are missing")?;
                    waiting.push(at as usize);
                    tree.push(TreeNode::Split { column, threshold, left: at + 1, right: 0 });
                }
                Some(false) => {
                    tree.push(TreeNode::Leaf { samples: leaves.varint()? });
                    let Some(split) = waiting.pop() else { break };
                    if let TreeNode::Split { right, .. } = &mut tree[split] {
                        *right = at + 1;
                    }
                }
            }
        }
        trees.push(tree);
    }
    match shape.next() {
        None => Ok(trees),
        Some(_) => Err("nodes are left over".to_owned()),
    }
}

fn is_split(node: &TreeNode) -> bool {
    matches!(node, TreeNode::Split { .. })
}

fn is_narrow(columns: usize) -> bool {
    columns <= 256
}
