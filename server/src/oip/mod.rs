//! The Open Inference Protocol, version 2, for clients that were written for KServe, Triton or MLServer.
//!
//! A request's tensors become rows ([`rows`]), the rows are scored as those of `/predictions` are ([`score`]), and
//! their verdicts become tensors ([`output`]). Nothing here decides what is an anomaly.

mod address;
mod answer;
mod data;
mod datatype;
mod error;
pub(crate) mod grpc;
mod metadata;
mod output;
mod request;
mod rows;
mod score;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use self::address::Addressed;
use self::output::Column;
use self::request::Asked;
use crate::arrival::{self, Arrived};
use crate::backlog::Place;
use crate::base_path::BasePath;
use crate::body::{self, Whole};
use crate::pool::INLINE_BYTES;
use crate::problem::Problem;
use crate::state::{App, Served};

pub(crate) use self::error::in_form;

/// The names of all datatypes that are read.
pub(crate) fn datatypes() -> [&'static str; 10] {
    datatype::Datatype::ALL.map(datatype::Datatype::name)
}

/// The names of all tensors that can be answered with.
pub(crate) fn outputs() -> [&'static str; 6] {
    output::Output::ALL.map(output::Output::name)
}

/// The protocol's routes under a port's base path.
pub(crate) fn add(mut router: Router<Arc<App>>, base: &BasePath) -> Router<Arc<App>> {
    for (path, handlers) in routes() {
        router = router.route(&base.join(path), handlers);
    }
    router
}

/// All of the protocol's routes.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Arc<App>>); 9] {
    [
        ("/v2", get(metadata::server)),
        ("/v2/health/live", get(metadata::live)),
        ("/v2/health/ready", get(metadata::ready)),
        ("/v2/models/{model}", get(metadata::model)),
        ("/v2/models/{model}/versions/{version}", get(metadata::model)),
        ("/v2/models/{model}/ready", get(metadata::model_ready)),
        ("/v2/models/{model}/versions/{version}/ready", get(metadata::model_ready)),
        ("/v2/models/{model}/infer", post(infer)),
        ("/v2/models/{model}/versions/{version}/infer", post(infer)),
    ]
}

/// `POST …/infer`. What the head decides is decided before the body is read; all rows are scored, or none.
async fn infer(
    State(app): State<Arc<App>>,
    Addressed(served): Addressed,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    body::require_inference(&head.headers)?;
    let header = request::header_length(&head.headers)?;
    let announced = body::announced(&head.headers, &body);
    let body = body::unpacked(&head.headers, body, &app.bodies)?;
    let arrived = arrival::read(&app, &served, announced, body).await?;
    let Arrived { whole: Whole { bytes, mut held }, mut reserved, mut place } = arrived;
    let Asked { id, rows, outputs } = parse(&app, &served, bytes, header, &mut place).await?;
    let count = rows.count();
    app.rows.correct(&mut reserved, count)?;
    score::hold(&app, &served, &outputs, count, 0, &mut held)?;
    let column = |(output, encoding)| Column::new(output, encoding, count, served.width());
    let columns = outputs.into_iter().map(column).collect();
    let columns = score::score(&app, &served, rows, columns, place).await?;
    drop(reserved);
    Ok(answer::respond(&app.name, &served, id.as_deref(), count, columns, held))
}

async fn parse(
    app: &Arc<App>,
    served: &Arc<Served>,
    bytes: Bytes,
    header: Option<usize>,
    place: &mut Place,
) -> Result<Asked, Problem> {
    let most_rows = app.limits.max_batch_rows;
    if bytes.len() <= INLINE_BYTES {
        return request::parse(&bytes, header, served, most_rows);
    }
    place.take(arrival::estimate(app, served, bytes.len()))?;
    let served = Arc::clone(served);
    app.pool.run_for(place, move || request::parse(&bytes, header, &served, most_rows)).await?
}
