//! A body with Content-Encoding gzip or zstd, unpacked as it is read.
//!
//! Unpacks a little at a time, so that what comes out at once is bounded, and gives up on what grows beyond all
//! proportion: its work is paid by us, not by its sender. What a decoder holds, zstd's window above all, counts among
//! the bytes that all bodies may hold together.

mod gzip;
mod zstd;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use thiserror::Error;

use self::gzip::Gzip;
use self::zstd::Zstd;
use crate::body::{Budget, Held};

/// Bytes that may come out for each that went in, beyond those that are free.
const RATIO: u64 = 100;
const FREE: u64 = 1 << 20;

/// Bytes that come out before others have their turn on this thread.
const TURN: usize = 64 << 10;

/// An encoding that can be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    /// As it is named in `Content-Encoding`, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"gzip") || is(b"x-gzip") {
            Some(Self::Gzip)
        } else if is(b"zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The body under its encoding.
pub(crate) struct Unpack {
    packed: Body,
    encoding: Encoding,
    decoder: Box<dyn Decoder>,
    waiting: Bytes,
    taken: u64,
    given: u64,
    this_turn: usize,
    ended: bool,
    budget: Budget,
    held: Held,
}

/// One encoding's way.
trait Decoder: Send {
    /// Unpacks some of these bytes, and takes what it has used of them. Nothing may come of it; but if bytes are left,
    /// or none were given, what comes was not all.
    fn unpack(&mut self, packed: &mut Bytes) -> io::Result<Vec<u8>>;

    /// What was still in the decoder, after the last byte; nothing is not what was packed.
    fn finish(&mut self) -> io::Result<Vec<u8>>;

    /// Whether there is more to come of what it has taken.
    fn has_more(&self) -> bool;

    /// What it holds, in bytes.
    fn memory(&self) -> usize;
}

/// Why a body cannot be unpacked.
#[derive(Debug, Error)]
pub(crate) enum UnpackError {
    #[error("the body broke off before its end")]
    Broken(#[source] axum::Error),
    #[error("the body is not {name}, or not all of it, although its Content-Encoding says so")]
    Damaged {
        name: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the body unpacks to more than {RATIO} times its size")]
    Bomb,
    #[error("too many bodies are being unpacked; try again in a second")]
    Crowded,
}

impl Unpack {
    pub(crate) fn new(encoding: Encoding, packed: Body, budget: Budget) -> Self {
        let decoder: Box<dyn Decoder> = match encoding {
            Encoding::Gzip => Box::new(Gzip::new()),
            Encoding::Zstd => Box::new(Zstd::new()),
        };
        Self {
            packed,
            encoding,
            decoder,
            waiting: Bytes::new(),
            taken: 0,
            given: 0,
            this_turn: 0,
            ended: false,
            budget,
            held: None,
        }
    }

    /// Unpacks a little; nothing may come of it.
    fn unpack(&mut self) -> Result<Vec<u8>, UnpackError> {
        let before = self.waiting.len();
        let unpacked = self.decoder.unpack(&mut self.waiting);
        self.taken += (before - self.waiting.len()) as u64;
        self.check(unpacked)
    }

    fn finish(&mut self) -> Result<Vec<u8>, UnpackError> {
        self.ended = true;
        let unpacked = self.decoder.finish();
        self.check(unpacked)
    }

    fn check(&mut self, unpacked: io::Result<Vec<u8>>) -> Result<Vec<u8>, UnpackError> {
        let name = self.encoding.name();
        let unpacked = unpacked.map_err(|source| UnpackError::Damaged { name, source })?;
        self.given += unpacked.len() as u64;
        self.this_turn += unpacked.len();
        if self.given > FREE + RATIO * self.taken {
            return Err(UnpackError::Bomb);
        }
        let memory = self.decoder.memory();
        self.budget.raise(&mut self.held, memory).map_err(|_| UnpackError::Crowded)?;
        Ok(unpacked)
    }
}

impl HttpBody for Unpack {
    type Data = Bytes;
    type Error = UnpackError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UnpackError>>> {
        while !self.ended {
            if self.this_turn >= TURN {
                self.this_turn = 0;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let unpacked = if self.waiting.is_empty() && !self.decoder.has_more() {
                match ready!(Pin::new(&mut self.packed).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        self.waiting = frame.into_data().unwrap_or_default();
                        continue;
                    }
                    Some(Err(error)) => Err(UnpackError::Broken(error)),
                    None => self.finish(),
                }
            } else {
                self.unpack()
            };
            match unpacked {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use axum::body::to_bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::BodyExt as _;
    use zstd_safe::{CCtx, CParameter};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(zstd_safe::compress_bound(text.len()));
        zstd_safe::compress(&mut packed, text, 19).unwrap();
        packed
    }

    fn pack(encoding: Encoding, text: &[u8]) -> Vec<u8> {
        match encoding {
            Encoding::Gzip => gzip(text),
            Encoding::Zstd => zstd(text),
        }
    }

    const BOTH: [Encoding; 2] = [Encoding::Gzip, Encoding::Zstd];

    fn roomy() -> Budget {
        Budget::new(64 << 20)
    }

    /// As it comes in pieces of this size.
    async fn unpacked_in(encoding: Encoding, packed: &[u8], piece: usize) -> Option<Vec<u8>> {
        let pieces: Vec<_> = packed.chunks(piece).map(|piece| Ok::<_, io::Error>(piece.to_vec())).collect();
        let body = Body::from_stream(futures::stream::iter(pieces));
        let body = Body::new(Unpack::new(encoding, body, roomy()));
        to_bytes(body, usize::MAX).await.ok().map(|bytes| bytes.to_vec())
    }

    async fn unpacked(encoding: Encoding, packed: &[u8]) -> Option<Vec<u8>> {
        unpacked_in(encoding, packed, usize::MAX).await
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_members_one_after_another() {
        let text: Vec<u8> =
            (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for encoding in BOTH {
            let packed = pack(encoding, &text);
            for piece in [7, 4_096, usize::MAX] {
                assert!(
                    unpacked_in(encoding, &packed, piece).await.as_ref() == Some(&text),
                    "{encoding:?} {piece}"
                );
            }
            let two = [pack(encoding, &text[..1_000]), pack(encoding, &text[1_000..])].concat();
            assert!(unpacked(encoding, &two).await.as_ref() == Some(&text));
            assert_eq!(unpacked(encoding, &pack(encoding, b"")).await, Some(Vec::new()));
            let lines = b"[0.5,0.5]\n".repeat(50_000);
            assert!(
                unpacked(encoding, &pack(encoding, &lines[..5_000])).await.as_deref()
                    == Some(&lines[..5_000])
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_packed_or_not_all_of_it_is_an_error() {
        for encoding in BOTH {
            let packed = pack(encoding, b"[[0.5,0.5]]");
            let cut = |bytes: usize| packed[..packed.len() - bytes].to_vec();
            for bad in [b"[[0.5,0.5]]".to_vec(), cut(1), cut(3), packed[..5].to_vec(), Vec::new()] {
                assert_eq!(unpacked(encoding, &bad).await, None, "{encoding:?} {bad:?}");
            }
            let followed = [packed.clone(), b"x".to_vec()].concat();
            assert_eq!(unpacked(encoding, &followed).await, None, "{encoding:?}");
        }
    }

    #[tokio::test]
    async fn a_bomb_is_given_up_before_it_has_grown() {
        for encoding in BOTH {
            let bomb = pack(encoding, &vec![b' '; 64 << 20]);
            let mut body = Unpack::new(encoding, Body::from(bomb), roomy());
            let (mut most, mut all) = (0, 0);
            let error = loop {
                match body.frame().await.unwrap() {
                    Ok(frame) => {
                        let length = frame.into_data().unwrap().len();
                        (most, all) = (length.max(most), all + length);
                    }
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, UnpackError::Bomb), "{encoding:?}: {error}");
            assert!(most < 1 << 20 && all < 8 << 20, "{encoding:?}: {most} at once, {all} in all");
        }
    }

    /// A frame that says how much must be remembered to unpack it.
    fn with_window(log: u32) -> Vec<u8> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::WindowLog(log)).unwrap();
        context.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let text = b"[0.5,0.5]\n".repeat(1_000);
        let mut packed = Vec::with_capacity(zstd_safe::compress_bound(text.len()));
        let mut output = zstd_safe::OutBuffer::around(&mut packed);
        // In two goes, so that the length is not known when the frame begins.
        let mut input = zstd_safe::InBuffer::around(&text);
        context.compress_stream(&mut output, &mut input).unwrap();
        while context.end_stream(&mut output).unwrap() > 0 {}
        packed
    }

    #[tokio::test]
    async fn windows_are_bounded_and_count_among_what_bodies_may_hold() {
        let open = |log: u32, budget: &Budget| {
            let packed = with_window(log);
            // All but its end: it goes on holding what it holds.
            let begin = packed[..packed.len() - 4].to_vec();
            let endless =
                futures::stream::once(async { Ok::<_, io::Error>(begin) }).chain(futures::stream::pending());
            Unpack::new(Encoding::Zstd, Body::from_stream(endless), budget.clone())
        };
        use futures::StreamExt as _;
        let mut too_large = open(24, &roomy());
        assert!(matches!(too_large.frame().await, Some(Err(UnpackError::Damaged { .. }))));

        let budget = Budget::new(20 << 20);
        let mut held: Vec<Unpack> = (0..2).map(|_| open(23, &budget)).collect();
        for body in &mut held {
            assert!(futures::FutureExt::now_or_never(body.frame()).is_none());
        }
        let mut third = open(23, &budget);
        assert!(matches!(third.frame().await, Some(Err(UnpackError::Crowded))));
        drop(held);
        assert!(futures::FutureExt::now_or_never(open(23, &budget).frame()).is_none());
    }
}
