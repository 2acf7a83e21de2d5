//! The same over gRPC: in-process against the routes, and over a socket where the connection matters.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use prost::Message as _;
use tonic::{Code, Status};

use super::super::fixture::{empty, limited, loaded};
use crate::app;
use crate::config::Limits;
use crate::edge::Edge;
use crate::oip::grpc::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use crate::oip::grpc::inference::infer_parameter::ParameterChoice;
use crate::oip::grpc::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use crate::oip::grpc::inference::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelReadyRequest,
    ServerLiveRequest, ServerMetadataRequest, ServerReadyRequest,
};
use crate::oip::grpc::{INFER, http_status};
use crate::state::App;

type Client = GrpcInferenceServiceClient<Asked>;

/// The port as a client's connection to it.
#[derive(Clone)]
struct Asked(Arc<Edge>);

impl tower::Service<http::Request<tonic::body::Body>> for Asked {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let edge = Arc::clone(&self.0);
        Box::pin(async move { Ok(edge.serve(request.map(Body::new)).await) })
    }
}

fn client(router: &Arc<Edge>) -> Client {
    GrpcInferenceServiceClient::new(Asked(Arc::clone(router))).max_decoding_message_size(usize::MAX)
}

fn grpc() -> Client {
    client(&app::grpc(&loaded(None)))
}

fn input(datatype: &str, shape: &[i64]) -> InferInputTensor {
    InferInputTensor {
        name: "x".to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        ..InferInputTensor::default()
    }
}

fn request(inputs: Vec<InferInputTensor>) -> ModelInferRequest {
    ModelInferRequest { model_name: "machine".to_owned(), inputs, ..ModelInferRequest::default() }
}

pub(super) fn raw(values: &[f32], rows: i64) -> ModelInferRequest {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let raw_input_contents = vec![bytes.into()];
    ModelInferRequest { raw_input_contents, ..request(vec![input("FP32", &[rows, 2])]) }
}

fn typed(values: &[f64], rows: i64) -> ModelInferRequest {
    let contents = InferTensorContents { fp64_contents: values.to_vec(), ..InferTensorContents::default() };
    request(vec![InferInputTensor { contents: Some(contents.into()), ..input("FP64", &[rows, 2]) }])
}

async fn infer(request: ModelInferRequest) -> Result<ModelInferResponse, Status> {
    grpc().model_infer(request).await.map(tonic::Response::into_inner)
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|value| f64::from_le_bytes(value.try_into().unwrap())).collect()
}

/// One ordinary row and one far away.
const ROWS: [f64; 4] = [0.5, 0.25, 90.0, -90.0];

#[tokio::test]
async fn raw_values_are_answered_raw_and_typed_ones_typed_with_the_same_numbers() {
    let model = loaded(None).model().unwrap().model.clone();
    let scored = [[0.5, 0.25], [90.0, -90.0]].map(|row| model.score_row(&row).unwrap());
    let scores = scored.map(|row| row.anomaly_score);
    let typed = infer(typed(&ROWS, 2)).await.unwrap();
    let names: Vec<&str> = typed.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["predict", "score_samples", "severity"]);
    assert!(typed.raw_output_contents.is_empty());
    assert_eq!(typed.outputs[0].contents.as_ref().unwrap().int64_contents, [1, -1]);
    assert_eq!(typed.outputs[1].contents.as_ref().unwrap().fp64_contents, scores);
    assert_eq!(typed.outputs[1].shape, [2]);

    let raw =
        infer(ModelInferRequest { id: "7".to_owned(), ..raw(&ROWS.map(|value| value as f32), 2) }).await;
    let raw = raw.unwrap();
    assert!(raw.outputs.iter().all(|output| output.contents.is_none()));
    assert_eq!(floats(&raw.raw_output_contents[1]), scores);
    assert_eq!((raw.model_version.as_str(), raw.id.as_str()), ("machine-r-0a1b2c3d-1", "7"));
    let threshold = raw.parameters["threshold"].parameter_choice.clone();
    assert_eq!(threshold, Some(ParameterChoice::DoubleParam(model.threshold())));
}

#[tokio::test]
async fn chunks_and_chosen_outputs_come_as_over_rest() {
    let values: Vec<f32> = (0..20_000).map(|index| index as f32 * 1e-4).collect();
    let asked = ["contributions", "is_outlier"];
    let outputs =
        asked.map(|name| InferRequestedOutputTensor { name: name.to_owned(), ..Default::default() });
    let answer = infer(ModelInferRequest { outputs: outputs.into(), ..raw(&values, 10_000) }).await.unwrap();
    assert_eq!(answer.outputs[0].shape, [10_000, 2]);
    let model = loaded(None).model().unwrap().model.clone();
    let rows = values.chunks(2).map(|row| [f64::from(row[0]), f64::from(row[1])]);
    let expected: Vec<f64> = rows.flat_map(|row| model.explain(&row).unwrap().contributions).collect();
    assert_eq!(floats(&answer.raw_output_contents[0]), expected);
    assert_eq!(answer.raw_output_contents[1].len(), 80_000);
}

