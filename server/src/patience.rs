//! A timer for one request after the other.
//!
//! To set a timer and to take it back costs more than much of what a single row needs, and hardly any fires. So a connection
//! has one, which stays where it is: it fires too early if at all, and is moved only then. What can be done at once needs none.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection, or of one request alone.
#[derive(Debug, Default)]
pub(crate) struct Patience(Mutex<Option<Pin<Box<Sleep>>>>);

/// The time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late;

impl Patience {
    /// What comes of `work`, if it does in time.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Late> {
        let mut work = pin!(work);
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return Ok(done);
        }
        let deadline = Instant::now() + limit;
        let mut sleep = self.slot().take().unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        let done = poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            while sleep.as_mut().poll(context).is_ready() {
                if sleep.deadline() >= deadline {
                    return Poll::Ready(Err(Late));
                }
                sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await;
        *self.slot() = Some(sleep);
        done
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn lasts(patience: &Patience, limit: Duration) -> Duration {
        let began = Instant::now();
        assert_eq!(patience.within(limit, pending::<()>()).await, Err(Late));
        began.elapsed()
    }

    fn about(limit: Duration) -> std::ops::Range<Duration> {
        limit..limit + Duration::from_millis(10)
    }

    #[tokio::test(start_paused = true)]
    async fn every_request_has_its_whole_time_whenever_the_timer_was_set() {
        let patience = Patience::default();
        for _ in 0..5 {
            assert_eq!(patience.within(LIMIT, ready(7)).await, Ok(7));
            sleep(Duration::from_secs(3)).await;
            assert_eq!(patience.within(LIMIT, sleep(Duration::from_secs(9))).await, Ok(()));
            sleep(Duration::from_secs(20)).await;
            assert!(about(LIMIT).contains(&lasts(&patience, LIMIT).await));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_time_is_kept_to_as_well() {
        let patience = Patience::default();
        assert_eq!(patience.within(LIMIT, sleep(Duration::from_secs(1))).await, Ok(()));
        assert!(about(LIMIT / 2).contains(&lasts(&patience, LIMIT / 2).await));
        assert!(about(LIMIT).contains(&lasts(&patience, LIMIT).await));
    }
}
