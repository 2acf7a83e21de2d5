//! What a connection is doing, and how long it may go on doing it.
//!
//! Idle and slow are two time-outs: a connection may be silent for long between requests, but once a request's first
//! byte has come, its head must follow soon. hyper's own time-out cannot tell them apart.
//!
//! A connection that has never sent anything is let go earlier when places are few, so that silence cannot hold a port.
//! Not otherwise: proxies open connections ahead, and lose a request that they send while one is being closed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::Semaphore;
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
    /// The last bytes that have been read.
    read: AtomicU64,
    /// The last bytes of the current request's body, and how many of them there are; none without a known length.
    body: AtomicU64,
    body_mask: AtomicU64,
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
    pub(super) fn bytes_read(&self, bytes: &[u8]) {
        append(&self.read, bytes);
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

    /// A request has a body of this length, if that is known.
    pub(super) fn body_begins(&self, length: Option<u64>) {
        self.set_unread_body(length != Some(0));
        let last = length.map_or(0, |length| 8 * length.min(8) as u32);
        self.body_mask.store(u64::MAX.checked_shr(64 - last).unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn body_read(&self, bytes: &[u8]) {
        append(&self.body, bytes);
    }

    pub(super) fn set_unread_body(&self, unread: bool) {
        self.unread_body.store(unread, Ordering::Relaxed);
    }

    /// The answer has been handed over. What has been read beyond its request is part of the next one's head.
    pub(super) fn answered(&self) {
        let next = if self.has_read_on() { HEAD } else { IDLE };
        self.state.store(self.state.load(Ordering::Relaxed) & !DOING | next, Ordering::Relaxed);
    }

    /// Whether the last bytes read are not the last ones of the request: of its body, if that has a length, else an
    /// empty line, after its head or after its last chunk.
    fn has_read_on(&self) -> bool {
        const EMPTY_LINE: u64 = u64::from_be_bytes(*b"\0\0\0\0\0\n\r\n");
        const BARE_EMPTY_LINE: u64 = u64::from_be_bytes(*b"\0\0\0\0\0\0\n\n");
        let read = self.read.load(Ordering::Relaxed);
        match self.body_mask.load(Ordering::Relaxed) {
            0 => read & 0xff_ffff != EMPTY_LINE && read & 0xffff != BARE_EMPTY_LINE,
            mask => (read ^ self.body.load(Ordering::Relaxed)) & mask != 0,
        }
    }
}

/// Keeps the last eight.
fn append(last: &AtomicU64, bytes: &[u8]) {
    let new = match bytes.last_chunk::<8>() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => bytes.iter().fold(last.load(Ordering::Relaxed), |all, byte| all << 8 | u64::from(*byte)),
    };
    last.store(new, Ordering::Relaxed);
}

/// Fires when a connection has been idle, or its head incomplete, for too long.
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    born: Instant,
    seen: u64,
    deadline: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake: always the same task.
    set: bool,
    limits: Timeouts,
}

/// How long each may last.
#[derive(Clone, Debug)]
pub(super) struct Timeouts {
    pub(super) idle: Duration,
    pub(super) head: Duration,
    /// Never used, while places are few.
    pub(super) unused: Duration,
    pub(super) places: Places,
}

/// The connections that there may still be.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) free: Arc<Semaphore>,
    pub(super) all: usize,
}

impl Places {
    /// More than half are taken.
    fn are_few(&self) -> bool {
        2 * self.free.available_permits() < self.all
    }
}

impl Timeouts {
    pub(super) fn regular(limits: &Limits, places: Places) -> Self {
        let (idle, head) = (limits.idle_timeout, limits.header_timeout);
        Self { idle, head, unused: (2 * head).min(idle), places }
    }

