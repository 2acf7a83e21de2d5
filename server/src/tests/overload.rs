//! Batches beside each other and beside single rows: what is held, what waits, what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::fixture::{JSON, NDJSON, ORDINARY, batch, get, limited, loaded, post, send};
use crate::app;
use crate::config::Limits;
use crate::edge::Edge;
use crate::pool::{CHUNK_ROWS, INLINE_ROWS};
use crate::state::App;

pub(super) type Piece = Result<Bytes, std::io::Error>;

/// A body whose pieces the test sends.
pub(super) fn open_body() -> (mpsc::UnboundedSender<Piece>, Body) {
    let (sender, mut pieces) = mpsc::unbounded_channel();
    (sender, Body::from_stream(futures::stream::poll_fn(move |context| pieces.poll_recv(context))))
}

pub(super) async fn stream(router: &Arc<Edge>, body: Body) -> axum::response::Response {
    let request = Request::post("/predictions").header("content-type", NDJSON).body(body).unwrap();
    router.serve(request).await
}

fn rows(count: usize) -> String {
    format!("[{}]", vec!["[0.5,0.5]"; count].join(","))
}

/// Whatever the client does not read stays unread here: memory is bounded although the body has no end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_stops_the_parser() {
    const PIECE: usize = 32 << 10;
    // Two chunks wait, one is offered, one was taken; a chunk is at most what 64 KiB and one more piece hold.
    const MOST_PIECES: usize = 4 * 3 + 1;
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let endless = futures::stream::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Piece::Ok(Bytes::from("[0.5,0.5]\n".repeat(PIECE / 10)))
    });
    let router = app::http(&loaded(None));
    let mut answer = stream(&router, Body::from_stream(endless)).await.into_body();
    answer.frame().await.unwrap().unwrap();

    // Until nothing moves any more.
    let mut before = 0;
    while before != taken.load(Ordering::SeqCst) {
        before = taken.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!((1..=MOST_PIECES).contains(&before), "{before} pieces were taken");
    for _ in 0..20 {
        answer.frame().await.unwrap().unwrap();
    }
    assert!(taken.load(Ordering::SeqCst) > before);
    drop(answer);
    until_dropped(&taken).await;
}

