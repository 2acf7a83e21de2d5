//! Load through the ingress over kept-alive connections, in which no request may fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::http;

/// Pause of a worker between two requests, so that the generator leaves the cluster its processor.
const PAUSE: Duration = Duration::from_millis(10);

/// Workers that post the same row again and again, each over a connection of its own.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Result<()>>>,
}

struct Shared {
    host: String,
    row: &'static str,
    login: Mutex<(String, String)>,
    stop: AtomicBool,
    answered: AtomicU64,
    failed: Mutex<BTreeMap<String, u64>>,
}

/// What came of a load.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Requests that were answered with 200.
    pub answered: u64,
    /// Whatever else came, with how often.
    pub failed: BTreeMap<String, u64>,
}

impl Load {
    /// Begins to post `row` to `/prediction` of `host`.
    pub fn start(host: &str, login: (&str, &str), row: &'static str, workers: usize) -> Self {
        let shared = Arc::new(Shared {
            host: host.into(),
            row,
            login: Mutex::new((login.0.into(), login.1.into())),
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            failed: Mutex::default(),
        });
        let work = |_| tokio::spawn(Arc::clone(&shared).work());
        Self { workers: (0..workers).map(work).collect(), shared }
    }

    /// From now on with another user.
    pub fn log_in(&self, user: &str, password: &str) {
        *lock(&self.shared.login) = (user.into(), password.into());
    }

    /// Requests that were answered with 200 so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Requests that were not, so far.
    pub fn failed(&self) -> BTreeMap<String, u64> {
        lock(&self.shared.failed).clone()
    }

    /// Waits until a number of further requests were answered.
    pub async fn go_on(&self, requests: u64) -> Result<()> {
        let until = self.answered() + requests;
        crate::eventually("further answers", async || {
            let answered = self.answered();
            Ok(if answered >= until { Ok(()) } else { Err(format!("{answered} answers of {until}")) })
        })
        .await
    }

    /// Ends it.
    pub async fn stop(self) -> Result<Report> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.context("a worker of the load panicked")??;
        }
        let failed = lock(&self.shared.failed).clone();
        Ok(Report { answered: self.shared.answered.load(Ordering::Relaxed), failed })
    }
}

impl Shared {
    async fn work(self: Arc<Self>) -> Result<()> {
        let client = http::client()?;
        while !self.stop.load(Ordering::Relaxed) {
            let (user, password) = lock(&self.login).clone();
            let request = http::post(&client, &self.host, "/prediction", self.row);
            let failure = match http::answer(request.basic_auth(user, Some(password))).await {
                Ok((200, _)) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    None
                }
                Ok((status, body)) => {
                    Some(format!("{status} {}", body.chars().take(120).collect::<String>()))
                }
                Err(error) => Some(format!("{error:#}")),
            };
            if let Some(failure) = failure {
                *lock(&self.failed).entry(failure).or_default() += 1;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
