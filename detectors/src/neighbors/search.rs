//! The nearest references to a row: all are compared in 32 bits, and in 64 bits those that can be among the nearest.
//!
//! What is reported are distances in 64 bits and nothing else; in 32 bits it is only found out which references can be left
//! out. With h = |x|²/2, half the squared distance from a row x to a reference r is D = h(x) + h(r) − x·r: one product and one
//! difference a column, and several rows share what is loaded of a reference. With u = 2⁻²⁴, starting from h(x) + h(r) these
//! are off by at most (2d + 4) u (h(x) + h(r)), as all on the way is below 2 (h(x) + h(r)), and by 2⁻¹⁵⁰ for each product that
//! underflows. They start lower by a share ε = (d + 4) 2⁻²², twice that, so what comes out, n, is no more than D, and
//! D ≤ n + 2ε (h(x) + h(r)) but for underflows. If k references have n ≤ b, then for them h(r) ≤ 2 h(x) + 2 D, so
//! D ≤ (b + 6ε h(x)) / (1 − 4ε), and what exceeds that is farther than these k: see [`limit_of_halves`].
//!
//! Far from the medians D is small beside h, and that would leave many. Then, where squares are too large for it, and for a
//! row alone, differences are squared: in f32 a sum of d squared differences, one after the other, is off by a factor within
//! (1 ± 2⁻²⁴)^(d + 2), and where squares underflow by at most 2⁻¹⁵⁰ each. So if k sums are at most b, a reference whose sum
//! exceeds b by more than twice that is farther than these k: [`limit_of_squares`] leaves four times the room. Sums that
//! overflow in 32 bits are infinite: where b is, all references are compared in 64.

use super::{LANES, MAX_NEIGHBORS, References, USUAL_REFERENCES};
use crate::forest::{Lanes, Work, transpose, wide};

/// Rows that are compared at once with what is loaded of the references.
pub(super) const ROWS: usize = 4;
/// Rows and references with larger halves are compared by their differences: no sum of theirs overflows up to here.
const LARGEST_HALF: f64 = 1e37;
/// Rows of more columns, a million, are compared by their differences: the proof above takes ε to be small.
const LARGEST_SHARE: f64 = 0.125;
/// How far the limit may be above the bound before differences are squared instead.
const MOST_ROOM: f32 = 1.25;
/// Groups of references of which each gives its nearest: no fewer than neighbours are asked for, and several times the
/// usual number.
const GROUPS: usize = 8 * LANES;
/// As many of the best are kept before there is a choice among them.
const ROOM: usize = 128;

const _: () = assert!(MAX_NEIGHBORS <= GROUPS && GROUPS <= 256 && MAX_NEIGHBORS < ROOM);

/// The nearest references to a row: squared distances in ascending order, of equal ones the first reference first.
pub(crate) struct Nearest {
    squares: [f64; MAX_NEIGHBORS],
    references: [u32; MAX_NEIGHBORS],
    found: usize,
}

impl Nearest {
    /// Squared distances, ascending. Fewer than were asked for only where there are no more references.
    pub(crate) fn squares(&self) -> &[f64] {
        &self.squares[..self.found]
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = u32> {
        self.references[..self.found].iter().copied()
    }
}

/// Half the squares of references, h(r), for [`Halves`].
#[derive(Clone, Debug)]
pub(super) struct OfReferences {
    /// h(r) (1 − ε), as many blocks as the references have.
    blocks: Vec<[f32; LANES]>,
    /// Whether none is too large.
    bounded: bool,
}

impl OfReferences {
    /// Of references row after row.
    pub(super) fn new(values: &[f32], columns: usize, blocks: usize) -> Self {
        let halves: Vec<f64> = values.chunks_exact(columns).map(half_square).collect();
        let kept = 1.0 - share(columns);
        let block = |block: usize| {
            std::array::from_fn(|lane| {
                halves.get(block * LANES + lane).map_or(0.0, |half| (half * kept) as f32)
            })
        };
        let bounded = share(columns) <= LARGEST_SHARE && halves.iter().all(|half| *half <= LARGEST_HALF);
        Self { blocks: (0..blocks).map(block).collect(), bounded }
    }
}

/// h(x).
fn half_square(row: &[f32]) -> f64 {
    // (side by side: no sum waits for the one before)
    let mut sums = [0.0; 8];
    for values in row.chunks(8) {
        sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value) * f64::from(value));
    }
    sums.iter().sum::<f64>() / 2.0
}

/// ε.
fn share(columns: usize) -> f64 {
    (columns + 4) as f64 / f64::from(1 << 22)
}

