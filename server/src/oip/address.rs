//! Which model a path names: the one that is served, in the revision that is served, or none.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use crate::problem::Problem;
use crate::state::{App, Served};
use crate::vector::shown;

/// The model that a request is for.
#[derive(Debug)]
pub(crate) struct Addressed(pub(crate) Arc<Served>);

impl Addressed {
    /// The served model, if it has this name and, where one is given, this version.
    pub(crate) fn by(app: &App, model: &str, version: Option<&str>) -> Result<Self, Problem> {
        if model != app.name {
            let (model, name) = (shown(model), &app.name);
            return Err(Problem::unknown_model(format!("there is no model {model} here, only {name}")));
        }
        let served = app.model()?;
        match version {
            Some(version) if version != served.revision => Err(Problem::unknown_model(format!(
                "model {model} has no version {} here, only {}",
                shown(version),
                served.revision
            ))),
            _ => Ok(Self(Arc::clone(served))),
        }
    }
}

impl FromRequestParts<Arc<App>> for Addressed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Problem::unknown_model("the path is not UTF-8"))?;
        let named =
            |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        Self::by(app, named("model").unwrap_or_default(), named("version"))
    }
}
