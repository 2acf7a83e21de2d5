//! Time-outs, sizes and the number of connections, over real sockets.

use std::time::Duration;

use super::fixture::directory;
use super::wire::{Client, Running, get, ordinary, post};
use crate::config::Public;

/// Short enough for a test to wait for.
const SHORT: Duration = Duration::from_millis(200);

const TEN_MEGABYTES: usize = 10 << 20;

/// A body of which two are too much for a megabyte.
const LARGE: usize = 900 << 10;

#[tokio::test]
async fn a_slow_head_ends_its_connection_and_an_idle_connection_lives_on() {
    let server = Running::start(|config| config.limits.header_timeout = SHORT).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask(ordinary()).await.status, 200);
    let mut slow = server.connect().await;
    slow.send("POST /prediction HTTP/1.1\r\nhost:").await;
    slow.closed().await;
    assert_eq!(idle.ask(ordinary()).await.status, 200);
}

#[tokio::test]
async fn a_slow_head_after_a_first_request_ends_its_connection_too() {
    let server = Running::start(|config| config.limits.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask(ordinary()).await.status, 200);
    client.send("POST /pre").await;
    client.closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let server = Running::start(|config| config.limits.idle_timeout = SHORT).await;
    let mut unused = server.connect().await;
    let mut used = server.connect().await;
    assert_eq!(used.ask(ordinary()).await.status, 200);
    used.closed().await;
    unused.closed().await;
}

#[tokio::test]
async fn a_slow_body_is_told_that_it_took_too_long() {
    let server = Running::start(|config| config.limits.request_timeout = SHORT).await;
    let mut client = server.connect().await;
    let reply = client.ask("POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n[").await;
    assert_eq!(reply.status, 408);
    assert!(reply.closes() && reply.body.contains("request-timeout"), "{reply:?}");
    client.closed().await;
}

#[tokio::test]
async fn requests_sent_in_one_go_are_answered_in_order() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    client.send([get("/healthz"), ordinary(), post("["), get("/nothing"), ordinary()].concat()).await;
    for status in [200, 200, 400, 404, 200] {
        assert_eq!(client.reply().await.status, status);
    }
}

/// A client that does not read before it has sent everything still gets its answer, not a reset.
async fn all_of_it_then_the_answer(client: &mut Client, request: Vec<u8>) {
    let reply = client.ask(request).await;
    assert_eq!(reply.status, 413);
    assert!(reply.closes() && reply.body.contains("body-too-large"), "{reply:?}");
}

#[tokio::test]
async fn ten_megabytes_are_refused_by_their_announced_length() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    all_of_it_then_the_answer(&mut client, post(&" ".repeat(TEN_MEGABYTES)).into_bytes()).await;
}

#[tokio::test]
async fn ten_megabytes_that_were_not_announced_are_refused() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, " ".repeat(1 << 16));
    let head = "POST /prediction HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let request = format!("{head}{}0\r\n\r\n", chunk.repeat(TEN_MEGABYTES >> 16));
    all_of_it_then_the_answer(&mut client, request.into_bytes()).await;
}

#[tokio::test]
async fn large_bodies_are_refused_while_others_hold_the_memory_and_small_ones_are_not() {
    let server = Running::start(|config| config.limits.max_bodies_bytes = 1 << 20).await;
    let head = "POST /prediction HTTP/1.1\r\nhost: test\r\n";
    let announced = format!("{head}expect: 100-continue\r\ncontent-length: {LARGE}\r\n\r\n");
    let vector = "[0.1, 1]";
    let body = " ".repeat(LARGE - vector.len()) + vector;
    let mut first = server.connect().await;
    assert_eq!(first.ask(&announced).await.status, 100);
    let (most, rest) = body.split_at(LARGE - 1);
    first.send(most).await;

    let reply = server.connect().await.ask(&announced).await;
    assert_eq!(reply.status, 503);
    assert!(reply.closes() && reply.head.contains("retry-after: 1"), "{reply:?}");
    let unannounced = format!("{head}transfer-encoding: chunked\r\n\r\n{}", "1\r\n \r\n".repeat(LARGE));
    assert_eq!(server.connect().await.ask(unannounced).await.status, 503);
    assert_eq!(server.connect().await.ask(ordinary()).await.status, 200);

    // What was held is given back.
    assert_eq!(first.ask(rest).await.status, 200);
    assert_eq!(first.ask(post(&body)).await.status, 200);
}

