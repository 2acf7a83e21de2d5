//! The requests, and reading their answers.

use std::path::PathBuf;

use bytes::Bytes;
use detectors::config::Missing;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::Arguments;

/// Why the server cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A file that is named cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a user and no password.
    #[error("--user needs a password: set ANOMALY_PASSWORD or --password-file")]
    NoPassword,
    /// The certificates, or the TLS of this machine, cannot be used.
    #[error("cannot set up HTTP: {0}")]
    Setup(#[source] reqwest::Error),
    /// No answer.
    #[error("cannot reach {url}: {}", root(.source))]
    Unreachable {
        /// What was asked.
        url: Url,
        /// Why.
        source: reqwest::Error,
    },
    /// The password, or that there is none.
    #[error("{0} asks for a password, or another one: --user with ANOMALY_PASSWORD")]
    Unauthorized(Url),
    /// Something else than a model is served there.
    #[error("{url} answers {status}: {text}")]
    NoModel {
        /// What was asked.
        url: Url,
        /// The answer's status.
        status: StatusCode,
        /// The beginning of its body.
        text: String,
    },
}

/// The innermost cause: the outer ones repeat the URL.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The model behind the URL.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) revision: String,
    pub(super) features: Vec<String>,
    /// Whether rows may lack values; a server that does not say takes none.
    #[serde(default)]
    pub(super) missing: Missing,
}

/// One request's end.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Which of the bodies.
    pub(super) index: usize,
    pub(super) due: Instant,
    pub(super) answered: Instant,
    pub(super) result: Result<Vec<Verdict>, String>,
}

/// A row's verdict.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub(super) struct Verdict {
    pub(super) is_inlier: bool,
    pub(super) anomaly_score: f64,
    /// None where a model has no calibration.
    pub(super) severity: Option<f64>,
}

#[derive(Deserialize)]
struct Batch {
    predictions: Vec<Verdict>,
}

pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    score: Url,
    single: bool,
    auth: Option<(String, String)>,
}

impl Client {
    pub(super) fn new(arguments: &Arguments) -> Result<Self, ClientError> {
        // Another one may be installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("anomaly-replay/", env!("CARGO_PKG_VERSION")))
            .timeout(std::time::Duration::from_secs(60))
            .pool_max_idle_per_host(arguments.connections as usize);
        if let Some(path) = &arguments.ca {
            let pem =
                std::fs::read(path).map_err(|source| ClientError::Read { path: path.clone(), source })?;
            for certificate in Certificate::from_pem_bundle(&pem).map_err(ClientError::Setup)? {
                http = http.add_root_certificate(certificate);
            }
        }
        let mut base = arguments.url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let single = arguments.batch == 1;
        let route = if single { "prediction?score=true" } else { "predictions" };
        let score = base.join(route).unwrap_or_else(|_| base.clone());
        Ok(Self {
            http: http.build().map_err(ClientError::Setup)?,
            base,
            score,
            single,
            auth: auth(arguments)?,
        })
    }

    /// The model that is served.
    pub(super) async fn target(&self) -> Result<Target, ClientError> {
        let url = self.base.join("model_information").unwrap_or_else(|_| self.base.clone());
        let unreachable = |source| ClientError::Unreachable { url: url.clone(), source };
        let answer = self.with_auth(self.http.get(url.clone())).send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        match serde_json::from_str(&text) {
            Ok(target) if status.is_success() => Ok(target),
            _ if status == StatusCode::UNAUTHORIZED => Err(ClientError::Unauthorized(url)),
            _ => Err(ClientError::NoModel { url, status, text: text.chars().take(300).collect() }),
        }
    }

    /// The requests' bodies, `batch` rows each.
    pub(super) fn bodies(&self, rows: &[Vec<f64>], batch: usize) -> Vec<Bytes> {
        // Finite numbers can always be written; NaN, a missing value, becomes null.
        let json = |value: serde_json::Result<Vec<u8>>| Bytes::from(value.unwrap_or_default());
        if self.single {
            return rows.iter().map(|row| json(serde_json::to_vec(row))).collect();
        }
        rows.chunks(batch).map(|rows| json(serde_json::to_vec(rows))).collect()
    }

    /// Sends one; every failure is an outcome.
    pub(super) async fn send(&self, body: &Bytes, index: usize, due: Instant) -> Outcome {
        let result = self.ask(body.clone()).await;
        Outcome { index, due, answered: Instant::now(), result }
    }

    async fn ask(&self, body: Bytes) -> Result<Vec<Verdict>, String> {
        let request = self.http.post(self.score.clone()).header(CONTENT_TYPE, JSON).body(body);
        let answer = self.with_auth(request).send().await.map_err(|e| root(&e))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|e| root(&e))?;
        if !status.is_success() {
            return Err(format!("{status}: {}", detail(&bytes)));
        }
        let verdicts = if self.single {
            serde_json::from_slice(&bytes).map(|verdict| vec![verdict])
        } else {
            serde_json::from_slice(&bytes).map(|batch: Batch| batch.predictions)
        };
        verdicts.map_err(|e| format!("{status}, but no verdict: {e}"))
    }

    fn with_auth(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.auth {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a problem+json says, else the beginning of the body.
fn detail(body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok();
    let detail = told.as_ref().and_then(|problem| problem["detail"].as_str());
    detail.map_or_else(|| String::from_utf8_lossy(body).chars().take(200).collect(), str::to_owned)
}

fn auth(arguments: &Arguments) -> Result<Option<(String, String)>, ClientError> {
    let Some(user) = &arguments.user else { return Ok(None) };
    let password = match &arguments.password_file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|source| ClientError::Read { path: path.clone(), source })?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => std::env::var("ANOMALY_PASSWORD").map_err(|_| ClientError::NoPassword)?,
    };
    Ok(Some((user.clone(), password)))
}
