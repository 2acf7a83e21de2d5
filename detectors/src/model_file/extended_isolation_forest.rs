//! The section `eifr`: an extended isolation forest without its hyperplanes, which the seed gives.

use super::bytes::{Problem, Reader, Writer};
use crate::config::{MAX_SEED, MAX_TREES};
use crate::extended_isolation_forest::{ExtendedIsolationForest, Node, Parts};
use crate::forest::{MAX_COLUMNS, MAX_NODES};
use crate::scaling::Scale;

pub(super) fn encode(forest: &ExtendedIsolationForest, writer: &mut Writer) {
    let parts = forest.to_parts();
    writer.u32(parts.scales.len() as u32);
    writer.u64(parts.seed);
    writer.u32(parts.sample);
    writer.u32(parts.width);
    writer.u32(parts.trees);
    writer.u32(parts.nodes.len() as u32);
    parts.scales.iter().for_each(|scale| writer.f64(scale.center));
    parts.scales.iter().for_each(|scale| writer.f64(scale.width));
    // Like with like: 0 for a leaf, else one more than the number of the draw; thresholds by planes of bytes; leaves.
    let splits = || {
        parts.nodes.iter().filter_map(|node| match node {
            Node::Split { threshold, .. } => Some(threshold),
            Node::Leaf { .. } => None,
        })
    };
    for node in &parts.nodes {
        writer.u8(match node {
            Node::Split { draw, .. } => draw + 1,
            Node::Leaf { .. } => 0,
        });
    }
    for plane in 0..4 {
        splits().for_each(|threshold| writer.u8(threshold.to_le_bytes()[plane]));
    }
    for node in &parts.nodes {
        if let Node::Leaf { samples } = node {
            writer.varint(*samples);
        }
    }
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<ExtendedIsolationForest, Problem> {
    let columns = reader.u32()? as usize;
    let seed = reader.u64()?;
    let (sample, width, trees) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let nodes = reader.u32()? as usize;
    if columns > MAX_COLUMNS || nodes > MAX_NODES || trees > MAX_TREES || seed > MAX_SEED {
        return Err(format!(
            "{columns} columns, {trees} trees, {nodes} nodes or seed {seed} are out of bounds"
        ));
    }
    let (centers, widths) = (reader.f64s(columns)?, reader.f64s(columns)?);
    let scales = centers.into_iter().zip(widths).map(|(center, width)| Scale { center, width }).collect();
    let draws = reader.take(nodes)?;
    let splits = draws.iter().filter(|&&draw| draw > 0).count();
    let planes = reader.take(4 * splits)?;
    let mut split = 0;
    let mut node = |draw: u8| {
        Ok(match draw {
            0 => Node::Leaf { samples: reader.varint()? },
            _ => {
                let threshold = [0, 1, 2, 3].map(|plane| planes[plane * splits + split]);
                split += 1;
                Node::Split { draw: draw - 1, threshold: f32::from_le_bytes(threshold) }
            }
        })
    };
    let nodes = draws.iter().map(|&draw| node(draw)).collect::<Result<_, Problem>>()?;
    ExtendedIsolationForest::from_parts(Parts { seed, sample, width, trees, scales, nodes })
}