#[tokio::test]
async fn who_announces_a_large_body_and_sends_little_of_it_keeps_out_nobody_for_long() {
    let server = Running::start(|config| {
        config.limits.max_bodies_bytes = 1 << 20;
        config.limits.request_timeout = Duration::from_secs(600);
    })
    .await;
    let mut slow = server.connect().await;
    slow.send(format!("POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: {LARGE}\r\n\r\n[")).await;
    let others = async {
        while server.connect().await.ask(post(&" ".repeat(LARGE))).await.status != 400 {
            tokio::time::sleep(SHORT).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), others).await.expect("they are kept out");
    slow.send(format!("0.1, 1]{}", " ".repeat(LARGE - 8))).await;
    assert_eq!(slow.reply().await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_refused_before_it_sends() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    let head = "POST /prediction HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n";
    let reply = client.ask(format!("{head}content-length: {TEN_MEGABYTES}\r\n\r\n")).await;
    assert_eq!(reply.status, 413);

    let mut client = server.connect().await;
    client.send(format!("{head}content-length: 8\r\n\r\n")).await;
    assert_eq!(client.reply().await.status, 100);
    assert_eq!(client.ask("[0.1, 1]").await.status, 200);
}

#[tokio::test]
async fn after_a_body_that_was_not_wanted_the_connection_is_closed() {
    let server = Running::start(|_| {}).await;
    let mut client = server.connect().await;
    let reply = client
        .ask("POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-type: text/csv\r\ncontent-length: 9\r\n\r\nmean")
        .await;
    assert_eq!(reply.status, 415);
    assert!(reply.closes(), "{reply:?}");
    client.closed().await;
}

#[tokio::test]
async fn beyond_the_limit_of_connections_probes_are_answered_and_others_told_to_come_back() {
    let server = Running::start(|config| config.limits.max_connections = 2).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert_eq!(first.ask(ordinary()).await.status, 200);
    assert_eq!(second.ask(ordinary()).await.status, 200);

    for path in ["/healthz", "/readyz", "/metrics"] {
        let reply = server.connect().await.ask(get(path)).await;
        assert!(reply.status == 200 && reply.closes(), "{path}: {reply:?}");
    }
    let mut third = server.connect().await;
    let reply = third.ask(ordinary()).await;
    assert_eq!(reply.status, 503);
    assert!(reply.closes() && reply.head.contains("retry-after: 1"), "{reply:?}");
    assert!(reply.head.contains("\r\nx-request-id: "), "{reply:?}");
    third.closed().await;
    let named = "GET /model_information HTTP/1.1\r\nhost: test\r\nx-request-id: mine\r\n\r\n";
    let reply = server.connect().await.ask(named).await;
    assert!(reply.status == 503 && reply.head.contains("\r\nx-request-id: mine\r\n"), "{reply:?}");
    // Probes were not refused.
    let metrics = server.connect().await.ask(get("/metrics")).await.body;
    for series in [
        "anomaly_http_connections_refused_total{port=\"http\"} 2\n",
        "anomaly_requests_shed_total{reason=\"connections\"} 2\n",
    ] {
        assert!(metrics.contains(series), "{series}");
    }

    drop(first);
    while server.connect().await.ask(ordinary()).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(second.ask(ordinary()).await.status, 200);
}

#[tokio::test]
async fn beyond_the_reserve_the_refusal_comes_unasked() {
    let server = Running::start(|config| config.limits.max_connections = 1).await;
    // One regular place and the reserve; connections are accepted in the order in which they come.
    let mut holders = Vec::new();
    for _ in 0..1 + crate::listen::RESERVE {
        holders.push(server.connect().await);
    }
    let refused = server.connect().await.reply().await;
    assert_eq!(refused.status, 503);
    assert!(refused.closes() && refused.body.contains("too many connections"), "{refused:?}");
    assert!(refused.head.contains("\r\nx-request-id: "), "{refused:?}");
}

/// What the HTTP parser refuses has the form of every other error, and is counted.
#[tokio::test]
async fn what_is_not_http_is_told_so_as_a_problem_and_counted() {
    let server = Running::start(|_| {}).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "a".repeat(100_000));
    let negative = "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: -1\r\n\r\n";
    let two = "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    let odd = "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n";
    let huge = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (request, status) in [
        ("hello\r\n\r\n", 400),
        (negative, 400),
        (two, 400),
        (odd, 400),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        (&long, 431),
        (&huge, 431),
        (&many, 431),
    ] {
        let mut client = server.connect().await;
        let reply = client.ask(request).await;
        let start: String = request.chars().take(40).collect();
        assert!(reply.status == status && reply.closes(), "{start}: {reply:?}");
        assert!(reply.head.contains("\r\ncontent-type: application/problem+json\r\n"), "{reply:?}");
        assert!(reply.head.contains("\r\nx-request-id: "), "{reply:?}");
        assert!(reply.body.contains(&format!("\"status\":{status}")), "{reply:?}");
        client.closed().await;
    }
    let metrics = server.connect().await.ask(get("/metrics")).await.body;
    for (code, count) in [(400, 5), (431, 3)] {
        let series =
            format!("anomaly_http_requests_total{{code=\"{code}\",port=\"http\",route=\"other\"}} {count}\n");
        assert!(metrics.contains(&series), "{series}");
    }
}

