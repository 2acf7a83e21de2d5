//! The one form of every error this service answers with: `application/problem+json` (RFC 9457).
//!
//! A problem says which field was wrong, what was expected and what came. It never repeats credentials or query
//! strings, and it is never made for a request that was in order.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;

use crate::metrics::Metrics;
use crate::refusals::{AuthReason, Refused, ShedReason};

/// Beyond this many field errors a client learns nothing more.
pub(crate) const MAX_FIELD_ERRORS: usize = 20;

/// An error answer in the making.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What is counted beside the status.
    refused: Option<Refused>,
}

/// In the extensions of an answer that is a problem: how many rows did not fit the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedRows(pub(crate) usize);

/// In the extensions of an answer that is a problem: its detail, for those who have another form for errors.
#[derive(Clone, Debug)]
pub(crate) struct Detail(pub(crate) String);

/// One wrong value: where it was, what was expected there and what came.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FieldError {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<usize>,
    /// The position in the vector, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) feature: Option<String>,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl FieldError {
    /// The same as a sentence.
    pub(crate) fn message(&self) -> String {
        let Self { column, feature, expected, got, .. } = self;
        match (column, feature) {
            (Some(column), Some(feature)) => {
                format!("value {column} (feature {feature}) is {got}; expected {expected}")
            }
            (None, Some(name)) => format!("column {name} is {got}; expected {expected}"),
            _ => format!("got {got}; expected {expected}"),
        }
    }
}

