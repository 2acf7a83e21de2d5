//! How messages are read: counted first, so that one of many empty parts does not take a hundred times its bytes.

use std::marker::PhantomData;

use axum::body::Bytes;
use detectors::forest::MAX_COLUMNS;
use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

/// The most fields of a message: an input and its raw values for each feature that a model may have, and the few others.
const MOST_FIELDS: usize = 2 * MAX_COLUMNS + 64;

/// That of prost, but for how messages are read.
#[derive(Debug)]
pub(crate) struct Counted<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Counted<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Counted<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Reader<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Reads a message; a tensor's bytes stay where they are.
#[derive(Debug)]
pub(crate) struct Reader<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for Reader<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let read = count(&message).and_then(|fields| match fields {
            0..=MOST_FIELDS => U::decode(message).map(Some).map(Ok),
            _ => Ok(Err(Status::invalid_argument(format!("the message has more than {MOST_FIELDS} fields")))),
        });
        read.map_err(|error| Status::invalid_argument(error.to_string()))?
    }
}

/// The message's own fields, those of its parts not among them.
fn count(message: &Bytes) -> Result<usize, DecodeError> {
    let (mut rest, mut fields) = (&message[..], 0);
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default())?;
        fields += 1;
    }
    Ok(fields)
}
