//! `POST /prediction?score=true|false`: one row in, one verdict out.
//!
//! The order is: the query, whether there is a model, the headers, the body, the vector, the score. Nothing of the
//! request is kept or logged.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use detectors::{RowError, Scored};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::body;
use crate::problem::{FieldError, Problem};
use crate::query;
use crate::state::App;
use crate::vector;

/// The handler.
pub(crate) async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let with_score = query::flag(request.uri().query(), "score")?;
    let loaded = app.model()?;
    let body = body::read_json(request, app.limits.max_body_bytes, &app.bodies).await?;
    let row = vector::parse(&body.bytes, loaded.model.features(), loaded.accepts)?;
    let scored = loaded.score_row(&row).map_err(refused)?;
    Ok(answer(&scored, with_score))
}

/// What the client gets; the numbers only when asked for.
#[derive(Serialize)]
struct Prediction {
    is_inlier: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly_score: Option<f64>,
    /// Null if the model is not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Option<f64>>,
}

fn answer(scored: &Scored, with_score: bool) -> Response {
    let prediction = Prediction {
        is_inlier: scored.is_inlier,
        anomaly_score: with_score.then_some(scored.anomaly_score),
        severity: with_score.then_some(scored.severity),
    };
    let body = serde_json::to_vec(&prediction).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The vector was checked before, so these are what the model itself refuses.
fn refused(error: RowError) -> Problem {
    let field = match &error {
        RowError::WrongLength { expected, got } => FieldError {
            expected: format!("{expected} values"),
            got: format!("{got} values"),
            ..FieldError::default()
        },
        RowError::NotFinite { column, feature, value } => FieldError {
            column: Some(*column),
            feature: Some(feature.clone()),
            expected: "a finite number".to_owned(),
            got: value.to_string(),
            ..FieldError::default()
        },
        _ => return Problem::invalid_vector(error.to_string(), Vec::new()),
    };
    Problem::invalid_vector(error.to_string(), vec![field])
}
