//! The calls of the two services.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use futures::StreamExt as _;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status};

use super::super::address::Addressed;
use super::super::metadata::{EXTENSIONS, ModelMetadata, SERVER_NAME, TensorMetadata};
use super::super::output::{Column, Encoding, Output};
use super::super::rows::{Arranged, Head, Rows};
use super::super::score;
use super::answer;
use super::body::{Holds, Part};
use super::contents::{self, Content};
use super::error::status;
use super::health::health_check_response::ServingStatus;
use super::health::health_server::Health as HealthService;
use super::health::{HealthCheckRequest, HealthCheckResponse};
use super::inference::grpc_inference_service_server::GrpcInferenceService;
use super::inference::model_infer_request::InferInputTensor;
use super::inference::*;
use crate::backlog::Place;
use crate::health::Health;
use crate::pool::INLINE_BYTES;
use crate::problem::Problem;
use crate::state::{App, Served};
use crate::vector::shown;

/// What the service is called in health checks.
const NAME: &str = "inference.GRPCInferenceService";

/// All calls.
#[derive(Clone, Debug)]
pub(super) struct Calls(Arc<App>);

impl Calls {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::clone(app))
    }

    /// An empty version is any.
    fn addressed(&self, model: &str, version: &str) -> Result<Arc<Served>, Problem> {
        let version = Some(version).filter(|version| !version.is_empty());
        Addressed::by(&self.0, model, version).map(|Addressed(served)| served)
    }

    fn answer<T>(&self, result: Result<T, Problem>) -> Result<Response<T>, Status> {
        result.map(Response::new).map_err(|problem| status(&self.0, problem))
    }

    async fn infer(
        &self,
        request: ModelInferRequest,
        part: &Part,
    ) -> Result<Response<ModelInferResponse>, Problem> {
        let app = &self.0;
        let served = self.addressed(&request.model_name, &request.model_version)?;
        let outputs = Output::asked_for(request.outputs.iter().map(|output| output.name.as_str()))?;
        let outputs: Vec<_> = outputs.into_iter().map(|output| (output, Encoding::Raw)).collect();
        let raw = !request.raw_input_contents.is_empty();
        let (heads, contents) = tensors(request.inputs, request.raw_input_contents)?;
        let arranged = Arranged::by(&heads, &served, app.limits.max_batch_rows)?;
        let count = arranged.rows;
        let _reserved = app.rows.reserve(count.max(1))?;
        let beside = contents.iter().map(Content::memory).fold(0, usize::saturating_add);
        {
            let mut held = part.lock().unwrap_or_else(PoisonError::into_inner);
            score::hold(app, &served, &outputs, count, beside, &mut held)?;
        }
        let mut place = app.pool.place();
        let rows = rows(app, &served, arranged, heads, contents, &mut place).await?;
        let column = |(output, encoding)| Column::new(output, encoding, count, served.width());
        let columns = outputs.into_iter().map(column).collect();
        let columns = score::score(app, &served, rows, columns, place).await?;
        let message = answer::message(app, &served, request.id, count, columns, raw);
        let mut response = Response::new(message);
        response.extensions_mut().insert(Holds);
        Ok(response)
    }
}

fn tensors(inputs: Vec<InferInputTensor>, raw: Vec<Bytes>) -> Result<(Vec<Head>, Vec<Content>), Problem> {
    let is_raw = !raw.is_empty();
    if is_raw && raw.len() != inputs.len() {
        let (raw, inputs) = (raw.len(), inputs.len());
        return Err(Problem::invalid_tensor(format!(
            "there are {raw} raw_input_contents and {inputs} inputs; expected one for each, or none"
        )));
    }
    let mut raw = raw.into_iter();
    let (mut heads, mut contents) = (Vec::new(), Vec::new());
    for InferInputTensor { name, datatype, shape, contents: typed, .. } in inputs {
        contents.push(match (raw.next(), typed) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid_tensor(format!(
                    "input {} has contents beside raw_input_contents; expected one of them",
                    shown(&name)
                )));
            }
            (Some(bytes), None) => Content::Raw(bytes),
            (None, typed) => Content::Typed(typed.map(|typed| *typed).unwrap_or_default()),
        });
        heads.push(Head::new(name, &datatype, shape)?);
    }
    Ok((heads, contents))
}