#[tokio::test]
async fn every_datatype_has_its_member() {
    let rows = floats_of(infer(typed(&[1.0, 2.0], 1)).await);
    let contents = |datatype: &str| {
        let mut contents = InferTensorContents::default();
        match datatype {
            "INT8" | "INT16" | "INT32" => contents.int_contents = vec![1, 2],
            "INT64" => contents.int64_contents = vec![1, 2],
            "UINT8" | "UINT16" | "UINT32" => contents.uint_contents = vec![1, 2],
            "UINT64" => contents.uint64_contents = vec![1, 2],
            "FP32" => contents.fp32_contents = vec![1.0, 2.0],
            _ => contents.fp64_contents = vec![1.0, 2.0],
        }
        contents
    };
    for datatype in ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32", "FP64"]
    {
        let contents = Some(contents(datatype).into());
        let input = InferInputTensor { contents, ..input(datatype, &[1, 2]) };
        assert_eq!(floats_of(infer(request(vec![input])).await), rows, "{datatype}");
    }
}

fn floats_of(answer: Result<ModelInferResponse, Status>) -> Vec<f64> {
    answer.unwrap().outputs[1].contents.clone().unwrap().fp64_contents
}

#[tokio::test]
async fn server_and_model_describe_themselves() {
    let mut client = grpc();
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let server = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (server.name.as_str(), server.extensions),
        ("anomaly-server", vec!["binary_tensor_data".to_owned()])
    );
    let named = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    for (name, version) in [named("machine", ""), named("machine", "machine-r-0a1b2c3d-1")] {
        let request = ModelReadyRequest { name: name.clone(), version: version.clone() };
        assert!(client.model_ready(request).await.unwrap().into_inner().ready);
        let model = client.model_metadata(ModelMetadataRequest { name, version }).await.unwrap().into_inner();
        assert_eq!(model.platform, "anomaly-operator_isolationForest");
        assert_eq!((model.inputs[0].shape.clone(), model.outputs.len()), (vec![-1, 2], 6));
    }
    let (name, version) = named("machine", "7");
    let unknown = client.model_ready(ModelReadyRequest { name, version }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(unknown.message(), "model machine has no version 7 here, only machine-r-0a1b2c3d-1");
}

