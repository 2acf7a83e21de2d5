//! `anomaly-operator check URL`: asks once and compares the answer, for `helm test` in an image without a shell.
//!
//! Plain HTTP only. The password comes from a file and never appears in what is printed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::client::{USER_AGENT, chain};
use crate::config::parse_duration;

/// Most bytes of an answer that are read.
const BODY_LIMIT: usize = 1 << 20;
const BETWEEN_RETRIES: Duration = Duration::from_secs(1);

/// Options of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// What to ask, like http://machine-temperature.demo:8000/readyz.
    url: Uri,
    /// Status that is expected.
    #[arg(long, default_value = "200")]
    status: StatusCode,
    /// Text that the body has to contain.
    #[arg(long)]
    contains: Option<String>,
    /// User name for basic auth.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File with the password; a line break at its end is not part of it.
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// Longest time of one attempt.
    #[arg(long, default_value = "10s", value_parser = timeout)]
    timeout: Duration,
    /// How often to try again, a second apart, while the answer is not as expected.
    #[arg(long, default_value = "0")]
    retries: u32,
}

fn timeout(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|d| !d.is_zero()).ok_or_else(|| "write something like 10s or 1m".to_owned())
}

/// The answer was not as expected, or there was none.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Not a URL that can be asked.
    #[error("cannot ask {0}: write a whole URL that begins with http:// (https is not supported)")]
    Url(Uri),
    /// The password cannot be read.
    #[error("cannot read the password from {path}: {source}")]
    Password {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// User and password do not fit a header.
    #[error("the user name contains a colon or a control character")]
    User,
    /// No answer.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// What was asked.
        url: Uri,
        /// Why.
        reason: String,
    },
    /// Another status.
    #[error("expected status {expected}, got {got}")]
    Status {
        /// What was expected.
        expected: StatusCode,
        /// What came.
        got: StatusCode,
    },
    /// The text is missing.
    #[error("the body does not contain {0:?}")]
    Text(String),
    /// What came cannot be shown.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Asks until the answer is as expected or the retries are used up; writes what came to `out`.
pub async fn run(arguments: &CheckArgs, out: &mut (dyn Write + Send)) -> Result<(), CheckError> {
    let request = Asked::new(arguments)?;
    let mut left = arguments.retries;
    loop {
        match attempt(arguments, &request, out).await {
            Err(error @ (CheckError::NoAnswer { .. } | CheckError::Status { .. } | CheckError::Text(_)))
                if left > 0 =>
            {
                writeln!(out, "{error}; trying again")?;
                left -= 1;
                tokio::time::sleep(BETWEEN_RETRIES).await;
            }
            outcome => return outcome,
        }
    }
}

/// What is asked, made once.
struct Asked {
    url: Uri,
    authorization: Option<HeaderValue>,
}

impl Asked {
    fn new(arguments: &CheckArgs) -> Result<Self, CheckError> {
        let url = arguments.url.clone();
        if url.scheme_str() != Some("http") || url.host().is_none() {
            return Err(CheckError::Url(url));
        }
        let authorization = match (&arguments.user, &arguments.password_file) {
            (Some(user), Some(path)) => Some(basic(user, &password(path)?)?),
            _ => None,
        };
        Ok(Self { url, authorization })
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        request
    }
}

fn password(path: &Path) -> Result<String, CheckError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CheckError::Password { path: path.to_path_buf(), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, CheckError> {
    if user.contains(|c: char| c == ':' || c.is_control()) {
        return Err(CheckError::User);
    }
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(|_| CheckError::User)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn attempt(
    arguments: &CheckArgs,
    asked: &Asked,
    out: &mut (dyn Write + Send),
) -> Result<(), CheckError> {
    let answer = tokio::time::timeout(arguments.timeout, ask(asked)).await;
    let no_answer = |reason| CheckError::NoAnswer { url: asked.url.clone(), reason };
    let (status, body) = match answer {
        Ok(answer) => answer.map_err(no_answer)?,
        Err(_) => return Err(no_answer(format!("it took longer than {:?}", arguments.timeout))),
    };
    writeln!(out, "{} {status}\n{}", asked.url, body.trim_end())?;
    compare(arguments, status, &body)
}

/// Status and body of one answer; redirects are answers too.
async fn ask(asked: &Asked) -> Result<(StatusCode, String), String> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(asked.request()).await.map_err(|e| chain(&e))?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|e| chain(e.as_ref()))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

fn compare(arguments: &CheckArgs, status: StatusCode, body: &str) -> Result<(), CheckError> {
    if status != arguments.status {
        return Err(CheckError::Status { expected: arguments.status, got: status });
    }
    match &arguments.contains {
        Some(text) if !body.contains(text.as_str()) => Err(CheckError::Text(text.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
