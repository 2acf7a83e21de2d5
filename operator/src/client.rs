//! The client for the API server, as this operator wants it.
//!
//! No retries in the client: a reconcile's own back-off is the only one. Every call but a watch ends within 10 s, its body
//! included; a watch has to begin within 30 s and then lives as long as its caller says. Writes pass the [`Fence`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{BoxError, Service, layer::layer_fn};

use crate::fence::{Fence, Fenced};

/// What the operator calls itself towards the API server.
pub const USER_AGENT: &str = concat!("anomaly-operator/", env!("CARGO_PKG_VERSION"));
/// Longest time of a call that is no watch.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time until a watch begins; the API server may queue it for half of this.
const WATCH_BEGINS_WITHIN: Duration = Duration::from_secs(30);
/// Shorter than [`CALL_TIMEOUT`], so that the error says that nobody was there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// There is no client. The messages name the causes themselves, so there is no source to print again.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a kubeconfig nor a service account.
    #[error("found no cluster; set KUBECONFIG, or run in a pod with a service account token: {0}")]
    NoCluster(kube::config::InferConfigError),
    /// The configuration cannot be used.
    #[error("cannot use the cluster's configuration; check certificates and credentials: {}", chain(.0))]
    Unusable(kube::Error),
}

/// An answer took too long.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {} s", .0.as_secs())]
pub struct TimedOut(Duration);

/// An error and its causes on one line, without saying anything twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A client for the cluster that `KUBECONFIG`, `~/.kube/config` or the pod's service account names. Nothing is sent yet.
pub async fn connect(fence: Fence) -> Result<Client, ClientError> {
    let config = tuned(Config::infer().await.map_err(ClientError::NoCluster)?);
    let builder = ClientBuilder::try_from(config).map_err(ClientError::Unusable)?;
    Ok(builder.with_layer(&layer_fn(|service| wrap(service, fence.clone()))).build())
}

/// kube's defaults that are not ours: it would retry 15 times inside the client, up to 1,000 s apart.
fn tuned(mut config: Config) -> Config {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    config
}

/// Time-outs and fence around the service of a client; tests put them around a mock.
pub fn wrap<S>(service: S, fence: Fence) -> Fenced<Timed<S>> {
    Fenced::new(Timed(service), fence)
}

/// Ends calls that take too long.
#[derive(Clone, Debug)]
pub struct Timed<S>(S);

impl<S, B> Service<Request<Body>> for Timed<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
{
    type Response = Response<TimedBody<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watch = is_watch(request.uri().query());
        let allowed = if watch { WATCH_BEGINS_WITHIN } else { CALL_TIMEOUT };
        let end = Instant::now() + allowed;
        let answer = timeout_at(end, self.0.call(request));
        Box::pin(async move {
            let response = answer.await.map_err(|_| TimedOut(allowed))?.map_err(Into::into)?;
            Ok(response.map(|body| TimedBody::new(body, (!watch).then_some(end))))
        })
    }
}

/// Whether a query asks for a watch.
fn is_watch(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// A response body that ends with an error when its time is over.
pub struct TimedBody<B> {
    inner: Pin<Box<B>>,
    end: Option<Pin<Box<Sleep>>>,
}

impl<B> TimedBody<B> {
    fn new(body: B, end: Option<Instant>) -> Self {
        Self { inner: Box::pin(body), end: end.map(|end| Box::pin(sleep_until(end))) }
    }
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = self.inner.as_mut().poll_frame(context) {
            return Poll::Ready(frame.map(|result| result.map_err(Into::into)));
        }
        match self.end.as_mut().map(|end| end.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(TimedOut(CALL_TIMEOUT).into()))),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt, Full, StreamBody};
    use tower::{ServiceExt, service_fn};

    const SECOND: Duration = Duration::from_secs(1);

    fn get(uri: &str) -> Request<Body> {
        Request::get(uri).body(Body::empty()).unwrap()
    }

    /// The answer of a server that sends its head after `head` and its body `body` later.
    async fn ask(uri: &str, head: Duration, body: Duration) -> Result<Bytes, String> {
        let server = service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(head).await;
            let late = stream::once(Box::pin(async move {
                tokio::time::sleep(body).await;
                Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"{}")))
            }));
            Ok::<_, BoxError>(Response::new(StreamBody::new(late)))
        });
        let response = wrap(server, Fence::open()).oneshot(get(uri)).await.map_err(|e| e.to_string())?;
        let collected = response.into_body().collect().await.map_err(|e| e.to_string())?;
        Ok(collected.to_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_after_10_seconds_with_or_without_a_head() {
        for (head, body) in [(11 * SECOND, Duration::ZERO), (4 * SECOND, 7 * SECOND)] {
            let error = ask("/api/v1/pods?limit=500", head, body).await.unwrap_err();
            assert_eq!(error, "the API server did not answer within 10 s");
        }
        assert!(ask("/api/v1/pods", 4 * SECOND, 5 * SECOND).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_be_silent_for_longer_than_a_call_may_take() {
        let watch = "/api/v1/pods?&watch=true&timeoutSeconds=200&resourceVersion=7";
        assert!(ask(watch, 4 * SECOND, 250 * SECOND).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_never_begins_ends_after_30_seconds() {
        let error = ask("/api/v1/pods?watch=true", 31 * SECOND, Duration::ZERO).await.unwrap_err();
        assert_eq!(error, "the API server did not answer within 30 s");
    }

    #[test]
    fn only_the_query_makes_a_watch() {
        assert!(is_watch(Some("watch=true")));
        assert!(is_watch(Some("limit=5&watch=1")));
        for query in [None, Some(""), Some("watch=false"), Some("labelSelector=watch%3Dtrue")] {
            assert!(!is_watch(query), "{query:?}");
        }
    }

    #[test]
    fn kube_never_retries_by_itself_and_says_who_we_are() {
        let config = tuned(Config::new("https://localhost:6443".parse().unwrap()));
        assert!(!config.default_retry);
        assert_eq!(config.read_timeout, None, "would end every watch that is silent");
        let agent = config.headers.iter().find(|(name, _)| name == header::USER_AGENT).unwrap();
        assert_eq!(agent.1, format!("anomaly-operator/{}", env!("CARGO_PKG_VERSION")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_write_reaches_the_caller_as_the_fences_error() {
        let server = service_fn(|_: Request<Body>| async {
            Ok::<_, BoxError>(Response::new(Full::new(Bytes::from_static(b"{}"))))
        });
        let client = Client::new(wrap(server, Fence::closed()), "demo");
        let request = Request::delete("/api/v1/namespaces/demo/pods/x").body(Vec::new()).unwrap();
        let error = client.request::<serde_json::Value>(request).await.unwrap_err();
        let kube::Error::Service(inner) = error else { panic!("{error}") };
        assert!(inner.is::<crate::fence::FenceError>(), "{inner}");
    }
}
