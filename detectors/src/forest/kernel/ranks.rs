//! A forest in bytes: a value is compared by its rank among the thresholds that it meets, so that a register holds 64
//! values, and nodes take two bytes.
//!
//! A row's *byte* i is the number of thresholds, of up to 255 that belong to it, that its slot's value exceeds; a slot with
//! more thresholds has more bytes. `value > threshold` is then `byte > rank of the threshold`, exactly.
//!
//! Whoever holds [`Ranks`] may rely on its invariants: every node names a byte that exists, and every byte a slot of the
//! forest; there is a top for every 64 trees and 32 bottoms for every tree, up to a multiple of four; and what [`Sorted`]
//! says of its lines is so.

use super::codes::Codes;
use super::padded::{LANES, Lanes, Padded, PaddedTree};

/// The depth of the trees that are laid out so: five levels of tops, three of bottoms.
const DEPTH: usize = TOP_LEVELS + 3;
/// Levels that are walked for 64 trees at once.
pub(super) const TOP_LEVELS: usize = 5;
/// Trees of a top: one byte each in a 512-bit register.
pub(super) const TREES: usize = 64;
/// Bottoms of a tree: the positions after the levels of its top.
pub(super) const BOTTOMS: usize = 1 << TOP_LEVELS;
/// Leaves of a tree.
pub(super) const LEAVES: usize = 1 << DEPTH;
/// Bottoms that are walked at once belong to this many trees.
pub(super) const IN_STEP: usize = 4;
/// Thresholds of a byte: its values are 0 to 255.
const THRESHOLDS: usize = 255;
/// The most bytes of a row: as many as a byte can name.
const MAX_BYTES: usize = 256;
/// The rank of what no value exceeds.
const NEVER: u8 = u8::MAX;

/// One byte for each of 64 trees, or rows.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bytes(pub(super) [u8; 64]);

/// The thresholds of a byte, infinite beyond the last.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Scale {
    /// In heap order; the first is unused, and so are those of levels beyond the last.
    pub(super) heap: [f32; 256],
    /// Levels of the heap: 6 to 8.
    pub(super) levels: u32,
    /// The slot whose values are compared.
    pub(super) slot: usize,
}

/// A number for each of 16 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Places(pub(super) [u32; LANES]);

/// Sixteen bytes of one row, whose thresholds are in ascending order, sixteen a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sixteen {
    /// Which of 16 slots from `slot` on each byte compares.
    pub(super) lanes: Places,
    /// Where each byte's first line begins, in bytes.
    pub(super) begins: Places,
    pub(super) slot: usize,
    /// How many lines are compared to know which one goes on: each has every byte's last threshold of a sixteen, infinite
    /// where a byte has none.
    pub(super) coarse: usize,
}

/// The thresholds, as one row meets them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sorted {
    /// Four for each register of bytes; the last ones may be less.
    pub(super) sixteens: Vec<Sixteen>,
    /// As many for each sixteen bytes as they say.
    pub(super) coarse: Vec<Lanes>,
    /// One more for each byte than the coarse thresholds it has.
    pub(super) lines: Vec<Lanes>,
}

/// The first levels of 64 trees in heap order: the byte and the rank of each node; the first is unused.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Top(pub(super) [[Bytes; 2]; BOTTOMS]);

/// The last three levels of a tree below one position: the byte and the rank of each of seven nodes, in heap order.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(super) struct Bottom {
    bytes: [u8; 8],
    ranks: [u8; 8],
}

/// All trees of a forest of eight levels, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Ranks {
    scales: Vec<Scale>,
    sorted: Sorted,
    tops: Vec<Top>,
    bottoms: Vec<Bottom>,
    leaves: Vec<u8>,
    values: [f64; 256],
    trees: usize,
}

impl Ranks {
    /// `None` if the trees are of another depth, or need more bytes than a byte can name.
    pub(super) fn new(padded: &Padded) -> Option<Self> {
        if padded.depth() != DEPTH as u32 || !padded.is_whole() {
            return None;
        }
        let numbers = Numbers::of(padded);
        let scales = numbers.scales()?;
        let trees = padded.trees();
        let (values, leaves) = coded(padded.leaves())?;
        let never = [Bytes([0; 64]), Bytes([NEVER; 64])];
        let mut ranks = Self {
            sorted: Sorted::of(&scales),
            scales,
            tops: vec![Top([never; BOTTOMS]); trees.div_ceil(TREES)],
            bottoms: vec![
                Bottom { bytes: [0; 8], ranks: [NEVER; 8] };
                trees.next_multiple_of(IN_STEP) * BOTTOMS
            ],
            leaves,
            values,
            trees,
        };
        for (number, tree) in padded.iter().enumerate() {
            ranks.fill(number, tree, &numbers);
        }
        Some(ranks)
    }

