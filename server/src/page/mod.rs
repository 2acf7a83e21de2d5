//! `GET /`: a page for people who would rather look than read, and what it asks for. One document without anything from
//! elsewhere; its paths are relative, so that it works under any base path.
//!
//! The page shows what this pod knows. What it asks for to draw a boundary is scored here and counted nowhere.

mod boundary;
mod document;
mod recent;
mod scores;

use std::sync::{Arc, LazyLock};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use detectors::Model;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use serde::Serialize;

pub(crate) use self::boundary::boundary;
pub(crate) use self::document::show;
pub use self::recent::Keep;
pub(crate) use self::recent::{Recent, explain as explain_recent};
pub(crate) use self::scores::Scores;
use crate::problem::Problem;
use crate::state::App;

/// `GET /page/data`: what changes, and where the training rows lay.
pub(crate) async fn data(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let served = app.model()?;
    let recent = app.recent.as_ref();
    let data = Data {
        pod: pod(),
        features: features(&served.model),
        scores: served.scores.told(),
        recent: recent.map(|recent| recent.told(served.model.features())),
    };
    json(&app, &data)
}

#[derive(Serialize)]
struct Data<'a> {
    pod: &'a str,
    features: Vec<Feature<'a>>,
    scores: scores::Told<'a>,
    recent: Option<recent::Told<'a>>,
}

/// A feature's name and where its training rows lay, as far as the model says.
#[derive(Serialize)]
struct Feature<'a> {
    name: &'a str,
    #[serde(flatten)]
    range: Option<Range>,
}

#[derive(Serialize)]
struct Range {
    min: f64,
    median: f64,
    max: f64,
}

fn features(model: &Model) -> Vec<Feature<'_>> {
    let columns = model.reference().map_or(&[][..], |reference| reference.columns());
    let range = |column: &detectors::ColumnReference| Range {
        min: column.min,
        median: column.median,
        max: column.max,
    };
    let features = model.features().iter().enumerate();
    features.map(|(at, name)| Feature { name, range: columns.get(at).map(range) }).collect()
}

/// A pod's host name is its own.
fn pod() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
    });
    &NAME
}

/// The page's address without its slash, from which relative paths lead elsewhere.
pub(crate) async fn add_slash(request: Request) -> Response {
    let location = HeaderValue::try_from(format!("{}/", request.uri().path()));
    match location {
        Ok(location) => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => Problem::not_found().into_response(),
    }
}

/// Counts among the bodies until it has been read.
fn json(app: &App, value: &impl Serialize) -> Result<Response, Problem> {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    // Numbers and strings always serialise.
    let body = app.bodies.answer(serde_json::to_vec(value).unwrap_or_default())?;
    Ok((headers, body).into_response())
}