#[tokio::test]
async fn without_a_model_the_server_lives_and_is_not_ready() {
    let mut client = client(&app::grpc(&empty(None)));
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(!client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let status = client.model_infer(typed(&ROWS, 2)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the model is being loaded"));
}

#[tokio::test]
async fn what_does_not_fit_is_an_invalid_argument_that_says_why() {
    let both = {
        let mut both = typed(&ROWS, 2);
        both.raw_input_contents = vec![vec![0; 32].into()];
        both
    };
    let mut wide = request(vec![input("INT8", &[1, 2])]);
    let contents = InferTensorContents { int_contents: vec![1, 300], ..InferTensorContents::default() };
    wide.inputs[0].contents = Some(contents.into());
    let mut two = raw(&[1.0, 2.0], 1);
    two.raw_input_contents.push(Default::default());
    for (request, expected) in [
        (typed(&ROWS[..3], 2), "input x has 3 values, but shape [2,2] of FP64 has 4 values"),
        (raw(&[1.0, 2.0, 3.0], 2), "input x has 12 bytes, but shape [2,2] of FP32 has 16 bytes"),
        (raw(&[1.0, f32::NAN], 1), "input x: row 0, column 1 (feature sd) is NaN; expected a finite number"),
        (wide, "input x: row 0, column 1 (feature sd) is 300; expected an integer that INT8 can hold"),
        (both, "input x has contents beside raw_input_contents; expected one of them"),
        (two, "there are 2 raw_input_contents and 1 inputs; expected one for each, or none"),
        (request(vec![input("BYTES", &[1, 2])]), "input x has datatype BYTES; expected one of"),
        (request(vec![]), "there are no inputs; expected"),
        (request(vec![input("FP64", &[1 << 40])]), "input x has shape [1099511627776]; expected"),
    ] {
        let status = infer(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{}", status.message());
        assert!(status.message().starts_with(expected), "{}", status.message());
    }
}

#[tokio::test]
async fn the_limits_are_those_of_batches_and_count_as_they_do() {
    let app = limited(Limits { max_batch_rows: 2, max_body_bytes: 4_000, ..Limits::default() });
    let mut client = client(&app::grpc(&app));
    let many = client.model_infer(raw(&[1.0; 6], 3)).await.unwrap_err();
    assert_eq!(
        (many.code(), many.message()),
        (Code::OutOfRange, "a request may have at most 2 rows; send several")
    );
    let large = client.model_infer(raw(&[1.0; 2_000], 2)).await.unwrap_err();
    assert_eq!(large.code(), Code::OutOfRange, "{large}");
    let all = app.rows.reserve(131_072).unwrap();
    let busy = client.model_infer(raw(&[1.0; 4], 2)).await.unwrap_err();
    assert_eq!(busy.code(), Code::Unavailable, "{busy}");
    drop(all);
    client.model_infer(raw(&[1.0; 4], 2)).await.unwrap();
    let text = app.metrics.render().unwrap();
    let route = "port=\"grpc\",route=\"/v2/models/{model}/infer\"";
    for (code, count) in [(200, 1), (413, 2), (503, 1)] {
        let series = format!("anomaly_http_requests_total{{code=\"{code}\",{route}}} {count}\n");
        assert!(text.contains(&series), "{series}");
    }
    assert!(text.contains("anomaly_requests_shed_total{reason=\"rows\"} 1\n"));
    assert!(text.contains("anomaly_batch_rows_sum 2\n"));
}

/// As over REST: UNAVAILABLE if the message was there, DEADLINE_EXCEEDED if it was not.
#[tokio::test]
async fn what_could_not_be_answered_in_time_is_the_clients_fault_only_if_its_message_did_not_come() {
    let limits = Limits { request_timeout: std::time::Duration::from_millis(100), ..Limits::default() };
    let app = limited(limits);
    let router = app::grpc(&app);
    let threads = std::thread::available_parallelism().unwrap().get();
    let hold = |_| {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let app = Arc::clone(&app);
        (release, tokio::spawn(async move { app.pool.run(1, move || released.recv().is_err()).await }))
    };
    let (release, held): (Vec<_>, Vec<_>) = (0..threads).map(hold).unzip();
    tokio::task::yield_now().await;
    let late = client(&router).model_infer(raw(&[0.5; 20_000], 10_000)).await.unwrap_err();
    assert_eq!(late.code(), Code::Unavailable, "{late}");
    let endless = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = Request::post(INFER).header("content-type", "application/grpc").body(endless).unwrap();
    let answer = router.serve(request).await;
    assert_eq!(http_status(&answer), StatusCode::REQUEST_TIMEOUT);
    drop(release);
    for job in held {
        assert!(job.await.unwrap().unwrap());
    }
}

/// The rows are given back when they have been scored, the memory when the answer has been read.
#[tokio::test]
async fn nothing_stays_reserved() {
    let limits = Limits { max_concurrent_rows: 1, max_bodies_bytes: 200_000, ..Limits::default() };
    let app = limited(limits);
    let mut client = client(&app::grpc(&app));
    for _ in 0..3 {
        client.model_infer(raw(&[0.5; 20_000], 10_000)).await.unwrap();
    }
    assert!(app.rows.reserve(10_000).is_ok());
}

/// Ten thousand bytes that become a hundred thousand when they are read.
#[tokio::test]
async fn typed_values_count_as_the_memory_that_they_are_read_into() {
    let limits = Limits { max_bodies_bytes: 200_000, max_body_bytes: 20_000, ..Limits::default() };
    let app = limited(limits);
    let mut client = client(&app::grpc(&app));
    let contents = InferTensorContents { int_contents: vec![1; 10_000], ..InferTensorContents::default() };
    let input = InferInputTensor { contents: Some(contents.into()), ..input("INT8", &[5_000, 2]) };
    let mut others = None;
    app.bodies.raise(&mut others, 120_000).unwrap();
    let refused = client.model_infer(request(vec![input.clone()])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    drop(others);
    client.model_infer(request(vec![input])).await.unwrap();
}

/// A hundred thousand bytes of contributions, in an answer that has not been read.
async fn unread(app: &std::sync::Arc<App>) -> axum::response::Response {
    let outputs = vec![InferRequestedOutputTensor { name: "contributions".to_owned(), ..Default::default() }];
    let message = ModelInferRequest { outputs, ..raw(&[0.5; 12_500], 6_250) }.encode_to_vec();
    let request = Request::post(INFER).header("content-type", "application/grpc");
    let request = request.body(Body::from(frame(&message, false))).unwrap();
    let answer = app::grpc(app).serve(request).await;
    assert_eq!(http_status(&answer), StatusCode::OK);
    answer
}

fn tight() -> Limits {
    Limits { max_bodies_bytes: 200_000, max_body_bytes: 100_000, max_concurrent_rows: 1, ..Limits::default() }
}

#[tokio::test]
async fn the_memory_of_an_answer_is_held_until_it_has_been_read() {
    let app = limited(tight());
    let answer = unread(&app).await;
    assert!(app.rows.reserve(10_000).is_ok(), "who reads slowly keeps no batch out");
    assert!(app.bodies.raise(&mut None, 100_000).is_err());
    let read = answer.into_body().collect().await.unwrap();
    assert_eq!(read.trailers().unwrap()["grpc-status"], "0");
    assert!(read.to_bytes().len() > 100_000);
    assert!(app.bodies.raise(&mut None, 200_000).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_holds_that_nobody_reads_is_given_back_after_the_stall_timeout() {
    let app = limited(tight());
    let answer = unread(&app).await;
    let mut body = answer.into_body();
    // One that is read slowly goes on.
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::sleep(app.limits.stall_timeout * 2 / 3).await;
        assert!(app.bodies.raise(&mut None, 200_000).is_err());
    }
    tokio::time::sleep(app.limits.stall_timeout * 2).await;
    assert!(app.bodies.raise(&mut None, 200_000).is_ok());
    assert!(body.frame().await.unwrap().is_err());
}

/// A message's frame, whether or not it is packed.
fn frame(message: &[u8], packed: bool) -> Vec<u8> {
    [&[u8::from(packed)], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

async fn call(path: &str, encoding: &str, body: Vec<u8>) -> axum::response::Response {
    let request =
        Request::post(path).header("content-type", "application/grpc").header("grpc-encoding", encoding);
    app::grpc(&loaded(None)).serve(request.body(Body::from(body)).unwrap()).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn gzip_is_unpacked_and_a_bomb_is_not() {
    let message = raw(&[0.5; 4], 2).encode_to_vec();
    let answer = call(INFER, "gzip", frame(&gzip(&message), true)).await;
    let trailers = answer.into_body().collect().await.unwrap().trailers().cloned().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    let answer = call(INFER, "gzip", frame(&gzip(&vec![0; 64 << 20]), true)).await;
    assert_eq!(http_status(&answer), StatusCode::PAYLOAD_TOO_LARGE);
}

/// As many empty inputs as a body may have bytes for would be a hundred times as large when read.
#[tokio::test]
async fn a_message_of_countless_empty_parts_is_refused_before_it_is_read() {
    let answer = call(INFER, "identity", frame(&[0x2a, 0].repeat(400_000), false)).await;
    assert_eq!(http_status(&answer), StatusCode::BAD_REQUEST);
    assert!(answer.headers()["grpc-message"].to_str().unwrap().contains("fields"), "{:?}", answer.headers());
}

#[tokio::test]
async fn what_is_no_call_is_unimplemented_in_the_form_of_grpc() {
    for path in ["/", "/prediction", "/inference.GRPCInferenceService/RepositoryIndex", "/v2"] {
        let answer = call(path, "identity", frame(&[], false)).await;
        assert_eq!(
            (answer.status(), answer.headers()["grpc-status"].to_str().unwrap()),
            (StatusCode::OK, "12"),
            "{path}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A message that cannot be read is the client's fault, whatever is in it.
    #[test]
    fn any_bytes_are_answered_and_never_an_internal_error(
        at in 0_usize..60,
        noise in prop::collection::vec(any::<u8>(), 0..30),
        encoding in prop_oneof![Just("identity"), Just("gzip"), Just("br")],
        packed in any::<bool>(),
    ) {
        let mut message = typed(&ROWS, 2).encode_to_vec();
        message.truncate(at);
        message.extend(noise);
        let task = call(INFER, encoding, frame(&message, packed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = http_status(&runtime.block_on(task));
        prop_assert!(status.is_success() || status.is_client_error(), "{}", status);
    }

    #[test]
    fn any_shape_with_any_values(
        shape in prop::collection::vec(prop_oneof![Just(2), 0_i64..4, any::<i64>()], 0..4),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        doubles in prop::collection::vec(any::<f64>(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let raw = ModelInferRequest { raw_input_contents: vec![bytes.into()], ..request(vec![input("FP32", &shape)]) };
        let contents = InferTensorContents { fp64_contents: doubles, ..InferTensorContents::default() };
        let typed = request(vec![InferInputTensor { contents: Some(contents.into()), ..input("FP64", &shape) }]);
        for request in [raw, typed] {
            if let Err(status) = runtime.block_on(infer(request)) {
                let code = status.code();
                prop_assert!(matches!(code, Code::InvalidArgument | Code::OutOfRange), "{}", status);
            }
        }
    }
}
