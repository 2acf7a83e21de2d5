//! How many different values a column has, and how many of them 32 bits can tell apart, in one pass over the rows.
//!
//! Up to 8,192 different values are counted exactly. Of more, those are counted whose 32-bit value falls into a share of
//! all that a hash picks, halved as often as it takes (P. B. Gibbons: *Distinct sampling for highly-accurate answers to
//! distinct values queries*, VLDB 2001). Values that become one in 32 bits are picked together, so the share that is lost
//! is that of the whole: where few values become one, the standard error of a share of 1 % is 0.15 percentage points at most.
//! Thousands that become one are picked, or more likely missed, as one: so a second sample picks each value by itself, and
//! shows those.

use crate::columns::{ColumnSummary, centre};
use crate::forest::{Work, wide};
use crate::matrix::CheckedMatrix;

/// Different values that are kept of a column.
const MOST: usize = 8_192;
/// And of those that are picked one by one: enough to see thousands that become one.
const MOST_SINGLE: usize = 1_024;
/// Columns that are counted in one pass: what is kept of them should stay near.
const COLUMNS: usize = 16;
/// Rows that are looked at together.
const ROWS: usize = 1_024;
/// Values that are hashed side by side.
const LANES: usize = 16;

/// The numbers of different values of every column, before and after its `centre` was subtracted and the rest cast to
/// f32. (The summaries' medians are these centres.)
pub(crate) fn count(rows: &CheckedMatrix, centres: &[f64]) -> Vec<ColumnSummary> {
    let width = centres.len();
    let mut summaries = Vec::with_capacity(width);
    let mut values = Vec::with_capacity(ROWS);
    for first in (0..width).step_by(COLUMNS) {
        let centres = &centres[first..width.min(first + COLUMNS)];
        let mut counters: Vec<Counter> = centres.iter().map(|&at| Counter::new(at)).collect();
        for block in rows.as_slice().chunks(ROWS * width) {
            for (column, counter) in (first..).zip(&mut counters) {
                values.clear();
                values.extend(block[column..].iter().step_by(width));
                counter.add(&values);
            }
        }
        summaries.extend(counters.iter().map(Counter::summary));
    }
    summaries
}

/// A column's different values.
struct Counter {
    centre: f64,
    /// All of them, or of many those that are picked by what they are in 32 bits.
    whole: Sample,
    /// Of many, those that are picked one by one.
    single: Option<Sample>,
}

/// Values of which a share is kept.
#[derive(Clone)]
struct Sample {
    /// Those values are kept whose hash has as many leading zeros as this mask has ones.
    picked: u64,
    kept: usize,
    most: usize,
    /// A table with open addressing; NaN is nothing.
    table: Vec<f64>,
}

/// The same for values that are the same in 32 bits.
#[inline(always)]
fn hash_of_32_bits(value: f64, at: f64) -> u64 {
    // +0 and −0 are one value.
    mixed((centre(value, at) + 0.0).to_bits().into())
}

#[inline(always)]
fn hash(value: f64) -> u64 {
    mixed((value + 0.0).to_bits())
}

#[inline(always)]
fn mixed(bits: u64) -> u64 {
    let mixed = bits.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

impl Counter {
    fn new(centre: f64) -> Self {
        let whole = Sample { picked: 0, kept: 0, most: MOST, table: vec![f64::NAN; 64] };
        Self { centre, whole, single: None }
    }

    /// At most so many values as are looked at together.
    fn add(&mut self, values: &[f64]) {
        let centre = self.centre;
        let hash_of_32_bits = |value| hash_of_32_bits(value, centre);
        let mut places = [0; ROWS];
        for &place in self.whole.pick(values, hash_of_32_bits, &mut places) {
            let value = values[place as usize];
            // (what was picked may have become less meanwhile)
            if hash_of_32_bits(value) & self.whole.picked == 0 && self.whole.insert(value) {
                if self.single.is_none() && self.whole.kept >= MOST {
                    self.single = Some(self.whole.fewer(MOST_SINGLE, hash));
                }
                self.whole.grow(hash_of_32_bits);
            }
        }
        if let Some(single) = &mut self.single {
            for &place in single.pick(values, hash, &mut places) {
                let value = values[place as usize];
                if hash(value) & single.picked == 0 && single.insert(value) {
                    single.grow(hash);
                }
            }
        }
    }

    /// The figures of the sample that shows the larger loss.
    fn summary(&self) -> ColumnSummary {
        let figures = |sample: &Sample, most: usize| {
            let mut short: Vec<f32> = sample.values().map(|value| centre(value, self.centre) + 0.0).collect();
            short.sort_unstable_by(f32::total_cmp);
            let become_one = short.chunk_by(|a, b| a == b).map(<[f32]>::len).filter(|&count| count <= most);
            let (all, distinct) = become_one.fold((0, 0), |(all, kinds), count| (all + count, kinds + 1));
            (all, distinct, sample.picked.count_ones())
        };
        let lost = |&(all, short, _): &(usize, usize, u32)| (all - short) as f64 / all.max(1) as f64;
        let (all, short, halvings) = match &self.single {
            None => figures(&self.whole, usize::MAX),
            Some(single) => {
                // What four of and more are in the other sample is there by chance here, and then for far more than it is.
                let whole = figures(&self.whole, 4 << single.picked.count_ones());
                let single = figures(single, usize::MAX);
                if lost(&single) > lost(&whole) { single } else { whole }
            }
        };
        ColumnSummary { median: self.centre, distinct: all << halvings, distinct_f32: short << halvings }
    }
}

impl Sample {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.table.iter().copied().filter(|value| !value.is_nan())
    }

    /// The places of the values that are picked, which are not missing and not like the one before.
    fn pick<'a>(&self, values: &[f64], hash: impl Fn(f64) -> u64, places: &'a mut [u32; ROWS]) -> &'a [u32] {
        let count = wide(Pick { values, hash, picked: self.picked, places });
        &places[..count]
    }

    /// Keeps a value; whether it is time to make room.
    fn insert(&mut self, value: f64) -> bool {
        let mixed = (value + 0.0).to_bits().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // (the length is a power of two)
        let mask = self.table.len() - 1;
        let mut at = (mixed >> 40) as usize & mask;
        while !self.table[at].is_nan() {
            if self.table[at] == value {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.table[at] = value;
        self.kept += 1;
        2 * self.kept > self.table.len()
    }

    /// Makes room: by a larger table, or by keeping half of what there is.
    #[cold]
    fn grow(&mut self, hash: impl Fn(f64) -> u64) {
        if self.kept < self.most {
            self.keep(4 * self.table.len().min(self.most / 2), |_| true);
        } else {
            self.picked |= 1 << (63 - self.picked.count_ones());
            let picked = self.picked;
            self.keep(self.table.len(), |value| hash(value) & picked == 0);
        }
    }

    /// No more than so many of these, by another hash.
    fn fewer(&self, most: usize, hash: impl Fn(f64) -> u64) -> Self {
        let mut fewer = Self { most, ..self.clone() };
        while fewer.kept >= most {
            fewer.grow(&hash);
        }
        fewer.keep(2 * most, |_| true);
        fewer
    }

    /// Keeps some of the values, in a table of another size.
    fn keep(&mut self, size: usize, which: impl Fn(f64) -> bool) {
        // Without branches: nobody could guess them.
        let (mut values, mut count) = (vec![0.0; self.table.len()], 0);
        for &value in &self.table {
            values[count] = value;
            count += usize::from(!value.is_nan() & which(value));
        }
        self.table.clear();
        self.table.resize(size, f64::NAN);
        self.kept = 0;
        values[..count].iter().for_each(|&value| _ = self.insert(value));
    }
}

/// Finds the values that are picked; how many there are.
struct Pick<'a, H> {
    values: &'a [f64],
    hash: H,
    picked: u64,
    places: &'a mut [u32; ROWS],
}