/// The nearest references to a scaled row, without one of them if that is the row itself.
pub(super) fn nearest(references: &References, row: &[f32], wanted: usize, itself: Option<u32>) -> Nearest {
    with_blocks(references.halves.blocks.len(), |near, candidates| {
        wide(Search { references, row, half: None, wanted, itself, near, candidates })
    })
}

/// Working memory for [`Tile::nearest`].
pub(super) struct Tile {
    /// Columns of all rows side by side.
    columns: Vec<[f32; ROWS]>,
    near: Vec<[f32; LANES]>,
    candidates: Vec<u32>,
}

impl Tile {
    pub(super) fn new(references: &References) -> Self {
        let blocks = references.halves.blocks.len();
        Self {
            columns: vec![[0.0; ROWS]; references.columns()],
            near: vec![[0.0; LANES]; ROWS * blocks],
            candidates: vec![0; blocks * LANES + 1],
        }
    }

    /// As [`nearest`], for up to [`ROWS`] rows, one after the other in `rows`; `take` gets them by their number.
    pub(super) fn nearest(
        &mut self,
        references: &References,
        rows: &[f32],
        wanted: usize,
        itself: impl Fn(usize) -> Option<u32>,
        mut take: impl FnMut(usize, &Nearest),
    ) {
        let Self { columns, near, candidates } = self;
        let mut halves = [0.0; ROWS];
        let rows = rows.chunks_exact(references.columns());
        for (at, row) in rows.clone().enumerate() {
            columns.iter_mut().zip(row).for_each(|(column, &value)| column[at] = value);
            halves[at] = half_square(row);
        }
        wide(Halves { references, rows: columns, halves, near });
        let near = near.chunks_exact_mut(references.halves.blocks.len());
        for (at, (row, near)) in rows.zip(near).enumerate() {
            let (half, itself) = (Some(halves[at]), itself(at));
            take(at, &wide(Search { references, row, half, wanted, itself, near, candidates }));
        }
    }
}

/// Half the squared distances from rows to all references in 32 bits, all a little too low: see above.
struct Halves<'a> {
    references: &'a References,
    /// Columns of all rows side by side.
    rows: &'a [[f32; ROWS]],
    /// h(x) of each.
    halves: [f64; ROWS],
    /// As many blocks as there are for each row.
    near: &'a mut [[f32; LANES]],
}

impl Work for Halves<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { references, rows, halves, near } = self;
        let starts = &references.halves.blocks;
        let halves = halves.map(|half| (half * (1.0 - share(rows.len()))) as f32);
        for (at, (block, start)) in references.blocks.chunks_exact(rows.len()).zip(starts).enumerate() {
            // (in loops over rows the sums would not stay in registers)
            let (mut a, mut b) = (raised(start, halves[0]), raised(start, halves[1]));
            let (mut c, mut d) = (raised(start, halves[2]), raised(start, halves[3]));
            for (values, references) in rows.iter().zip(block) {
                subtract(&mut a, values[0], references);
                subtract(&mut b, values[1], references);
                subtract(&mut c, values[2], references);
                subtract(&mut d, values[3], references);
            }
            for (row, sums) in [a, b, c, d].iter().enumerate() {
                let to = &mut near[row * starts.len() + at];
                for lane in 0..LANES {
                    to[lane] = if sums[lane] > 0.0 { sums[lane] } else { 0.0 };
                }
            }
        }
    }
}

#[inline(always)]
fn raised(start: &[f32; LANES], by: f32) -> [f32; LANES] {
    let mut sums = *start;
    sums.iter_mut().for_each(|sum| *sum += by);
    sums
}

#[inline(always)]
fn subtract(sums: &mut [f32; LANES], value: f32, references: &[f32; LANES]) {
    for lane in 0..LANES {
        sums[lane] -= value * references[lane];
    }
}

struct Search<'a> {
    references: &'a References,
    row: &'a [f32],
    /// h(x) of the row, if `near` is what [`Halves`] found.
    half: Option<f64>,
    wanted: usize,
    itself: Option<u32>,
    /// As many blocks as there are.
    near: &'a mut [[f32; LANES]],
    /// For one reference more than the blocks have.
    candidates: &'a mut [u32],
}

