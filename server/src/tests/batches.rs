//! `POST /predictions` without sockets: forms, all-or-nothing, error lines, columns, limits.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use detectors::Scored;
use futures::FutureExt as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use serde_json::Value;

use super::fixture::{
    Answer, CSV, JSON, NDJSON, batch, http, limited, loaded, of_features, post, send, serving,
};
use crate::app;
use crate::config::Limits;
use crate::edge::Edge;

fn scored(row: [f64; 2]) -> Scored {
    loaded(None).model().unwrap().model.score_row(&row).unwrap()
}

fn bits(scored: &Scored) -> (bool, u64, u64) {
    (scored.is_inlier, scored.anomaly_score.to_bits(), scored.severity.unwrap().to_bits())
}

fn json_bits(prediction: &Value) -> (bool, u64, u64) {
    let number = |name: &str| prediction[name].as_f64().unwrap().to_bits();
    (prediction["is_inlier"].as_bool().unwrap(), number("anomaly_score"), number("severity"))
}

fn csv_bits(line: &str) -> (bool, u64, u64) {
    let cells: Vec<&str> = line.split(',').collect();
    assert_eq!(cells.len(), 4, "{line}");
    let number = |cell: &str| cell.parse::<f64>().unwrap().to_bits();
    (cells[0].parse().unwrap(), number(cells[1]), number(cells[2]))
}

#[tokio::test]
async fn json_is_taken_in_both_shapes_with_rows_of_both_kinds() {
    let router = http();
    let expected = [scored([0.5, 0.25]), scored([90.0, -90.0])].map(|scored| bits(&scored));
    for body in [
        "[[0.5, 0.25], [90, -90]]",
        r#"{"rows": [[0.5, 0.25], [90, -90]]}"#,
        r#"{"rows": [{"mean": 0.5, "sd": 0.25}, {"sd": -90, "mean": 90}]}"#,
        r#" [{"sd": 25e-2, "mean": 0.5}, [9e1, -90.0]] "#,
    ] {
        let answer = post(&router, "/predictions", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}");
        assert_eq!(answer.header("content-type"), JSON);
        let json = answer.json();
        assert_eq!(json["revision"], "machine-r-0a1b2c3d-1");
        assert_eq!(json["threshold"].as_f64(), Some(loaded(None).model().unwrap().model.threshold()));
        let predictions = json["predictions"].as_array().unwrap();
        assert_eq!(predictions.iter().map(json_bits).collect::<Vec<_>>(), expected, "{body}");
        assert_eq!(json.as_object().map(|members| members.len()), Some(3));
    }
}

/// Every form of request with every form of answer.
#[tokio::test]
async fn the_answer_has_the_type_that_is_accepted() {
    let router = http();
    let bodies = [
        (JSON, "[[0.5,0.5],[90,-90]]"),
        (NDJSON, "[0.5,0.5]\n[90,-90]\n"),
        (CSV, "mean,sd\n0.5,0.5\n90,-90\n"),
    ];
    let mut answers = BTreeMap::new();
    for (content_type, body) in bodies {
        for accept in [JSON, NDJSON, CSV] {
            let answer = batch(&router, "", content_type, accept, body).await;
            assert_eq!(answer.status, StatusCode::OK, "{content_type} to {accept}");
            assert_eq!(answer.header("content-type").split(';').next(), Some(accept));
            let first = answers.entry(accept).or_insert_with(|| answer.text());
            assert_eq!(*first, answer.text(), "{content_type} to {accept}");
        }
        let own = batch(&router, "", content_type, "", body).await;
        assert_eq!(own.header("content-type").split(';').next(), Some(content_type));
    }
    insta::assert_yaml_snapshot!(answers);
}

#[tokio::test]
async fn nothing_in_gives_nothing_out() {
    let router = http();
    assert_eq!(post(&router, "/predictions", "[]").await.json()["predictions"], serde_json::json!([]));
    assert_eq!(batch(&router, "", NDJSON, "", "\n\r\n").await.text(), "");
    assert_eq!(batch(&router, "", CSV, "", "mean,sd\n").await.lines().len(), 1);
}