#[tokio::test]
async fn after_an_answer_the_beginning_of_another_request_has_the_time_of_a_head() {
    let server = Running::start(|config| config.limits.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    client.send(format!("{}{}POST /pred", ordinary(), get("/healthz"))).await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(client.reply().await.status, 200);
    client.closed().await;
}

#[tokio::test]
async fn silence_does_not_hold_a_port() {
    let server = Running::start(|config| {
        config.limits.header_timeout = SHORT;
        config.limits.max_connections = 4;
    })
    .await;
    let mut used = server.connect().await;
    assert_eq!(used.ask(ordinary()).await.status, 200);
    let mut silent = [server.connect().await, server.connect().await, server.connect().await];
    assert_eq!(server.connect().await.ask(ordinary()).await.status, 503);
    // Until half of the places are free again.
    silent[0].closed().await;
    while server.connect().await.ask(ordinary()).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(used.ask(ordinary()).await.status, 200, "the idle time is that of a connection in use");
}

#[tokio::test]
async fn a_head_of_more_than_sixteen_kilobytes_is_refused() {
    let server = Running::start(|_| {}).await;
    for (bytes, status) in [(15 << 10, 200), (17 << 10, 431)] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "a".repeat(bytes));
        assert_eq!(server.connect().await.ask(request).await.status, status, "{bytes}");
    }
}

