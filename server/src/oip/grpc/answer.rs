//! The answer of `ModelInfer`: raw where the request was raw, else in the member of each tensor's datatype.

use axum::body::Bytes;

use super::super::output::Column;
use super::inference::infer_parameter::ParameterChoice;
use super::inference::model_infer_response::InferOutputTensor;
use super::inference::{InferParameter, InferTensorContents, ModelInferResponse};
use crate::state::{App, Served};

pub(super) fn message(
    app: &App,
    served: &Served,
    id: String,
    rows: usize,
    columns: Vec<Column>,
    raw: bool,
) -> ModelInferResponse {
    let threshold = ParameterChoice::DoubleParam(served.model.threshold());
    let threshold = InferParameter { parameter_choice: Some(threshold) };
    let mut message = ModelInferResponse {
        model_name: app.name.clone(),
        model_version: served.revision.clone(),
        id,
        parameters: [("threshold".to_owned(), threshold)].into(),
        ..ModelInferResponse::default()
    };
    for Column { output, bytes, .. } in columns {
        let shape = output.shape(rows, served.width()).into_iter().map(|length| length as i64);
        message.outputs.push(InferOutputTensor {
            name: output.name().to_owned(),
            datatype: output.datatype().to_owned(),
            shape: shape.collect(),
            contents: (!raw).then(|| typed(output.datatype(), &bytes)),
            ..InferOutputTensor::default()
        });
        if raw {
            message.raw_output_contents.push(Bytes::from(bytes));
        }
    }
    message
}

/// From little-endian bytes, eight a value.
fn typed(datatype: &str, bytes: &[u8]) -> InferTensorContents {
    let (values, _) = bytes.as_chunks::<8>();
    let mut contents = InferTensorContents::default();
    if datatype == "INT64" {
        contents.int64_contents = values.iter().map(|value| i64::from_le_bytes(*value)).collect();
    } else {
        contents.fp64_contents = values.iter().map(|value| f64::from_le_bytes(*value)).collect();
    }
    contents
}
