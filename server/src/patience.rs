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
    /// What comes of `work`, if it does in time. The time begins with its first waiting.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Late> {
        let mut work = pin!(work);
        let mut timer = None;
        let done = poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let (deadline, sleep) = timer.get_or_insert_with(|| self.timer(limit));
            while sleep.as_mut().poll(context).is_ready() {
                if sleep.deadline() >= *deadline {
                    return Poll::Ready(Err(Late));
                }
                sleep.as_mut().reset(*deadline);
            }
            Poll::Pending
        })
        .await;
        if let Some((_, sleep)) = timer {
            *self.slot() = Some(sleep);
        }
        done
    }

    /// The end of the time, and the timer, which fires then or earlier.
    fn timer(&self, limit: Duration) -> (Instant, Pin<Box<Sleep>>) {
        let deadline = Instant::now() + limit;
        let mut sleep = self.slot().take().unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        (deadline, sleep)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use futures::FutureExt as _;
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

    #[tokio::test]
    async fn what_can_be_done_at_once_needs_no_timer() {
        let patience = Patience::default();
        assert_eq!(patience.within(LIMIT, ready(7)).await, Ok(7));
        assert!(patience.slot().is_none());
        assert_eq!(patience.within(LIMIT, sleep(Duration::from_millis(1))).await, Ok(()));
        assert!(patience.slot().is_some());
    }

    #[tokio::test]
    async fn work_that_gives_way_is_not_asked_again_before_others_have_had_their_turn() {
        let (patience, asked) = (Patience::default(), Cell::new(0));
        let work = poll_fn(|context| -> Poll<()> {
            asked.set(asked.get() + 1);
            context.waker().wake_by_ref();
            Poll::Pending
        });
        let mut within = pin!(patience.within(LIMIT, work));
        for times in 1..4 {
            assert!(within.as_mut().now_or_never().is_none());
            assert_eq!(asked.get(), times);
        }
    }
}
