//! Every form of tensors that is taken, and every one that is refused.

use std::io::Write as _;

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::super::fixture::{Answer, http, limited, loaded, post, send};
use super::{INFER, data, doubles, error, infer, infer_binary};
use crate::app;
use crate::config::Limits;

/// The scores that `/predictions` gives to the same rows.
async fn expected(rows: &Value) -> Vec<u64> {
    let answer = post(&http(), "/predictions", rows.to_string()).await.json();
    let scores = answer["predictions"].as_array().unwrap().iter();
    scores.map(|row| row["anomaly_score"].as_f64().unwrap().to_bits()).collect()
}

fn scores(answer: &Answer) -> Vec<u64> {
    data(answer, "score_samples").into_iter().map(f64::to_bits).collect()
}

fn tensor(name: &str, datatype: &str, shape: &[i64], data: Value) -> Value {
    json!({ "name": name, "datatype": datatype, "shape": shape, "data": data })
}

fn request(inputs: &[Value]) -> Value {
    json!({ "inputs": inputs })
}

#[tokio::test]
async fn rows_come_flat_or_nested_in_one_tensor_or_in_one_a_feature() {
    let router = http();
    let rows = expected(&json!([[0.5, 0.25], [90.5, -90.0], [0.1, 0.7]])).await;
    let flat = json!([0.5, 0.25, 90.5, -90.0, 0.1, 0.7]);
    let nested = json!([[0.5, 0.25], [90.5, -90.0], [0.1, 0.7]]);
    let mean = tensor("mean", "FP64", &[3], json!([0.5, 90.5, 0.1]));
    let sd = tensor("sd", "FP64", &[3, 1], json!([[0.25], [-90.0], [0.7]]));
    for body in [
        doubles(&[3, 2], &flat),
        doubles(&[3, 2], &nested),
        request(&[mean.clone(), sd.clone()]),
        request(&[sd, mean]),
    ] {
        assert_eq!(scores(&infer(&router, &body).await), rows, "{body}");
    }
    let one = expected(&json!([[0.5, 0.25]])).await;
    assert_eq!(scores(&infer(&router, &doubles(&[2], &json!([0.5, 0.25]))).await), one);
    assert_eq!(scores(&infer(&router, &doubles(&[0, 2], &json!([]))).await), Vec::<u64>::new());
}

/// As programs write them that have a value for everything.
#[tokio::test]
async fn null_is_what_is_left_out() {
    let plain = doubles(&[2], &json!([0.5, 0.25]));
    let mut nulls = plain.clone();
    for member in ["id", "parameters", "outputs"] {
        nulls[member] = Value::Null;
    }
    nulls["inputs"][0]["parameters"] = Value::Null;
    assert_eq!(infer(&http(), &nulls).await.json(), infer(&http(), &plain).await.json());
    let output = |parameters: Value| {
        let mut body = plain.clone();
        body["parameters"] = json!({ "binary_data_output": null });
        body["outputs"] = json!([{ "name": "severity", "parameters": parameters }]);
        body
    };
    let expected = infer(&http(), &output(json!({}))).await;
    assert_eq!(expected.status, StatusCode::OK);
    assert_eq!(infer(&http(), &output(Value::Null)).await.json(), expected.json());
}

#[tokio::test]
async fn every_datatype_is_read_from_json_and_from_bytes() {
    let router = http();
    let rows = expected(&json!([[1.0, 2.0], [90.0, 7.0]])).await;
    macro_rules! check {
        ($($name:literal $type:ident),*) => {$(
            let body = request(&[tensor("x", $name, &[2, 2], json!([1, 2, 90, 7]))]);
            assert_eq!(scores(&infer(&router, &body).await), rows, $name);
            let binary: Vec<u8> = [1, 2, 90, 7].iter().flat_map(|v| (*v as $type).to_le_bytes()).collect();
            let input = json!({"name": "x", "datatype": $name, "shape": [2, 2], "parameters": {"binary_data_size": binary.len()}});
            assert_eq!(scores(&infer_binary(&router, &request(&[input]), &binary).await), rows, $name);
        )*};
    }
    check!("FP32" f32, "FP64" f64, "INT8" i8, "INT16" i16, "INT32" i32, "INT64" i64);
    check!("UINT8" u8, "UINT16" u16, "UINT32" u32, "UINT64" u64);
}

