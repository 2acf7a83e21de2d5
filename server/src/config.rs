//! What a server needs to run. Plain values with the defaults of a pod; the binary's flags and the command line of
//! people both end here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::AccessLog;
use crate::base_path::BasePath;
use crate::model::Source;
use crate::page::Keep;
use crate::traces::TraceConfig;

/// Everything that one server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The model's name: realm of the password prompt, `/model_information`, `anomaly_model_info`.
    pub model_name: String,
    /// Its namespace; may be empty.
    pub model_namespace: String,
    /// Where the model comes from.
    pub model: Source,
    /// What is known of it besides.
    pub about: About,
    /// What the page keeps of the latest anomalies; none = nothing.
    pub recent: Option<Keep>,
    /// The in-cluster port, `http`: all routes, no passwords.
    pub http_address: SocketAddr,
    /// The port behind an ingress; none = not opened.
    pub public: Option<Public>,
    /// The port of gRPC, `grpc`: the Open Inference Protocol, no passwords; none = not opened.
    pub grpc_address: Option<SocketAddr>,
    /// The certificate with which all ports speak TLS; none = plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Which requests have a line in the log.
    pub access_log: AccessLog,
    /// Where spans go; none = no spans.
    pub traces: Option<TraceConfig>,
    /// Sizes and times.
    pub limits: Limits,
    /// How it ends.
    pub drain: Drain,
}

impl Config {
    /// The `http` port alone, with default limits.
    pub fn new(model_name: impl Into<String>, model: Source, http_address: SocketAddr) -> Self {
        Self {
            model_name: model_name.into(),
            model_namespace: String::new(),
            model,
            about: About::default(),
            recent: None,
            http_address,
            public: None,
            grpc_address: None,
            tls: None,
            access_log: AccessLog::default(),
            traces: None,
            limits: Limits::default(),
            drain: Drain::default(),
        }
    }
}

/// What is known of a model besides its revision, which holds no times so that the same training gives the same bytes.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When it was trained, in seconds of Unix time.
    pub trained_at: Option<i64>,
    /// How long that took.
    pub training_duration: Option<Duration>,
    /// The features whose drift is watched; none = the first 32.
    pub drift_features: Option<Vec<String>>,
}

/// The port `public`: scoring routes only, behind basic authentication.
#[derive(Clone, Debug)]
pub struct Public {
    /// Where it listens.
    pub address: SocketAddr,
    /// The htpasswd file; without a usable one nobody is let in.
    pub htpasswd_file: PathBuf,
    /// The path under which an ingress forwards requests, unchanged.
    pub base_path: BasePath,
    /// How often the file is read again.
    pub htpasswd_poll: Duration,
}

impl Public {
    /// With the default path and poll interval.
    pub fn new(address: SocketAddr, htpasswd_file: impl Into<PathBuf>) -> Self {
        let htpasswd_file = htpasswd_file.into();
        Self { address, htpasswd_file, base_path: BasePath::default(), htpasswd_poll: Duration::from_secs(2) }
    }
}

/// Where certificate and key are: `tls.crt` and `tls.key`, as in a Secret of type `kubernetes.io/tls`.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The directory of both.
    pub directory: PathBuf,
    /// How often they are read again.
    pub poll: Duration,
}

impl TlsFiles {
    /// With the default poll interval.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), poll: Duration::from_secs(2) }
    }
}

/// Sizes and times that bound what one client can take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest body that is read before it is answered, in bytes. Streams of rows may be longer.
    pub max_body_bytes: usize,
    /// What all bodies of more than a few kilobytes, and their answers, may hold together, in bytes; beyond it 503. At
    /// least one body of the largest size always fits.
    pub max_bodies_bytes: usize,
    /// Rows in a batch that is answered as a whole; streams may have more.
    pub max_batch_rows: usize,
    /// Rows of batches in flight, and as many of streams, each counting as one chunk; beyond it 503. One batch of the
    /// largest size always fits.
    pub max_concurrent_rows: usize,
    /// How long a batch may have to wait for those before it to be scored, by what these have taken lately; beyond it
    /// 503. Eight batches are never refused for that.
    pub max_batch_wait: Duration,
    /// Requests in flight on each port, probes and metrics aside; beyond it 503.
    pub max_concurrent_requests: usize,
    /// Open connections a port; beyond it 503.
    pub max_connections: usize,
    /// From a request's head to its answer.
    pub request_timeout: Duration,
    /// From a request's first byte to the end of its head.
    pub header_timeout: Duration,
    /// How long a stream of rows, or a client that is being answered, may stand still.
    pub stall_timeout: Duration,
    /// How long a connection may be silent between requests: longer than proxies keep theirs (90 s).
    pub idle_timeout: Duration,
    /// How long a closing connection is read on, so that the client sees the answer instead of a reset.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            max_bodies_bytes: 32 << 20,
            max_batch_rows: 10_000,
            max_concurrent_rows: 131_072,
            max_batch_wait: Duration::from_millis(15),
            max_concurrent_requests: 1_024,
            max_connections: 1_024,
            request_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            linger: Duration::from_secs(5),
        }
    }
}

/// The end of the process.
#[derive(Clone, Debug)]
pub struct Drain {
    /// How long connections are still accepted and answered with `Connection: close` after SIGTERM.
    pub lame_duck: Duration,
    /// How long what is in flight then may take.
    pub finish: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { lame_duck: Duration::from_secs(10), finish: Duration::from_secs(12) }
    }
}
