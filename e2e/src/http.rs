//! HTTP through the ingress.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, RequestBuilder};

/// A client with one pool of kept-alive connections.
pub fn client() -> Result<Client> {
    // (built with the whole workspace, reqwest knows TLS and wants to be told whose; a second call changes nothing)
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?)
}

/// Port of the ingress controller on this machine.
pub fn port() -> u16 {
    std::env::var("HTTP_PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(8080)
}

/// A request to `path` of `host`, which need not be known to any resolver.
pub fn post(client: &Client, host: &str, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    client
        .post(format!("http://127.0.0.1:{}{path}", port()))
        .header("host", host)
        .header("content-type", "application/json")
        .body(body)
}

/// A question for `path` of `host`, likewise.
pub fn get(client: &Client, host: &str, path: &str) -> RequestBuilder {
    client.get(format!("http://127.0.0.1:{}{path}", port())).header("host", host)
}

/// Status and body of an answer.
pub async fn answer(request: RequestBuilder) -> Result<(u16, String)> {
    let response = request.send().await.context("no answer")?;
    Ok((response.status().as_u16(), response.text().await.context("the answer broke off")?))
}
