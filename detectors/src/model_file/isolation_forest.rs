//! The section `frst`: medians and trees. Like is kept with like, which deflate rewards: shapes as bits, columns,
//! thresholds by planes of bytes, and leaves. What only forests fitted elsewhere have comes last, and only there.

use super::bytes::{Problem, Reader, Writer};
use crate::detector::Detector;
use crate::forest::{IsolationForest, MAX_COLUMNS, MAX_NODES, Parts, TreeNode};

/// Flags of what is there beyond a forest trained here.
const ROUTES_MISSING: u8 = 1;
const ROUTES_INFINITE: u8 = 2;
const GIVEN_PATH_LENGTHS: u8 = 4;

pub(super) fn encode(forest: &IsolationForest, writer: &mut Writer) {
    let trees = forest.to_trees();
    let nodes: Vec<&TreeNode> = trees.iter().flatten().collect();
    writer.u32(forest.columns() as u32);
    writer.u32(forest.max_samples());
    writer.u32(trees.len() as u32);
    writer.u32(nodes.len() as u32);
    forest.medians().iter().for_each(|&median| writer.f64(median));
    write_bits(&nodes.iter().map(|node| is_split(node)).collect::<Vec<_>>(), writer);
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
    for node in &nodes {
        if let TreeNode::Leaf { samples } = node {
            writer.varint(*samples);
        }
    }
    encode_imported(forest, &nodes, writer);
}

/// Nothing for a forest trained here.
fn encode_imported(forest: &IsolationForest, nodes: &[&TreeNode], writer: &mut Writer) {
    let (missing, infinite) = forest.routes();
    let given = forest.path_lengths();
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(missing, ROUTES_MISSING)
        | flag(infinite, ROUTES_INFINITE)
        | flag(given.is_some(), GIVEN_PATH_LENGTHS);
    if flags == 0 {
        return;
    }
    writer.u8(flags);
    if missing {
        let left = |node: &&TreeNode| match node {
            TreeNode::Split { missing_left, .. } => Some(*missing_left),
            TreeNode::Leaf { .. } => None,
        };
        write_bits(&nodes.iter().filter_map(left).collect::<Vec<_>>(), writer);
    }
    if let Some(table) = given {
        writer.u32(table.len() as u32);
        for (&samples, &length) in table {
            writer.u32(samples);
            writer.f64(length);
        }
    }
}

/// The first in the lowest bit of the first byte, the last byte filled up with 0.
fn write_bits(bits: &[bool], writer: &mut Writer) {
    for eight in bits.chunks(8) {
        writer.u8(eight.iter().enumerate().map(|(place, &bit)| u8::from(bit) << place).sum());
    }
}

fn read_bits(reader: &mut Reader<'_>, count: usize) -> Result<Vec<bool>, Problem> {
    let bytes = reader.take(count.div_ceil(8))?;
    Ok((0..count).map(|bit| bytes[bit / 8] >> (bit % 8) & 1 == 1).collect())
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
    let shape = read_bits(reader, nodes)?;
    let splits = read_splits(reader, shape.iter().filter(|&&split| split).count(), columns)?;
    let trees = build_trees(&shape, &splits, trees, reader)?;
    let (path_lengths, routes_missing, routes_infinite) = (None, false, false);
    let mut parts = Parts { medians, max_samples, trees, path_lengths, routes_missing, routes_infinite };
    if !reader.is_empty() {
        decode_imported(reader, &mut parts)?;
    }
    IsolationForest::from_parts(parts).map_err(|error| error.to_string())
}

fn decode_imported(reader: &mut Reader<'_>, parts: &mut Parts) -> Result<(), Problem> {
    let flags = reader.u8()?;
    if flags == 0 || flags > (ROUTES_MISSING | ROUTES_INFINITE | GIVEN_PATH_LENGTHS) {
        return Err(format!("{flags} are no flags of an imported forest"));
    }
    parts.routes_missing = flags & ROUTES_MISSING != 0;
    parts.routes_infinite = flags & ROUTES_INFINITE != 0;
    if parts.routes_missing {
        let sides = parts.trees.iter_mut().flatten().filter_map(|node| match node {
            TreeNode::Split { missing_left, .. } => Some(missing_left),
            TreeNode::Leaf { .. } => None,
        });
        let sides: Vec<&mut bool> = sides.collect();
        let bits = read_bits(reader, sides.len())?;
        sides.into_iter().zip(bits).for_each(|(side, bit)| *side = bit);
    }
    if flags & GIVEN_PATH_LENGTHS != 0 {
        let count = reader.count(12)?;
        let table = (0..count).map(|_| Ok((reader.u32()?, reader.f64()?)));
        parts.path_lengths = Some(table.collect::<Result<_, Problem>>()?);
    }
    Ok(())
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
                    tree.push(TreeNode::Split {
                        column,
                        threshold,
                        left: at + 1,
                        right: 0,
                        missing_left: false,
                    });
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

#[cfg(test)]
mod tests;