/// Numbers of all magnitudes, made without a crate: splitmix64's bits, those that are out of range left out.
fn doubles(count: usize) -> Vec<f64> {
    let mut state = 16_u64;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(mixed ^ (mixed >> 31))
    };
    // Every other one between 0 and 1, where the model's training was.
    let as_double = |(index, bits): (usize, u64)| match index % 4 {
        0 | 1 => (bits >> 11) as f64 / (1_u64 << 53) as f64,
        _ => f64::from_bits(bits),
    };
    let all = std::iter::from_fn(next).enumerate().map(as_double);
    all.filter(|value| value.abs() <= f64::from(f32::MAX)).take(count).collect()
}

#[tokio::test]
async fn ten_thousand_doubles_come_through_every_form_to_the_last_bit() {
    let (router, values) = (http(), doubles(10_000));
    let rows: Vec<[f64; 2]> = values.chunks(2).map(|row| [row[0], row[1]]).collect();
    let model = loaded(None);
    let model = &model.model().unwrap().model;
    let expected: Vec<_> = rows.iter().map(|row| bits(&model.score_row(row).unwrap())).collect();

    let json = serde_json::to_string(&rows).unwrap();
    let answer = post(&router, "/predictions", json).await.json();
    let got: Vec<_> = answer["predictions"].as_array().unwrap().iter().map(json_bits).collect();
    assert!(got == expected, "JSON");

    let ndjson: String = rows.iter().map(|row| format!("[{:e},{}]\n", row[0], row[1])).collect();
    let lines = batch(&router, "", NDJSON, "", ndjson).await.lines();
    let got: Vec<_> = lines.iter().map(|line| json_bits(&serde_json::from_str(line).unwrap())).collect();
    assert!(got == expected, "NDJSON");

    let csv: String = rows.iter().map(|row| format!("{},{:e}\r\n", row[1], row[0])).collect();
    let lines = batch(&router, "", CSV, "", format!("sd,mean\r\n{csv}")).await.lines();
    assert_eq!(lines[0], "is_inlier,anomaly_score,severity,error");
    let got: Vec<_> = lines[1..].iter().map(|line| csv_bits(line)).collect();
    assert!(got == expected, "CSV");

    for row in rows.iter().step_by(500) {
        let single = post(&router, "/prediction?score=true", serde_json::to_string(row).unwrap()).await;
        assert_eq!(json_bits(&single.json()), bits(&model.score_row(row).unwrap()));
    }
}

#[tokio::test]
async fn csv_columns_are_matched_by_name_and_quotes_crlf_and_byte_order_marks_are_read() {
    let body = "\u{feff}\"sd\", mean \r\n\"0.25\", 0.5\r\n\r\n-90,\"90\"";
    let lines = batch(&http(), "?columns=is_inlier,severity", CSV, "", body).await.lines();
    let expected = [scored([0.5, 0.25]), scored([90.0, -90.0])]
        .map(|scored| format!("{},{},", scored.is_inlier, serde_json::to_string(&scored.severity).unwrap()));
    assert_eq!(lines, ["is_inlier,severity,error", expected[0].as_str(), expected[1].as_str()]);
}

/// pandas makes " sd" of "mean, sd", and names columns by numbers that have no name.
#[tokio::test]
async fn a_csv_finds_features_whose_names_have_spaces_or_are_numbers() {
    for (names, header) in [(["mean", " sd"], "mean, sd"), (["1", "2"], "2,1"), (["1", "2"], " 1 , 2 ")] {
        let router = app::http(&serving(&of_features(names)));
        let answer = batch(&router, "", CSV, "", format!("{header}\n0.5,0.5\n")).await;
        assert_eq!((answer.status, answer.lines().len()), (StatusCode::OK, 2), "{names:?}, {header}");
    }
}

#[tokio::test]
async fn a_quote_that_is_never_closed_and_one_in_the_middle_lose_no_row_in_silence() {
    let router = http();
    let query = "?columns=is_inlier&passthrough=true";
    let csv = "mean,sd,note\n0.5,0.5,\"a\"\n\"0.5\"1,0.5,b\n90,-90,c\n0.5,0.5,\"d\n90,-90,e\n";
    let (lines, errors) = with_errors(&router, lines_of(CSV, query, csv)).await;
    assert_eq!((lines.len(), errors), (5, Some(2)), "{lines:?}");
    assert_eq!([&*lines[1], &*lines[3]], ["a,true,", "c,false,"]);
    assert!(lines[2].contains("behind a quoted cell"), "{lines:?}");
    assert!(lines[4].contains("what follows it was not read as rows"), "{lines:?}");

    for header in ["\"mean\"x,sd\n1,2\n", "mean,\"sd\n1,2\n"] {
        let answer = batch(&router, "", CSV, "", header).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{header}");
        assert!(answer.json()["errors"][0]["expected"].as_str().unwrap().contains("quote"), "{header}");
    }
}

