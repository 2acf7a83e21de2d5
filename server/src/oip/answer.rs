//! The answer of `POST …/infer` over REST: JSON, which binary data may follow.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::Full;
use serde::Serialize;

use super::output::{Column, Encoding};
use super::request::HEADER_LENGTH;
use crate::body::{Held, until_sent};
use crate::state::Served;

/// The memory is held until the client has the answer.
pub(super) fn respond(
    name: &str,
    served: &Served,
    id: Option<&str>,
    rows: usize,
    columns: Vec<Column>,
    held: Held,
) -> Response {
    let data: usize = columns.iter().map(|column| column.bytes.len()).sum();
    let mut out = Vec::with_capacity(data + 1_024);
    write_json(name, served, id, rows, &columns, &mut out);
    let json = out.len();
    for column in columns.iter().filter(|column| column.encoding == Encoding::Raw) {
        out.extend_from_slice(&column.bytes);
    }
    let binary = columns.iter().any(|column| column.encoding == Encoding::Raw);
    let length = HeaderValue::from(out.len());
    let body = Full::new(until_sent(out, held));
    let content_type = if binary { "application/octet-stream" } else { "application/json" };
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(content_type)), (CONTENT_LENGTH, length)];
    let mut response = (headers, Body::new(body)).into_response();
    if binary {
        response.headers_mut().insert(HEADER_LENGTH, HeaderValue::from(json));
    }
    response
}

fn write_json(
    name: &str,
    served: &Served,
    id: Option<&str>,
    rows: usize,
    columns: &[Column],
    out: &mut Vec<u8>,
) {
    member("{\"model_name\":", &name, out);
    member(",\"model_version\":", &served.revision, out);
    if let Some(id) = id {
        member(",\"id\":", &id, out);
    }
    member(",\"parameters\":{\"threshold\":", &served.model.threshold(), out);
    out.extend_from_slice(b"},\"outputs\":[");
    for (index, Column { output, encoding, bytes }) in columns.iter().enumerate() {
        member(if index == 0 { "{\"name\":" } else { ",{\"name\":" }, &output.name(), out);
        member(",\"datatype\":", &output.datatype(), out);
        member(",\"shape\":", &output.shape(rows, served.width()), out);
        match encoding {
            Encoding::Raw => {
                member(",\"parameters\":{\"binary_data_size\":", &bytes.len(), out);
                out.extend_from_slice(b"}}");
            }
            Encoding::Json => {
                out.extend_from_slice(b",\"data\":[");
                out.extend_from_slice(bytes.strip_suffix(b",").unwrap_or_default());
                out.extend_from_slice(b"]}");
            }
        }
    }
    out.extend_from_slice(b"]}");
}

/// Texts and finite numbers always serialise.
fn member(before: &str, value: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(before.as_bytes());
    let _ = serde_json::to_writer(out, value);
}