impl Work for Search<'_> {
    type Output = Nearest;

    #[inline(always)]
    fn run(self) -> Nearest {
        let Self { references, row, half, wanted, itself, near, candidates } = self;
        let blocks = &references.blocks;
        let few = LANES * near.len() / 4;
        let (mut least, mut limit) = ([0.0; GROUPS], f32::NAN);
        if let Some(half) = half
            && references.halves.bounded
            && half <= LARGEST_HALF
        {
            least = least_of(near, references.count, itself);
            let bound = bound(&least, wanted);
            limit = limit_of_halves(bound, half, row.len());
            // With so much room, differences are worth their time.
            limit = if limit <= MOST_ROOM * bound { limit } else { f32::NAN };
        }
        if limit.is_nan() {
            compare(row, blocks, near);
            least = least_of(near, references.count, itself);
            limit = limit_of_squares(bound(&least, wanted), row.len());
        }
        let count = gather(near.as_flattened(), &least, limit, candidates);
        let near = near.as_flattened();
        let mut best = Best { keys: [0; ROOM], count: 0, wanted, worst: u128::MAX };
        if count > few {
            // So many are sooner compared block by block.
            for (at, block) in blocks.chunks_exact(row.len()).enumerate() {
                for (reference, square) in (at * LANES..).zip(squares(row, block)) {
                    if near[reference] <= limit {
                        best.push(square, reference as u32);
                    }
                }
            }
        } else {
            for some in candidates[..count].chunks(LANES) {
                let squares = squares_of(row, &references.rows, some);
                squares.into_iter().zip(some).for_each(|(square, &at)| best.push(square, at));
            }
        }
        best.nearest()
    }
}

/// Sets the row itself and what fills the last blocks to NaN, which is at most nothing, and returns the nearest of each group.
#[inline(always)]
fn least_of(near: &mut [[f32; LANES]], count: usize, itself: Option<u32>) -> [f32; GROUPS] {
    itself.iter().for_each(|&itself| near.as_flattened_mut()[itself as usize] = f32::NAN);
    near.as_flattened_mut()[count..].fill(f32::NAN);
    least(near)
}

/// The squared distances to all references in 32 bits. Two blocks at a time: each waits for its own last sum.
#[inline(always)]
fn compare(row: &[f32], blocks: &[[f32; LANES]], near: &mut [[f32; LANES]]) {
    for (two, to) in blocks.chunks_exact(2 * row.len()).zip(near.chunks_exact_mut(2)) {
        let (first, second) = two.split_at(row.len());
        let mut sums = ([0.0; LANES], [0.0; LANES]);
        for ((&value, first), second) in row.iter().zip(first).zip(second) {
            add(&mut sums.0, value, first);
            add(&mut sums.1, value, second);
        }
        (to[0], to[1]) = sums;
    }
}

#[inline(always)]
fn add(sums: &mut [f32; LANES], value: f32, references: &[f32; LANES]) {
    for lane in 0..LANES {
        let difference = value - references[lane];
        sums[lane] += difference * difference;
    }
}

/// The nearest of each group: the references of one lane in every eighth block.
#[inline(always)]
fn least(near: &[[f32; LANES]]) -> [f32; GROUPS] {
    let mut least = [f32::INFINITY; GROUPS];
    for (first, to) in least.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut lowest = [f32::INFINITY; LANES];
        for block in near.iter().skip(first).step_by(GROUPS / LANES) {
            for lane in 0..LANES {
                lowest[lane] = if block[lane] < lowest[lane] { block[lane] } else { lowest[lane] };
            }
        }
        *to = lowest;
    }
    least
}

/// A number that so many of the groups do not exceed, and hardly more: to 1/64, halving the range between the bits of the
/// least and the largest, which are in the order of the numbers.
#[inline(always)]
fn bound(least: &[f32; GROUPS], wanted: usize) -> f32 {
    let (mut lowest, mut highest) = (f32::INFINITY, 0.0_f32);
    for &least in least {
        lowest = if least < lowest { least } else { lowest };
        highest = if least > highest { least } else { highest };
    }
    let (mut below, mut bound) = (lowest.to_bits(), highest.to_bits());
    while bound - below > 1 << 17 {
        let middle = below + (bound - below) / 2;
        let value = f32::from_bits(middle);
        let count: u32 = least.iter().map(|least| u32::from(*least <= value)).sum();
        if count as usize >= wanted { bound = middle } else { below = middle }
    }
    f32::from_bits(bound)
}

/// What [`Halves`] finds for one of the nearest cannot exceed this if as many as are wanted are within the bound.
#[inline(always)]
fn limit_of_halves(bound: f32, half: f64, columns: usize) -> f32 {
    let share = share(columns);
    let farthest = (f64::from(bound) + 6.0 * share * half) / (1.0 - 4.0 * share);
    // (and room for underflows, for 64 bits, and for what the cast may take)
    (farthest * (1.0 + 1e-6) + f64::from(f32::MIN_POSITIVE)) as f32
}

/// What a sum in 32 bits of one of the nearest cannot exceed if as many as are wanted are within the bound.
#[inline(always)]
fn limit_of_squares(bound: f32, columns: usize) -> f32 {
    let room = (columns + 2) as f64 / f64::from(1 << 21);
    (f64::from(bound) * (1.0 + room) + f64::from(f32::MIN_POSITIVE)) as f32
}

