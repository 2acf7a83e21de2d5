//! `POST …/infer` as it comes over REST: JSON, which binary data may follow.

use axum::body::Bytes;
use http::header::{HeaderMap, HeaderName};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::data::{self, Fault};
use super::datatype::Values;
use super::output::{Encoding, Output};
use super::rows::{self, Arranged, Head, Rows};
use crate::problem::Problem;
use crate::state::Served;
use crate::vector::shown;

/// The length of the JSON that binary data follows.
pub(super) const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) rows: Rows,
    pub(super) outputs: Vec<(Output, Encoding)>,
}

/// The members that are read; others are nobody's business.
#[derive(Deserialize)]
struct Body<'a> {
    id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: BodyParameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    outputs: Vec<Requested>,
}

#[derive(Default, Deserialize)]
struct BodyParameters {
    #[serde(default, deserialize_with = "or_default")]
    binary_data_output: bool,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: InputParameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<u64>,
}

#[derive(Deserialize)]
struct Requested {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
}

/// Some programs write null for what they leave out.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(value: D) -> Result<T, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

/// Where the JSON ends and binary data begins; the whole body without the header.
pub(super) fn header_length(headers: &HeaderMap) -> Result<Option<usize>, Problem> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length
        .map(Some)
        .ok_or_else(|| Problem::malformed("the header Inference-Header-Content-Length is no number of bytes"))
}

/// The whole request, or the first thing that is wrong with it.
pub(super) fn parse(
    body: &Bytes,
    header: Option<usize>,
    served: &Served,
    most_rows: usize,
) -> Result<Asked, Problem> {
    let length = header.unwrap_or(body.len());
    if length > body.len() {
        let got = body.len();
        return Err(Problem::malformed(format!(
            "the header Inference-Header-Content-Length is {length}, but the body has {got} bytes"
        )));
    }
    let (json, mut binary) = (&body[..length], body.slice(length..));
    let Body { id, parameters, inputs, outputs } = serde_json::from_slice(json)
        .map_err(|error| Problem::malformed(format!("the body is no inference request in JSON: {error}")))?;
    let outputs = encodings(&outputs, parameters.binary_data_output)?;
    let (heads, contents) = heads(inputs)?;
    let arranged = Arranged::by(&heads, served, most_rows)?;
    let mut values = Vec::with_capacity(heads.len());
    for (tensor, (head, content)) in heads.iter().zip(contents).enumerate() {
        values.push(match content {
            Content::Binary(size) => Values::Raw(head.datatype, take(&mut binary, head, size, &arranged)?),
            Content::Json(text) => Values::Numbers(numbers(text, tensor, head, &arranged, served)?),
        });
    }
    if !binary.is_empty() {
        let rest = binary.len();
        return Err(Problem::malformed(format!("{rest} bytes follow the binary data of the last input")));
    }
    Ok(Asked { id, rows: Rows::new(arranged, &heads, values, served)?, outputs })
}

fn encodings(requested: &[Requested], binary: bool) -> Result<Vec<(Output, Encoding)>, Problem> {
    let outputs = Output::asked_for(requested.iter().map(|requested| requested.name.as_str()))?;
    // As many as were asked for, or more, if none was.
    let asked =
        requested.iter().map(|requested| requested.parameters.binary_data).chain(std::iter::repeat(None));
    let encoding = |asked: Option<bool>| if asked.unwrap_or(binary) { Encoding::Raw } else { Encoding::Json };
    Ok(outputs.into_iter().zip(asked.map(encoding)).collect())
}

/// Where a tensor's data is.
enum Content<'a> {
    /// As many bytes after the JSON.
    Binary(u64),
    Json(&'a str),
}

fn heads(inputs: Vec<Input<'_>>) -> Result<(Vec<Head>, Vec<Content<'_>>), Problem> {
    let mut heads = Vec::with_capacity(inputs.len());
    let mut contents = Vec::with_capacity(inputs.len());
    for Input { name, datatype, shape, parameters, data } in inputs {
        contents.push(match (parameters.binary_data_size, data) {
            (Some(size), None) => Content::Binary(size),
            (None, Some(text)) => Content::Json(text.get()),
            (got, _) => {
                let got = if got.is_some() { "both" } else { "neither" };
                return Err(Problem::invalid_tensor(format!(
                    "input {} has {got} of data and parameters.binary_data_size; expected one of them",
                    shown(&name)
                )));
            }
        });
        heads.push(Head::new(name, &datatype, shape)?);
    }
    Ok((heads, contents))
}

/// The next input's bytes.
fn take(binary: &mut Bytes, head: &Head, size: u64, arranged: &Arranged) -> Result<Bytes, Problem> {
    let expected = arranged.values_each() * head.datatype.size();
    if usize::try_from(size) != Ok(expected) {
        return Err(Problem::invalid_tensor(format!(
            "input {} has binary_data_size {size}, but shape {} of {} has {expected} bytes",
            shown(&head.name),
            rows::shape(&head.shape),
            head.datatype.name()
        )));
    }
    if expected > binary.len() {
        let left = binary.len();
        return Err(Problem::malformed(format!(
            "input {} has {expected} bytes of binary data, but {left} bytes follow; the header Inference-Header-Content-Length must be the length of the JSON before them",
            shown(&head.name)
        )));
    }
    Ok(binary.split_to(expected))
}

fn numbers(
    text: &str,
    tensor: usize,
    head: &Head,
    arranged: &Arranged,
    served: &Served,
) -> Result<Vec<f64>, Problem> {
    let count = arranged.values_each();
    let row = match head.shape[..] {
        [_, length] => usize::try_from(length).ok(),
        _ => None,
    };
    data::parse(text, head.datatype, count, row, served.accepts).map_err(|fault| {
        let (input, shape) = (shown(&head.name), rows::shape(&head.shape));
        Problem::invalid_tensor(match fault {
            Fault::Value { index, got } => return arranged.wrong_value(served, head, tensor, index, &got),
            Fault::Count(got) => format!("input {input} has {got} values, but shape {shape} has {count}"),
            Fault::TooMany => format!("input {input} has more values than the {count} of shape {shape}"),
            Fault::Form(got) => format!(
                "the data of input {input} is or has {got}; expected one array of {count} numbers, or an array for each row of shape {shape}"
            ),
        })
    })
}
