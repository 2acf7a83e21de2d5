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
/// Different thresholds of such a forest: of its 255 splits a tree, 70 are there for 256 rows.
const THRESHOLDS: u32 = 7_000;
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
        static CHOSEN: [OnceLock<Kernel>; 6] = [const { OnceLock::new() }; 6];
        let many = padded.slots() > FEW;
        let kind = if Self::all().iter().any(|kernel| kernel.in_bytes) && padded.fits_into_bytes() {
            Kind::Bytes
        } else if padded.fits_into_blocks() {
            Kind::Blocks
        } else {
            Kind::Other
        };
        let choice = &CHOSEN[usize::from(many) + 2 * kind as usize];
        *choice.get_or_init(|| fastest(if many { 2 * FEW } else { FEW / 2 }, kind))
    }

    /// Its name, after the instructions it uses.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Adds the leaf values of all trees for the rows of all tiles.
    pub(super) fn sums(self, padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
        assert_eq!(values.len(), padded.stride() * sums.len(), "every tile has its values");
        (self.sums)(padded, values, sums);
    }

    /// The sum of leaf values of one row.
    pub(super) fn sum(self, padded: &Padded, values: &[f32]) -> f64 {
        assert_eq!(values.len(), padded.slots(), "a row has all slots");
        (self.sum)(padded, values)
    }
}

/// What kernels make of a forest, by which they are compared.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Other,
    Bytes,
    Blocks,
}

impl Kind {
    /// The levels of such a forest, and a number of its trees that is walked in some milliseconds.
    fn test(self) -> (u32, u32) {
        match self {
            Self::Other => (7, TREES),
            Self::Bytes => (8, TREES),
            Self::Blocks => (10, TREES / 4),
        }
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
        if is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("popcnt") {
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
    let (levels, trees) = kind.test();
    let in_bytes = kind == Kind::Bytes;
    let trees: Vec<Vec<TreeNode>> = (0..trees).map(|number| tree(number, columns as u32, levels)).collect();
    let packed = PackedTrees::pack(&trees, &vec![0.0; columns], 256, &PathLengths::Formula);
    let padded = Padded::new(packed.expect("these trees are well-formed"));
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

/// A full tree, in heap order.
fn tree(number: u32, columns: u32, levels: u32) -> Vec<TreeNode> {
    let leaves = 1 << levels;
    let places = (THRESHOLDS / columns) as f32;
    let inner = (0..leaves - 1).map(|node| TreeNode::Split {
        column: (node * 7 + number) % columns,
        threshold: (noise(node * 131 + number) * places).floor() / places,
        left: 2 * node + 1,
        right: 2 * node + 2,
        missing_left: false,
    });
    inner.chain((0..leaves).map(|_| TreeNode::Leaf { samples: 1 })).collect()
}

/// Numbers in [0, 1) without a pattern that a processor could learn.
fn noise(of: u32) -> f32 {
    let mut bits = of.wrapping_add(1).wrapping_mul(0x9e37_79b9);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    (bits >> 8) as f32 / (1_u32 << 24) as f32
}
