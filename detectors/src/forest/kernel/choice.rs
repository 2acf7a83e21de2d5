//! Which kernels this processor has, and which of them is fastest here: gathers are quick on some processors and slow
//! on others that have the same instructions, so a short test decides. It decides speed alone, since all kernels give
//! the same bits.

use std::sync::OnceLock;
use std::time::Instant;

use super::super::tree::{PackedTrees, TreeNode};
use super::padded::{LANES, Lanes, Padded, Sums};
use super::portable;
use crate::forest::path_length::PathLengths;

/// Runs of each kernel in the test, of which the quickest counts.
const RUNS: usize = 5;
/// Trees of the test, as many as forests have by default.
const TREES: u32 = 100;
/// The levels of its trees at which all splits are there.
const FULL_LEVELS: u32 = 3;
/// The share of splits among the nodes below.
const GOES_ON: f32 = 0.7;
/// The most rows of a leaf: more than a byte can count.
const MAX_SAMPLES: u32 = 512;
/// Up to so many columns, some kernels choose a value among all of them; from more, they load it.
const FEW: usize = 16;

/// A way of scoring rows on this processor.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    name: &'static str,
    /// Whether it is for forests that fit into bytes, and walks others as some other kernel does.
    in_bytes: bool,
    sums: fn(&Padded, &[Lanes], &mut [Sums]),
    sum: fn(&Padded, &[f32]) -> f64,
}

impl Kernel {
    /// Every kernel that this processor has; the portable one is first.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Kernel>> = OnceLock::new();
        ALL.get_or_init(available)
    }

    /// The fastest for this processor and forests of this kind, found by a test of some milliseconds when one is first
    /// asked for.
    pub(super) fn fastest_for(padded: &Padded) -> Self {
        static CHOSEN: [OnceLock<Kernel>; 8] = [const { OnceLock::new() }; 8];
        let many = padded.slots() > FEW;
        let kind = Kind::of(padded);
        let choice = &CHOSEN[usize::from(many) + 2 * kind as usize];
        *choice.get_or_init(|| fastest(if many { 2 * FEW } else { FEW / 2 }, kind))
    }

    /// Its name, after the instructions it uses.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Adds the leaf values of all trees for the rows of all tiles.
    pub(super) fn sums(self, padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
        debug_assert!(sums.iter().all(|sums| sums.0 == [0.0; LANES]), "some kernels add, some write");
        assert_eq!(values.len(), padded.stride() * sums.len(), "every tile has its values");
        (self.sums)(padded, values, sums);
    }

    /// The sum of leaf values of one row.
    pub(super) fn sum(self, padded: &Padded, values: &[f32]) -> f64 {
        assert_eq!(values.len(), padded.slots(), "a row has all slots");
        (self.sum)(padded, values)
    }
}

/// Forests that kernels walk in different ways, of which they are not the fastest alike.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "particular kernels are for AVX"))]
enum Kind {
    /// `avx512-ranks` compares their bytes.
    Ranks,
    /// `avx512` walks them in blocks.
    Blocks,
    /// `avx2` compares their bytes.
    Splits,
    Other,
}

