//! A body with Content-Encoding gzip, unpacked as it is read.
//!
//! Unpacks a little at a time, so that what comes out at once is bounded, and gives up on what grows beyond all
//! proportion: its work is paid by us, not by its sender.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use flate2::write::MultiGzDecoder;
use hyper::body::Frame;
use thiserror::Error;

/// Bytes unpacked at once: at deflate's best they become half a megabyte.
const SLICE: usize = 512;

/// Bytes that may come out for each that went in, beyond those that are free.
const RATIO: u64 = 100;
const FREE: u64 = 1 << 20;

/// The body under its encoding.
pub(crate) struct Gunzip {
    packed: Body,
    decoder: MultiGzDecoder<Vec<u8>>,
    waiting: Bytes,
    taken: u64,
    given: u64,
    ended: bool,
}

/// Why a body cannot be unpacked.
#[derive(Debug, Error)]
pub(crate) enum GunzipError {
    #[error("the body broke off before its end")]
    Broken(#[source] axum::Error),
    #[error("the body is not gzip, although its Content-Encoding says so")]
    NotGzip(#[source] std::io::Error),
    #[error("the body unpacks to more than {RATIO} times its size")]
    Bomb,
}

impl Gunzip {
    pub(crate) fn new(packed: Body) -> Self {
        let decoder = MultiGzDecoder::new(Vec::new());
        Self { packed, decoder, waiting: Bytes::new(), taken: 0, given: 0, ended: false }
    }

    /// Unpacks a little; nothing may come of it.
    fn unpack(&mut self) -> Result<Vec<u8>, GunzipError> {
        let slice = self.waiting.split_to(self.waiting.len().min(SLICE));
        self.taken += slice.len() as u64;
        self.decoder.write_all(&slice).map_err(GunzipError::NotGzip)?;
        self.take()
    }

    fn take(&mut self) -> Result<Vec<u8>, GunzipError> {
        let unpacked = std::mem::take(self.decoder.get_mut());
        self.given += unpacked.len() as u64;
        if self.given > FREE + RATIO * self.taken { Err(GunzipError::Bomb) } else { Ok(unpacked) }
    }

    /// What was still in the decoder; an empty body is no gzip.
    fn finish(&mut self) -> Result<Vec<u8>, GunzipError> {
        self.ended = true;
        self.decoder.try_finish().map_err(GunzipError::NotGzip)?;
        self.take()
    }
}

impl HttpBody for Gunzip {
    type Data = Bytes;
    type Error = GunzipError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GunzipError>>> {
        while !self.ended {
            let unpacked = if self.waiting.is_empty() {
                match ready!(Pin::new(&mut self.packed).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        self.waiting = frame.into_data().unwrap_or_default();
                        continue;
                    }
                    Some(Err(error)) => Err(GunzipError::Broken(error)),
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
    use axum::body::to_bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    async fn unpacked(packed: Vec<u8>) -> Option<Vec<u8>> {
        let body = Body::new(Gunzip::new(Body::from(packed)));
        to_bytes(body, usize::MAX).await.ok().map(|bytes| bytes.to_vec())
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_members_one_after_another() {
        let text: Vec<u8> =
            (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert_eq!(unpacked(gzip(&text)).await, Some(text.clone()));
        let two = [gzip(&text[..1_000]), gzip(&text[1_000..])].concat();
        assert_eq!(unpacked(two).await, Some(text));
        assert_eq!(unpacked(gzip(b"")).await, Some(Vec::new()));
    }

    #[tokio::test]
    async fn what_is_no_gzip_or_not_all_of_it_is_an_error() {
        let packed = gzip(b"[[0.5,0.5]]");
        for bad in [b"[[0.5,0.5]]".to_vec(), packed[..packed.len() - 3].to_vec(), packed[..5].to_vec()] {
            assert_eq!(unpacked(bad).await, None);
        }
    }

    #[tokio::test]
    async fn a_bomb_is_given_up_before_it_has_grown() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        let mut body = Gunzip::new(Body::from(bomb));
        let (mut most, mut all) = (0, 0);
        let error = loop {
            match http_body_util::BodyExt::frame(&mut body).await.unwrap() {
                Ok(frame) => {
                    let length = frame.into_data().unwrap().len();
                    (most, all) = (length.max(most), all + length);
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, GunzipError::Bomb), "{error}");
        assert!(most < 1 << 20 && all < 4 << 20, "{most} at once, {all} in all");
    }
}
