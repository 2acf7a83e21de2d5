//! The end of a server: no request that a client was right to send is lost.

use std::time::Duration;

use super::wire::{Running, get, ordinary};
use crate::server::Stop;

/// Lame duck until the test says otherwise.
async fn lame_duck() -> Running {
    Running::start(|config| config.drain.lame_duck = Duration::from_secs(3_600)).await
}

#[tokio::test]
async fn in_lame_duck_every_answer_closes_its_connection_and_new_ones_are_welcome() {
    let server = lame_duck().await;
    let mut kept = server.connect().await;
    assert!(!kept.ask(ordinary()).await.closes());
    server.stop(Stop::Drain).await;
    until_closing(&server).await;

    let reply = kept.ask(ordinary()).await;
    assert!(reply.status == 200 && reply.closes(), "{reply:?}");
    kept.closed().await;
    for path in ["/readyz", "/healthz", "/model_information"] {
        let reply = server.connect().await.ask(get(path)).await;
        assert!(reply.status == 200 && reply.closes(), "{path}: {reply:?}");
    }
    server.stop(Stop::Now).await;
    server.ended().await;
}

/// Waits until the signal has been heard.
async fn until_closing(server: &Running) {
    while !server.connect().await.ask(get("/healthz")).await.closes() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_lame_duck_idle_connections_close_and_what_is_in_flight_is_answered() {
    let server = lame_duck().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(ordinary()).await.status, 200);
    let mut unused = server.connect().await;
    let mut in_body = server.connect().await;
    in_body
        .send("POST /prediction HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 8\r\n\r\n")
        .await;
    assert_eq!(in_body.reply().await.status, 100);
    let mut in_head = server.connect().await;
    assert_eq!(in_head.ask(ordinary()).await.status, 200);
    in_head.send("GET /healthz HTTP/1.1\r\n").await;
    // Connections are served in the order in which they came, so the half head has been read by now.
    until_read(&server).await;

    server.stop(Stop::Drain).await;
    server.stop(Stop::Now).await;
    idle.closed().await;
    unused.closed().await;
    // A closed connection lingers until its client has gone.
    drop((idle, unused));
    let reply = in_body.ask("[0.1, 1]").await;
    assert!(reply.status == 200 && reply.closes(), "{reply:?}");
    let reply = in_head.ask("host: test\r\n\r\n").await;
    assert!(reply.status == 200 && reply.closes(), "{reply:?}");
    server.ended().await;
}

async fn until_read(server: &Running) {
    for _ in 0..10 {
        assert_eq!(server.connect().await.ask(get("/healthz")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_is_lost() {
    let server = std::sync::Arc::new(lame_duck().await);
    let clients: Vec<_> =
        (0..8).map(|_| tokio::spawn(asks_until_told_often(std::sync::Arc::clone(&server)))).collect();
    tokio::task::yield_now().await;
    server.stop(Stop::Drain).await;
    for client in clients {
        client.await.unwrap();
    }
    server.stop(Stop::Now).await;
    std::sync::Arc::into_inner(server).unwrap().ended().await;
}

/// As a proxy does: one connection for many requests, a new one when told to; ends after twenty new ones.
async fn asks_until_told_often(server: std::sync::Arc<Running>) {
    let mut client = server.connect().await;
    let mut told = 0;
    while told < 20 {
        let reply = client.ask(ordinary()).await;
        assert_eq!(reply.status, 200);
        if reply.closes() {
            told += 1;
            client = server.connect().await;
        }
    }
}

#[tokio::test]
async fn an_interrupt_ends_at_once_and_a_hanging_request_does_not_keep_it() {
    let server = Running::start(|config| config.drain.finish = Duration::from_millis(100)).await;
    let mut hanging = server.connect().await;
    hanging
        .send("POST /prediction HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n")
        .await;
    assert_eq!(hanging.reply().await.status, 100);
    server.stop(Stop::Now).await;
    server.ended().await;
}

#[tokio::test]
async fn who_has_asked_is_answered_however_many_wait_to_be_accepted_at_the_end() {
    let server = Running::start(|_| {}).await;
    let waiting: Vec<_> = (0..300).map(|_| server.ask_unaccepted(&get("/healthz"))).collect();
    server.stop(Stop::Now).await;
    for mut client in waiting {
        assert_eq!(client.reply().await.status, 200);
    }
    server.ended().await;
}
