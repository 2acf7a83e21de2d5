//! Model files of altered contents whose checksum is right, so that neither it nor the compression is a wall.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

/// Magic, version, length and checksum.
const HEADER: usize = 48;

/// A model file's version byte and its contents, unpacked.
///
/// # Panics
/// It is no model file.
#[must_use]
pub fn opened(file: &[u8]) -> Vec<u8> {
    let mut contents = vec![file[8]];
    let read = DeflateDecoder::new(&file[HEADER..]).read_to_end(&mut contents);
    read.unwrap_or_else(|error| panic!("the contents of a model file: {error}"));
    contents
}

/// A file of a version byte and contents.
///
/// # Panics
/// Never: it is written to memory.
#[must_use]
pub fn sealed(input: &[u8]) -> Vec<u8> {
    let (version, contents) = input.split_first().unwrap_or((&2, &[]));
    let mut encoder = DeflateEncoder::new(vec![0; HEADER], Compression::fast());
    let written = encoder.write_all(contents).and_then(|()| encoder.finish());
    let mut file = written.unwrap_or_else(|error| panic!("written to memory: {error}"));
    file[..8].copy_from_slice(b"\x89AFM\r\n\x1a\n");
    file[8] = *version;
    file[12..16].copy_from_slice(&(contents.len() as u32).to_le_bytes());
    let digest = Sha256::new().chain_update(&file[..16]).chain_update(&file[HEADER..]).finalize();
    file[16..HEADER].copy_from_slice(&digest);
    file
}

/// The model file with the last bit of its first golden row's measure changed: what a machine that computes differently
/// would see.
///
/// # Panics
/// It is no model file, or has no golden rows.
#[must_use]
pub fn with_another_golden_measure(file: &[u8]) -> Vec<u8> {
    let mut opened = opened(file);
    let mut at = 1;
    loop {
        let &[a, b, c, d, l0, l1, l2, l3] =
            opened[at..].first_chunk().unwrap_or_else(|| panic!("no section gold"));
        let begin = at + 8;
        if [a, b, c, d] == *b"gold" {
            // Behind the number of rows.
            opened[begin + 4] ^= 1;
            return sealed(&opened);
        }
        at = begin + u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    }
}