/// Not through the nearest decimal or anything else: what the client has is what is scored.
#[tokio::test]
async fn fp32_is_scored_as_the_number_it_is() {
    let router = http();
    let wide = expected(&json!([[f64::from(0.1_f32), f64::from(0.7_f32)]])).await;
    let body = request(&[tensor("x", "FP32", &[1, 2], json!([0.1, 0.7]))]);
    assert_eq!(scores(&infer(&router, &body).await), wide);
    let input =
        json!({"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}});
    let binary: Vec<u8> = [0.1_f32, 0.7].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(scores(&infer_binary(&router, &request(&[input]), &binary).await), wide);
}

#[tokio::test]
async fn binary_data_follows_in_the_order_of_the_inputs_and_some_may_be_json() {
    let router = http();
    let rows = expected(&json!([[0.5, 0.25], [0.75, 3.0]])).await;
    let sd = json!({"name": "sd", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16}});
    let mean =
        json!({"name": "mean", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}});
    let sd_bytes: Vec<u8> = [0.25_f64, 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mean_bytes: Vec<u8> = [0.5_f32, 0.75].iter().flat_map(|value| value.to_le_bytes()).collect();
    let both =
        infer_binary(&router, &request(&[sd.clone(), mean]), &[sd_bytes.clone(), mean_bytes].concat()).await;
    assert_eq!(scores(&both), rows);
    let mean = tensor("mean", "FP64", &[2], json!([0.5, 0.75]));
    assert_eq!(scores(&infer_binary(&router, &request(&[mean, sd]), &sd_bytes).await), rows);
}

#[tokio::test]
async fn a_gzipped_request_is_unpacked_before_the_header_is_counted() {
    let router = http();
    let input =
        json!({"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}});
    let json = request(&[input]).to_string();
    let binary: Vec<u8> = [0.5_f64, 0.25].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[json.as_bytes(), &binary].concat()).unwrap();
    let request = Request::post(INFER)
        .header("content-encoding", "gzip")
        .header("inference-header-content-length", json.len())
        .body(Body::from(encoder.finish().unwrap()));
    assert_eq!(scores(&send(&router, request.unwrap()).await), expected(&json!([[0.5, 0.25]])).await);
}

#[tokio::test]
async fn chunks_of_a_large_request_are_scored_as_its_rows_are() {
    let router = http();
    let values: Vec<f64> = (0..20_000).map(|index| f64::from(index) * 1e-4).collect();
    let binary: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let input = json!({"name": "x", "datatype": "FP64", "shape": [10_000, 2], "parameters": {"binary_data_size": binary.len()}});
    let answer = infer_binary(&router, &request(&[input]), &binary).await;
    let rows: Vec<&[f64]> = values.chunks(2).collect();
    assert_eq!(scores(&answer), expected(&json!(rows)).await);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_tensor_and_what_was_expected() {
    let router = http();
    let x = |datatype: &str, shape: &[i64], data: Value| request(&[tensor("x", datatype, shape, data)]);
    let column = |name: &str, shape: &[i64], data: Value| tensor(name, "FP64", shape, data);
    let one_or_two = "expected one tensor of shape [n,2] or [2], a row being an array of 2 numbers [mean, sd], or 2 tensors [n] named so";
    for (body, expected) in [
        (
            x("BYTES", &[1, 2], json!(["a", "b"])),
            "input x has datatype BYTES; expected one of FP32, FP64, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64",
        ),
        (x("BOOL", &[1, 2], json!([true, false])), "input x has datatype BOOL; expected one of FP32"),
        (x("FP16", &[1, 2], json!([1, 2])), "input x has datatype FP16; expected one of FP32"),
        (request(&[]), &format!("there are no inputs; {one_or_two}")),
        (x("FP64", &[1, 3], json!([1, 2, 3])), &format!("input x has shape [1,3]; {one_or_two}")),
        (x("FP64", &[], json!([])), &format!("input x has shape []; {one_or_two}")),
        (x("FP64", &[1, 1, 2], json!([1, 2])), "input x has shape [1,1,2]; expected"),
        (x("FP64", &[-1, 2], json!([1, 2])), "a shape has -1 rows; expected 0 or more"),
        (x("FP64", &[2, 2], json!([1, 2, 3])), "input x has 3 values, but shape [2,2] has 4"),
        (x("FP64", &[1, 2], json!([1, 2, 3])), "input x has more values than the 2 of shape [1,2]"),
        (
            x("FP64", &[2, 2], json!([[1, 2], [3, null]])),
            "input x: row 1, column 1 (feature sd) is null; expected a finite number within ±3.4028234e38",
        ),
        (x("FP64", &[1, 2], json!([1, 1e300])), "input x: row 0, column 1 (feature sd) is 1e+300"),
        (
            x("INT8", &[1, 2], json!([1, 128])),
            "input x: row 0, column 1 (feature sd) is 128; expected an integer that INT8 can hold",
        ),
        (
            x("FP64", &[2, 2], json!([[1, 2, 3, 4]])),
            "the data of input x is or has a row of 4 values; expected one array of 4 numbers, or an array for each row of shape [2,2]",
        ),
        (
            request(&[column("mean", &[1], json!([1])), column("x", &[1], json!([1]))]),
            "input x is no feature; expected",
        ),
        (
            request(&[column("mean", &[1], json!([1])), column("mean", &[1], json!([1]))]),
            "input mean is given twice",
        ),
        (request(&[column("mean", &[1], json!([1]))]), &format!("input mean has shape [1]; {one_or_two}")),
        (
            request(&[column("mean", &[1], json!([1])), column("sd", &[2], json!([1, 2]))]),
            "input sd has 2 rows, but those before it have 1",
        ),
        (
            request(&[column("mean", &[1], json!([1])), column("sd", &[1, 2], json!([1, 2]))]),
            "input sd has shape [1,2]; expected [n] or [n,1]",
        ),
        (
            request(&[column("sd", &[2], json!([1, 2])), column("mean", &[2], json!([1, "2"]))]),
            "input mean: row 1, column 0 (feature mean) is \"2\"; expected",
        ),
        (
            json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2]}]}),
            "input x has neither of data and parameters.binary_data_size; expected one of them",
        ),
        (json!({"outputs": []}), "the body is no inference request in JSON: missing field `inputs`"),
        (
            json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "parameters": {"binary_data_size": 16}}]}),
            "input x has 16 bytes of binary data, but 0 bytes follow",
        ),
    ] {
        let answer = infer(&router, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let error = error(&answer);
        assert!(error.starts_with(expected), "{body}\n got {error}\nexpected {expected}");
    }
}

