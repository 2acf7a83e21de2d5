//! Damaged inputs for parsers, on a stable compiler: seeds are mutated at random and handed to a target for a bounded time.
//!
//! A target is an ignored test `fuzz_…` of the crate that it belongs to, so that it reaches what is private there;
//! `make fuzz` runs them all. It gives each input a *signature*, the kind of its outcome; inputs with a signature that was
//! not seen before become seeds, which takes the place of a compiler's coverage. What makes a target panic, or take too
//! long, is written to `target/fuzz/` and belongs into `fuzz/corpus/` once it is mended: every seed is also an ordinary test.

pub mod model_file;
mod mutate;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use mutate::Bits;

/// An input that takes longer is a fault.
const LONGEST: Duration = Duration::from_secs(10);
/// The most seeds that are kept.
const MOST_SEEDS: usize = 4_096;

/// A parser to be tried.
#[derive(Debug)]
pub struct Fuzz {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    /// What is inserted whole: words of the format.
    words: &'static [&'static str],
    longest_input: usize,
}

impl Fuzz {
    /// With the files of `fuzz/corpus/NAME/` as seeds.
    ///
    /// # Panics
    /// The folder cannot be read.
    #[must_use]
    pub fn new(name: &'static str, words: &'static [&'static str]) -> Self {
        let folder = root().join("fuzz/corpus").join(name);
        let read = |folder: &Path| -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
            let files = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
            files.map(|path| path.and_then(|path| Ok((path.clone(), std::fs::read(path)?)))).collect()
        };
        let mut files = read(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        files.sort();
        Self { name, seeds: files.into_iter().map(|(_, seed)| seed).collect(), words, longest_input: 1 << 16 }
    }

    /// One seed more.
    #[must_use]
    pub fn seed(mut self, seed: Vec<u8>) -> Self {
        self.seeds.push(seed);
        self
    }

    /// Every seed and `count` mutations, always the same.
    ///
    /// # Panics
    /// The target does.
    pub fn briefly(&self, count: u64, mut target: impl FnMut(&[u8]) -> String) {
        let mut bits = Bits::new(1);
        self.seeds.iter().for_each(|seed| drop(self.attempt(seed, &mut target)));
        for _ in 0..count {
            let input = self.mutated(&self.seeds, &mut bits);
            self.attempt(&input, &mut target);
        }
    }

    /// Mutations for `FUZZ_SECONDS`, 60 by default; other ones each time, unless `FUZZ_SEED` is a number.
    ///
    /// # Panics
    /// The target does, or takes more than ten seconds; the input is in `target/fuzz/`.
    pub fn run(&self, mut target: impl FnMut(&[u8]) -> String) {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let begin = Instant::now();
        let end = begin + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(60));
        let random = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64);
        let seed = number("FUZZ_SEED").unwrap_or(random);
        let (mut seeds, mut seen, mut inputs) = (self.seeds.clone(), HashSet::new(), 0_u64);
        for seed in &self.seeds {
            seen.insert(self.attempt(seed, &mut target));
        }
        let mut bits = Bits::new(seed);
        while Instant::now() < end {
            let input = self.mutated(&seeds, &mut bits);
            let signature = self.attempt(&input, &mut target);
            if seeds.len() < MOST_SEEDS && seen.insert(signature) {
                seeds.push(input);
            }
            inputs += 1;
        }
        let seconds = begin.elapsed().as_secs();
        eprintln!("fuzz {}: {inputs} inputs in {seconds} s, {} outcomes, seed {seed}", self.name, seen.len());
    }

    fn mutated(&self, seeds: &[Vec<u8>], bits: &mut Bits) -> Vec<u8> {
        let mut input = seeds[bits.below(seeds.len())].clone();
        for _ in 0..=bits.below(4) * bits.below(3) {
            mutate::once(&mut input, seeds, self.words, bits);
        }
        input.truncate(self.longest_input);
        input
    }

    /// The outcome's signature, without its numbers.
    fn attempt(&self, input: &[u8], target: &mut impl FnMut(&[u8]) -> String) -> String {
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
        let slow = begin.elapsed() > LONGEST;
        match outcome {
            Ok(signature) if !slow => {
                signature.chars().filter(|letter| !letter.is_ascii_digit()).take(80).collect()
            }
            _ => {
                let file = self.keep(input);
                let what = if slow { "takes too long" } else { "panics" };
                panic!("fuzz {}: {what} on {}", self.name, file.display())
            }
        }
    }

    fn keep(&self, input: &[u8]) -> PathBuf {
        let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let folder = root().join("target/fuzz");
        let file = folder.join(format!("{}-{hash:016x}", self.name));
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, input));
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        file
    }
}

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
