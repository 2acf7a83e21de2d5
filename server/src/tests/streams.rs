//! `POST /predictions` over sockets: both directions at once, trailers, connections that are kept, slow clients, the
//! end of the server.

use std::time::Duration;

use super::fixture::directory;
use super::wire::{Running, get, ordinary};
use crate::config::Public;
use crate::server::Stop;

const CHUNKED: &str = "POST /predictions?columns=is_inlier HTTP/1.1\r\nhost: test\r\n\
    content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nte: trailers\r\n\r\n";

const LINE: &str = "{\"is_inlier\":true}\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn whole(head: &str, body: &str) -> String {
    format!(
        "POST /predictions?columns=is_inlier HTTP/1.1\r\nhost: test\r\n{head}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_row_is_answered_before_the_next_is_sent_and_the_connection_is_kept() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    client.send(format!("{CHUNKED}{}", chunk("[0.5,0.5]\n"))).await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("trailer: x-anomaly-errors"), "{head}");
    assert!(!head.contains("connection: close"), "{head}");
    assert_eq!(client.chunk().await.as_deref(), Ok(LINE));
    for _ in 0..2 {
        client.send(chunk("[0.5,0.5]\n")).await;
        assert_eq!(client.chunk().await.as_deref(), Ok(LINE));
    }
    client.send(chunk("[1]\n") + "0\r\n\r\n").await;
    let (last, trailers) = client.chunks().await;
    assert!(last.starts_with("{\"row\":3,\"error\":"), "{last}");
    assert_eq!(trailers, "x-anomaly-errors: 1\r\n\r\n");
    assert_eq!(client.ask(ordinary()).await.status, 200);
}

#[tokio::test]
async fn trailers_are_for_those_who_ask_and_others_get_all_the_lines() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    let head = "content-type: text/csv\r\n";
    for _ in 0..2 {
        client.send(whole(head, "mean,sd\n0.5,0.5\n")).await;
        client.head().await;
        assert_eq!(client.chunks().await, ("is_inlier,error\ntrue,\n".to_owned(), "\r\n".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_may_be_longer_than_any_body_and_its_client_reads_while_it_sends() {
    const ROWS: usize = 200_000;
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    client.send(CHUNKED).await;
    let piece = chunk(&"[0.5,0.5]\n".repeat(1_000));
    client.send(&piece).await;
    client.head().await;
    let mut lines = 0;
    for _ in 1..ROWS / 1_000 {
        client.send(&piece).await;
        lines += client.chunk().await.unwrap().lines().count();
    }
    client.send("0\r\n\r\n").await;
    let (rest, trailers) = client.chunks().await;
    assert_eq!((lines + rest.lines().count(), trailers.as_str()), (ROWS, "x-anomaly-errors: 0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_loses_its_connection() {
    let server = Running::start(|config| config.limits.stall_timeout = Duration::from_millis(300)).await;
    let mut client = server.connect().await;
    client.send(CHUNKED).await;
    // Far more than the buffers of both sides and of the kernel hold.
    let piece = chunk(&"[0.5,0.5]\n".repeat(10_000));
    assert!(client.is_cut_off(piece.as_bytes(), 5_000).await);
    assert_eq!(server.connect().await.ask(ordinary()).await.status, 200);
}

#[tokio::test]
async fn after_a_thousand_bad_rows_the_client_has_all_lines_although_it_went_on_sending() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    client.send(format!("{CHUNKED}{}", chunk(&"[1]\n".repeat(10_000)))).await;
    client.send(chunk(&"[1]\n".repeat(100_000))).await;
    client.head().await;
    let (lines, trailers) = client.chunks().await;
    assert_eq!((lines.lines().count(), trailers.as_str()), (1_001, "x-anomaly-errors: 1000\r\n\r\n"));
    client.closed().await;
}

#[tokio::test]
async fn a_batch_that_is_refused_by_its_head_is_never_sent() {
    let server = Running::start(|config| config.limits.max_body_bytes = 1_000).await;
    let head = "expect: 100-continue\r\n";
    for (head, length, status) in [
        (format!("{head}content-type: application/json\r\n"), 2_000, 413),
        (format!("{head}content-encoding: br\r\n"), 10, 415),
        (format!("{head}content-type: text/csv\r\naccept: text/html\r\n"), 10, 406),
    ] {
        let request =
            format!("POST /predictions HTTP/1.1\r\nhost: test\r\n{head}content-length: {length}\r\n\r\n");
        let reply = server.connect().await.ask(request).await;
        assert!(reply.status == status && reply.closes(), "{reply:?}");
    }
}

/// As curl does with large bodies.
#[tokio::test]
async fn a_client_that_asks_before_it_streams_is_told_to_go_on_before_it_is_answered() {
    let server = Running::start(|config| config.limits.max_body_bytes = 1_000).await;
    let rows = "[0.5,0.5]\n".repeat(1_000);
    for announced in ["transfer-encoding: chunked".to_owned(), format!("content-length: {}", rows.len())] {
        let mut client = server.connect().await;
        let head = "POST /predictions HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\n";
        let asked = client.ask(format!("{head}expect: 100-continue\r\n{announced}\r\n\r\n")).await;
        assert_eq!(asked.status, 100, "{announced}");
        let chunked = announced.contains("chunked");
        client.send(if chunked { chunk(&rows) + "0\r\n\r\n" } else { rows.clone() }).await;
        assert!(client.head().await.starts_with("http/1.1 200"));
        assert_eq!(client.chunks().await.0.lines().count(), 1_000);
    }
}

#[tokio::test]
async fn draining_lets_a_stream_finish() {
    let server = Running::start(|config| config.drain.lame_duck = Duration::from_secs(3_600)).await;
    let mut client = server.connect().await;
    client.send(format!("{CHUNKED}{}", chunk("[0.5,0.5]\n"))).await;
    client.head().await;
    assert_eq!(client.chunk().await.as_deref(), Ok(LINE));
    server.stop(Stop::Drain).await;
    server.stop(Stop::Now).await;

    for _ in 0..3 {
        client.send(chunk("[0.5,0.5]\n")).await;
        assert_eq!(client.chunk().await.as_deref(), Ok(LINE));
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunks().await.1, "x-anomaly-errors: 0\r\n\r\n");
    client.closed().await;
    drop(client);
    server.ended().await;
}

#[tokio::test]
async fn on_the_public_port_batches_need_the_password() {
    let auth = directory("batches").join("auth");
    std::fs::write(&auth, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let mut public = Public::new(([127, 0, 0, 1], 0).into(), auth);
    public.base_path = "/a".parse().unwrap();
    let server = Running::start_public(public).await;
    let ask = |path: &str, authorization: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: test\r\n{authorization}content-length: 11\r\n\r\n[[0.5,0.5]]")
    };
    let ann = "authorization: Basic YW5uOnNlY3JldA==\r\n";
    for (path, authorization, status) in [
        ("/a/predictions", "", 401),
        ("/predictions", "", 401),
        ("/a/predictions", "authorization: Basic YW5uOndyb25n\r\n", 401),
        ("/predictions", ann, 404),
        ("/a/predictions", ann, 200),
    ] {
        let reply = server.connect().await.ask(ask(path, authorization)).await;
        assert_eq!(reply.status, status, "{path} {authorization}");
    }
    let wrong_method = get("/a/predictions").replace("host: test\r\n", &format!("host: test\r\n{ann}"));
    assert_eq!(server.connect().await.ask(wrong_method).await.status, 405);
}
