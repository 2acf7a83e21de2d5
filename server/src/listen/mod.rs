//! Accepting connections on one port, and ending with none lost.
//!
//! `axum::serve` has no time-outs, no connection limit and a shutdown that cuts idle connections at once, which
//! proxies turn into lost requests; so the accept loop is our own, on hyper's connections: HTTP/1, and HTTP/2 for gRPC.
//!
//! The limit on connections is never a reason to be restarted: beyond it a reserve still answers probes, and tells
//! all others 503. Beyond the reserve the 503 is written unread.

mod activity;
mod again;
mod connection;
mod http2;
mod phase;
mod socket;
mod unparsed;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderMap, StatusCode};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;
use tokio::time::timeout;
use tracing::{info, warn};

use self::connection::{Connection, Service};
use crate::access::Line;
use crate::edge::Edge;
use crate::metrics::PortName;
use crate::problem::Problem;
use crate::refusals::{Refused, ShedReason};
use crate::request_id;
use crate::route::Route;
use crate::state::App;
use crate::tls::{Protocol, Stream};

pub(crate) use self::phase::{Phase, Phases};

/// Connections beyond the limit that are still read, for probes and a proper 503.
pub(crate) const RESERVE: usize = 64;

/// Connections that may wait to be accepted; the system has a limit, too (`net.core.somaxconn`). With 128, the standard
/// library's number, a crowd that is told to come back overflows it, and who finds it full tries again after a second.
const WAITING: u32 = 4_096;

/// How long a connection that is accepted at the end has to show that it has asked.
const SENT_BEFORE: Duration = Duration::from_millis(10);

/// How long to wait when the process or the system is out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// One port: what answers its requests, its limits, its connections.
#[derive(Debug)]
pub(crate) struct Port {
    edge: Arc<Edge>,
    app: Arc<App>,
    name: PortName,
    connections: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// Which of the two semaphores a connection's place is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Regular,
    /// Probes are answered, all else is told to come back.
    Reserve,
}

impl Port {
    pub(crate) fn new(edge: Arc<Edge>) -> Arc<Self> {
        let (app, name) = (Arc::clone(&edge.app), edge.port);
        let connections = Arc::new(Semaphore::new(app.limits.max_connections));
        Arc::new(Self { edge, app, name, connections, reserve: Arc::new(Semaphore::new(RESERVE)) })
    }

    /// Accepts until the phase says otherwise, then returns when the last connection has ended.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, phases: Phases) {
        let mut closing = pin!(phases.closing());
        loop {
            tokio::select! {
                biased;
                () = &mut closing => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.admit(stream, &phases);
                        // Whoever is connected has its turn between any two who come: they may be thousands.
                        tokio::task::yield_now().await;
                    }
                    Err(error) => self.failed(&error).await,
                },
            }
        }
        // Whoever is connected already, as far as the client knows, is answered: after a turn of the runtime, which tells who that
        // is. (It would have this task give way after 128.)
        tokio::task::yield_now().await;
        while let Some(Ok((stream, _))) = unconstrained(listener.accept()).now_or_never() {
            self.admit(stream, &phases);
        }
        drop(listener);
        self.all_ended().await;
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, phases: &Phases) {
        if let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() {
            return self.spawn(stream, phases, Place::Regular, permit);
        }
        // No probe comes by gRPC, and there is no 503 without a request: clients come back by themselves.
        if self.name == PortName::Grpc {
            return self.count_unread();
        }
        match Arc::clone(&self.reserve).try_acquire_owned() {
            Ok(permit) => self.spawn(stream, phases, Place::Reserve, permit),
            Err(_) => {
                self.count_unread();
                // Nothing in plain text where TLS is spoken: there the connection just ends.
                if self.app.tls.is_none() {
                    self.refuse(stream);
                }
            }
        }
    }

    /// Counts a connection that is refused before anything of it is read.
    fn count_unread(&self) {
        self.app.metrics.port(self.name).connections_refused.inc();
        self.app.metrics.refusals.count(Refused::Shed(ShedReason::Connections));
    }

    /// Says no without having read anything.
    fn refuse(&self, stream: TcpStream) {
        let problem = Problem::overloaded();
        let id = request_id::of(&HeaderMap::new());
        self.log_unparsed(problem.status(), id.to_str().unwrap_or_default());
        // It is new: there is room for so little. The client may have gone; then there is nobody to tell.
        let Ok(mut stream) = stream.into_std() else { return };
        let _ = stream.write(&unparsed::answer(problem, id));
        let _ = stream.shutdown(Shutdown::Write);
    }

    fn spawn(
        self: &Arc<Self>,
        stream: TcpStream,
        phases: &Phases,
        place: Place,
        permit: OwnedSemaphorePermit,
    ) {
        // Without it a response in two packets waits for the client's delayed acknowledgement.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let (port, phases) = (Arc::clone(self), phases.clone());
        tokio::spawn(async move {
            let open = &port.app.metrics.port(port.name).connections;
            open.inc();
            if phases.are_closing() {
                // What has come already is known after a turn of the runtime; until then it would be closed as idle.
                let _ = timeout(SENT_BEFORE, stream.readable()).await;
            }
            match (port.secured(stream).await, port.protocol()) {
                (Some(stream), Protocol::Http1) => {
                    Connection::new(stream, Service::new(Arc::clone(&port), place, phases)).run().await;
                }
                (Some(stream), Protocol::Http2) => http2::serve(stream, Arc::clone(&port), phases).await,
                (None, _) => {}
            }
            open.dec();
            drop(permit);
        });
    }

    /// After the handshake, which has the time of a head; none if it failed.
    async fn secured(&self, stream: TcpStream) -> Option<Stream> {
        match &self.app.tls {
            None => Some(Stream::Plain(stream)),
            Some(tls) => tls.accept(stream, self.protocol(), self.app.limits.header_timeout).await,
        }
    }

    /// gRPC is HTTP/2, all else HTTP/1.1.
    fn protocol(&self) -> Protocol {
        if self.name == PortName::Grpc { Protocol::Http2 } else { Protocol::Http1 }
    }

    /// Counts and logs a request of which there is no more than a head that cannot be read.
    fn count_unparsed(&self, status: StatusCode, request_id: &str) {
        self.app.metrics.port(self.name).count(Route::Other, status.as_u16(), Duration::ZERO);
        self.log_unparsed(status, request_id);
    }

    fn log_unparsed(&self, status: StatusCode, request_id: &str) {
        let (method, route, port, took) = ("other", Route::Other, self.name, Duration::ZERO);
        self.app.access_log.write(Line { method, route, port, status, took, request_id, trace_id: None });
    }

    async fn failed(&self, error: &io::Error) {
        // The client went away while it waited to be accepted.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        warn!(%error, port = self.name.label(), "a connection cannot be accepted");
        tokio::time::sleep(ACCEPT_BACKOFF).await;
    }

    async fn all_ended(&self) {
        let all = u32::try_from(self.app.limits.max_connections).unwrap_or(u32::MAX);
        // Neither semaphore is ever closed.
        let _ = self.connections.acquire_many(all).await;
        let _ = self.reserve.acquire_many(RESERVE as u32).await;
    }
}

/// Listens; `[::]` takes IPv4 too, and where the node has no IPv6 it becomes `0.0.0.0`.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && is_without_ipv6(&error) => {
            info!(%error, "there is no IPv6 here; listening on IPv4 alone");
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    }
}

/// As tokio does it, but with room for more who wait to be accepted.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

fn is_without_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}