/// The checked rows: many are checked on the pool.
async fn rows(
    app: &Arc<App>,
    served: &Arc<Served>,
    arranged: Arranged,
    heads: Vec<Head>,
    contents: Vec<Content>,
    place: &mut Place,
) -> Result<Rows, Problem> {
    const BYTES_A_VALUE: usize = 8;
    let count = arranged.rows;
    let small = arranged.rows.saturating_mul(served.width()) <= INLINE_BYTES / BYTES_A_VALUE;
    let model = Arc::clone(served);
    let check = move || {
        let tensors = heads.iter().zip(contents).enumerate();
        let values = tensors
            .map(|(tensor, (head, content))| contents::values(content, tensor, head, &arranged, &model))
            .collect::<Result<_, _>>()?;
        Rows::new(arranged, &heads, values, &model)
    };
    if small {
        return check();
    }
    place.take(count)?;
    app.pool.run_for(place, check).await?
}

#[tonic::async_trait]
impl GrpcInferenceService for Calls {
    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.0.ready().is_ok() }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let ModelReadyRequest { name, version } = request.into_inner();
        // Its own model that is still to come is not ready, which is no error: clients raise one, and would not ask again.
        let is_to_come = name == self.0.name && self.0.model().is_err();
        let known = if is_to_come { Ok(()) } else { self.addressed(&name, &version).map(drop) };
        self.answer(known.map(|()| ModelReadyResponse { ready: self.0.ready().is_ok() }))
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: SERVER_NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).into(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let ModelMetadataRequest { name, version } = request.into_inner();
        let served = self.addressed(&name, &version);
        self.answer(served.map(|served| metadata(ModelMetadata::of(&self.0, &served))))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let part = request.extensions().get::<Part>().cloned().unwrap_or_default();
        self.infer(request.into_inner(), &part).await.map_err(|problem| status(&self.0, problem))
    }
}

#[tonic::async_trait]
impl HealthService for Calls {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        if !is_ours(&service) {
            return Err(Status::not_found(format!("there is no service {}, only {NAME}", shown(&service))));
        }
        let status = if self.0.ready().is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    /// What is the case, and what changes, until the server closes. A service that is not known is no error here: the
    /// protocol has it that it may come to be known.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = is_ours(&request.into_inner().service);
        self.0.tell_health();
        let said = move |health| match health {
            _ if !known => ServingStatus::ServiceUnknown,
            Health::Ready => ServingStatus::Serving,
            Health::NotReady | Health::Closing => ServingStatus::NotServing,
        };
        let told = self.0.health.watch();
        let told = told.ok_or_else(|| Status::unavailable("too many watch: ask again, or use Check"))?;
        let changes = stream::unfold(Some(told), async |told| {
            let mut told = told?;
            told.changed().await.ok()?;
            let health = *told.borrow_and_update();
            Some((health, (health != Health::Closing).then_some(told)))
        });
        let mut before = None;
        let changes = changes.map(said).filter(move |status| ready(before.replace(*status) != Some(*status)));
        Ok(Response::new(changes.map(|status| Ok(HealthCheckResponse { status: status.into() })).boxed()))
    }
}

/// Whether a health check may ask for it; without a name, for the whole server.
fn is_ours(service: &str) -> bool {
    service.is_empty() || service == NAME
}

fn metadata(model: ModelMetadata) -> ModelMetadataResponse {
    let tensors = |tensors: Vec<TensorMetadata>| {
        let tensor = |TensorMetadata { name, datatype, shape }| model_metadata_response::TensorMetadata {
            name: String::from(name),
            datatype: String::from(datatype),
            shape,
        };
        tensors.into_iter().map(tensor).collect()
    };
    ModelMetadataResponse {
        name: model.name,
        versions: model.versions.into(),
        platform: model.platform,
        inputs: tensors(model.inputs),
        outputs: tensors(model.outputs),
    }
}