    /// Places in the reserve are few: nobody may sit on one.
    pub(super) fn reserve(limits: &Limits, places: Places) -> Self {
        let head = limits.header_timeout;
        Self { idle: head, head, unused: head, places }
    }
}

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, limits: Timeouts) -> Self {
        let born = Instant::now();
        let deadline = born + limits.unused;
        let sleep = Box::pin(tokio::time::sleep_until(deadline));
        Self { activity, born, seen: IDLE, deadline: Some(deadline), sleep, set: false, limits }
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
        let Some(mut deadline) = self.deadline else { return Poll::Pending };
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        } else if self.set && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.set = true;
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if deadline <= Instant::now() {
                match self.more_patience() {
                    Some(later) => deadline = later,
                    None => return Poll::Ready(()),
                }
            }
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// A later deadline for a connection that has never been used while there are places enough.
    fn more_patience(&mut self) -> Option<Instant> {
        let end = self.born + self.limits.idle;
        if self.seen != IDLE || self.limits.places.are_few() || end <= Instant::now() {
            return None;
        }
        self.deadline = Some((Instant::now() + self.limits.unused).min(end));
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const IDLE_TIME: Duration = Duration::from_secs(120);
    const HEAD_TIME: Duration = Duration::from_secs(5);

    /// With so many of ten places free.
    fn watched_with(free: usize) -> (Arc<Activity>, Watchdog) {
        let activity = Arc::new(Activity::default());
        let limits = Limits { idle_timeout: IDLE_TIME, header_timeout: HEAD_TIME, ..Limits::default() };
        let places = Places { free: Arc::new(Semaphore::new(free)), all: 10 };
        (Arc::clone(&activity), Watchdog::new(activity, Timeouts::regular(&limits, places)))
    }

    fn watched() -> (Arc<Activity>, Watchdog) {
        watched_with(9)
    }

    /// A request with this body has been read, and these bytes.
    fn answered(body: Option<&str>, read: &[&str]) -> Doing {
        let activity = Activity::default();
        read.iter().for_each(|bytes| activity.bytes_read(bytes.as_bytes()));
        activity.busy();
        activity.body_begins(body.map(|body| body.len() as u64));
        body.unwrap_or("[0.5]").as_bytes().chunks(3).for_each(|bytes| activity.body_read(bytes));
        activity.answered();
        activity.doing()
    }

    #[test]
    fn what_comes_after_a_request_is_the_next_ones_head() {
        const HEAD: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
        const CHUNKS: &str = "5\r\n[0.5]\r\n0\r\n\r\n";
        for (body, complete) in [
            (Some(""), vec![HEAD]),
            (Some(""), vec!["GET / HTTP/1.1\n", "\n"]),
            (Some("1"), vec![HEAD, "1"]),
            (Some("[0.1, 0.5]"), vec!["POST / HTTP/1.1\r\n\r\n[0.1, 0.5]"]),
            (Some("[0.1, 0.5]"), vec![HEAD, "[0.1", ", 0", ".5]"]),
            (Some("[0.1]\r\n\r\n"), vec![HEAD, "[0.1]\r\n\r\n"]),
            (None, vec![HEAD, CHUNKS]),
            (None, vec![HEAD, CHUNKS, HEAD]),
        ] {
            assert_eq!(answered(body, &complete), Doing::Idle, "{complete:?}");
            for more in ["G", "\r\nPOST ", "GET / HTTP/1.1\r\nhost:"] {
                let read = [complete.clone(), vec![more]].concat();
                assert_eq!(answered(body, &read), Doing::Head, "{read:?}");
                let read = complete.concat() + more;
                assert_eq!(answered(body, &[&read]), Doing::Head, "{read:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_places_are_few_a_connection_that_never_said_anything_has_twice_the_time_of_a_head() {
        let (_, mut watchdog) = watched_with(4);
        assert!(about(2 * HEAD_TIME).contains(&fires_after(&mut watchdog).await));
        let (activity, mut watchdog) = watched_with(4);
        activity.busy();
        activity.body_begins(Some(0));
        activity.bytes_read(b"\r\n\r\n");
        activity.answered();
        assert!(about(IDLE_TIME).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_in_time_has_its_own_time() {
        let (activity, mut watchdog) = watched_with(4);
        tokio::time::advance(Duration::from_secs(9)).await;
        activity.bytes_read(b"P");
        assert!(about(HEAD_TIME).contains(&fires_after(&mut watchdog).await));
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
        assert!(about(IDLE_TIME).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_has_its_time_from_the_first_byte_not_from_the_last() {
        let (activity, mut watchdog) = watched();
        tokio::time::advance(Duration::from_secs(100)).await;
        activity.bytes_read(b"P");
        assert!(is_quiet(&mut watchdog).await);
        tokio::time::advance(Duration::from_secs(3)).await;
        activity.bytes_read(b"P");
        assert!(about(Duration::from_secs(2)).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_in_use_is_never_too_old() {
        let (activity, mut watchdog) = watched();
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(100)).await;
            activity.busy();
            activity.bytes_read(b"\r\n\r\n");
            activity.answered();
            assert!(is_quiet(&mut watchdog).await);
        }
        assert!(about(IDLE_TIME).contains(&fires_after(&mut watchdog).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_answered_is_not_watched() {
        let (activity, mut watchdog) = watched();
        activity.busy();
        tokio::time::advance(Duration::from_secs(1_000)).await;
        assert!(is_quiet(&mut watchdog).await);
    }
}
