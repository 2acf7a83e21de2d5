//! Which request is next, and when it is due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Arguments;

/// Shared by all connections: each takes the next request that nobody has taken.
pub(super) struct Schedule {
    next: AtomicU64,
    stopped: AtomicBool,
    bodies: u64,
    /// None: without end.
    requests: Option<u64>,
    /// None: as fast as they are answered.
    every: Option<Duration>,
    limit: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(bodies: usize, arguments: &Arguments) -> Self {
        let every = (arguments.rate > 0.0).then(|| Duration::from_secs_f64(1.0 / arguments.rate));
        let repeats = (arguments.repeat > 0).then(|| u64::from(arguments.repeat));
        Self {
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            bodies: bodies as u64,
            requests: repeats.map(|repeats| repeats * bodies as u64),
            every,
            limit: arguments.limit(),
        }
    }

    /// No request begins any more.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits until the next request is due; gives its body's index and that time. None: there are no more.
    pub(super) async fn next(&self, began: Instant) -> Option<(usize, Instant)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.requests.is_some_and(|requests| number >= requests) {
            return None;
        }
        let due = match self.every {
            Some(every) => began + every.mul_f64(number as f64),
            None => Instant::now(),
        };
        if self.limit.is_some_and(|limit| due > began + limit) {
            return None;
        }
        // (in slices, so that Ctrl-C is heard)
        while !self.stopped.load(Ordering::Relaxed) {
            let now = Instant::now();
            if now >= due {
                return Some(((number % self.bodies) as usize, due));
            }
            sleep_until(due.min(now + Duration::from_millis(100))).await;
        }
        None
    }
}
