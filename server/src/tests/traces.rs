//! Spans, as a collector gets them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::wire::{Running, get, ordinary};
use crate::server::Stop;
use crate::traces::TraceConfig;

/// A collector on a loopback port, which keeps what it is sent.
struct Collector {
    endpoint: String,
    sent: mpsc::UnboundedReceiver<Bytes>,
}

impl Collector {
    async fn start() -> Self {
        let (sender, sent) = mpsc::unbounded_channel();
        let keep = async |State(sender): State<Arc<mpsc::UnboundedSender<Bytes>>>, body: Bytes| {
            sender.send(body).unwrap();
        };
        let router = Router::new().route("/v1/traces", post(keep)).with_state(Arc::new(sender));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, sent }
    }

    fn at(&self, ratio: f64) -> TraceConfig {
        TraceConfig { endpoint: Some(self.endpoint.clone()), ratio: Some(ratio) }
    }

    /// All spans, and the bytes in which they came, when nothing more is sent.
    fn spans(&mut self) -> (Vec<Span>, Vec<u8>) {
        let (mut spans, mut bytes) = (Vec::new(), Vec::new());
        while let Ok(sent) = self.sent.try_recv() {
            let request = ExportTraceServiceRequest::decode(sent.clone()).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans));
            bytes.extend_from_slice(&sent);
        }
        (spans, bytes)
    }
}

/// Answers these requests and ends.
async fn serve(traces: TraceConfig, requests: &[&str]) -> Vec<u16> {
    let server = Running::start(|config| config.traces = Some(traces)).await;
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(server.connect().await.ask(request).await.status);
    }
    server.stop(Stop::Now).await;
    server.ended().await;
    statuses
}

fn attribute(span: &Span, key: &str) -> String {
    let is = |pair: &&KeyValue| pair.key == key;
    match span.attributes.iter().find(is).and_then(|pair| pair.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn called(decision: &str) -> String {
    format!(
        "GET /model_information HTTP/1.1\r\nhost: test\r\ntraceparent: 00-{TRACE}-{CALLER}-{decision}\r\n\r\n"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_request_is_a_span_with_its_route_and_status_sent_before_the_server_ends() {
    let mut collector = Collector::start().await;
    let body = "{\"topsecret\":1}";
    let odd = format!(
        "POST /prediction?topsecret=1 HTTP/1.1\r\nhost: topsecret\r\nauthorization: Basic topsecret\r\nx-request-id: abc-1\r\nuser-agent: topsecret\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let statuses = serve(collector.at(1.0), &[&ordinary(), &odd, &get("/topsecret"), &called("01")]).await;
    assert_eq!(statuses, [200, 422, 404, 200]);

    let (spans, bytes) = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["POST /prediction", "POST /prediction", "GET other", "GET /model_information"]);
    for (span, status) in spans.iter().zip(statuses) {
        assert_eq!(span.kind, 2, "a server's");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        assert_eq!(attribute(span, "http.response.status_code"), status.to_string());
        assert_eq!(attribute(span, "anomaly.port"), "http");
        assert_eq!(attribute(span, "anomaly.model"), "machine");
    }
    assert_eq!(attribute(&spans[1], "http.request.method"), "POST");
    assert_eq!(attribute(&spans[1], "http.route"), "/prediction");
    assert_eq!(attribute(&spans[1], "anomaly.request_id"), "abc-1");
    let called = &spans[3];
    assert_eq!((hex(&called.trace_id).as_str(), hex(&called.parent_span_id).as_str()), (TRACE, CALLER));
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("service.name") && text.contains("anomaly-server"));
    assert!(!text.contains("topsecret"), "{text}");
}

#[tokio::test]
async fn the_caller_decides_and_without_one_the_share_does() {
    for (ratio, request, recorded) in [
        (0.0, called("01"), 1),
        (1.0, called("00"), 0),
        (0.0, get("/model_information"), 0),
        (1.0, get("/model_information"), 1),
        // No decision at all.
        (1.0, called("zz"), 1),
    ] {
        let mut collector = Collector::start().await;
        assert_eq!(serve(collector.at(ratio), &[&request]).await, [200]);
        assert_eq!(collector.spans().0.len(), recorded, "{ratio} {request}");
    }
}

#[tokio::test]
async fn a_collector_that_fails_costs_no_request_and_does_not_keep_the_server() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let endpoint = Some(format!("http://{address}/v1/traces"));
        let traces = TraceConfig { endpoint, ratio: Some(1.0) };
        assert_eq!(serve(traces, &[&ordinary(), &ordinary()]).await, [200, 200]);
    }
    for endpoint in ["nonsense", "ftp://127.0.0.1/", ""] {
        let traces = TraceConfig { endpoint: Some(endpoint.to_owned()), ratio: Some(1.0) };
        assert_eq!(serve(traces, &[&ordinary()]).await, [200], "{endpoint}");
    }
}