impl Problem {
    fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            slug,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            refused: None,
        }
    }

    /// 400: the body is not JSON, or it broke off.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-body", "the body cannot be read", detail)
    }

    /// 422: valid JSON that is not the vector that the model takes.
    pub(crate) fn invalid_vector(detail: impl Into<String>, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_FIELD_ERRORS);
        let title = "the vector does not fit the model";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-vector", title, detail) }
    }

    /// 422: rows, or a header, that do not fit the model. Nothing was scored.
    pub(crate) fn invalid_rows(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map_or_else(String::new, |first| match first.row {
            Some(row) => format!("row {row}: {}", first.message()),
            None => first.message(),
        });
        let title = "the rows do not fit the model";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-rows", title, detail) }
    }

    /// 400: a tensor that is not what the model takes.
    pub(crate) fn invalid_tensor(detail: impl Into<String>) -> Self {
        let title = "the tensors do not fit the model";
        Self::new(StatusCode::BAD_REQUEST, "invalid-tensor", title, detail)
    }

    /// 413: tensors with more rows than are answered as a whole.
    pub(crate) fn too_many_rows_of_tensors(limit: usize) -> Self {
        let detail = format!("a request may have at most {limit} rows; send several");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-rows", "too many rows", detail)
    }

    /// 413: contributions that would take more memory than there is for bodies.
    pub(crate) fn explains_too_much(limit: usize) -> Self {
        let detail =
            format!("the contributions would take more than {limit} bytes; send fewer rows, or ask for less");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "answer-too-large", "the answer is too large", detail)
    }

    /// 404: a model or a version that is not served here.
    pub(crate) fn unknown_model(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-model", "no such model", detail)
    }

    /// 413: more rows than are answered as a whole.
    pub(crate) fn too_many_rows(limit: usize) -> Self {
        let detail = format!(
            "a batch that JSON is part of may have at most {limit} rows; rows sent and asked for as NDJSON or CSV may be any number"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-rows", "too many rows", detail)
    }

    /// 413: an answer that would be much larger than its request.
    pub(crate) fn too_much_passed(limit: usize) -> Self {
        let detail = format!(
            "what is passed through would take more than {limit} bytes of the answer; send fewer rows, shorter names, or ask for NDJSON or CSV"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "answer-too-large", "the answer is too large", detail)
    }

    /// 406: no type that the client accepts.
    pub(crate) fn not_acceptable() -> Self {
        let detail = "answers are application/json, application/x-ndjson or text/csv; the Accept header takes none of them";
        Self::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", "no acceptable type", detail)
    }

    /// 503: as many rows are in flight as the server takes.
    pub(crate) fn too_many_rows_in_flight() -> Self {
        Self::shed(ShedReason::Rows, "too many rows are being scored; try again in a second")
    }

    /// 503: as many streams of rows are open as the server takes.
    pub(crate) fn too_many_streams() -> Self {
        Self::shed(ShedReason::Rows, "too many streams of rows are open; try again in a second")
    }

    /// 503: the batches before this one would take too long.
    pub(crate) fn waits_too_long() -> Self {
        Self::shed(ShedReason::Wait, "too many batches are waiting to be scored; try again in a second")
    }

    /// 503: the whole body was there, but the answer was not within the time of a request.
    pub(crate) fn answered_too_late(seconds: f64) -> Self {
        let detail =
            format!("the request could not be answered within {seconds} s; try again, or send fewer rows");
        Self::shed(ShedReason::Wait, detail)
    }

    /// 422: a query parameter that cannot be understood.
    pub(crate) fn invalid_parameter(detail: impl Into<String>) -> Self {
        let title = "a query parameter is wrong";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-parameter", title, detail)
    }

    /// 413: more than the limit. The connection is closed, because the rest of the body is not read.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body may have at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "the body is too large", detail).closing()
    }

    /// 413: a compressed body that is much larger than it looks.
    pub(crate) fn unpacks_too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "the body is too large", detail).closing()
    }

    /// What is told.
    pub(crate) fn into_detail(self) -> String {
        self.detail
    }

    /// 415: a type or an encoding that is not read here.
    pub(crate) fn unsupported_type(detail: impl Into<String>) -> Self {
        let title = "the body's type is not supported";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail)
    }

    /// 408: the body did not arrive in time.
    pub(crate) fn timed_out(seconds: f64) -> Self {
        let detail = format!("the request was not complete within {seconds} s");
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "the request took too long", detail)
            .closing()
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        let detail = "there is nothing at this path; see POST /prediction, POST /predictions and GET /model_information";
        Self::new(StatusCode::NOT_FOUND, "not-found", "no such path", detail)
    }

    /// 405; the `Allow` header names what is allowed.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path does not take that method; the Allow header names those it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "wrong method", detail)
    }

    /// 401, with the challenge that makes browsers and clients ask for a password.
    fn unauthorized(challenge: &HeaderValue, reason: AuthReason) -> Self {
        let detail = "send the user and password of this model as HTTP basic authentication";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "authentication is needed", detail)
            .with(header::WWW_AUTHENTICATE, challenge.clone())
            .refused(Refused::Auth(reason))
    }

    /// 401: there is no user and password, or more than one.
    pub(crate) fn without_password(challenge: &HeaderValue) -> Self {
        Self::unauthorized(challenge, AuthReason::Missing)
    }

    /// 401: they are wrong.
    pub(crate) fn wrong_password(challenge: &HeaderValue) -> Self {
        Self::unauthorized(challenge, AuthReason::Wrong)
    }

    /// 503: nobody can be let in, and why.
    pub(crate) fn locked(reason: impl Into<String>) -> Self {
        Self::not_ready(reason).refused(Refused::Auth(AuthReason::Unreadable))
    }

    /// 429: too many passwords are being checked already.
    pub(crate) fn too_many_checks() -> Self {
        let detail = "too many passwords are being checked; try again in a second";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-password-checks", "too many requests", detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
            .refused(Refused::Auth(AuthReason::Busy))
    }

    /// 503: nothing can be served yet, and why.
    pub(crate) fn not_ready(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "not ready", reason)
            .with(header::RETRY_AFTER, HeaderValue::from_static("2"))
    }

    /// 503: more connections than the server takes.
    pub(crate) fn overloaded() -> Self {
        Self::shed(ShedReason::Connections, "too many connections are open; try again in a second").closing()
    }

    /// 503: as many requests are in flight as the server takes.
    pub(crate) fn too_many_requests_in_flight() -> Self {
        Self::shed(ShedReason::Requests, "too many requests are being answered; try again in a second")
    }

    fn shed(reason: ShedReason, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "overloaded", detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
            .refused(Refused::Shed(reason))
    }

    fn refused(self, refused: Refused) -> Self {
        Self { refused: Some(refused), ..self }
    }

    /// 503: the bodies being read hold all the memory there is for them.
    pub(crate) fn too_many_bodies() -> Self {
        Self::shed(
            ShedReason::Bodies,
            "too many large bodies are being read or answered; try again in a second",
        )
        .closing()
    }

    /// 500: a bug. The log has the cause, the client has not.
    pub(crate) fn internal() -> Self {
        let detail = "the server failed to answer; its log has the cause under this request's X-Request-Id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error", detail)
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn closing(self) -> Self {
        self.with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// What the HTTP parser refused: a head that is too large, or no head at all.
    pub(crate) fn unparsed(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
                let detail = "the request's first line and headers are too large";
                Self::new(status, "head-too-large", "the head is too large", detail)
            }
            _ => {
                let detail = "what came is not HTTP/1.1, or a header of it cannot be read";
                Self::new(status, "malformed-request", "the request cannot be read", detail)
            }
        }
        .closing()
    }

    /// The rows that are told of, at least one; none if the problem is not about rows.
    fn refused_rows(&self) -> usize {
        match self.slug {
            "invalid-vector" | "invalid-tensor" => 1,
            "invalid-rows" => {
                let mut rows: Vec<_> = self.errors.iter().filter_map(|error| error.row).collect();
                rows.dedup();
                rows.len()
            }
            _ => 0,
        }
    }

    /// Its status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its body, as it is sent.
    pub(crate) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
            errors: &'a [FieldError],
        }
        let body = Body {
            r#type: format!("urn:anomaly-operator:problem:{}", self.slug),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        // Strings and numbers always serialise; an empty body is still the right status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl Problem {
    /// Counts what is counted beside the status, for answers that are no response of HTTP.
    pub(crate) fn count(&self, metrics: &Metrics) {
        if let Some(refused) = self.refused {
            metrics.refusals.count(refused);
        }
        match self.refused_rows() {
            0 => {}
            rows => metrics.rows.refuse(rows),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let rows = self.refused_rows();
        let mut response = (self.status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        if let Some(refused) = self.refused {
            response.extensions_mut().insert(refused);
        }
        if rows > 0 {
            response.extensions_mut().insert(RefusedRows(rows));
        }
        response.extensions_mut().insert(Detail(self.detail));
        response
    }
}
