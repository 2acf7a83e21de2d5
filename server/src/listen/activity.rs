//! What a connection is doing, and how long it may go on doing it.
//!
//! Idle and slow are two time-outs: a connection may be silent for long between requests, but once a request's first
//! byte has come, its head must follow soon. hyper's own time-out cannot tell them apart.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

use crate::config::Limits;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Waiting for a request's first byte.
    Idle,
    /// Some of a request's head has been read.
    Head,
    /// A request is being answered, or the connection closes. Other time-outs rule here.
    Busy,
}

/// Written by socket, service and response body, read by the watchdog: all in one task, so relaxed order is enough.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// The number of requests so far, and in the two lowest bits what is being done now.
    state: AtomicU64,
    unread_body: AtomicBool,
}

const IDLE: u64 = 0;
const HEAD: u64 = 1;
const BUSY: u64 = 2;
const DOING: u64 = 3;

impl Activity {
    pub(super) fn doing(&self) -> Doing {
        match self.state.load(Ordering::Relaxed) & DOING {
            IDLE => Doing::Idle,
            HEAD => Doing::Head,
            _ => Doing::Busy,
        }
    }

    /// Bytes have come.
    pub(super) fn bytes_read(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & DOING == IDLE {
            self.state.store(state | HEAD, Ordering::Relaxed);
        }
    }

    /// A request's head is complete, or the connection is being closed.
    pub(super) fn busy(&self) {
        let count = self.state.load(Ordering::Relaxed) & !DOING;
        self.state.store(count.wrapping_add(DOING + 1) | BUSY, Ordering::Relaxed);
    }

    /// Whether some of the current request's body has not been read.
    pub(super) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Ordering::Relaxed)
    }

    pub(super) fn set_unread_body(&self, unread: bool) {
        self.unread_body.store(unread, Ordering::Relaxed);
    }

    /// The answer has been handed over.
    pub(super) fn answered(&self) {
        self.state.store(self.state.load(Ordering::Relaxed) & !DOING, Ordering::Relaxed);
    }
}

/// Fires when a connection has been idle, or its head incomplete, for too long.
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    seen: u64,
    deadline: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    limits: Timeouts,
}

/// How long each may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) idle: std::time::Duration,
    pub(super) head: std::time::Duration,
}

impl Timeouts {
    pub(super) fn regular(limits: &Limits) -> Self {
        Self { idle: limits.idle_timeout, head: limits.header_timeout }
    }

    /// Places in the reserve are few: nobody may sit on one.
    pub(super) fn reserve(limits: &Limits) -> Self {
        Self { idle: limits.header_timeout, head: limits.header_timeout }
    }
}

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, limits: Timeouts) -> Self {
        let deadline = Instant::now() + limits.idle;
        let sleep = Box::pin(tokio::time::sleep_until(deadline));
        Self { activity, seen: IDLE, deadline: Some(deadline), sleep, limits }
    }

    /// To be polled after the connection, whenever that has been. The timer itself is only moved when it would fire
    /// too late or has fired too early, not with every request.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let state = self.activity.state.load(Ordering::Relaxed);
        if state != self.seen {
            self.seen = state;
            self.deadline = match self.activity.doing() {
                Doing::Idle => Some(Instant::now() + self.limits.idle),
                Doing::Head => Some(Instant::now() + self.limits.head),
                Doing::Busy => None,
            };
        }
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const LIMITS: Timeouts = Timeouts { idle: Duration::from_secs(120), head: Duration::from_secs(5) };

    fn watched() -> (Arc<Activity>, Watchdog) {
        let activity = Arc::new(Activity::default());
        (Arc::clone(&activity), Watchdog::new(activity, LIMITS))
    }

    async fn fires_after(watchdog: &mut Watchdog) -> Duration {
        let started = Instant::now();
        poll_fn(|context| watchdog.poll(context)).await;
        started.elapsed()
    }

    async fn is_quiet(watchdog: &mut Watchdog) -> bool {
        poll_fn(|context| Poll::Ready(watchdog.poll(context).is_pending())).await
    }

    fn about(limit: Duration) -> std::ops::Range<Duration> {
        limit..limit + Duration::from_millis(10)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_has_the_idle_time() {
        let (_, mut watchdog) = watched();
        assert!(about(LIMITS.idle).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_has_its_time_from_the_first_byte_not_from_the_last() {
        let (activity, mut watchdog) = watched();
        tokio::time::advance(Duration::from_secs(100)).await;
        activity.bytes_read();
        assert!(is_quiet(&mut watchdog).await);
        tokio::time::advance(Duration::from_secs(3)).await;
        activity.bytes_read();
        assert!(about(Duration::from_secs(2)).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_is_never_too_old() {
        let (activity, mut watchdog) = watched();
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(100)).await;
            activity.busy();
            activity.answered();
            assert!(is_quiet(&mut watchdog).await);
        }
        assert!(about(LIMITS.idle).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_answered_is_not_watched() {
        let (activity, mut watchdog) = watched();
        activity.busy();
        tokio::time::advance(Duration::from_secs(1_000)).await;
        assert!(is_quiet(&mut watchdog).await);
    }
}
