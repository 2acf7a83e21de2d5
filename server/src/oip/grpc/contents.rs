//! A tensor's values in a message: raw bytes, or the member of its datatype.

use axum::body::Bytes;

use super::super::datatype::{Datatype, Values};
use super::super::rows::{self, Arranged, Head};
use super::inference::InferTensorContents;
use crate::problem::Problem;
use crate::state::Served;
use crate::vector::shown;

/// The values of one of the tensors, as many as its shape says.
pub(super) fn values(
    content: Content,
    tensor: usize,
    head: &Head,
    arranged: &Arranged,
    served: &Served,
) -> Result<Values, Problem> {
    let expected = arranged.values_each();
    match content {
        Content::Raw(bytes) => {
            let wanted = expected * head.datatype.size();
            if bytes.len() != wanted {
                let (got, wanted) = (format!("{} bytes", bytes.len()), format!("{wanted} bytes"));
                return Err(wrong_length(head, &got, &wanted));
            }
            Ok(Values::Raw(head.datatype, bytes))
        }
        Content::Typed(contents) => {
            let numbers = numbers(contents, head.datatype);
            if numbers.len() != expected {
                let (got, wanted) = (format!("{} values", numbers.len()), format!("{expected} values"));
                return Err(wrong_length(head, &got, &wanted));
            }
            // A member holds several types of integers; the largest ones hold whatever it does.
            let wrong =
                |value: &f64| head.datatype.is_integer() && !head.datatype.holds(*value, served.accepts);
            match numbers.iter().position(wrong) {
                Some(at) => Err(arranged.wrong_value(served, head, tensor, at, &numbers[at].to_string())),
                None => Ok(Values::Numbers(numbers)),
            }
        }
    }
}

/// Where a tensor's values are.
#[derive(Debug)]
pub(super) enum Content {
    Raw(Bytes),
    Typed(InferTensorContents),
}

impl Content {
    /// The memory that the values take until they are rows: a varint of one byte becomes an integer of eight, and then
    /// a number of eight.
    pub(super) fn memory(&self) -> usize {
        fn of<T>(values: &Vec<T>) -> usize {
            values.capacity() * size_of::<T>() + values.len() * size_of::<f64>()
        }
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Typed(contents) => {
                of(&contents.bool_contents)
                    + of(&contents.int_contents)
                    + of(&contents.int64_contents)
                    + of(&contents.uint_contents)
                    + of(&contents.uint64_contents)
                    + of(&contents.fp32_contents)
                    + of(&contents.bytes_contents)
                    // Taken as they are.
                    + contents.fp64_contents.capacity() * size_of::<f64>()
            }
        }
    }
}

fn numbers(contents: InferTensorContents, datatype: Datatype) -> Vec<f64> {
    fn widened<T: Copy>(values: &[T], widen: impl Fn(T) -> f64) -> Vec<f64> {
        values.iter().map(|value| widen(*value)).collect()
    }
    match datatype {
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => widened(&contents.int_contents, f64::from),
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => widened(&contents.uint_contents, f64::from),
        Datatype::Int64 => widened(&contents.int64_contents, |value| value as f64),
        Datatype::Uint64 => widened(&contents.uint64_contents, |value| value as f64),
        Datatype::Fp32 => widened(&contents.fp32_contents, f64::from),
        Datatype::Fp64 => contents.fp64_contents,
    }
}

fn wrong_length(head: &Head, got: &str, wanted: &str) -> Problem {
    let (name, shape, datatype) = (shown(&head.name), rows::shape(&head.shape), head.datatype.name());
    Problem::invalid_tensor(format!("input {name} has {got}, but shape {shape} of {datatype} has {wanted}"))
}
