//! Bounds the work that passwords can cause: two checks at a time, a short queue, and beyond that "busy".
//!
//! A check runs to its end even if its client goes away, and holds its place until then: going away makes no room.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Checks that run at the same time.
const RUNNING: usize = 2;
/// Checks that wait for one of those.
const QUEUED: usize = 16;

/// Too many checks already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

#[derive(Debug)]
pub(super) struct Checks {
    running: Arc<Semaphore>,
    queue: Semaphore,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self { running: Arc::new(Semaphore::new(RUNNING)), queue: Semaphore::new(QUEUED) }
    }

    /// Runs the check on a thread that may block.
    pub(super) async fn run(&self, check: impl FnOnce() -> bool + Send + 'static) -> Result<bool, Busy> {
        let permit = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.queue.try_acquire().map_err(|_| Busy)?;
                Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?
            }
        };
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            check()
        });
        // A check that panics has let nobody in.
        Ok(checked.await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn two_checks_run_sixteen_wait_and_the_next_is_refused() {
        let checks = Arc::new(Checks::new());
        let mut releases = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..RUNNING + QUEUED {
            let (release, wait) = mpsc::channel::<()>();
            let checks = Arc::clone(&checks);
            tasks.push(tokio::spawn(async move { checks.run(move || wait.recv().is_ok()).await }));
            releases.push(release);
        }
        while checks.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.run(|| true).await, Err(Busy));
        releases.iter().for_each(|release| release.send(()).unwrap());
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(true));
        }
        assert_eq!(checks.run(|| true).await, Ok(true));
    }
}