/// Whatever is wrong with a batch, all of it is refused, with the rows that are wrong.
#[tokio::test]
async fn every_refusal_says_where_and_what_was_expected() {
    let router = http();
    let mut answers: BTreeMap<&str, Answer> = BTreeMap::new();
    for (name, content_type, body) in [
        (
            "bad rows in JSON",
            JSON,
            r#"[[1,2],[1],[1,null],{"mean":1},{"mean":1,"sd":2,"x":3},7,[1e999,"a"]]"#,
        ),
        ("JSON that is cut", JSON, "[[1,2],[1"),
        ("NaN in JSON", JSON, "[[1,NaN]]"),
        ("an object without rows", JSON, r#"{"instances": [[1,2]]}"#),
        ("an object with more than rows", JSON, r#"{"rows": [[1,2]], "x": 1}"#),
        ("a number", JSON, "5"),
        ("one row", JSON, "[1, 2]"),
        ("an unknown column", CSV, "time,mean,sd\n1,2,3\n"),
        ("a missing column", CSV, "mean\n2\n"),
        ("a column given twice", CSV, "mean,sd,mean\n"),
        ("no header", CSV, "1,2\n3,4\n"),
        ("an empty CSV", CSV, ""),
        ("a type that is not read", "text/plain", "1 2"),
    ] {
        answers.insert(name, batch(&router, "", content_type, "", body).await);
    }
    for (name, content_type, body) in [
        ("bad lines to JSON", NDJSON, "[1,2]\n[1,NaN]\nx\n{\"mean\":1,\"mean\":2,\"sd\":3}\n"),
        ("bad records to JSON", CSV, "mean,sd\n1,2\n1\n1,\n1,x\n1,2,3\n\"1\"2,3\n\"1,2\n3,4\n"),
    ] {
        answers.insert(name, batch(&router, "", content_type, JSON, body).await);
    }
    let request = Request::post("/predictions").header("content-encoding", "Identity");
    assert_eq!(send(&router, request.body(Body::from("[]")).unwrap()).await.status, StatusCode::OK);
    for (name, encoding) in [("an unknown encoding", "br"), ("no gzip", "gzip")] {
        let request = Request::post("/predictions").header("content-encoding", encoding);
        answers.insert(name, send(&router, request.body(Body::from("[]")).unwrap()).await);
    }
    answers.insert("a type that cannot be answered", batch(&router, "", JSON, "text/html", "[]").await);
    answers.insert("columns of JSON", batch(&router, "?columns=severity", JSON, "", "[]").await);
    answers.insert("unknown columns asked for", batch(&router, "?columns=x", CSV, "", "mean,sd\n").await);
    let objects = batch(&router, "?passthrough=true", NDJSON, CSV, "").await;
    answers.insert("objects passed through to CSV", objects);

    assert!(answers.values().all(|answer| answer.status.is_client_error() && answer.is_problem()));
    let bodies: BTreeMap<&str, Value> = answers.iter().map(|(name, answer)| (*name, answer.json())).collect();
    insta::assert_yaml_snapshot!(bodies);
}

#[tokio::test]
async fn of_many_bad_rows_twenty_are_listed() {
    let router = http();
    for (content_type, body) in [
        (JSON, format!("[{}]", ["[null,null]"; 300].join(","))),
        (NDJSON, "[null,null]\n".repeat(300)),
        (CSV, format!("mean,sd\n{}", "x,y\n".repeat(300))),
    ] {
        let answer = batch(&router, "", content_type, JSON, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(20), "{content_type}");
    }
}

#[tokio::test]
async fn deep_and_long_json_is_refused_without_descending() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for body in [deep(200_000), format!("[{}]", deep(200_000)), format!("{{\"rows\":{}}}", deep(200_000))] {
        let answer = post(&http(), "/predictions", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    }
}

fn small() -> Arc<Edge> {
    app::http(&limited(Limits { max_batch_rows: 300, max_body_bytes: 10_000, ..Limits::default() }))
}

#[tokio::test]
async fn rows_and_bytes_are_limited_where_json_is_part_and_not_where_lines_are_streamed() {
    let router = small();
    let json = |rows: usize| format!("[{}]", vec!["[1,2]"; rows].join(","));
    assert_eq!(post(&router, "/predictions", json(300)).await.status, StatusCode::OK);
    let lines = "[1,2]\n".repeat(301);
    for answer in [
        post(&router, "/predictions", json(301)).await,
        batch(&router, "", NDJSON, JSON, lines.clone()).await,
        batch(&router, "", NDJSON, JSON, "x\n".repeat(10) + &lines).await,
    ] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.json()["type"], "urn:anomaly-operator:problem:too-many-rows");
    }
    let long = post(&router, "/predictions", " ".repeat(10_001)).await;
    assert_eq!(long.json()["type"], "urn:anomaly-operator:problem:body-too-large");

    let rows = 20_000;
    let answer = batch(&router, "", NDJSON, "", "[1,2]\n".repeat(rows)).await;
    assert_eq!((answer.status, answer.lines().len()), (StatusCode::OK, rows));
    let answer = batch(&router, "", CSV, NDJSON, format!("mean,sd\n{}", "1,2\n".repeat(rows))).await;
    assert_eq!((answer.status, answer.lines().len()), (StatusCode::OK, rows));
}

