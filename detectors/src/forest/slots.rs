//! What the splits of a forest read from a row: one *slot* for each column that is split, two if some of its splits
//! send missing values left and others right.
//!
//! A missing value becomes −∞ in the slot that the former read and +∞ in that of the latter, which every comparison
//! with a threshold below infinity then sends to its side: walking needs no test for missing values.

use super::kernel::{LANES, Lanes, Work, transpose, wide};
use super::tree::TreeNode;

/// A column as some splits see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    pub(super) column: u32,
    /// What a missing value becomes.
    pub(super) missing: f32,
    /// Subtracted in f64 before the value becomes f32.
    pub(super) median: f64,
}

impl Slot {
    pub(super) fn missing_left(self) -> bool {
        self.missing < 0.0
    }

    /// The value that splits compare; the row has all columns. What is an f32 already and not centred stays as it is.
    #[inline(always)]
    pub(super) fn read<V: Copy + Into<f64>>(self, row: &[V]) -> f32 {
        let value = (row[self.column as usize].into() - self.median) as f32;
        if value.is_nan() { self.missing } else { value }
    }
}

/// All slots of a forest, at least one, by column.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Slot numbers of each column: missing values right, left. Unused ones are 0.
    numbers: Vec<[u32; 2]>,
    medians: Vec<f64>,
    /// Whether every column has one slot: then slots are columns.
    whole: bool,
}

impl Slots {
    /// The slots that these trees need; columns that do not exist are left to the check of the node.
    pub(super) fn of(trees: &[Vec<TreeNode>], medians: &[f64]) -> Self {
        let mut used = vec![[false; 2]; medians.len()];
        for node in trees.iter().flatten() {
            if let TreeNode::Split { column, missing_left, .. } = node
                && let Some(used) = used.get_mut(*column as usize)
            {
                used[usize::from(*missing_left)] = true;
            }
        }
        // Walks read a slot even where there is nothing to compare.
        if used.iter().all(|sides| *sides == [false; 2]) {
            used[0][0] = true;
        }
        let mut slots = Vec::new();
        let mut numbers = vec![[0; 2]; medians.len()];
        for (column, &median) in medians.iter().enumerate() {
            for (side, missing) in [f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
                if used[column][side] {
                    numbers[column][side] = slots.len() as u32;
                    slots.push(Slot { column: column as u32, missing, median });
                }
            }
        }
        let whole = used.iter().all(|sides| sides[0] != sides[1]);
        Self { slots, numbers, medians: medians.to_vec(), whole }
    }

    /// The slot of a column that exists and is split with missing values on that side.
    pub(super) fn number(&self, column: u32, missing_left: bool) -> u32 {
        self.numbers[column as usize][usize::from(missing_left)]
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, number: usize) -> Slot {
        self.slots[number]
    }

    /// Fills `values`, one for each slot, from a row of all columns.
    pub(super) fn read<V: Copy + Into<f64>>(&self, row: &[V], values: &mut [f32]) {
        if self.whole {
            wide(ReadRow { slots: self, row, values });
        } else {
            values.iter_mut().zip(&self.slots).for_each(|(value, slot)| *value = slot.read(row));
        }
    }

    /// As [`Slots::read`], for 16 rows side by side; `centred` is scratch memory.
    pub(super) fn read_tile<V: Copy + Into<f64>>(
        &self,
        rows: [&[V]; LANES],
        centred: &mut Vec<f32>,
        values: &mut [Lanes],
    ) {
        centred.resize(LANES * self.medians.len(), 0.0);
        wide(ReadTile { slots: self, rows, centred, values });
    }
}

/// A row is centred and cast, many columns at once, where slots are columns.
struct ReadRow<'a, V> {
    slots: &'a Slots,
    row: &'a [V],
    values: &'a mut [f32],
}

impl<V: Copy + Into<f64>> Work for ReadRow<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { slots, row, values } = self;
        let mut missing = false;
        for ((to, &value), &median) in values.iter_mut().zip(row).zip(&slots.medians) {
            *to = (value.into() - median) as f32;
            missing |= to.is_nan();
        }
        if missing {
            values
                .iter_mut()
                .zip(&slots.slots)
                .for_each(|(value, slot)| *value = if value.is_nan() { slot.missing } else { *value });
        }
    }
}

/// Rows are centred and cast, many columns at once, and then set side by side, 16 columns at once.
struct ReadTile<'a, V> {
    slots: &'a Slots,
    rows: [&'a [V]; LANES],
    centred: &'a mut [f32],
    values: &'a mut [Lanes],
}

impl<V: Copy + Into<f64>> Work for ReadTile<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { slots, rows, centred, values } = self;
        let columns = slots.medians.len();
        for (centred, row) in centred.chunks_exact_mut(columns).zip(rows) {
            for ((centred, &value), &median) in centred.iter_mut().zip(row).zip(&slots.medians) {
                *centred = (value.into() - median) as f32;
            }
        }
        let centred = &*centred;
        let mut rows = [centred; LANES];
        rows.iter_mut().zip(centred.chunks_exact(columns)).for_each(|(to, row)| *to = row);
        let mut begin = usize::MAX;
        let mut block = [Lanes::default(); LANES];
        for (values, slot) in values.iter_mut().zip(&slots.slots) {
            let column = slot.column as usize;
            if begin != column / LANES * LANES {
                begin = column / LANES * LANES;
                transpose(&rows, begin, &mut block);
            }
            let (mut column, missing) = (block[column % LANES], slot.missing);
            for value in &mut column.0 {
                *value = if value.is_nan() { missing } else { *value };
            }
            *values = column;
        }
    }
}