    fn fill(&mut self, number: usize, tree: PaddedTree<'_>, numbers: &Numbers) {
        let node = |heap: usize| {
            let node = tree.nodes[heap];
            numbers.node(node.slot as usize, node.threshold)
        };
        let Top(nodes) = &mut self.tops[number / TREES];
        for (heap, [bytes, ranks]) in nodes.iter_mut().enumerate().skip(1) {
            (bytes.0[number % TREES], ranks.0[number % TREES]) = node(heap);
        }
        for (position, bottom) in self.bottoms[number * BOTTOMS..][..BOTTOMS].iter_mut().enumerate() {
            for heap in 1..8_usize {
                // Its root is the node at that position of the tree's sixth level.
                let level = heap.ilog2();
                let place = ((BOTTOMS + position) << level) + heap - (1 << level);
                (bottom.bytes[heap - 1], bottom.ranks[heap - 1]) = node(place);
            }
        }
    }

    /// One for each byte of a row; 1 to 256.
    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// All bytes' thresholds.
    pub(super) fn sorted(&self) -> &Sorted {
        &self.sorted
    }

    /// One for every 64 trees.
    pub(super) fn tops(&self) -> &[Top] {
        &self.tops
    }

    /// 32 for each tree, and up to a multiple of four trees.
    pub(super) fn bottoms(&self) -> &[Bottom] {
        &self.bottoms
    }

    /// The number of each leaf's value, 256 for each tree.
    pub(super) fn leaves(&self) -> &[u8] {
        &self.leaves
    }

    /// What leaves add, by number.
    pub(super) fn values(&self) -> &[f64; 256] {
        &self.values
    }

    pub(super) fn trees(&self) -> usize {
        self.trees
    }
}

/// Numbers for values, and each one's number. `None` if a byte has too few.
fn coded(of: &[f64]) -> Option<([f64; 256], Vec<u8>)> {
    let mut codes = Codes::default();
    let number = |&value: &f64| u8::try_from(codes.number(value)?).ok();
    let numbers = of.iter().map(number).collect::<Option<_>>()?;
    let mut values = codes.into_values();
    values.resize(256, 0.0);
    Some((values.try_into().ok()?, numbers))
}

/// Which byte and rank stand for a slot and a threshold.
pub(super) struct Numbers {
    /// Each slot's first byte, and its thresholds in ascending order.
    slots: Vec<(usize, Vec<f32>)>,
}

impl Numbers {
    pub(super) fn of(padded: &Padded) -> Self {
        let mut slots = vec![(0, Vec::new()); padded.slots()];
        for node in padded.iter().flat_map(|tree| &tree.nodes[1..]) {
            if node.threshold < f32::INFINITY {
                slots[node.slot as usize].1.push(node.threshold);
            }
        }
        let mut bytes = 0;
        for (first, thresholds) in &mut slots {
            thresholds.sort_unstable_by(f32::total_cmp);
            // (zeros of both signs are equal, and next to each other)
            thresholds.dedup();
            *first = bytes;
            bytes += thresholds.len().div_ceil(THRESHOLDS);
        }
        Self { slots }
    }

    /// Each byte's thresholds; one without any if there is none at all. `None` if there are more than a byte can name.
    pub(super) fn scales(&self) -> Option<Vec<Scale>> {
        let of_slot = |(slot, (_, thresholds)): (usize, &(usize, Vec<f32>))| -> Vec<Scale> {
            thresholds.chunks(THRESHOLDS).map(|thresholds| Scale::of(slot, thresholds)).collect()
        };
        let mut scales: Vec<Scale> = self.slots.iter().enumerate().flat_map(of_slot).collect();
        if scales.is_empty() {
            scales.push(Scale::of(0, &[]));
        }
        (scales.len() <= MAX_BYTES).then_some(scales)
    }

    /// The byte and the rank of a split.
    pub(super) fn node(&self, slot: usize, threshold: f32) -> (u8, u8) {
        if threshold == f32::INFINITY {
            return (0, NEVER);
        }
        let (first, thresholds) = &self.slots[slot];
        let at = thresholds.partition_point(|&other| other < threshold);
        ((first + at / THRESHOLDS) as u8, (at % THRESHOLDS) as u8)
    }
}

