//! The way to a collector: HTTP/1.1, with TLS for `https`. A connection an export: there is one every few seconds.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::Authority;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use prometheus::IntCounter;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

/// What is read of an answer at most.
const MAX_ANSWER: usize = 64 << 10;

/// Where a system keeps the certificates that it trusts; the first that is there.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Why no collector can be reached.
#[derive(Debug, Error)]
pub(crate) enum SetupError {
    #[error("the certificates to trust cannot be read from {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("there is no certificate in {}", path.display())]
    NoCertificate { path: PathBuf },
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Why an export failed.
#[derive(Debug, Error)]
enum SendError {
    #[error("the collector's URL names no host")]
    NoHost,
    #[error("the collector's URL begins with neither http:// nor https://")]
    Scheme,
    #[error("https needs certificates to trust: name a file of them in OTEL_EXPORTER_OTLP_CERTIFICATE")]
    NoRoots,
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("the collector's name is not one: {0}")]
    Name(#[from] InvalidDnsNameError),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the answer cannot be read: {0}")]
    Answer(#[source] HttpError),
    #[error("the collector did not answer within {0:?}")]
    Late(Duration),
    #[error("the server is ending")]
    Ending,
}

/// Sends what the exporter has packed.
pub(super) struct Collector {
    way: Way,
    /// The exporter waits on a thread that has no runtime.
    runtime: Handle,
    failing: AtomicBool,
    failed: IntCounter,
}

#[derive(Clone)]
struct Way {
    tls: Option<TlsConnector>,
    timeout: Duration,
}

impl Collector {
    /// Within a runtime, which must outlive the exports.
    pub(super) fn from_env(failed: IntCounter) -> Result<Self, SetupError> {
        let way = Way { tls: connector()?, timeout: timeout() };
        Ok(Self { way, runtime: Handle::current(), failing: AtomicBool::new(false), failed })
    }

    fn note(&self, sent: &Result<Response<Bytes>, SendError>) {
        let problem = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            None if was_failing => info!("the collector takes spans again"),
            None => {}
            Some(problem) => {
                self.failed.inc();
                if !was_failing {
                    warn!(problem, "spans cannot be sent; said once until it works again");
                }
            }
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Collector")
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let way = self.way.clone();
            let task = self.runtime.spawn(async move {
                let sent = tokio::time::timeout(way.timeout, way.send(request)).await;
                sent.unwrap_or(Err(SendError::Late(way.timeout)))
            });
            let sent = task.await.unwrap_or(Err(SendError::Ending));
            self.note(&sent);
            Ok(sent?)
        })
    }
}

impl Way {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let uri = request.uri().clone();
        let authority = uri.authority().ok_or(SendError::NoHost)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let connect = |port| TcpStream::connect((host.clone(), authority.port_u16().unwrap_or(port)));
        if let Ok(value) = HeaderValue::from_str(without_user(authority)) {
            request.headers_mut().insert(HOST, value);
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse().unwrap_or(Uri::from_static("/"));
        match uri.scheme_str() {
            Some("http") => exchange(connect(80).await.map_err(SendError::Connect)?, request).await,
            Some("https") => {
                let tls = self.tls.as_ref().ok_or(SendError::NoRoots)?;
                let name = ServerName::try_from(host.clone())?;
                let stream = connect(443).await.map_err(SendError::Connect)?;
                exchange(tls.connect(name, stream).await.map_err(SendError::Connect)?, request).await
            }
            _ => Err(SendError::Scheme),
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Response<Bytes>, SendError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the answer: the sender is dropped then.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(SendError::Answer)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

fn without_user(authority: &Authority) -> &str {
    authority.as_str().rsplit('@').next().unwrap_or_default()
}

/// None if there is nothing to trust: then only `http` can be spoken.
fn connector() -> Result<Option<TlsConnector>, SetupError> {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", "SSL_CERT_FILE"];
    let named = named.iter().find_map(std::env::var_os).filter(|path| !path.is_empty()).map(PathBuf::from);
    let system = || SYSTEM_ROOTS.iter().map(PathBuf::from).find(|path| path.exists());
    let Some(path) = named.or_else(system) else { return Ok(None) };
    let pem = std::fs::read(&path).map_err(|source| SetupError::Unreadable { path: path.clone(), source })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if roots.is_empty() {
        return Err(SetupError::NoCertificate { path });
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

/// Ten seconds unless the environment says otherwise, in milliseconds.
fn timeout() -> Duration {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let given = named.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    Duration::from_millis(given.unwrap_or(10_000))
}
