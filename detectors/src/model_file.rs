//! The model file, `model.afm`: what a revision stores and what the server loads.
//!
//! All numbers are little-endian. Lengths are in bytes.
//!
//! ```text
//! offset  size  what
//!      0     8  magic: 89 41 46 4D 0D 0A 1A 0A ("\x89AFM\r\n\x1a\n"; shows damage by text conversion, as in PNG)
//!      8     2  version: u16, 2 with the section frst, 3 with that of another detector; version 1 is read too
//!     10     2  reserved: u16, 0
//!     12     4  length of the contents before compression: u32, at most 67,108,864
//!     16    32  SHA-256 of bytes 0…16 followed by bytes 48…end
//!     48     …  contents, compressed (raw deflate, RFC 1951)
//! ```
//!
//! The contents are sections in this order, each a tag of 4 letters, a u32 length and that many bytes. Of the detectors'
//! sections (frst, eifr, pcas, robz, hbos, ecod, copd, mcov, knns, lofs, ensb) there is one, that of the detector in `conf`; that
//! of an ensemble holds those of its members:
//!
//! ```text
//! conf  JSON: {"detector": …, "threshold": …}, the configuration as it was asked for
//! feat  u32 number of features; for each: u16 length, UTF-8
//! trng  u64 training rows; f64 flagged training share; u32 number of warnings; for each: reason and message, each
//!       u32 length, UTF-8
//! line  f64 threshold in the scale of the score; f64 cut on the measure
//! frst  u32 columns d; u32 subsample; u32 trees; u32 nodes; f64 median × d; then, over all trees' nodes in preorder:
//!       bits (1 = split; first node in the lowest bit of the first byte; filled up with 0), u8 (d ≤ 256) or u16
//!       column of each split, f32 threshold of each split in four planes (all lowest bytes first), varint (LEB128,
//!       u32) rows of each leaf; for forests fitted elsewhere also: u8 flags (1 = missing values are routed,
//!       2 = infinities are, 4 = c(n) is given), with 1: bits as above (1 = left) for each split, with 4: u32 entries
//!       and for each u32 n, f64 c(n)
//! eifr  u32 columns d; u64 seed; u32 subsample; u32 columns of a hyperplane, at most (extension level + 1); u32 trees; u32
//!       nodes; f64 median × d; f64 standard deviation × d (0: the column is left out); then, over all trees' nodes in preorder:
//!       u8 each (0 = leaf, else one more than the number of the draw that gave the hyperplane), f32 threshold of each
//!       split in four planes, varint rows of each leaf. The seed gives the hyperplanes
//! pcas  u32 columns d; f64 median × d; f64 width × d (0: the column is left out, n are not); f64 mean × n; triangle row by
//!       row from its diagonal on, n (n + 1) / 2 entries: f64, for n > 256 f32 in four planes
//! robz  u32 columns; f64 median × d; f64 scale × d (+∞: the column is ignored)
//! hbos  u32 rows; u32 columns; for each: u8 0, f64 smallest and largest value, u32 number of bins of equal width, or u8 1,
//!       f64 nearness, u32 number of values, f64 for each; varint rows in each bin
//! ecod  u32 rows; u32 columns; for each: u8 0 if it is ignored, else 1 (skewed to the right) or 2 (to the left), f64 mean
//!       excess to the left and to the right, u32 number of values, f64 for each, for each varint rows between the value
//!       before and it, varint rows that are equal to it
//! copd  as ecod
//! mcov  u32 columns d; u32 columns p that vary; u16 × p which; f64 × p medians; f64 × p scales; f64 × p center of the scaled
//!       columns; lower triangle L of Σ = L·Lᵀ, row by row: f64, for p > 256 f32
//! knns  u32 neighbours; references: u32 d; u32 R; f64 × d medians; f64 × d scales (0: the column is constant); f32 × R,
//!       column by column
//! lofs  u32 neighbours; references as in knns; f64 × R distance to the last neighbour; f64 × R density
//! ensb  u32 members; for each: f64 share of the weights; its section with tag and length; its calibration as in cali
//! cali  empty if the model is not calibrated, else u64 rows; u32 index of the tail's knot; f64 mean excess; u32 number of
//!       knots; for each: f64 value; for each: u64 twice its rank
//! gold  u32 number of rows; for each: u64 bits of the measure, f64 score, u8 verdict (1 = inlier), f64 × d
//! refs  not in version 1 and not in every file: u32 number of columns; for each: f64 × 5 smallest value, 1 %, 50 % and 99 %
//!       quantile, largest value, then bins; bins of the score; u8 number of quantiles of the score, f64 for each.
//!       Bins: u8 number of edges; f64 for each; varint rows in each bin, one more than edges; varint rows without a value
//! ```
//!
//! Reading is bounded and checks everything: a file that decodes can be scored without a panic. The checksum guards
//! against damage, not against malice; the digest of the whole file in the revision does that. No times, paths or
//! machine names are in it, so the same training gives the same bytes.

mod bytes;
mod copod;
mod ecod;
mod ensemble;
mod extended_isolation_forest;
mod hbos;
mod isolation_forest;
mod local_outlier_factor;
mod nearest_neighbors;
mod neighbors;
mod principal_components;
mod reference;
mod robust_covariance;
mod robust_z_score;
mod sections;
mod tails;

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