#[tokio::test]
async fn binary_data_of_another_length_or_with_values_that_are_not_finite_is_refused() {
    let router = http();
    let input = |size: u64| {
        request(&[
            json!({"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": size}}),
        ])
    };
    let good: Vec<u8> = [1.0_f32; 4].iter().flat_map(|value| value.to_le_bytes()).collect();
    let nan: Vec<u8> = [1.0, 1.0, f32::NAN, 1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    for (size, binary, expected) in [
        (
            16,
            nan.as_slice(),
            "input x: row 1, column 0 (feature mean) is NaN; expected a finite number within ±3.4028234e38",
        ),
        (15, &good, "input x has binary_data_size 15, but shape [2,2] of FP32 has 16 bytes"),
        (
            u64::MAX,
            &good,
            "input x has binary_data_size 18446744073709551615, but shape [2,2] of FP32 has 16 bytes",
        ),
        (16, &good[..15], "input x has 16 bytes of binary data, but 15 bytes follow"),
        (16, &[good.as_slice(), &[0]].concat(), "1 bytes follow the binary data of the last input"),
    ] {
        let answer = infer_binary(&router, &input(size), binary).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error = error(&answer);
        assert!(error.starts_with(expected), "got {error}, expected {expected}");
    }
}

#[tokio::test]
async fn the_limits_are_those_of_batches() {
    let router =
        app::http(&limited(Limits { max_batch_rows: 2, max_body_bytes: 1_000, ..Limits::default() }));
    let answer = infer(&router, &doubles(&[3, 2], &json!([1, 2, 3, 4, 5, 6]))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(error(&answer), "a request may have at most 2 rows; send several");
    let answer = post(&router, INFER, " ".repeat(1_001)).await;
    assert_eq!((answer.status, answer.header("connection")), (StatusCode::PAYLOAD_TOO_LARGE, "close"));
    error(&answer);

    let app = limited(Limits { max_batch_rows: 1, max_concurrent_rows: 1, ..Limits::default() });
    let all = app.rows.reserve(crate::pool::CHUNK_ROWS).unwrap();
    let answer = infer(&app::http(&app), &doubles(&[1, 2], &json!([1, 2]))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    error(&answer);
    drop(all);
    assert_eq!(infer(&app::http(&app), &doubles(&[1, 2], &json!([1, 2]))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rows_are_counted_as_those_of_batches_are() {
    let app = loaded(None);
    let router = app::http(&app);
    infer(&router, &doubles(&[3, 2], &json!([0.5, 0.5, 90, -90, 0.5, 0.5]))).await;
    infer(&router, &doubles(&[1, 2], &json!([1, null]))).await;
    let text = app.metrics.render().unwrap();
    for series in [
        "anomaly_predictions_total{verdict=\"inlier\"} 2\n",
        "anomaly_predictions_total{verdict=\"outlier\"} 1\n",
        "anomaly_batch_rows_count 1\n",
        "anomaly_http_requests_total{code=\"200\",port=\"http\",route=\"/v2/models/{model}/infer\"} 1\n",
        "anomaly_http_requests_total{code=\"400\",port=\"http\",route=\"/v2/models/{model}/infer\"} 1\n",
    ] {
        assert!(text.contains(series), "{series}");
    }
}
