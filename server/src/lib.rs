//! The scoring server: one model, two ports, nothing that writes.
//!
//! [`run`] is all that a binary needs; [`Server`] is for those who want to know the ports before they are served, or
//! to stop it themselves. Both work in-process, with a model in memory and without passwords.
//!
//! This crate knows nothing of Kubernetes but what it is told: a directory, a password file, a signal.

mod access;
mod app;
mod arrival;
mod auth;
mod backlog;
mod base_path;
mod body;
mod config;
mod docs;
mod edge;
mod explain;
mod health;
mod information;
mod listen;
mod metrics;
mod model;
mod oip;
mod openapi;
mod page;
mod patience;
mod pool;
mod prediction;
mod predictions;
mod problem;
mod query;
mod refusals;
mod request_id;
mod route;
mod server;
mod signals;
mod state;
#[cfg(test)]
mod tests;
mod tls;
mod traces;
mod unpack;
mod vector;

pub use self::access::AccessLog;
pub use self::base_path::{BasePath, BasePathError};
pub use self::config::{About, Config, Drain, Limits, Public, TlsFiles};
pub use self::model::{DESCRIPTION_FILE, LoadError, MODEL_FILE, Source};
pub use self::page::Keep;
pub use self::server::{Server, StartError, Stop};
pub use self::traces::TraceConfig;

/// Binds and serves until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), StartError> {
    let stop = signals::listen().map_err(StartError::Signals)?;
    Server::bind(config).await?.run(stop).await;
    Ok(())
}