/// A whole answer with its trailer.
async fn with_errors(router: &Arc<Edge>, request: Request<Body>) -> (Vec<String>, Option<u64>) {
    let response = router.serve(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["trailer"], "x-anomaly-errors");
    let collected = response.into_body().collect().await.unwrap();
    let errors = collected.trailers().and_then(|t| t.get("x-anomaly-errors")?.to_str().ok()?.parse().ok());
    let text = String::from_utf8(collected.to_bytes().to_vec()).unwrap();
    (text.lines().map(str::to_owned).collect(), errors)
}

fn lines_of(content_type: &str, query: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(format!("/predictions{query}")).header("content-type", content_type);
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_bad_line_is_told_and_the_stream_goes_on() {
    let body =
        "[0.5,0.5]\n[1]\n{\"mean\":0.5,\"sd\":0.5}\nhello\n[0.5,Infinity]\n{\"mean\":1,\"x\":2}\n[90,-90]";
    let (lines, errors) = with_errors(&http(), lines_of(NDJSON, "?columns=is_inlier", body)).await;
    assert_eq!(errors, Some(4));
    insta::assert_yaml_snapshot!(lines);
}

#[tokio::test]
async fn a_bad_record_is_told_in_its_own_column_and_the_stream_goes_on() {
    let body = "time,mean,sd\nt0,0.5,0.5\nt1,,0.5\n\"t,2\",0.5,high\nt3,1\nt4,90,-90,1\nt5,90,-90\n";
    let query = "?columns=is_inlier&passthrough=true";
    let (lines, errors) = with_errors(&http(), lines_of(CSV, query, body)).await;
    assert_eq!(errors, Some(4));
    insta::assert_yaml_snapshot!(lines);
}

#[tokio::test]
async fn after_a_thousand_bad_rows_a_stream_ends_and_says_so() {
    let rows = format!("[0.5,0.5]\n{}", "[1]\n".repeat(5_000));
    let (lines, errors) = with_errors(&http(), lines_of(NDJSON, "", rows)).await;
    assert_eq!((lines.len(), errors), (1 + 1_000 + 1, Some(1_000)));
    assert_eq!(lines[1_001], r#"{"row":1001,"error":"1000 rows were wrong: the rest is not read"}"#);

    let rows = format!("mean,sd\n{}", "x,1\n".repeat(5_000));
    let (lines, errors) = with_errors(&http(), lines_of(CSV, "", rows)).await;
    assert_eq!((lines.len(), errors), (1 + 1_000 + 1, Some(1_000)));
    assert_eq!(lines[1_001], ",,,1000 rows were wrong: the rest is not read");
}

#[tokio::test]
async fn a_line_too_long_to_be_held_is_a_bad_row() {
    let long = " ".repeat(200_000);
    let body = format!("[0.5,0.5]\n[1,{long}2]\n[0.5,0.5]\n[{long}");
    let (lines, errors) = with_errors(&http(), lines_of(NDJSON, "?columns=is_inlier", body)).await;
    assert_eq!((lines.len(), errors), (4, Some(2)), "{lines:?}");
    assert!(lines[1].contains("a row of at most"), "{lines:?}");
    assert_eq!(lines[2], r#"{"is_inlier":true}"#);
}

#[tokio::test]
async fn what_is_passed_through_stands_beside_its_answer() {
    let router = http();
    let csv = "id,mean,note,sd\n7,0.5,\"a \"\"b\"\", c\",0.5\n8,90,,-90\n";
    let query = "?columns=is_inlier&passthrough=true";
    let lines = batch(&router, query, CSV, "", csv).await.lines();
    assert_eq!(lines, ["id,note,is_inlier,error", "7,\"a \"\"b\"\", c\",true,", "8,,false,"]);
    let lines = batch(&router, query, CSV, NDJSON, csv).await.lines();
    assert_eq!(lines[0], r#"{"id":"7","note":"a \"b\", c","is_inlier":true}"#);

    let row = "{\"id\":7,\"mean\":0.5,\"tags\":[1,\r {\"a\":null}],\"sd\":0.5}";
    let passed = r#"{"id":7,"tags":[1,  {"a":null}],"is_inlier":true}"#;
    let ndjson = format!("{}\n[90,-90]\n", row.replace('\n', " "));
    let lines = batch(&router, query, NDJSON, "", ndjson).await.lines();
    assert_eq!(lines, [passed, r#"{"is_inlier":false}"#]);
    let json = batch(&router, "?passthrough=true", JSON, "", format!("[{row},[90,-90]]")).await.json();
    assert_eq!(json["predictions"][0]["tags"], serde_json::json!([1, {"a": null}]));
    assert_eq!(json["predictions"][1]["id"], Value::Null);

    for (content_type, body) in
        [(JSON, r#"[{"mean":1,"sd":2,"severity":3}]"#), (CSV, "mean,sd,severity\n"), (CSV, "mean,sd,error\n")]
    {
        let answer = batch(&router, "?passthrough=true", content_type, "", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    let mut packed = Vec::with_capacity(zstd_safe::compress_bound(text.len()));
    zstd_safe::compress(&mut packed, text.as_bytes(), 3).unwrap();
    packed
}

fn packed(encoding: &'static str, content_type: &str, text: &str) -> Request<Body> {
    let body = if encoding.eq_ignore_ascii_case("zstd") { zstd(text) } else { gzip(text) };
    let (mut parts, body) = lines_of(content_type, "", body).into_parts();
    parts.headers.insert("content-encoding", http::HeaderValue::from_static(encoding));
    Request::from_parts(parts, body)
}

#[tokio::test]
async fn compressed_batches_are_unpacked_and_bombs_are_not() {
    let router = http();
    for encoding in ["gzip", "zstd", "ZSTD"] {
        let packed = |content_type, text| packed(encoding, content_type, text);
        let json = send(&router, packed(JSON, "[[0.5,0.5]]")).await;
        assert_eq!(json.body, post(&router, "/predictions", "[[0.5,0.5]]").await.body);
        let mut explained = packed(JSON, "[[0.5,0.5]]");
        *explained.uri_mut() = "/explain".parse().unwrap();
        let explained = send(&router, explained).await;
        assert_eq!(explained.body, post(&router, "/explain", "[[0.5,0.5]]").await.body);
        let rows = 30_000;
        let lines: String = (0..rows).map(|n| format!("[0.5,{n}e-5]\n")).collect();
        let (answers, errors) = with_errors(&router, packed(NDJSON, &lines)).await;
        assert_eq!((answers.len(), errors), (rows, Some(0)), "{encoding}");

        let bomb = " ".repeat(20 << 20);
        let refused = send(&router, packed(JSON, &bomb)).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
        let bomb = format!("[0.5,0.5]\n{}", "\n".repeat(20 << 20));
        let (answers, _) = with_errors(&router, packed(NDJSON, &bomb)).await;
        let last = r#"{"row":1,"error":"the body unpacks to more than 100 times its size"}"#;
        assert_eq!((answers.len(), answers[1].as_str()), (2, last), "{encoding}");
    }
    let twice = packed("gzip, zstd", JSON, "[[0.5,0.5]]");
    assert_eq!(send(&router, twice).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// A long name in a CSV's header comes back with every row.
#[tokio::test]
async fn names_that_are_repeated_with_every_row_are_bounded_in_memory() {
    let (router, rows) = (small(), 299);
    let csv = format!("mean,sd,{}\n{}", "n".repeat(5_000), "0.5,0.5,1\n".repeat(rows));
    let whole = batch(&router, "?passthrough=true", CSV, JSON, csv.clone()).await;
    assert_eq!(whole.json()["type"], "urn:anomaly-operator:problem:answer-too-large");
    let request = lines_of(CSV, "?passthrough=true", csv);
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("accept", http::HeaderValue::from_static(NDJSON));
    let answer = router.serve(Request::from_parts(parts, body)).await;
    let (mut longest, mut lines, mut body) = (0, 0, answer.into_body());
    while let Some(Ok(data)) = body.frame().await.map(|frame| frame.map(|frame| frame.into_data())) {
        let Ok(data) = data else { break };
        longest = longest.max(data.len());
        lines += data.iter().filter(|byte| **byte == b'\n').count();
    }
    assert_eq!(lines, rows);
    assert!(longest < 300_000, "{longest}");
}

#[tokio::test]
async fn an_answer_does_not_depend_on_the_pieces_of_the_request() {
    let router = http();
    let rows: String = (0..700).map(|n| format!("{},0.5,\"{n}\r\n\"\r\n", f64::from(n) / 700.0)).collect();
    let text = format!("\u{feff}mean,sd,note\r\n{rows}");
    let expected = batch(&router, "?passthrough=true", CSV, "", text.clone()).await.text();
    for piece in [1, 7, 4_096] {
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            text.as_bytes().chunks(piece).map(|piece| Ok(piece.to_vec())).collect();
        let body = Body::from_stream(futures::stream::iter(pieces));
        assert!(batch(&router, "?passthrough=true", CSV, "", body).await.text() == expected, "{piece}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_body_that_came_in_pieces_is_answered_a_moment_after_its_end() {
    let router = http();
    // (the clock stands still unless somebody waits for it)
    let waited = async |headers: &[(&'static str, &str)], rows: usize| {
        let mut request = lines_of(NDJSON, "", "[0.5, 0.5]\n".repeat(rows));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let before = tokio::time::Instant::now();
        assert_eq!(router.serve(request).await.status(), StatusCode::OK);
        before.elapsed().as_millis()
    };
    let forwarded = ("x-forwarded-for", "192.0.2.1");
    assert_eq!(waited(&[forwarded], 400).await, 1);
    assert_eq!(waited(&[], 400).await, 0);
    // A proxy's buffer has room for a short body, beside a short head that need not go first.
    assert_eq!(waited(&[forwarded], 300).await, 0);
    assert_eq!(waited(&[forwarded, ("cookie", &"x".repeat(1_000))], 300).await, 1);
    assert_eq!(waited(&[forwarded, ("expect", "100-continue")], 300).await, 1);
}

/// A body that comes in pieces, of known length; the last may never come.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    stalls: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.stalls && self.pieces.len() == 1 {
            return Poll::Pending;
        }
        Poll::Ready(self.pieces.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.as_slice().iter().map(|piece| piece.len() as u64).sum())
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_forwarded_body_that_is_still_coming_does_not_wait() {
    let limits = Limits { max_body_bytes: 8 << 10, ..Limits::default() };
    let router = app::http(&limited(limits));
    let piece = Bytes::from("[0.5, 0.5]\n".repeat(400));
    // Four times the limit is read before it is answered, if it comes within a second.
    for (pieces, stalls, waited) in [(1, false, 1), (7, false, 1), (8, false, 0), (7, true, 1_000)] {
        let body = Body::new(Pieces { pieces: vec![piece.clone(); pieces].into_iter(), stalls });
        let mut request = lines_of(NDJSON, "", body);
        request.headers_mut().insert("x-forwarded-for", http::HeaderValue::from_static("192.0.2.1"));
        let before = tokio::time::Instant::now();
        let answer = router.serve(request).await;
        assert_eq!(before.elapsed().as_millis(), waited, "{pieces}");
        if stalls {
            continue;
        }
        let lines = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 400 * pieces);
    }
}

#[tokio::test]
async fn lines_that_came_as_a_whole_are_answered_with_the_first_of_their_answers() {
    let router = http();
    let mut answer = router.serve(lines_of(NDJSON, "", "[0.5, 0.5]\n")).await.into_body();
    let first = answer.frame().now_or_never().unwrap().unwrap().unwrap();
    assert!(first.into_data().unwrap().starts_with(b"{\"is_inlier\":true"));
}
