//! zstd, frames one after another, by the reference implementation: it is the one that keeps to a bound whatever the
//! frame says. (A pure Rust decoder was tried: one block of 128 KiB can make it hold gigabytes.)

use std::io;

use axum::body::Bytes;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::Decoder;

/// The largest window, 8 MiB: what RFC 9659 lets a Content-Encoding use.
const WINDOW_LOG: u32 = 23;

/// Bytes that come out at once.
const PIECE: usize = 64 << 10;

pub(super) struct Zstd {
    context: DCtx<'static>,
    /// A frame has begun and has not ended, or none has begun at all.
    open: bool,
    full: bool,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut context = DCtx::create();
        // It is within the bounds of the library, which are tested; beyond them the default is the same 8 MiB.
        let _ = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG));
        Self { context, open: true, full: false }
    }
}

impl Decoder for Zstd {
    fn unpack(&mut self, packed: &mut Bytes) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(PIECE);
        let mut input = InBuffer::around(packed);
        let mut output = OutBuffer::around(&mut piece);
        let hint = self
            .context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| io::Error::other(get_error_name(code)))?;
        let used = input.pos();
        // At a frame's end it asks for nothing; the next byte begins another.
        self.open = hint != 0;
        self.full = self.open && output.pos() == PIECE;
        drop(packed.split_to(used));
        Ok(piece)
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        if self.open { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Vec::new()) }
    }

    fn has_more(&self) -> bool {
        self.full
    }

    fn memory(&self) -> usize {
        PIECE + self.context.sizeof()
    }
}
