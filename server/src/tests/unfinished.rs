//! Bodies that do not come to their end.

use std::time::Duration;

use axum::body::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;

use super::fixture::loaded;
use super::overload::{open_body, stream};
use crate::app;

#[tokio::test(start_paused = true)]
async fn a_stream_in_which_nothing_comes_is_told_so_and_ends() {
    let router = app::http(&loaded(None));
    let (sender, body) = open_body();
    sender.send(Ok(Bytes::from("[0.5,0.5]\n"))).unwrap();
    let answer = stream(&router, body).await;
    for _ in 1..10 {
        // Far longer than a request may take, but never too long without anything.
        tokio::time::sleep(Duration::from_secs(20)).await;
        sender.send(Ok(Bytes::from("[0.5,0.5]\n"))).unwrap();
    }
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-anomaly-errors"], "0");
    let text = String::from_utf8(collected.to_bytes().to_vec()).unwrap();
    assert_eq!(text.lines().count(), 11);
    assert_eq!(text.lines().last(), Some(r#"{"row":10,"error":"nothing came for 30 s"}"#));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come_is_told_that_it_took_too_long() {
    let router = app::http(&loaded(None));
    let (sender, body) = open_body();
    sender.send(Ok(Bytes::from("mean,"))).unwrap();
    let request = Request::post("/predictions").header("content-type", "text/csv").body(body).unwrap();
    let answer = router.serve(request).await;
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_so() {
    let router = app::http(&loaded(None));
    let (sender, body) = open_body();
    sender.send(Ok(Bytes::from("[0.5,0.5]\n[0.5"))).unwrap();
    sender.send(Err(std::io::ErrorKind::ConnectionReset.into())).unwrap();
    let collected = stream(&router, body).await.into_body().collect().await.unwrap();
    let text = String::from_utf8(collected.to_bytes().to_vec()).unwrap();
    assert_eq!(text.lines().last(), Some(r#"{"row":1,"error":"the body broke off before its end"}"#));
}
