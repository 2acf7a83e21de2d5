//! Small damages: bits, bytes, numbers, lengths, words, pieces of other seeds.

/// A small generator of random numbers.
#[derive(Clone, Debug)]
pub struct Bits(u64);

impl Bits {
    /// One stream for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64 (Steele, Lea & Flood 2014).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }
}

/// Numbers at which comparisons, casts and allocations go wrong.
const NUMBERS: [u64; 16] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7f80_0000,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// What texts of numbers are made of.
const TEXT: &[u8] = b"0123456789.,-+eE\"\\\n\r[]{}: ";

pub(crate) fn once(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], bits: &mut Bits) {
    let at = bits.below(input.len() + 1);
    let length = (1 + bits.below(8)).min(input.len() - at);
    match bits.below(9) {
        0 if at < input.len() => input[at] ^= 1 << bits.below(8),
        1 if at < input.len() => input[at] = bits.number() as u8,
        2 => {
            let number = NUMBERS[bits.below(NUMBERS.len())].to_le_bytes();
            let size = [1, 2, 4, 8][bits.below(4)];
            let end = input.len().min(at + size);
            input[at..end].copy_from_slice(&number[..end - at]);
        }
        3 => drop(input.drain(at..at + length)),
        4 => {
            let piece = input[at..at + length].to_vec();
            let to = bits.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        5 if !words.is_empty() => {
            let word = words[bits.below(words.len())].bytes();
            input.splice(at..at, word);
        }
        6 => {
            let other = &seeds[bits.below(seeds.len())];
            let from = bits.below(other.len() + 1);
            let to = other.len().min(from + 1 + bits.below(64));
            let end = if bits.below(2) == 0 { at } else { input.len().min(at + to - from) };
            input.splice(at..end, other[from..to].iter().copied());
        }
        7 if bits.below(8) == 0 => input.truncate(at),
        _ => input.insert(at, TEXT[bits.below(TEXT.len())]),
    }
}