impl Scale {
    /// Up to 255 thresholds in ascending order.
    fn of(slot: usize, thresholds: &[f32]) -> Self {
        let mut sorted = [f32::INFINITY; 256];
        sorted[..thresholds.len()].copy_from_slice(thresholds);
        let levels = (thresholds.len() + 1).next_power_of_two().ilog2().max(6);
        // A node of level l is the middle of what its ancestors leave: the nodes in order are the sorted thresholds.
        let heap = std::array::from_fn(|node| {
            let level = node.max(1).ilog2();
            if node == 0 || level >= levels {
                return f32::INFINITY;
            }
            sorted[((2 * (node - (1 << level)) + 1) << (levels - 1 - level)) - 1]
        });
        Self { heap, levels, slot }
    }

    /// Those below infinity, in ascending order.
    fn ascending(&self) -> Vec<f32> {
        let mut thresholds: Vec<f32> = self.heap.into_iter().filter(|&of| of < f32::INFINITY).collect();
        thresholds.sort_unstable_by(f32::total_cmp);
        thresholds
    }
}

impl Sorted {
    /// One scale for each byte, by slot.
    fn of(scales: &[Scale]) -> Self {
        let mut sorted = Self::default();
        for scales in scales.chunks(LANES) {
            sorted.push(scales);
        }
        sorted
    }

    fn push(&mut self, scales: &[Scale]) {
        let slot = scales[0].slot;
        let (mut lanes, mut begins) = ([0; LANES], [0; LANES]);
        let begin = self.coarse.len();
        for (lane, scale) in scales.iter().enumerate() {
            lanes[lane] = (scale.slot - slot) as u32;
            assert!(scale.slot - slot < LANES, "every slot has a byte");
            begins[lane] = (self.lines.len() * size_of::<Lanes>()) as u32;
            let thresholds = scale.ascending();
            let (sixteens, rest) = thresholds.as_chunks::<LANES>();
            for (number, sixteen) in sixteens.iter().enumerate() {
                if begin + number == self.coarse.len() {
                    self.coarse.push(Lanes([f32::INFINITY; LANES]));
                }
                self.coarse[begin + number].0[lane] = sixteen[LANES - 1];
                self.lines.push(Lanes(*sixteen));
            }
            let mut last = Lanes([f32::INFINITY; LANES]);
            last.0[..rest.len()].copy_from_slice(rest);
            self.lines.push(last);
        }
        self.sixteens.push(Sixteen {
            lanes: Places(lanes),
            begins: Places(begins),
            slot,
            coarse: self.coarse.len() - begin,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_down_the_heap_counts_the_thresholds_below() {
        for count in [0, 1, 2, 16, 17, 63, 64, 127, 128, 254, 255] {
            let thresholds: Vec<f32> = (0..count).map(|number| number as f32).collect();
            let scale = Scale::of(3, &thresholds);
            for value in (-1..=2 * count + 1).map(|half| half as f32 / 2.0) {
                let expected = thresholds.iter().filter(|&&threshold| value > threshold).count();
                let end = (0..scale.levels).fold(1, |at, _| 2 * at + usize::from(value > scale.heap[at]));
                assert_eq!(end - (1 << scale.levels), expected, "{value} of {count}");
            }
        }
    }

    #[test]
    fn the_line_that_coarse_thresholds_lead_to_counts_the_rest() {
        let thresholds: Vec<f32> = (0..255).map(|number| number as f32).collect();
        let counts = [0, 1, 2, 15, 16, 17, 63, 64, 127, 128, 239, 240, 254, 255];
        let scales: Vec<Scale> =
            (0..40).map(|slot| Scale::of(slot, &thresholds[..counts[slot % counts.len()]])).collect();
        let sorted = Sorted::of(&scales);
        let mut coarse = &sorted.coarse[..];
        for (scales, sixteen) in scales.chunks(LANES).zip(&sorted.sixteens) {
            let (here, others) = coarse.split_at(sixteen.coarse);
            coarse = others;
            for (lane, scale) in scales.iter().enumerate() {
                assert_eq!(sixteen.slot + sixteen.lanes.0[lane] as usize, scale.slot);
                for value in (-1..=511).map(|half| half as f32 / 2.0) {
                    let expected = scale.ascending().iter().filter(|&&threshold| value > threshold).count();
                    let line = here.iter().filter(|coarse| value > coarse.0[lane]).count();
                    let fine = &sorted.lines[sixteen.begins.0[lane] as usize / size_of::<Lanes>() + line];
                    let found = LANES * line + fine.0.iter().filter(|&&threshold| value > threshold).count();
                    assert_eq!(found, expected, "{value}, slot {}", scale.slot);
                }
            }
        }
        assert!(coarse.is_empty());
    }
}