impl Kind {
    /// Layouts that no kernel of this processor walks are not made for it.
    #[cfg(target_arch = "x86_64")]
    fn of(padded: &Padded) -> Self {
        let has = |name| Kernel::all().iter().any(|kernel| kernel.name == name);
        if has("avx512-ranks") && padded.ranks().is_some() {
            Self::Ranks
        } else if has("avx512") && padded.blocks().is_some() {
            Self::Blocks
        } else if has("avx2") && padded.splits().is_some() {
            Self::Splits
        } else {
            Self::Other
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of(_: &Padded) -> Self {
        Self::Other
    }

    /// A forest of this kind on which kernels are tested.
    fn forest(self, columns: usize) -> Padded {
        // Seven levels are no blocks; leaves of more different sizes than a byte can name are neither ranks nor splits.
        let (levels, trees, sizes) = match self {
            Self::Ranks => (8, TREES, 1),
            Self::Splits => (7, TREES, 1),
            Self::Blocks => (10, TREES / 2, 1),
            Self::Other => (7, TREES, MAX_SAMPLES),
        };
        let trees: Vec<Vec<TreeNode>> =
            (0..trees).map(|number| tree(number, columns as u32, levels, sizes)).collect();
        let packed = PackedTrees::pack(&trees, &vec![0.0; columns], MAX_SAMPLES, &PathLengths::Formula);
        Padded::new(packed.expect("these trees are well-formed"))
    }
}

fn available() -> Vec<Kernel> {
    let portable = Kernel { name: "portable", in_bytes: false, sums: portable::sums, sum: portable::sum };
    [portable].into_iter().chain(particular()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn particular() -> Vec<Kernel> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
fn particular() -> Vec<Kernel> {
    use super::{avx2, avx512, avx512_ranks, avx512_row};
    let mut kernels = Vec::new();
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what it needs, and `Kernel::sums` has compared the lengths.
        let sums = |padded: &Padded, values: &[Lanes], sums: &mut [Sums]| unsafe {
            avx2::sums(padded, values, sums)
        };
        kernels.push(Kernel { name: "avx2", in_bytes: false, sums, sum: portable::sum });
    }
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
    {
        // SAFETY: as above.
        let sums = |padded: &Padded, values: &[Lanes], sums: &mut [Sums]| unsafe {
            avx512::sums(padded, values, sums)
        };
        // SAFETY: as above, by `Kernel::sum`.
        let sum = |padded: &Padded, values: &[f32]| unsafe { avx512_row::sum(padded, values) };
        kernels.push(Kernel { name: "avx512", in_bytes: false, sums, sum });
        if is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512bitalg")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: as above; a forest's ranks are its own.
            let sums = |padded: &Padded, values: &[Lanes], sums: &mut [Sums]| unsafe {
                match padded.ranks() {
                    Some(ranks) => avx512_ranks::sums(ranks, padded.stride(), values, sums),
                    None => avx512::sums(padded, values, sums),
                }
            };
            // SAFETY: as above.
            let sum = |padded: &Padded, values: &[f32]| unsafe {
                match padded.ranks() {
                    Some(ranks) => avx512_ranks::sum(ranks, values),
                    None => avx512_row::sum(padded, values),
                }
            };
            kernels.push(Kernel { name: "avx512-ranks", in_bytes: true, sums, sum });
        }
    }
    kernels
}

/// The best of each kind, which may be of two kernels.
fn fastest(columns: usize, kind: Kind) -> Kernel {
    let padded = kind.forest(columns);
    let in_bytes = kind == Kind::Ranks;
    let values: Vec<Lanes> = (0..8 * padded.stride() as u32)
        .map(|tile| Lanes(std::array::from_fn(|lane| noise(tile * LANES as u32 + lane as u32))))
        .collect();
    let many = quickest(in_bytes, |kernel| {
        let mut sums = [Sums::default(); 8];
        kernel.sums(&padded, &values, &mut sums);
        sums[0].0[0]
    });
    let rows: Vec<f32> = (0..8 * columns as u32).map(noise).collect();
    let one =
        quickest(in_bytes, |kernel| rows.chunks_exact(columns).map(|row| kernel.sum(&padded, row)).sum());
    Kernel { sum: one.sum, ..many }
}

fn quickest(in_bytes: bool, run: impl Fn(Kernel) -> f64) -> Kernel {
    let time = |kernel: Kernel| {
        let once = |_| {
            let begin = Instant::now();
            std::hint::black_box(run(kernel));
            begin.elapsed()
        };
        (0..RUNS).map(once).min()
    };
    let suitable = Kernel::all().iter().filter(|kernel| in_bytes || !kernel.in_bytes);
    let timed = suitable.map(|&kernel| (time(kernel), kernel));
    timed.min_by_key(|(time, _)| *time).map_or(Kernel::all()[0], |(_, kernel)| kernel)
}

/// A tree of so many levels, whose leaves hold 1 to `sizes` rows. As those of ordinary data do, most paths end above: of
/// 255 splits of eight levels some 70 are there.
fn tree(number: u32, columns: u32, levels: u32, sizes: u32) -> Vec<TreeNode> {
    let noise = |of: usize| noise(of as u32 * 131 + number * 7_919);
    let leaf = |at: usize| TreeNode::Leaf { samples: 1 + (noise(2 * at) * sizes as f32) as u32 };
    let (mut nodes, mut depths) = (vec![leaf(0)], vec![0]);
    let mut at = 0;
    while let Some(&depth) = depths.get(at) {
        if depth < levels && (depth < FULL_LEVELS || noise(at) < GOES_ON) {
            let left = nodes.len();
            nodes[at] = TreeNode::Split {
                column: (at as u32 * 7 + number) % columns,
                threshold: noise(2 * at + 1),
                left: left as u32,
                right: left as u32 + 1,
                missing_left: false,
            };
            nodes.extend([leaf(left), leaf(left + 1)]);
            depths.extend([depth + 1; 2]);
        }
        at += 1;
    }
    nodes
}

/// Numbers in [0, 1) without a pattern that a processor could learn.
fn noise(of: u32) -> f32 {
    let mut bits = of.wrapping_add(1).wrapping_mul(0x9e37_79b9);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    (bits >> 8) as f32 / (1_u32 << 24) as f32
}

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_tested_on_a_forest_of_the_kind() {
        for columns in [FEW / 2, 2 * FEW] {
            for kind in [Kind::Ranks, Kind::Splits, Kind::Blocks, Kind::Other] {
                let padded = kind.forest(columns);
                let fits = [padded.ranks().is_some(), padded.splits().is_some(), padded.blocks().is_some()];
                let expected = match kind {
                    Kind::Ranks => [true, true, false],
                    Kind::Splits => [false, true, false],
                    Kind::Blocks => [false, true, true],
                    Kind::Other => [false, false, false],
                };
                assert_eq!(fits, expected, "{kind:?}, {columns} columns");
                if kind == Kind::Ranks {
                    let splits: usize = padded.splits().unwrap().iter().map(|(splits, _)| splits.len()).sum();
                    assert!((60..80).contains(&(splits / TREES as usize)), "{splits} splits");
                }
            }
        }
    }
}
