//! All kernels give the same bits as walking node by node.

use proptest::prelude::*;

use super::super::slots::Slot;
use super::super::tree::TreeNode;
use super::super::{IsolationForest, Parts};
use super::*;
use crate::detector::Detector;

/// Values at which comparisons could go wrong.
const SPECIAL: [f32; 12] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    f32::from_bits(1),
    f32::from_bits(0x8000_0001),
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];

/// A small generator: the shape of a forest needs thousands of numbers.
struct Bits {
    state: u64,
    /// Leaves have up to so many training rows.
    samples: usize,
    /// To how many sides missing values go.
    sides: usize,
}

impl Bits {
    fn new(state: u64) -> Self {
        Self { state, samples: 256, sides: 2 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % bound
    }

    fn value(&mut self) -> f32 {
        match self.below(4) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            1 => self.below(8) as f32 - 4.0,
            _ => f32::from_bits((self.below(1 << 16) << 16 | self.below(1 << 16)) as u32),
        }
    }

    fn threshold(&mut self) -> f32 {
        let value = self.value();
        if value.is_nan() || value == f32::INFINITY { 0.5 } else { value }
    }

    /// A tree of at most this depth in preorder; one in eight nodes above ends early.
    fn tree(&mut self, depth: u32, columns: usize, nodes: &mut Vec<TreeNode>) -> u32 {
        let at = nodes.len();
        nodes.push(TreeNode::Leaf { samples: 1 + self.below(self.samples) as u32 });
        if depth > 0 && self.below(8) > 0 {
            let (column, threshold) = (self.below(columns) as u32, self.threshold());
            let missing_left = self.below(self.sides) == 1;
            let left = self.tree(depth - 1, columns, nodes);
            let right = self.tree(depth - 1, columns, nodes);
            nodes[at] = TreeNode::Split { column, threshold, left, right, missing_left };
        }
        at as u32
    }

    fn forest(&mut self, trees: usize, depth: u32, columns: usize) -> IsolationForest {
        let tree = |_| {
            let mut nodes = Vec::new();
            self.tree(depth, columns, &mut nodes);
            nodes
        };
        let trees = (0..trees).map(tree).collect();
        let medians = (0..columns).map(|column| if column % 2 == 0 { 0.0 } else { 0.25 }).collect();
        let parts = Parts {
            medians,
            max_samples: 256,
            trees,
            path_lengths: None,
            routes_missing: true,
            routes_infinite: true,
        };
        IsolationForest::from_parts(parts).unwrap()
    }

    fn rows(&mut self, rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns)
            .map(|_| if self.below(16) == 0 { f64::NAN } else { self.value().into() })
            .collect()
    }
}

/// Node by node, with the comparison as it is defined.
fn expected(trees: &[Vec<TreeNode>], medians: &[f64], row: &[f64]) -> f64 {
    let mut sum = 0.0;
    for tree in trees {
        let (mut at, mut depth) = (0, 0);
        let samples = loop {
            match tree[at] {
                TreeNode::Leaf { samples } => break samples,
                TreeNode::Split { column, threshold, left, right, missing_left } => {
                    let value = (row[column as usize] - medians[column as usize]) as f32;
                    let goes_left = if value.is_nan() { missing_left } else { value <= threshold };
                    at = if goes_left { left } else { right } as usize;
                    depth += 1;
                }
            }
        };
        sum += ((f64::from(depth) + 1.0) + super::super::average_path_length(samples)) - 1.0;
    }
    sum
}

fn compare(seed: u64, trees: usize, depth: u32, columns: usize, count: usize) -> IsolationForest {
    compare_with(&mut Bits::new(seed), trees, depth, columns, count)
}

fn compare_with(bits: &mut Bits, trees: usize, depth: u32, columns: usize, count: usize) -> IsolationForest {
    let forest = bits.forest(trees, depth, columns);
    let given = forest.to_trees();
    let values = bits.rows(count, columns);
    let rows = ArrayView2::from_shape((count, columns), &values).unwrap();
    let expected: Vec<f64> =
        values.chunks_exact(columns).map(|row| expected(&given, forest.medians(), row)).collect();
    for &kernel in Kernel::all() {
        let mut sums = vec![f64::NAN; count];
        forest.measure_by(kernel, rows, &mut sums);
        for (row, values) in values.chunks_exact(columns).enumerate() {
            let name = kernel.name();
            assert_eq!(sums[row].to_bits(), expected[row].to_bits(), "{name}, row {row}, many rows");
            let alone = forest.measure_row_by(kernel, values);
            assert_eq!(alone.to_bits(), expected[row].to_bits(), "{name}, row {row}, alone");
        }
    }
    forest
}

#[test]
fn a_slot_is_what_a_split_of_its_column_reads() {
    let slot = Slot { column: 1, missing: f32::INFINITY, median: 0.5 };
    assert_eq!(
        [2.0, f64::NAN, 1e300].map(|value| slot.read(&[0.0, value])),
        [1.5, f32::INFINITY, f32::INFINITY]
    );
}

#[test]
fn every_depth_is_walked_to_its_end() {
    // Miri, which checks every access to memory and every borrow, is some thousand times slower. There: trees of a leaf, as
    // shallow as they are padded to, as deep as those of most forests, and deeper than are padded; as one row is walked
    // down ten in step and one more, and as 16 rows are and one more.
    let (trees, rows, depths) =
        if cfg!(miri) { (11, 17, vec![0, 4, 8, 12]) } else { (23, 150, (0..=13).collect()) };
    for depth in depths {
        let trees = if cfg!(miri) && depth > 8 { 2 } else { trees };
        compare(u64::from(depth), trees, depth, 5, rows);
    }
}

