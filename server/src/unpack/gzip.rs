//! gzip, members one after another.

use std::io::{self, Write as _};

use axum::body::Bytes;
use flate2::write::MultiGzDecoder;

use super::Decoder;

/// Bytes unpacked at once: at deflate's best they become half a megabyte.
const SLICE: usize = 512;

/// A window of 32 KiB, tables, and what comes of a slice.
const MEMORY: usize = 64 << 10;

pub(super) struct Gzip(MultiGzDecoder<Vec<u8>>);

impl Gzip {
    pub(super) fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.0.get_mut())
    }
}

impl Decoder for Gzip {
    fn unpack(&mut self, packed: &mut Bytes) -> io::Result<Vec<u8>> {
        let slice = packed.split_to(packed.len().min(SLICE));
        self.0.write_all(&slice)?;
        Ok(self.take())
    }

    /// An empty body is no gzip.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.0.try_finish()?;
        Ok(self.take())
    }

    fn has_more(&self) -> bool {
        false
    }

    fn memory(&self) -> usize {
        MEMORY
    }
}
