//! The routes by name: what metrics and logs call them. A path that is none of them is `other`, so that a client
//! cannot make label values.

use crate::base_path::BasePath;
use crate::oip;

/// The routes of both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Prediction,
    Predictions,
    Explain,
    ModelInformation,
    OpenApi,
    Docs,
    DocsFile,
    Page,
    PageData,
    PageBoundary,
    Healthz,
    Readyz,
    Metrics,
    Infer,
    Inference,
    Other,
}

pub(crate) const PREDICTION: &str = "/prediction";
pub(crate) const PREDICTIONS: &str = "/predictions";
pub(crate) const EXPLAIN: &str = "/explain";
pub(crate) const MODEL_INFORMATION: &str = "/model_information";
pub(crate) const OPENAPI: &str = "/openapi.json";
pub(crate) const DOCS: &str = "/docs";
pub(crate) const DOCS_FILE: &str = "/docs/{file}";
pub(crate) const PAGE: &str = "/";
pub(crate) const PAGE_DATA: &str = "/page/data";
pub(crate) const PAGE_BOUNDARY: &str = "/page/boundary";
pub(crate) const HEALTHZ: &str = "/healthz";
pub(crate) const READYZ: &str = "/readyz";
pub(crate) const METRICS: &str = "/metrics";
/// The Open Inference Protocol's.
const INFERENCE: &str = "/v2";

impl Route {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 16] = [
        Self::Prediction,
        Self::Predictions,
        Self::Explain,
        Self::ModelInformation,
        Self::OpenApi,
        Self::Docs,
        Self::DocsFile,
        Self::Page,
        Self::PageData,
        Self::PageBoundary,
        Self::Healthz,
        Self::Readyz,
        Self::Metrics,
        Self::Infer,
        Self::Inference,
        Self::Other,
    ];

    /// The route that a request's path names.
    pub(crate) fn of(path: &str, base: &BasePath) -> Self {
        match base.strip(path) {
            Some(PREDICTION) => Self::Prediction,
            Some(PREDICTIONS) => Self::Predictions,
            Some(EXPLAIN) => Self::Explain,
            Some(MODEL_INFORMATION) => Self::ModelInformation,
            Some(OPENAPI) => Self::OpenApi,
            Some(DOCS) => Self::Docs,
            Some(path) if path.starts_with("/docs/") => Self::DocsFile,
            Some(PAGE | "") => Self::Page,
            Some(PAGE_DATA) => Self::PageData,
            Some(PAGE_BOUNDARY) => Self::PageBoundary,
            Some(HEALTHZ) => Self::Healthz,
            Some(READYZ) => Self::Readyz,
            Some(METRICS) => Self::Metrics,
            Some(path) => Self::of_inference(path),
            None => Self::Other,
        }
    }

    fn of_inference(path: &str) -> Self {
        match path.strip_prefix(INFERENCE) {
            Some(rest) if rest.starts_with("/models/") && rest.ends_with("/infer") => Self::Infer,
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Self::Inference,
            _ => Self::Other,
        }
    }

    /// The call that a request's path names, on the port `grpc`: called as its counterpart of REST is.
    pub(crate) fn of_call(path: &str) -> Self {
        match path {
            oip::grpc::INFER => Self::Infer,
            path if oip::grpc::SERVICES.iter().any(|service| path.starts_with(service)) => Self::Inference,
            _ => Self::Other,
        }
    }

    /// Whether the Open Inference Protocol says what its errors look like.
    pub(crate) const fn is_inference(self) -> bool {
        matches!(self, Self::Infer | Self::Inference)
    }

    /// The label value.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Prediction => PREDICTION,
            Self::Predictions => PREDICTIONS,
            Self::Explain => EXPLAIN,
            Self::ModelInformation => MODEL_INFORMATION,
            Self::OpenApi => OPENAPI,
            Self::Docs => DOCS,
            Self::DocsFile => DOCS_FILE,
            Self::Page => PAGE,
            Self::PageData => PAGE_DATA,
            Self::PageBoundary => PAGE_BOUNDARY,
            Self::Healthz => HEALTHZ,
            Self::Readyz => READYZ,
            Self::Metrics => METRICS,
            Self::Infer => "/v2/models/{model}/infer",
            Self::Inference => INFERENCE,
            Self::Other => "other",
        }
    }

    /// Whether the port `public` has it: what is for people and their programs, nothing of operations.
    pub(crate) const fn is_public(self) -> bool {
        !matches!(self, Self::Healthz | Self::Readyz | Self::Metrics)
    }

    /// What must be answered however many connections are open: the kubelet restarts what does not answer.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz | Self::Metrics)
    }
}