/// A server with its port `public`, on which ann is let in.
async fn public(name: &str) -> Running {
    let auth = directory(name).join("auth");
    std::fs::write(&auth, "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    Running::start_public(Public::new(([127, 0, 0, 1], 0).into(), auth)).await
}

#[tokio::test]
async fn the_public_port_answers_with_the_challenge_over_a_socket() {
    let server = public("socket").await;
    let mut client = server.connect().await;
    let reply = client.ask(get("/model_information")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.head.contains("www-authenticate: basic realm=\"machine\""), "{reply:?}");
    let authorized =
        "GET /model_information HTTP/1.1\r\nhost: test\r\nauthorization: Basic YW5uOnNlY3JldA==\r\n\r\n";
    assert_eq!(client.ask(authorized).await.status, 200);
}

/// Requests that routers are seldom asked.
const ODD: [&str; 6] = [
    "OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n",
    "CONNECT test:1 HTTP/1.1\r\nhost: test\r\n\r\n",
    "GET http://test/predict HTTP/1.1\r\nhost: test\r\n\r\n",
    "GET //metrics HTTP/1.1\r\nhost: test\r\n\r\n",
    "GET /%6detrics/../%00 HTTP/1.1\r\nhost: test\r\n\r\n",
    "BREW /prediction HTTP/1.1\r\nhost: test\r\n\r\n",
];

#[tokio::test]
async fn odd_requests_are_refused_and_on_the_public_port_not_even_looked_at() {
    let (http, public) = (Running::start(|_| {}).await, public("odd").await);
    for request in ODD {
        let reply = http.connect().await.ask(request).await;
        assert!(reply.status == 404 || reply.status == 405, "{request}: {reply:?}");
        assert!(reply.head.contains("application/problem+json"), "{request}: {reply:?}");
        assert_eq!(public.connect().await.ask(request).await.status, 401, "{request}");
    }
}

/// Bodies that are wrong, or right but extreme, each with its type.
fn hostile_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, depth: usize| open.repeat(depth).into_bytes();
    let digits = format!("[0.{}1, 0.5]", "0".repeat(900_000));
    let strings = [
        "[1e999, 1]",
        "[-1e999, 1]",
        "[1e-99999999999999999999, 0.5]",
        "[NaN, 1]",
        "[1, 2",
        "{\"rows\": [[0.5, 0.5]], \"rows\": 7}",
        "{\"mean\": 1, \"mean\": 2, \"sd\": 3}",
        "{\"\\ud800\": 1}",
        "[[], {}, null, true, \"\"]",
        "\u{0}\u{0}\u{0}",
        "\"",
        "0x10",
        "mean,sd\n\"",
        "mean,sd\n1,2,3\n",
        "mean,mean,sd\n",
        ",,,,\n,,,,\n",
        "\r\r\r\n\n",
    ];
    let mut bodies = Vec::new();
    for kind in ["application/json", "application/x-ndjson", "text/csv"] {
        bodies.extend(strings.map(|text| (kind, text.as_bytes().to_vec())));
        bodies.push((kind, deep("[", 200_000)));
        bodies.push((kind, deep("{\"a\":", 200_000)));
        bodies.push((kind, deep("{\"rows\":[", 100_000)));
        bodies.push((kind, deep("\"", 100_001)));
        bodies.push((kind, deep("\n", 500_000)));
        bodies.push((kind, digits.clone().into_bytes()));
        bodies.push((kind, vec![0xff; 10_000]));
        bodies.push((kind, Vec::new()));
    }
    for kind in
        ["text/html", "multipart/form-data", "application/jsonx", ";;;", "application/json; charset=utf-16"]
    {
        bodies.push((kind, b"[0.5, 0.5]".to_vec()));
    }
    bodies
}

#[tokio::test]
async fn no_body_is_a_crash_a_500_or_the_end_of_the_server() {
    let server = Running::start(|_| {}).await;
    let mut refused = 0;
    for path in [
        "/prediction",
        "/predictions",
        "/predictions?passthrough=true",
        "/explain",
        "/v2/models/machine/infer",
    ] {
        for (kind, body) in hostile_bodies() {
            let length = body.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            );
            let mut client = server.connect().await;
            let reply = client.ask([head.into_bytes(), body].concat()).await;
            assert!((200..500).contains(&reply.status), "{path} {kind} {length}: {reply:?}");
            refused += usize::from(reply.status >= 400);
        }
    }
    assert!(refused > 300, "{refused}");
    assert_eq!(server.connect().await.ask(ordinary()).await.status, 200);
}

#[tokio::test]
async fn framing_that_lies_is_refused_or_the_connection_closed() {
    let server = Running::start(|config| config.limits.request_timeout = SHORT).await;
    let chunked = "POST /prediction HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    let lies = [
        format!("{chunked}zz\r\n"),
        format!("{chunked}ffffffffffffffffff\r\n"),
        format!("{chunked}-1\r\n"),
        format!("{chunked}5\r\n[0.1,"),
        format!("{chunked}5\r\n[0.1,XX5\r\n"),
        format!("{chunked}1;{}\r\n[\r\n", "x".repeat(100_000)),
        format!("{chunked}0\r\n{}\r\n", "x: y\r\n".repeat(20_000)),
        "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
        "POST /prediction HTTP/1.1\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_owned(),
    ];
    for lie in lies {
        let mut client = server.connect().await;
        client.send(&lie).await;
        let reply = client.try_reply().await;
        let start: String = lie.chars().take(120).collect();
        assert!(reply.as_ref().is_none_or(|reply| (400..500).contains(&reply.status)), "{start}: {reply:?}");
    }
    // Half-open: the client says that it sends no more, in the middle of a head and of a body.
    for part in [
        "POST /prediction HTTP/1.1\r\nhost:",
        "POST /prediction HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\n[",
    ] {
        let mut client = server.connect().await;
        client.send(part).await;
        client.half_close().await;
        assert!(client.try_reply().await.is_none_or(|reply| (400..500).contains(&reply.status)), "{part}");
    }
    assert_eq!(server.connect().await.ask(ordinary()).await.status, 200);
}