use crate::description::MODEL_FORMAT_VERSION;
use crate::model::Model;

const MAGIC: [u8; 8] = *b"\x89AFM\r\n\x1a\n";
/// Magic, version, reserved and length: what the checksum covers before the contents.
const PREFIX: usize = 16;
const HEADER: usize = PREFIX + 32;
/// The last version whose only detector is the isolation forest, with a calibration.
const FORESTS_ONLY: u16 = 2;
/// The longest contents: four times what the largest forest that can be trained needs.
const MAX_CONTENTS: u32 = 64 << 20;

/// Why a model file cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The bytes do not start like a model file.
    #[error("this is not a model file: it does not start with its magic number")]
    NotAModelFile,
    /// Shorter than a header.
    #[error("the model file is incomplete: it ends after {bytes} bytes")]
    Incomplete {
        /// Its length.
        bytes: usize,
    },
    /// A version that this release cannot read.
    #[error(
        "the model file has version {found}, but this release reads versions up to {MODEL_FORMAT_VERSION}: use a newer release \
         or train again"
    )]
    UnknownVersion {
        /// Its version.
        found: u16,
    },
    /// Damaged or cut off.
    #[error("the model file is damaged or incomplete: its checksum does not match")]
    Checksum,
    /// Larger than any model.
    #[error("the model file claims to hold {bytes} bytes: at most {MAX_CONTENTS} are allowed")]
    TooLarge {
        /// The claimed length.
        bytes: u32,
    },
    /// The compressed contents are not what the header says.
    #[error("the model file's contents cannot be decompressed to the length that it states")]
    Compression,
    /// A section that makes no sense although the checksum matches: written by something else than this program.
    #[error("section {section} of the model file is invalid: {problem}")]
    Invalid {
        /// The section's tag.
        section: &'static str,
        /// What is wrong.
        problem: String,
    },
}

pub(crate) fn encode(model: &Model) -> Vec<u8> {
    let contents = sections::encode(model);
    let mut file = Vec::with_capacity(HEADER + contents.len() / 2);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&version_for(model).to_le_bytes());
    file.extend_from_slice(&[0; 2]);
    file.extend_from_slice(&(contents.len() as u32).to_le_bytes());
    file.extend_from_slice(&[0; HEADER - PREFIX]);
    let mut encoder = DeflateEncoder::new(file, Compression::best());
    encoder.write_all(&contents).expect("writing to memory cannot fail");
    let mut file = encoder.finish().expect("writing to memory cannot fail");
    let checksum = checksum(&file);
    file[PREFIX..HEADER].copy_from_slice(&checksum);
    file
}

/// The oldest version that can hold the model: what an older release can read, it shall.
fn version_for(model: &Model) -> u16 {
    let calibrated = model.is_calibrated();
    if calibrated && model.detector().isolation_forest.is_some() {
        FORESTS_ONLY
    } else {
        MODEL_FORMAT_VERSION
    }
}

/// The version of a file that decodes.
pub fn version(file: &[u8]) -> Option<u16> {
    check_header(file).ok().map(|(version, _)| version)
}

pub(crate) fn decode(file: &[u8]) -> Result<Model, ModelFileError> {
    let (version, length) = check_header(file)?;
    let mut contents = Vec::new();
    // One byte more than stated would show; the buffer grows with what is really there.
    let inflated =
        DeflateDecoder::new(&file[HEADER..]).take(u64::from(length) + 1).read_to_end(&mut contents);
    if inflated.is_err() || contents.len() != length as usize {
        return Err(ModelFileError::Compression);
    }
    sections::decode(&contents, version)
}

/// Checks everything before the contents, and their checksum; returns the file's version and the contents' length.
fn check_header(file: &[u8]) -> Result<(u16, u32), ModelFileError> {
    if !file.starts_with(&MAGIC[..MAGIC.len().min(file.len())]) || file.is_empty() {
        return Err(ModelFileError::NotAModelFile);
    }
    let Some(&[_, _, _, _, _, _, _, _, v0, v1, _, _, l0, l1, l2, l3]) = file.first_chunk::<PREFIX>() else {
        return Err(ModelFileError::Incomplete { bytes: file.len() });
    };
    // Before the checksum, which another version may compute otherwise.
    let found = u16::from_le_bytes([v0, v1]);
    if !(1..=MODEL_FORMAT_VERSION).contains(&found) {
        return Err(ModelFileError::UnknownVersion { found });
    }
    if file.len() <= HEADER {
        return Err(ModelFileError::Incomplete { bytes: file.len() });
    }
    if file[PREFIX..HEADER] != checksum(file) {
        return Err(ModelFileError::Checksum);
    }
    match u32::from_le_bytes([l0, l1, l2, l3]) {
        bytes if bytes > MAX_CONTENTS => Err(ModelFileError::TooLarge { bytes }),
        length => Ok((found, length)),
    }
}

/// Over the whole file but the checksum itself; the file has at least a header.
fn checksum(file: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&file[..PREFIX]).chain_update(&file[HEADER..]).finalize().into()
}

#[cfg(test)]
mod tests;