/// The body goes when the client has gone.
async fn until_dropped(taken: &Arc<AtomicUsize>) {
    while Arc::strong_count(taken) > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn beyond_the_rows_in_flight_batches_are_told_to_come_back_and_single_rows_are_not() {
    let limits = Limits { max_batch_rows: 100, max_concurrent_rows: CHUNK_ROWS + 50, ..Limits::default() };
    let app = limited(limits);
    let router = app::http(&app);
    let others = app.rows.reserve(CHUNK_ROWS).unwrap();
    // Once by its length alone, once when its rows have been counted.
    let dense = format!("[{}]", vec!["[1,2]"; 60].join(","));
    for body in [rows(90) + &" ".repeat(2_000), dense] {
        let answer = batch(&router, "", JSON, "", body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.is_problem());
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(batch(&router, "", JSON, "", rows(10)).await.status, StatusCode::OK);
    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);

    drop(others);
    assert_eq!(batch(&router, "", JSON, "", rows(100)).await.status, StatusCode::OK);
}

/// A row of a stream that stays open.
async fn open_stream(router: &Arc<Edge>) -> (mpsc::UnboundedSender<Piece>, axum::response::Response) {
    let (sender, body) = open_body();
    sender.send(Ok(Bytes::from("[0.5,0.5]\n"))).unwrap();
    (sender, stream(router, body).await)
}

async fn batches_are_served(router: &Arc<Edge>) {
    let tensor = r#"{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [0.5, 0.5]}]}"#;
    for (path, body) in [
        ("/predictions", rows(10_000)),
        ("/predictions", rows(1)),
        ("/explain", rows(1_000)),
        ("/page/boundary", String::new()),
        ("/v2/models/machine/infer", tensor.to_owned()),
    ] {
        let answer = if body.is_empty() { get(router, path).await } else { post(router, path, body).await };
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn streams_that_stay_open_keep_out_other_streams_and_nobody_else() {
    let router = app::http(&loaded(None));
    let mut open = Vec::new();
    for _ in 0..Limits::default().max_concurrent_rows / CHUNK_ROWS {
        let (sender, answer) = open_stream(&router).await;
        assert_eq!(answer.status(), StatusCode::OK);
        open.push((sender, answer));
    }
    let (sender, body) = open_body();
    let refused = stream(&router, body).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(sender.is_closed(), "refused by its head alone, its body unread");
    batches_are_served(&router).await;
    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);

    open.pop();
    assert_eq!(open_stream(&router).await.1.status(), StatusCode::OK);
}

/// Each is let in by its head, with all the rows that it may have.
#[tokio::test(start_paused = true)]
async fn bodies_that_come_slowly_keep_no_batch_out() {
    let app = loaded(None);
    let router = app::http(&app);
    let mut slow = Vec::new();
    for path in ["/predictions", "/v2/models/machine/infer"].into_iter().cycle().take(20) {
        let (sender, body) = open_body();
        let request = Request::post(path)
            .header("content-type", JSON)
            .header("content-encoding", "gzip")
            .header("content-length", "300000")
            .body(body)
            .unwrap();
        let router = Arc::clone(&router);
        let answered = tokio::spawn(async move { router.serve(request).await.status() });
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert!(!answered.is_finished());
        slow.push((sender, answered));
    }
    batches_are_served(&router).await;

    // Who comes at last is served if there is room by then.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, rows(1_000).as_bytes()).unwrap();
    let packed = Bytes::from(packed.finish().unwrap());
    let comes = |slow: &mut Vec<_>| {
        let (sender, answered): (mpsc::UnboundedSender<Piece>, tokio::task::JoinHandle<_>) = slow.remove(0);
        sender.send(Ok(packed.clone())).unwrap();
        answered
    };
    assert_eq!(comes(&mut slow).await.unwrap(), StatusCode::OK);
    let _others = app.rows.reserve(Limits::default().max_concurrent_rows).unwrap();
    slow.remove(0);
    assert_eq!(comes(&mut slow).await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
}

/// A header with a long name and many rows: the answer repeats the name with each of them.
fn passed_through() -> Request<Body> {
    let csv = format!("{},mean,sd\n{}", "n".repeat(50_000), "1,0.5,0.5\n".repeat(64));
    let request = Request::post("/predictions?passthrough=true").header("content-type", "text/csv");
    request.header("accept", JSON).body(Body::from(csv)).unwrap()
}

#[tokio::test]
async fn the_memory_of_an_answer_is_held_until_the_connection_has_written_it() {
    let app = limited(Limits { max_bodies_bytes: 6 << 20, ..Limits::default() });
    let router = app::http(&app);
    let answer = router.serve(passed_through()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(router.serve(passed_through()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let shed = "anomaly_requests_shed_total{reason=\"bodies\"} 1\n";
    assert!(get(&router, "/metrics").await.text().contains(shed));
    let all = || app.bodies.raise(&mut None, 6 << 20);
    // A connection takes the whole answer at once, however slowly its client reads.
    let taken = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert!(taken.len() > 3 << 20);
    assert!(all().is_err(), "the answer is still in memory");
    drop(taken);
    assert!(all().is_ok());
}

#[tokio::test]
async fn rows_to_be_explained_are_admitted_as_those_of_batches_and_a_single_row_always_is() {
    let app = loaded(None);
    let router = app::http(&app);
    let others = app.rows.reserve(Limits::default().max_concurrent_rows).unwrap();
    for count in [10_000, 2] {
        let answer = post(&router, "/explain", rows(count)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{count}");
    }
    assert_eq!(post(&router, "/explain", ORDINARY).await.status, StatusCode::OK);
    drop(others);
    assert_eq!(post(&router, "/explain", rows(2)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_memory_of_explanations_is_held_until_the_connection_has_written_them() {
    let app = limited(Limits { max_bodies_bytes: 1 << 20, ..Limits::default() });
    let request = || Request::post("/explain").body(Body::from(rows(4_000))).unwrap();
    let answer = app::http(&app).serve(request()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        app.rows.reserve(Limits::default().max_concurrent_rows).is_ok(),
        "who reads slowly keeps no batch out"
    );
    let all = || app.bodies.raise(&mut None, 1 << 20);
    let mut body = answer.into_body();
    let mut last = None;
    while let Some(frame) = body.frame().await {
        assert!(all().is_err());
        last = frame.unwrap().into_data().ok();
    }
    drop(body);
    assert!(all().is_err(), "the last of it is still in memory");
    drop(last);
    assert!(all().is_ok());
}

/// Their number is bounded by the memory that they hold.
#[tokio::test]
async fn answers_that_are_not_read_keep_no_batch_out() {
    let router = app::http(&loaded(None));
    let tensor = format!(
        r#"{{"inputs": [{{"name": "x", "datatype": "FP64", "shape": [10000, 2], "data": [{}0]}}]}}"#,
        "0,".repeat(19_999)
    );
    let mut unread = Vec::new();
    for (path, body) in [("/predictions", rows(10_000)), ("/v2/models/machine/infer", tensor)] {
        for _ in 0..8 {
            let request = Request::post(path).body(Body::from(body.clone())).unwrap();
            let answer = router.serve(request).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            unread.push(answer);
        }
    }
    batches_are_served(&router).await;
}

#[tokio::test]
async fn what_is_packed_is_admitted_by_its_length_too_before_a_byte_of_it_is_read() {
    let limits = Limits { max_batch_rows: 1_000, max_concurrent_rows: CHUNK_ROWS + 500, ..Limits::default() };
    let app = limited(limits);
    let router = app::http(&app);
    let _others = app.rows.reserve(CHUNK_ROWS).unwrap();
    for path in ["/predictions", "/v2/models/machine/infer"] {
        let (unread, body) = open_body();
        let request = Request::post(path)
            .header("content-type", JSON)
            .header("content-encoding", "gzip")
            .header("content-length", "3000")
            .body(body)
            .unwrap();
        let refused = router.serve(request).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(unread.is_closed());
    }
}

#[tokio::test]
async fn beyond_the_requests_in_flight_others_are_told_to_come_back_and_probes_are_answered() {
    let app = limited(Limits { max_concurrent_requests: 2, ..Limits::default() });
    let router = app::http(&app);
    // In flight until its body has come.
    let (sender, body) = open_body();
    let mut slow = Box::pin(post(&router, "/prediction", body));
    assert!(futures::poll!(&mut slow).is_pending());
    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);
    let (other, body) = open_body();
    let mut slower = Box::pin(batch(&router, "", JSON, "", body));
    assert!(futures::poll!(&mut slower).is_pending());

    for path in ["/prediction", "/predictions"] {
        let refused = post(&router, path, ORDINARY).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.is_problem() && refused.header("retry-after") == "1", "{refused:?}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(&router, path).await.status, StatusCode::OK, "{path}");
    }
    let shed = "anomaly_requests_shed_total{reason=\"requests\"} 2\n";
    assert!(get(&router, "/metrics").await.text().contains(shed));

    for (sender, slow) in [(sender, slow)] {
        sender.send(Ok(Bytes::from(ORDINARY))).unwrap();
        drop(sender);
        assert_eq!(slow.await.status, StatusCode::OK);
    }
    drop((other, slower));
    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);
}

/// Jobs that do not end hold threads of the pool, until they are let go one by one.
struct Holders(Vec<(std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<()>)>);

impl Holders {
    /// Of every thread; they run when this returns.
    async fn of(app: &Arc<App>) -> Self {
        let (started, mut starts) = mpsc::unbounded_channel();
        let threads = std::thread::available_parallelism().unwrap().get();
        let mut holders = Vec::new();
        for _ in 0..threads {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let (app, started) = (Arc::clone(app), started.clone());
            let job = move || {
                started.send(()).unwrap();
                let _ = released.recv();
            };
            holders.push((release, tokio::spawn(async move { app.pool.run(1, job).await.unwrap() })));
            starts.recv().await.unwrap();
        }
        Self(holders)
    }

    async fn let_go(&mut self) {
        let (release, task) = self.0.pop().unwrap();
        drop(release);
        task.await.unwrap();
    }

    async fn let_all_go(mut self) {
        while !self.0.is_empty() {
            self.let_go().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_scored_where_they_were_parsed_wait_for_no_batch() {
    let app = loaded(None);
    let router = app::http(&app);
    let holders = Holders::of(&app).await;
    // In the queue behind them.
    let mut large = Box::pin(batch(&router, "", JSON, "", rows(INLINE_ROWS + 1)));
    let waited = tokio::time::timeout(Duration::from_millis(100), &mut large).await;

    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);
    assert_eq!(batch(&router, "", JSON, "", rows(INLINE_ROWS)).await.status, StatusCode::OK);
    let lines = "[0.5,0.5]\n".repeat(INLINE_ROWS - 1);
    assert_eq!(batch(&router, "", NDJSON, "", lines).await.lines().len(), INLINE_ROWS - 1);

    holders.let_all_go().await;
    assert!(waited.is_err(), "a batch of more rows goes to the pool");
    assert_eq!(large.await.status, StatusCode::OK);
}

/// All that is spawned has gone as far as it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// One thread of the pool, which they come to one after another: a full batch, a small one, and a job that does not
/// end. What the full one has scored when the small one is answered is what that waited for.
#[tokio::test]
async fn a_batch_waits_for_no_more_than_a_chunk_of_a_full_one_that_came_before() {
    let app = loaded(None);
    let router = app::http(&app);
    let mut holders = Holders::of(&app).await;
    let most = app.limits.max_batch_rows;
    assert!(most > 2 * CHUNK_ROWS);
    let ask = |count: usize| {
        let router = router.clone();
        tokio::spawn(async move { batch(&router, "", JSON, "", rows(count)).await.status })
    };
    let full = ask(most);
    settle().await;
    let small = ask(INLINE_ROWS + 1);
    settle().await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let pool = Arc::clone(&app);
    let last = tokio::spawn(async move { pool.pool.run(1, move || released.recv().is_err()).await });
    settle().await;

    assert_eq!(scored(&app), 0);
    holders.let_go().await;
    assert_eq!(small.await.unwrap(), StatusCode::OK);
    let meanwhile = scored(&app) - (INLINE_ROWS + 1);
    assert!(meanwhile <= CHUNK_ROWS, "{meanwhile} rows were scored before it was answered");
    assert!(!full.is_finished());

    drop(release);
    assert!(last.await.unwrap().unwrap());
    assert_eq!(full.await.unwrap(), StatusCode::OK);
    assert_eq!(scored(&app), most + INLINE_ROWS + 1);
    holders.let_all_go().await;
}

fn scored(app: &App) -> usize {
    let text = app.metrics.render().unwrap();
    let of = |verdict: &str| {
        let series = format!("anomaly_predictions_total{{verdict=\"{verdict}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(series.as_str()));
        line.unwrap().parse::<usize>().unwrap()
    };
    of("inlier") + of("outlier")
}

/// A 408 would be the client's fault, and nobody's alert.
#[tokio::test]
async fn what_could_not_be_answered_in_time_though_it_was_all_there_is_told_to_come_back() {
    let app = limited(Limits { request_timeout: Duration::from_millis(100), ..Limits::default() });
    let router = app::http(&app);
    let holders = Holders::of(&app).await;
    let data = "0,".repeat(2 * INLINE_ROWS + 1);
    let tensor = format!(
        r#"{{"inputs": [{{"name": "x", "datatype": "FP64", "shape": [{}, 2], "data": [{data}0]}}]}}"#,
        INLINE_ROWS + 1
    );
    for (path, body) in [
        ("/predictions", Body::from(rows(INLINE_ROWS + 1))),
        ("/v2/models/machine/infer", Body::from(tensor)),
        ("/page/boundary", Body::empty()),
    ] {
        let method = if path.starts_with("/page") { "GET" } else { "POST" };
        let answer = send(&router, Request::builder().method(method).uri(path).body(body).unwrap()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(answer.header("retry-after") == "1" && answer.text().contains("within 0.1 s"), "{answer:?}");
    }
    let shed = "anomaly_requests_shed_total{reason=\"wait\"} 3\n";
    assert!(get(&router, "/metrics").await.text().contains(shed));
    for path in ["/prediction", "/predictions", "/explain", "/v2/models/machine/infer"] {
        let (sender, body) = open_body();
        sender.send(Ok(Bytes::from("[[0.5,"))).unwrap();
        assert_eq!(post(&router, path, body).await.status, StatusCode::REQUEST_TIMEOUT, "{path}");
    }
    holders.let_all_go().await;
}

/// Every thread of the pool is held, so what is let in stays: eight batches, whatever they take, and more only as long
/// as the work of those is short.
#[tokio::test]
async fn batches_that_would_wait_too_long_are_told_to_come_back_before_their_bodies_are_read() {
    let limits = Limits { max_batch_wait: Duration::ZERO, ..Limits::default() };
    let app = limited(limits);
    let router = app::http(&app);
    let holders = Holders::of(&app).await;
    let most = crate::backlog::ALWAYS as usize - std::thread::available_parallelism().unwrap().get().min(8);
    let ask = || {
        let router = router.clone();
        tokio::spawn(async move { batch(&router, "", JSON, "", rows(10_000)).await.status })
    };
    let let_in: Vec<_> = (0..most).map(|_| ask()).collect();
    settle().await;

    for path in ["/predictions", "/v2/models/machine/infer"] {
        let (unread, body) = open_body();
        let request = Request::post(path)
            .header("content-type", JSON)
            .header("content-encoding", "gzip")
            .header("content-length", "50000");
        let refused = router.serve(request.body(body).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(refused.headers()["retry-after"], "1");
        assert!(unread.is_closed(), "{path}: refused by its head alone, its body unread");
    }
    let (sender, body) = open_body();
    assert_eq!(stream(&router, body).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(sender.is_closed());
    // One without a length, as soon as there is one.
    let (sender, body) = open_body();
    sender.send(Ok(Bytes::from(rows(10_000)))).unwrap();
    drop(sender);
    assert_eq!(batch(&router, "", JSON, "", body).await.status, StatusCode::SERVICE_UNAVAILABLE);
    // Rows that are to be explained are more work than others: few of them are a batch already.
    for count in [10_000, INLINE_ROWS + 1] {
        let answer = post(&router, "/explain", rows(count)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{count}");
    }
    let shed = "anomaly_requests_shed_total{reason=\"wait\"} 6\n";
    assert!(get(&router, "/metrics").await.text().contains(shed));
    // These wait for nobody.
    assert_eq!(post(&router, "/prediction", ORDINARY).await.status, StatusCode::OK);
    assert_eq!(batch(&router, "", JSON, "", rows(INLINE_ROWS)).await.status, StatusCode::OK);
    assert_eq!(batch(&router, "", NDJSON, "", "[0.5,0.5]\n").await.lines().len(), 1);
    assert_eq!(post(&router, "/explain", rows(INLINE_ROWS)).await.status, StatusCode::OK);

    holders.let_all_go().await;
    for batch in let_in {
        assert_eq!(batch.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(ask().await.unwrap(), StatusCode::OK);
}
