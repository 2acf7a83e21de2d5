//! The one source of random numbers: ChaCha8, named and portable, so that the same seed gives the same model on
//! every machine, with any number of threads, and after an update of any library.
//!
//! Integers and fractions are drawn by the few lines below and not by a library's distributions, whose values may
//! change between releases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers that depends on a seed, a purpose and an index only.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// One stream per (seed, purpose, index): what is drawn from one never moves another.
    pub(crate) fn new(seed: u64, purpose: &[u8; 16], index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16..].copy_from_slice(purpose);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0..bound, without bias (Lemire 2019). `bound` must not be 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.0.next_u32()) * u64::from(bound);
        if (product as u32) < bound {
            let reject_below = bound.wrapping_neg() % bound;
            while (product as u32) < reject_below {
                product = u64::from(self.0.next_u32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and variance 16 + 1/12, never 0: the number of heads of 64 coins, less 32, spread evenly over
    /// a step. Its fourth moment is 1 % below a normal number's. A multiple of 2⁻¹⁷ below 33, so that it is exact in
    /// f32: no logarithm, whose last digit could change with a library, is in it.
    pub(crate) fn bell(&mut self) -> f32 {
        let heads = self.0.next_u64().count_ones() as f32 - 32.0;
        let fraction = ((self.0.next_u32() >> 15) | 1) as f32 / (1_u32 << 17) as f32;
        heads + (fraction - 0.5)
    }
}

/// Draws without replacement from 0..n: a Fisher–Yates shuffle of which only what was moved is kept, so that neither
/// time nor memory depend on n.
#[derive(Clone, Debug)]
pub(crate) struct Urn {
    n: u32,
    moved: Moved,
}

impl Urn {
    pub(crate) fn new(n: u32) -> Self {
        Self { n, moved: Moved::default() }
    }

    /// Fills `drawn` with `count` ≤ n different numbers, the head of the shuffled 0..n, which depends on the generator
    /// alone and not on earlier draws.
    pub(crate) fn draw(&mut self, count: u32, random: &mut Random, drawn: &mut Vec<u32>) {
        self.draw_each(count, random, drawn, |_| ());
    }

    /// [`Urn::draw`], which tells `with` each number as soon as it is known.
    pub(crate) fn draw_each(
        &mut self,
        count: u32,
        random: &mut Random,
        drawn: &mut Vec<u32>,
        mut with: impl FnMut(u32),
    ) {
        self.moved.clear(count as usize);
        // What stands at the first places, drawn or not, stands here; what was moved behind them, in the table.
        drawn.clear();
        drawn.extend(0..count);
        for at in 0..count as usize {
            let other = at as u32 + random.below(self.n - at as u32);
            let here = drawn[at];
            drawn[at] = match drawn.get_mut(other as usize) {
                Some(there) => std::mem::replace(there, here),
                None => self.moved.replace(other, here),
            };
            with(drawn[at]);
        }
    }
}

/// What stands at places of the shuffled 0..n that does not stand where it began: a table with open addressing.
#[derive(Clone, Debug, Default)]
struct Moved {
    /// Place and number; nothing is at place u32::MAX.
    entries: Vec<(u32, u32)>,
    shift: u32,
}

impl Moved {
    const NONE: u32 = u32::MAX;

    /// Forgets all, and makes room for so many.
    fn clear(&mut self, count: usize) {
        let size = (2 * count).next_power_of_two().max(2);
        self.entries.clear();
        self.entries.resize(size, (Self::NONE, 0));
        self.shift = 32 - size.ilog2().min(32);
    }

    /// The index of a place's entry, or of the one that it would get.
    fn find(&self, place: u32) -> usize {
        let mut at = (place.wrapping_mul(0x9e37_79b9) >> self.shift) as usize;
        while self.entries[at].0 != place && self.entries[at].0 != Self::NONE {
            // (the length is a power of two)
            at = (at + 1) & (self.entries.len() - 1);
        }
        at
    }

    /// Puts a number in a place and returns what stood there.
    fn replace(&mut self, place: u32, number: u32) -> u32 {
        let at = self.find(place);
        match std::mem::replace(&mut self.entries[at], (place, number)) {
            (Self::NONE, _) => place,
            (_, before) => before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        let mut random = Random::new(16, b"value-stability!", 3);
        let integers: Vec<u32> = (0..6).map(|_| random.below(1000)).collect();
        assert_eq!(integers, [635, 793, 19, 311, 112, 682]);
        assert_eq!(random.unit().to_bits(), 4_605_896_276_119_234_027);
    }

    #[test]
    fn an_urn_draws_different_numbers_and_forgets_earlier_draws() {
        let mut urn = Urn::new(50);
        let (mut first, mut again) = (Vec::new(), Vec::new());
        urn.draw(50, &mut Random::new(1, b"value-stability!", 0), &mut first);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
        urn.draw(20, &mut Random::new(2, b"value-stability!", 0), &mut again);
        urn.draw(50, &mut Random::new(1, b"value-stability!", 0), &mut again);
        assert_eq!(first, again);
    }

    #[test]
    fn the_bell_is_a_normal_one() {
        let mut random = Random::new(7, b"value-stability!", 0);
        let numbers: Vec<f64> = (0..100_000).map(|_| f64::from(random.bell())).collect();
        let moment =
            |power: i32| numbers.iter().map(|z| (z * z / (16.0 + 1.0 / 12.0)).powi(power)).sum::<f64>() / 1e5;
        let mean = numbers.iter().sum::<f64>() / 1e5;
        // Six standard errors each.
        assert!(
            mean.abs() < 0.08 && (moment(1) - 1.0).abs() < 0.03 && (moment(2) - 2.97).abs() < 0.2,
            "{mean}"
        );
        assert!(numbers.iter().all(|&number| number != 0.0));
        assert_eq!(numbers[..3], [2.8111343383789063, -1.5724105834960938, 4.698463439941406]);
    }

    #[test]
    fn every_number_is_drawn_about_equally_often() {
        let mut random = Random::new(7, b"value-stability!", 0);
        let mut counts = [0_u32; 10];
        (0..100_000).for_each(|_| counts[random.below(10) as usize] += 1);
        // Standard deviation 95; the bound is 6 of them.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 570), "{counts:?}");
    }
}
