//! Requests that were made to hurt: each gets an answer in the protocol's form, and 500 is none of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fixture::{Answer, http, send};
use super::{INFER, error, infer, infer_binary};

/// 200, or an error that blames the request.
fn is_in_order(answer: &Answer) {
    if !answer.status.is_success() {
        assert!(answer.status.is_client_error(), "{}", answer.text());
        assert!(!error(answer).is_empty());
    }
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task)
}

fn any_length() -> impl Strategy<Value = i64> {
    prop_oneof![Just(2), 0_i64..5, any::<i64>(), Just(i64::MAX), Just(i64::MIN), Just(1 << 62), Just(1 << 32)]
}

fn any_datatype() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("FP32"), Just("FP64"), Just("INT8"), Just("UINT64"), Just("BOOL"), Just("")]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "[a-zäµ\"]{0,60}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{0,8}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape_with_any_bytes(
        shapes in prop::collection::vec(prop::collection::vec(any_length(), 0..4), 1..3),
        datatype in any_datatype(),
        size in prop_oneof![0_u64..40, any::<u64>()],
        binary in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let named = |(index, shape)| {
            let name = ["mean", "sd"][index];
            json!({"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}})
        };
        let inputs: Vec<Value> = shapes.into_iter().enumerate().map(named).collect();
        is_in_order(&block_on(infer_binary(&http(), &json!({ "inputs": inputs }), &binary)));
    }

    #[test]
    fn any_shape_with_any_data(
        shape in prop::collection::vec(any_length(), 0..4),
        datatype in any_datatype(),
        data in any_json(),
    ) {
        let input = json!({"name": "x", "datatype": datatype, "shape": shape, "data": data});
        is_in_order(&block_on(infer(&http(), &json!({ "inputs": [input] }))));
    }

    #[test]
    fn any_header_length_before_any_body(
        length in "[0-9]{0,25}|-1|[a-z]{1,3}",
        cut in 0_usize..200,
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let json = json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [0.5, 0.5]}]}).to_string();
        let body = [&json.as_bytes()[..cut.min(json.len())], &noise].concat();
        let request = http::Request::post(INFER).header("inference-header-content-length", length);
        is_in_order(&block_on(send(&http(), request.body(body.into()).unwrap())));
    }

    /// What was right before it was damaged at one place.
    #[test]
    fn any_damage(at in 0_usize..120, byte in any::<u8>()) {
        let mut json = json!({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [[0.5, 0.5]]}]}).to_string().into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let request = http::Request::post(INFER).body(json.into()).unwrap();
        is_in_order(&block_on(send(&http(), request)));
    }
}

#[tokio::test]
async fn a_shape_that_overflows_allocates_nothing() {
    for shape in [[1_u64 << 62, 2], [i64::MAX as u64, 2], [1 << 32, 2]] {
        let input = json!({"name": "x", "datatype": "FP64", "shape": shape, "data": []});
        let answer = infer(&http(), &json!({ "inputs": [input] })).await;
        assert_eq!(answer.status, 413, "{}", answer.text());
    }
}

#[tokio::test]
async fn depth_and_numbers_beyond_all_bounds_are_refused() {
    let router = http();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for data in
        [deep.as_str(), "[1e999,1]", "[-1e999,1]", "[1,2", "[NaN,1]", &format!("[{},1]", "9".repeat(10_000))]
    {
        let body = format!(
            "{{\"inputs\":[{{\"name\":\"x\",\"datatype\":\"FP64\",\"shape\":[1,2],\"data\":{data}}}]}}"
        );
        let request = http::Request::post(INFER).body(body.into()).unwrap();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        error(&answer);
    }
}
