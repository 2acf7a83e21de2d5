//! The fence: writes pass only while this process certainly leads.
//!
//! It lies below everything that writes and knows nothing but when the Lease was last renewed, by the monotonic clock. What
//! is in flight when the Lease runs out is cut off. Reading and the Lease itself always pass. It never talks to the API server.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

/// How long a Lease is held without a renewal; others wait as long before they take it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long after a renewal writes still begin. The rest of the Lease is for those that have begun.
pub const WRITES_BEGIN_WITHIN: Duration = Duration::from_secs(10);

/// Where Leases live; `leader` has to write there before it leads.
const LEASES: &str = "/apis/coordination.k8s.io/";

const NEVER: u64 = 0;
const ALWAYS: u64 = u64::MAX;

/// Says whether a write may begin. Clones share one state.
#[derive(Clone, Debug)]
pub struct Fence(Arc<State>);

#[derive(Debug)]
struct State {
    start: Instant,
    /// Milliseconds from `start` to the last renewal, plus one; or `NEVER`, or `ALWAYS`.
    renewed: AtomicU64,
}

/// A write was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FenceError {
    /// This process does not lead.
    #[error(
        "refused to {method} {path}: this process does not hold the Lease, or has not renewed it for 10 s"
    )]
    Closed {
        /// The HTTP method.
        method: Method,
        /// The path.
        path: String,
    },
    /// The Lease ran out before the answer came; whether the write was made is not known.
    #[error("gave up {method} {path}: the Lease ran out before the API server answered")]
    RanOut {
        /// The HTTP method.
        method: Method,
        /// The path.
        path: String,
    },
}

impl Fence {
    /// Lets everything pass, for ever: tests, and programs that need no leader.
    pub fn open() -> Self {
        Self::with(ALWAYS)
    }

    /// Lets no write pass until the first renewal.
    pub fn closed() -> Self {
        Self::with(NEVER)
    }

    fn with(renewed: u64) -> Self {
        Self(Arc::new(State { start: Instant::now(), renewed: AtomicU64::new(renewed) }))
    }

    /// The Lease was renewed by a request that was sent at `sent`: others may count from that moment.
    pub fn renewed(&self, sent: Instant) {
        let millis = sent.saturating_duration_since(self.0.start).as_millis();
        self.0.renewed.store(u64::try_from(millis).unwrap_or(ALWAYS - 2) + 1, Ordering::SeqCst);
    }

    /// Lets no write pass until the next renewal.
    pub fn close(&self) {
        self.0.renewed.store(NEVER, Ordering::SeqCst);
    }

    /// Whether a write may begin at `now`; if so, when it has to have ended (`None`: whenever).
    pub fn admits(&self, now: Instant) -> Result<Option<Instant>, Shut> {
        match self.0.renewed.load(Ordering::SeqCst) {
            NEVER => Err(Shut),
            ALWAYS => Ok(None),
            millis => {
                let renewed = self.0.start + Duration::from_millis(millis - 1);
                let fresh = now.saturating_duration_since(renewed) < WRITES_BEGIN_WITHIN;
                if fresh { Ok(Some(renewed + LEASE_DURATION)) } else { Err(Shut) }
            }
        }
    }
}

/// The fence is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shut;

/// Whether a request changes anything that the fence guards.
fn is_guarded<B>(request: &Request<B>) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !reads && !request.uri().path().starts_with(LEASES)
}

/// The fence as a layer around a client's service.
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    inner: S,
    fence: Fence,
}

impl<S> Fenced<S> {
    /// Puts `fence` in front of `inner`.
    pub fn new(inner: S, fence: Fence) -> Self {
        Self { inner, fence }
    }
}

impl<S> Service<Request<Body>> for Fenced<S>
where
    S: Service<Request<Body>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_guarded(&request) {
            return Box::pin(self.inner.call(request));
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match self.fence.admits(Instant::now()) {
            Err(Shut) => Box::pin(async { Err(FenceError::Closed { method, path }.into()) }),
            Ok(None) => Box::pin(self.inner.call(request)),
            Ok(Some(end)) => {
                let answer = tokio::time::timeout_at(end, self.inner.call(request));
                Box::pin(async {
                    answer.await.unwrap_or_else(|_| Err(FenceError::RanOut { method, path }.into()))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, sleep};
    use tower::{ServiceExt, service_fn};

    const SECOND: Duration = Duration::from_secs(1);

    /// Sends a request to a server that answers after `delay`.
    async fn send(fence: &Fence, method: Method, path: &str, delay: Duration) -> Result<(), String> {
        let server = service_fn(move |_: Request<Body>| async move {
            sleep(delay).await;
            Ok::<_, BoxError>(())
        });
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        Fenced::new(server, fence.clone()).oneshot(request).await.map_err(|e| e.to_string())
    }

    async fn write(fence: &Fence) -> Result<(), String> {
        send(fence, Method::PATCH, "/api/v1/namespaces/demo/services/x", Duration::ZERO).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_fence_closes_once_the_last_renewal_is_10_seconds_old() {
        let fence = Fence::closed();
        fence.renewed(Instant::now());
        advance(Duration::from_millis(9_990)).await;
        assert_eq!(write(&fence).await, Ok(()));
        advance(Duration::from_millis(10)).await;
        let refusal = write(&fence).await.unwrap_err();
        assert!(refusal.contains("PATCH /api/v1/namespaces/demo/services/x"), "{refusal}");
        assert!(refusal.contains("not renewed it for 10 s"), "{refusal}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_opens_the_fence_again() {
        let fence = Fence::closed();
        assert!(write(&fence).await.is_err());
        advance(60 * SECOND).await;
        fence.renewed(Instant::now());
        assert_eq!(write(&fence).await, Ok(()));
        fence.close();
        assert!(write(&fence).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn every_method_that_changes_something_is_refused_and_every_other_passes() {
        let fence = Fence::closed();
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(send(&fence, method.clone(), "/api/v1/pods", Duration::ZERO).await.is_err(), "{method}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(send(&fence, method.clone(), "/api/v1/pods", Duration::ZERO).await.is_ok(), "{method}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_can_be_written_through_a_closed_fence() {
        let path = "/apis/coordination.k8s.io/v1/namespaces/anomaly-system/leases/anomaly-operator";
        assert_eq!(send(&Fence::closed(), Method::PUT, path, Duration::ZERO).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_in_flight_is_cut_off_when_the_lease_runs_out() {
        let fence = Fence::closed();
        fence.renewed(Instant::now());
        advance(9 * SECOND).await;
        let cut = send(&fence, Method::POST, "/api/v1/pods", 7 * SECOND).await.unwrap_err();
        assert!(cut.contains("the Lease ran out"), "{cut}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_fence_never_closes() {
        let fence = Fence::open();
        advance(3600 * SECOND).await;
        assert_eq!(write(&fence).await, Ok(()));
    }
}
