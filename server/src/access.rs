//! The access log: one line a request, for those that are worth one.
//!
//! What failed or took longer than a second always has one. Refusals (4xx, 503) have one too, but of each kind (unknown
//! users, other 4xx, 503) no more than some a second, because anybody could fill the log with them; how many were left out is told in the next line. Of the
//! others one in a hundred, or all, or none, as asked for.
//!
//! A line has the route's name and never the path, the query, a header but the request's id, or a body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use http::StatusCode;
use tracing::{debug, info, warn};

use crate::metrics::PortName;
use crate::route::Route;

/// A request that takes longer is always logged.
const SLOW: Duration = Duration::from_secs(1);

/// Lines a second for refusals.
const REFUSALS: u32 = 10;

/// One of so many, when sampled.
const SAMPLE: u64 = 100;

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// Those that failed, were refused, or took longer than a second.
    #[default]
    Errors,
    /// Also one in a hundred of the others.
    Sampled,
    /// All.
    All,
}

/// What a line tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'static str,
    pub(crate) route: Route,
    pub(crate) port: PortName,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
    pub(crate) request_id: &'a str,
    /// If the request is part of a trace that is recorded.
    pub(crate) trace_id: Option<&'a str>,
}

/// Decides and writes.
#[derive(Debug)]
pub(crate) struct Lines {
    mode: AccessLog,
    others: AtomicU64,
    /// By kind: those of one kind take no line from another.
    refusals: [Mutex<Refusals>; Kind::ALL],
}

/// Who or what a refusal is due to.
#[derive(Clone, Copy)]
enum Kind {
    /// 401 and 429: anybody who knows no password.
    Unknown,
    /// What a client sent.
    Client,
    /// 503: this server.
    Server,
}

impl Kind {
    const ALL: usize = 3;

    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => Self::Unknown,
            _ if status.is_client_error() => Self::Client,
            _ => Self::Server,
        }
    }
}

/// The refusals of the current second.
#[derive(Debug)]
struct Refusals {
    since: Instant,
    written: u32,
    left_out: u64,
}

/// Why a request has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    Failed,
    /// So many before it were left out.
    Refused(u64),
    Chosen,
    Nothing,
}

impl Lines {
    pub(crate) fn new(mode: AccessLog) -> Self {
        let none = || Mutex::new(Refusals { since: Instant::now(), written: 0, left_out: 0 });
        Self { mode, others: AtomicU64::new(0), refusals: std::array::from_fn(|_| none()) }
    }

    pub(crate) fn write(&self, line: Line<'_>) {
        let Line { method, route, port, status, took, request_id, trace_id } = line;
        let worth = self.worth(status, took, Instant::now());
        let (route, port, status) = (route.label(), port.label(), status.as_u16());
        let duration_ms = took.as_micros() as f64 / 1e3;
        match worth {
            Worth::Failed => {
                warn!(
                    method,
                    route, port, status, duration_ms, request_id, trace_id, "a request failed or was slow"
                );
            }
            Worth::Refused(left_out) => {
                let left_out = (left_out > 0).then_some(left_out);
                info!(
                    method,
                    route, port, status, duration_ms, request_id, trace_id, left_out, "a request was refused"
                );
            }
            Worth::Chosen => {
                info!(
                    method,
                    route, port, status, duration_ms, request_id, trace_id, "a request was answered"
                );
            }
            Worth::Nothing => {
                debug!(
                    method,
                    route, port, status, duration_ms, request_id, trace_id, "a request was answered"
                );
            }
        }
    }

    fn worth(&self, status: StatusCode, took: Duration, now: Instant) -> Worth {
        if took >= SLOW || (status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE) {
            return Worth::Failed;
        }
        if status.is_client_error() || status.is_server_error() {
            return self.refused(Kind::of(status), now);
        }
        match self.mode {
            AccessLog::Errors => Worth::Nothing,
            AccessLog::All => Worth::Chosen,
            AccessLog::Sampled if self.others.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE) => {
                Worth::Chosen
            }
            AccessLog::Sampled => Worth::Nothing,
        }
    }

    fn refused(&self, kind: Kind, now: Instant) -> Worth {
        let mut refusals = self.refusals[kind as usize].lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(refusals.since) >= Duration::from_secs(1) {
            refusals.since = now;
            refusals.written = 0;
        }
        if refusals.written == REFUSALS && self.mode != AccessLog::All {
            refusals.left_out += 1;
            return Worth::Nothing;
        }
        refusals.written += u32::from(refusals.written < REFUSALS);
        Worth::Refused(std::mem::take(&mut refusals.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(20);

    fn worth(lines: &Lines, status: u16, took: Duration) -> Worth {
        lines.worth(StatusCode::from_u16(status).unwrap(), took, Instant::now())
    }

    #[test]
    fn what_failed_or_was_slow_always_has_a_line() {
        for mode in [AccessLog::Errors, AccessLog::Sampled, AccessLog::All] {
            let lines = Lines::new(mode);
            for _ in 0..1_000 {
                assert_eq!(worth(&lines, 500, QUICK), Worth::Failed);
                assert_eq!(worth(&lines, 200, SLOW), Worth::Failed);
                assert_eq!(worth(&lines, 408, SLOW), Worth::Failed);
            }
        }
    }

    #[test]
    fn refusals_have_some_lines_a_second_and_the_rest_is_counted() {
        let lines = Lines::new(AccessLog::Errors);
        let now = Instant::now();
        let refused = |status, now| lines.worth(StatusCode::from_u16(status).unwrap(), QUICK, now);
        for status in [401, 401, 429, 401, 401, 401, 401, 401, 401, 401] {
            assert_eq!(refused(status, now), Worth::Refused(0));
        }
        for _ in 0..7 {
            assert_eq!(refused(401, now), Worth::Nothing);
        }
        // Who knows no password hides nothing of what others did.
        for status in [400, 404, 413, 422, 431, 503] {
            assert_eq!(refused(status, now), Worth::Refused(0));
        }
        let later = now + Duration::from_secs(2);
        assert_eq!(refused(401, later), Worth::Refused(7));
        assert_eq!(refused(401, later), Worth::Refused(0));
    }

    #[test]
    fn of_the_others_none_or_one_in_a_hundred_or_all_have_one() {
        for (mode, expected) in [(AccessLog::Errors, 0), (AccessLog::Sampled, 10), (AccessLog::All, 1_000)] {
            let lines = Lines::new(mode);
            let chosen = (0..1_000).filter(|_| worth(&lines, 200, QUICK) == Worth::Chosen).count();
            assert_eq!(chosen, expected, "{mode:?}");
        }
        let all = Lines::new(AccessLog::All);
        assert!((0..1_000).all(|_| worth(&all, 404, QUICK) == Worth::Refused(0)));
    }
}