impl<H: Fn(f64) -> u64> Work for Pick<'_, H> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        let Self { values, hash, picked, places } = self;
        let (mut count, mut last) = (0, f64::NAN);
        let (chunks, rest) = values.as_chunks::<LANES>();
        for (chunk, values) in chunks.iter().enumerate() {
            let (mut hashes, mut any) = ([0; LANES], false);
            for lane in 0..LANES {
                hashes[lane] = hash(values[lane]);
            }
            for hash in hashes {
                any |= hash & picked == 0;
            }
            if any {
                for lane in 0..LANES {
                    let (value, before) = (values[lane], std::mem::replace(&mut last, values[lane]));
                    places[count] = (chunk * LANES + lane) as u32;
                    count += usize::from((hashes[lane] & picked == 0) & (value != before) & !value.is_nan());
                }
            }
            last = values[LANES - 1];
        }
        for (place, &value) in (chunks.len() * LANES..).zip(rest) {
            places[count] = place as u32;
            count += usize::from((hash(value) & picked == 0) & !value.is_nan());
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::summarise;

    fn table(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> CheckedMatrix {
        let values = (0..rows * columns).map(|at| value(at / columns, at % columns)).collect();
        CheckedMatrix::from_vec(values, columns).unwrap()
    }

    #[test]
    fn few_different_values_are_counted_exactly() {
        let rows = table(30_000, 19, |row, column| {
            let step = (row * 7_919) % (column * 200 + 1);
            match row % 3 {
                0 => 1e9 + step as f64,
                _ => -0.01 * step as f64,
            }
        });
        let expected = summarise(&rows);
        let centres: Vec<f64> = expected.iter().map(|summary| summary.median).collect();
        assert_eq!(count(&rows, &centres), expected);
        assert!(expected[18].distinct > 7_000 && expected[18].distinct_f32 < 5_000);
    }

    #[test]
    fn of_many_the_share_that_is_lost_is_estimated() {
        // Steps of 1 within 2^26: f32 holds every whole number to 2^24, then every second, then every fourth.
        let rows = table(300_000, 1, |row, _| ((row * 104_729) % (1 << 26)) as f64);
        let exact = {
            let mut values: Vec<f64> = rows.as_slice().to_vec();
            values.sort_unstable_by(f64::total_cmp);
            let short = values.windows(2).filter(|pair| pair[0] as f32 != pair[1] as f32).count() + 1;
            (values.len(), short)
        };
        let counted = &count(&rows, &[0.0])[0];
        let share = |(all, short): (usize, usize)| short as f64 / all as f64;
        let estimate = share((counted.distinct, counted.distinct_f32));
        assert!((estimate - share(exact)).abs() < 0.01, "{counted:?} instead of {exact:?}");
        assert!((counted.distinct as f64 / 300_000.0 - 1.0).abs() < 0.06, "{counted:?}");
    }

    #[test]
    fn thousands_of_values_that_become_one_are_seen_wherever_they_are() {
        // 60,000 whole numbers, and 20,000 within half a step of 32 bits of a power of two.
        for power in 17..40 {
            let heap = f64::from(2.0_f32.powi(power));
            let rows = table(80_000, 1, |row, _| match row.checked_sub(60_000) {
                None => row as f64,
                Some(at) => heap * (1.0 + at as f64 * 1e-12),
            });
            let counted = &count(&rows, &[0.0])[0];
            let lost = 1.0 - counted.distinct_f32 as f64 / counted.distinct as f64;
            assert!((lost - 0.25).abs() < 0.08, "2^{power}: {counted:?}");
        }
    }
}