#[test]
fn every_number_of_slots_is_read() {
    // With missing values on both sides, most columns have two slots.
    for columns in 1..=24 {
        for depth in [5, 8] {
            compare(columns as u64, 9, depth, columns, 240);
        }
    }
    // With missing values on one side, each has one: around the numbers that one register holds, and two.
    for columns in [15, 16, 17, 31, 32, 33] {
        for depth in [5, 8, 10] {
            let mut bits = Bits { sides: 1, ..Bits::new(columns as u64) };
            let forest = compare_with(&mut bits, 23, depth, columns, 240);
            assert_eq!(forest.layout.padded.slots(), columns, "depth {depth}");
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn forests_of_eight_levels_fit_into_bytes() {
    // One, two and three times 64 trees, and what is left over; bytes of one, two and four registers.
    let (trees, columns): (&[usize], &[usize]) =
        if cfg!(miri) { (&[3], &[5]) } else { (&[1, 3, 4, 63, 64, 65, 100, 130], &[1, 2, 10, 40, 70]) };
    for (&trees, &columns) in
        trees.iter().flat_map(|trees| columns.iter().map(move |columns| (trees, columns)))
    {
        let mut bits = Bits { samples: 12, ..Bits::new((trees * columns) as u64) };
        let forest = compare_with(&mut bits, trees, 8, columns, 150);
        // (one tree alone may end above)
        assert!(trees < 3 || forest.layout.padded.ranks().is_some(), "{trees} trees, {columns} columns");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn forests_of_few_splits_are_compared_in_bytes() {
    for depth in 0..=8 {
        // One block of rows, and what is left over; with one byte of a row, and some.
        for (trees, columns) in [(3, 1), (23, 5), (23, 70)] {
            let mut bits = Bits { samples: 12, ..Bits::new(depth.into()) };
            let forest = compare_with(&mut bits, trees, depth, columns, 300);
            assert!(
                forest.layout.padded.splits().is_some(),
                "depth {depth}, {trees} trees, {columns} columns"
            );
        }
    }
    let forest = compare_with(&mut Bits { samples: 12, ..Bits::new(1) }, 9, 10, 5, 150);
    assert!(forest.layout.padded.splits().is_none(), "walking is quicker");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn forests_of_nine_to_twelve_levels_are_walked_in_blocks() {
    for depth in 9..=12 {
        // Slots of one register, of two, and more than these; more trees than one row is walked down in step.
        for (trees, columns, fits) in [(9, 5, true), (9, 16, true), (9, 20, false), (130, 2, true)] {
            let forest = compare(u64::from(depth), trees, depth, columns, 300);
            assert_eq!(
                forest.layout.padded.blocks().is_some(),
                fits,
                "depth {depth}, {trees} trees, {columns} columns"
            );
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_does_not_fit_into_bytes_is_walked_otherwise() {
    // More kinds of leaves than a byte can name; more bytes than a byte can name.
    for (samples, trees, columns) in [(256, 23, 5), (12, 23, 290)] {
        let forest = compare_with(&mut Bits { samples, ..Bits::new(1) }, trees, 8, columns, 150);
        let layout = &forest.layout.padded;
        assert!(layout.ranks().is_none() && layout.splits().is_none(), "{trees} trees, {columns} columns");
        assert_ne!(forest.kernel(), "avx512-ranks", "{trees} trees, {columns} columns");
    }
}

#[test]
fn every_number_of_rows_is_scored() {
    for count in 1..=70 {
        compare(count as u64, 3, 6, 40, count);
    }
}

#[test]
fn transposed_rows_score_as_they_are() {
    let mut bits = Bits::new(7);
    for depth in [6, 12] {
        let forest = bits.forest(9, depth, 4);
        let values = bits.rows(50, 4);
        let rows = ArrayView2::from_shape((50, 4), &values).unwrap();
        let transposed = rows.reversed_axes().to_owned();
        let (mut straight, mut strided) = ([0.0; 50], [0.0; 50]);
        forest.measure(rows, &mut straight);
        forest.measure(transposed.view().reversed_axes(), &mut strided);
        assert_eq!(straight, strided);
    }
}

#[test]
fn rows_of_32_bits_score_as_the_equal_ones_of_64() {
    let mut bits = Bits::new(8);
    for (depth, columns) in [(6, 3), (6, 30), (12, 3)] {
        let forest = bits.forest(9, depth, columns);
        let short: Vec<f32> = bits.rows(50, columns).into_iter().map(|value| value as f32).collect();
        let long: Vec<f64> = short.iter().map(|&value| value.into()).collect();
        let (mut from_short, mut from_long) = ([0.0; 50], [0.0; 50]);
        for &kernel in Kernel::all() {
            forest.measure_by(
                kernel,
                ArrayView2::from_shape((50, columns), &short).unwrap(),
                &mut from_short,
            );
            forest.measure_by(kernel, ArrayView2::from_shape((50, columns), &long).unwrap(), &mut from_long);
            assert_eq!(from_short, from_long);
            assert_eq!(forest.measure_row_by(kernel, &short[..columns]), from_long[0]);
        }
    }
}

#[test]
fn the_chosen_kernel_is_one_of_the_processors() {
    let chosen = Bits::new(9).forest(3, 6, 4).kernel();
    assert!(Kernel::all().iter().any(|kernel| kernel.name() == chosen));
    assert_eq!(Kernel::all()[0].name(), "portable");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_kernel_gives_the_same_bits(
        seed: u64,
        trees in 1_usize..40,
        depth in 1_u32..=10,
        columns in prop_oneof![1_usize..=20, 1_usize..=300],
        count in 1_usize..140,
    ) {
        compare(seed, trees, depth, columns, count);
    }
}
