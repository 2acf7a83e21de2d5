//! The nearest references to a row: all are compared in 32 bits, and in 64 bits those that can be among the nearest.
//!
//! In f32 a sum of d squared differences, one after the other, is off by a factor within (1 ± 2⁻²⁴)^(d + 2), and where
//! squares underflow by at most 2⁻¹⁵⁰ each. So if k sums are at most b, a reference whose sum exceeds b by more than twice
//! that is farther than these k: [`limit`] leaves four times the room. What is reported are distances in 64 bits and
//! nothing else. Sums that overflow in 32 bits are infinite: where b is, all references are compared in 64.

use super::{LANES, MAX_NEIGHBORS, References, USUAL_REFERENCES};
use crate::forest::{Work, wide};

/// Groups of references of which each gives its nearest: no fewer than neighbours are asked for, and several times the
/// usual number.
const GROUPS: usize = 8 * LANES;
/// Candidates that are compared side by side.
const TOGETHER: usize = 4;
/// As many of the best are kept before there is a choice among them.
const ROOM: usize = 128;

const _: () = assert!(MAX_NEIGHBORS <= GROUPS && MAX_NEIGHBORS < ROOM);

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

/// The nearest references to a scaled row, without one of them if that is the row itself.
pub(super) fn nearest(references: &References, row: &[f32], wanted: usize, itself: Option<u32>) -> Nearest {
    with_blocks(references.blocks.len() / row.len(), |near, candidates| {
        wide(Search { references, row, wanted, itself, near, candidates })
    })
}

struct Search<'a> {
    references: &'a References,
    row: &'a [f32],
    wanted: usize,
    itself: Option<u32>,
    /// For squared distances in 32 bits, as many blocks as there are.
    near: &'a mut [[f32; LANES]],
    /// For one reference more than the blocks have.
    candidates: &'a mut [u32],
}

impl Work for Search<'_> {
    type Output = Nearest;

    #[inline(always)]
    fn run(self) -> Nearest {
        let Self { references, row, wanted, itself, near, candidates } = self;
        let blocks = &references.blocks;
        compare(row, blocks, near);
        // Neither is at most anything: not the row itself, and not what fills the last blocks.
        itself.iter().for_each(|&itself| near.as_flattened_mut()[itself as usize] = f32::NAN);
        near.as_flattened_mut()[references.count..].fill(f32::NAN);
        let least = least(near);
        let limit = limit(bound(&least, wanted), row.len());
        let near = near.as_flattened();
        let count = gather(near, &least, limit, candidates);
        let mut best = Best { keys: [0; ROOM], count: 0, wanted, worst: u128::MAX };
        if count > near.len() / 4 {
            // So many are sooner compared block by block.
            for (at, block) in blocks.chunks_exact(row.len()).enumerate() {
                for (reference, square) in (at * LANES..).zip(squares(row, block)) {
                    if near[reference] <= limit {
                        best.push(square, reference as u32);
                    }
                }
            }
        } else {
            for some in candidates[..count].chunks(TOGETHER) {
                // The last ones may be fewer.
                let all = std::array::from_fn(|at| some[at.min(some.len() - 1)] as usize);
                squares_of(row, blocks, all)
                    .into_iter()
                    .zip(some)
                    .for_each(|(square, &at)| best.push(square, at));
            }
        }
        best.nearest()
    }
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

/// A number that so many of the groups do not exceed, and hardly more: to 1/64, halving the range between the bits of 0
/// and infinity, which are in the order of the numbers.
#[inline(always)]
fn bound(least: &[f32; GROUPS], wanted: usize) -> f32 {
    let (mut below, mut bound) = (0, f32::INFINITY.to_bits());
    while bound - below > 1 << 17 {
        let middle = below + (bound - below) / 2;
        let value = f32::from_bits(middle);
        let count: u32 = least.iter().map(|least| u32::from(*least <= value)).sum();
        if count as usize >= wanted { bound = middle } else { below = middle }
    }
    f32::from_bits(bound)
}

/// What a sum in 32 bits of one of the nearest cannot exceed if as many as are wanted are within the bound.
#[inline(always)]
fn limit(bound: f32, columns: usize) -> f32 {
    let room = (columns + 2) as f64 / f64::from(1 << 21);
    (f64::from(bound) * (1.0 + room) + f64::from(f32::MIN_POSITIVE)) as f32
}

/// Lists the references within the limit and says how many they are. Nothing here is worth a branch that is guessed wrong.
#[inline(always)]
fn gather(near: &[f32], least: &[f32; GROUPS], limit: f32, candidates: &mut [u32]) -> usize {
    let (mut groups, mut group_count) = ([0; GROUPS + 1], 0);
    for (group, least) in least.iter().enumerate() {
        groups[group_count] = group;
        group_count += usize::from(*least <= limit);
    }
    let mut count = 0;
    for &group in &groups[..group_count] {
        for (reference, square) in near.iter().enumerate().skip(group).step_by(GROUPS) {
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
        let value = f64::from(value);
        for lane in 0..LANES {
            let difference = value - f64::from(references[lane]);
            sums[lane] += difference * difference;
        }
    }
    sums
}

/// The squared distances from a row to some references: the operations and their order are those of [`squares`].
#[inline(always)]
fn squares_of(row: &[f32], blocks: &[[f32; LANES]], references: [usize; TOGETHER]) -> [f64; TOGETHER] {
    let lanes = references.map(|reference| reference % LANES);
    let [a, b, c, d] = references.map(|reference| &blocks[reference / LANES * row.len()..][..row.len()]);
    let mut sums = [0.0; TOGETHER];
    for ((((&value, a), b), c), d) in row.iter().zip(a).zip(b).zip(c).zip(d) {
        let value = f64::from(value);
        for ((sum, references), lane) in sums.iter_mut().zip([a, b, c, d]).zip(lanes) {
            let difference = value - f64::from(references[lane]);
            *sum += difference * difference;
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
        keys.sort_unstable();
        let found = self.wanted.min(keys.len());
        let mut nearest = Nearest { squares: [0.0; MAX_NEIGHBORS], references: [0; MAX_NEIGHBORS], found };
        for (at, key) in keys[..found].iter().enumerate() {
            nearest.squares[at] = f64::from_bits((key >> 32) as u64);
            nearest.references[at] = *key as u32;
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
