//! Problems as gRPC says them: a status in the head of an answer without a body. And back, for metrics and logs, which
//! know the codes of HTTP.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use tonic::{Code, Status};

use crate::problem::{Detail, Problem};
use crate::request_id;
use crate::state::App;

/// In the metadata of an internal error that is ours: tonic gives that code to what the client did wrong, too.
const OURS: &str = "x-anomaly-internal";

/// What a call answers with. What is counted beside the status is counted here: a status takes nothing along.
pub(super) fn status(app: &App, problem: Problem) -> Status {
    problem.count(&app.metrics);
    let code = code(problem.status());
    let mut status = Status::new(code, problem.into_detail());
    if code == Code::Internal {
        status.metadata_mut().insert(OURS, tonic::metadata::MetadataValue::from_static("1"));
    }
    status
}

/// An answer whose internal error is the client's: a message that cannot be decoded.
pub(super) fn not_ours(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.remove(OURS).is_none() && status_code(headers) == Some(Code::Internal) {
        headers.insert(Status::GRPC_STATUS, http::HeaderValue::from(Code::InvalidArgument as i32));
    }
    response
}

/// An answer that did not come from a service, in the form that gRPC gives to errors.
pub(crate) fn in_form(mut response: Response) -> Response {
    let Some(Detail(detail)) = response.extensions_mut().remove::<Detail>() else { return response };
    let code = match response.status() {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        other => code(other),
    };
    let mut answer = Status::new(code, detail).into_http::<Body>();
    if let Some(id) = response.headers_mut().remove(request_id::HEADER) {
        answer.headers_mut().insert(request_id::HEADER, id);
    }
    answer
}

/// What metrics and logs call the answer.
pub(crate) fn http_status(response: &Response) -> StatusCode {
    match status_code(response.headers()) {
        None => response.status(),
        Some(Code::Ok) => StatusCode::OK,
        Some(Code::InvalidArgument | Code::Cancelled) => StatusCode::BAD_REQUEST,
        Some(Code::NotFound | Code::Unimplemented) => StatusCode::NOT_FOUND,
        Some(Code::DeadlineExceeded) => StatusCode::REQUEST_TIMEOUT,
        // Of a message that is too large as it comes, and of one that unpacks to too much.
        Some(Code::OutOfRange | Code::ResourceExhausted) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(Code::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_code(headers: &http::HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        400 | 415 | 422 => Code::InvalidArgument,
        404 => Code::NotFound,
        408 => Code::DeadlineExceeded,
        // As tonic has it for messages beyond the limit.
        413 => Code::OutOfRange,
        503 => Code::Unavailable,
        _ => Code::Internal,
    }
}
