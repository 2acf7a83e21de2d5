//! axum's own server with one route, which reads the body and answers a constant. The yardstick for the scoring server.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;

const ANSWER: &str =
    r#"{"is_inlier":true,"anomaly_score":-0.42980303947268506,"severity":0.23732368910107135}"#;

fn main() -> anyhow::Result<()> {
    let address: SocketAddr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into()).parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = |body: Bytes| async move { ([(CONTENT_TYPE, "application/json")], constant(&body)) };
        let app = Router::new().route("/prediction", post(answer)).route("/readyz", get(|| async { "ok" }));
        let listener = tokio::net::TcpListener::bind(address).await?;
        let listener = listener.tap_io(|stream| {
            // Without it the kernel may wait for more to send; nothing breaks.
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, app).await?)
    })
}

/// Looks at the body, so that it cannot be left unread.
fn constant(body: &Bytes) -> &'static str {
    if body.first() == Some(&0) { "" } else { ANSWER }
}