/// Lists the references within the limit and says how many they are. Nothing here is worth a branch that is guessed wrong.
#[inline(always)]
fn gather(near: &[f32], least: &[f32; GROUPS], limit: f32, candidates: &mut [u32]) -> usize {
    // (twice as long as needed, so that a mask keeps places within it)
    let (mut groups, mut group_count) = ([0_u8; 2 * GROUPS], 0);
    for (group, least) in least.iter().enumerate() {
        groups[group_count & (2 * GROUPS - 1)] = group as u8;
        group_count += usize::from(*least <= limit);
    }
    let mut count = 0;
    for &group in &groups[..group_count] {
        for (reference, square) in near.iter().enumerate().skip(group.into()).step_by(GROUPS) {
            candidates[count] = reference as u32;
            count += usize::from(*square <= limit);
        }
    }
    count
}

/// The squared distances from a row to the references of one block.
#[inline(always)]
fn squares(row: &[f32], block: &[[f32; LANES]]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (&value, references) in row.iter().zip(block) {
        add_square(&mut sums, value, references);
    }
    sums
}

#[inline(always)]
fn add_square(sums: &mut [f64; LANES], value: f32, references: &[f32; LANES]) {
    let value = f64::from(value);
    for lane in 0..LANES {
        let difference = value - f64::from(references[lane]);
        sums[lane] += difference * difference;
    }
}

/// The squared distances from a row to up to 16 references: the operations and their order are those of [`squares`].
#[inline(always)]
fn squares_of(row: &[f32], rows: &[f32], references: &[u32]) -> [f64; LANES] {
    // (the last ones may be fewer)
    let mut sides = [row; LANES];
    for (side, &reference) in sides.iter_mut().zip(references) {
        *side = &rows[reference as usize * row.len()..][..row.len()];
    }
    let mut sums = [0.0; LANES];
    let mut block = [Lanes::default(); LANES];
    for (at, row) in row.chunks(LANES).enumerate() {
        transpose(&sides, at * LANES, &mut block);
        for (&value, references) in row.iter().zip(&block) {
            add_square(&mut sums, value, &references.0);
        }
    }
    sums
}

/// Candidates, and whenever there is no room for more, the best of them.
struct Best {
    /// The bits of a squared distance, which are in the order of the numbers, then the reference.
    keys: [u128; ROOM],
    count: usize,
    wanted: usize,
    /// As many as are wanted are no worse.
    worst: u128,
}

impl Best {
    #[inline(always)]
    fn push(&mut self, square: f64, reference: u32) {
        let key = u128::from(square.to_bits()) << 32 | u128::from(reference);
        if key > self.worst {
            return;
        }
        if self.count == ROOM {
            self.worst = *self.keys.select_nth_unstable(self.wanted - 1).1;
            self.count = self.wanted;
        }
        self.keys[self.count] = key;
        self.count += 1;
    }

    #[inline(always)]
    fn nearest(mut self) -> Nearest {
        let keys = &mut self.keys[..self.count];
        let found = self.wanted.min(keys.len());
        let mut nearest = Nearest { squares: [0.0; MAX_NEIGHBORS], references: [0; MAX_NEIGHBORS], found };
        let mut put = |at: usize, key: u128| {
            nearest.squares[at] = f64::from_bits((key >> 32) as u64);
            nearest.references[at] = key as u32;
        };
        // Half as wide they are sorted sooner: squares, with places instead of their last bits, where those do not matter.
        let mut short = [0; ROOM];
        let short = &mut short[..keys.len()];
        for (at, (short, key)) in short.iter_mut().zip(&*keys).enumerate() {
            *short = (key >> 32) as u64 / ROOM as u64 * ROOM as u64 + at as u64;
        }
        short.sort_unstable();
        if short.windows(2).all(|pair| pair[0] / ROOM as u64 != pair[1] / ROOM as u64) {
            short[..found].iter().enumerate().for_each(|(at, short)| put(at, keys[*short as usize % ROOM]));
        } else {
            keys.sort_unstable();
            keys[..found].iter().enumerate().for_each(|(at, &key)| put(at, key));
        }
        nearest
    }
}

/// Working memory for so many blocks, without allocation up to the usual number of references.
fn with_blocks<R>(count: usize, work: impl FnOnce(&mut [[f32; LANES]], &mut [u32]) -> R) -> R {
    const USUAL: usize = USUAL_REFERENCES / LANES;
    if count <= USUAL {
        work(&mut [[0.0; LANES]; USUAL][..count], &mut [0; USUAL_REFERENCES + 1])
    } else {
        work(&mut vec![[0.0; LANES]; count], &mut vec![0; count * LANES + 1])
    }
}

#[cfg(test)]
mod tests;
