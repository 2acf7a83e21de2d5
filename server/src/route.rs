//! The routes by name: what metrics and logs call them. A path that is none of them is `other`, so that a client
//! cannot make label values.

use crate::base_path::BasePath;

/// The routes of both ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Prediction,
    Predictions,
    ModelInformation,
    Healthz,
    Readyz,
    Metrics,
    Other,
}

pub(crate) const PREDICTION: &str = "/prediction";
pub(crate) const PREDICTIONS: &str = "/predictions";
pub(crate) const MODEL_INFORMATION: &str = "/model_information";
pub(crate) const HEALTHZ: &str = "/healthz";
pub(crate) const READYZ: &str = "/readyz";
pub(crate) const METRICS: &str = "/metrics";

impl Route {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 7] = [
        Self::Prediction,
        Self::Predictions,
        Self::ModelInformation,
        Self::Healthz,
        Self::Readyz,
        Self::Metrics,
        Self::Other,
    ];

    /// The route that a request's path names.
    pub(crate) fn of(path: &str, base: &BasePath) -> Self {
        match base.strip(path) {
            Some(PREDICTION) => Self::Prediction,
            Some(PREDICTIONS) => Self::Predictions,
            Some(MODEL_INFORMATION) => Self::ModelInformation,
            Some(HEALTHZ) => Self::Healthz,
            Some(READYZ) => Self::Readyz,
            Some(METRICS) => Self::Metrics,
            _ => Self::Other,
        }
    }

    /// The label value.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Prediction => PREDICTION,
            Self::Predictions => PREDICTIONS,
            Self::ModelInformation => MODEL_INFORMATION,
            Self::Healthz => HEALTHZ,
            Self::Readyz => READYZ,
            Self::Metrics => METRICS,
            Self::Other => "other",
        }
    }

    /// What must be answered however many connections are open: the kubelet restarts what does not answer.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz | Self::Metrics)
    }
}
