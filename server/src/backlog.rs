//! How long a batch would wait, which decides whether it is let in.
//!
//! The work ahead of it is known in rows, and what a row takes is measured by the batches that have been scored. A batch
//! that would wait longer than the limit is told to come back, by its head alone where that tells how long it is. As many
//! as [`ALWAYS`] are let in together however long they take: a few clients with large batches, or a detector
//! that is slow, are no overload. What is let in is never put out again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::body::PROMPT;
use crate::problem::Problem;

/// Batches that are let in whatever the wait.
pub(crate) const ALWAYS: u64 = 8;

/// What a row is taken to cost before one has been measured, in picoseconds: a forest's, parsed from JSON.
const FIRST_COST: u64 = 1_000_000;

/// A batch moves the measured cost by one part in so many of the difference.
const INERTIA: u64 = 8;

/// A batch counts as no more than so many times the cost before it: it may have been held up by something else.
const MOST_TIMES: u64 = 4;

/// The batches that have been let in and not been scored yet.
#[derive(Debug)]
pub(crate) struct Backlog {
    most_wait: Duration,
    threads: u64,
    batches: AtomicU64,
    rows: AtomicU64,
    /// What one thread needs for a row, in picoseconds.
    cost: AtomicU64,
}

impl Backlog {
    pub(crate) fn new(most_wait: Duration, threads: usize) -> Self {
        let [batches, rows] = [0, 0].map(AtomicU64::new);
        Self { most_wait, threads: threads.max(1) as u64, batches, rows, cost: AtomicU64::new(FIRST_COST) }
    }

    /// How long a batch waits that comes now.
    fn wait(&self) -> Duration {
        let picoseconds = self.rows.load(Ordering::Relaxed).saturating_mul(self.cost.load(Ordering::Relaxed));
        Duration::from_nanos(picoseconds / self.threads / 1_000)
    }

    /// Whether one more may come, or 503.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let others = self.batches.load(Ordering::Relaxed);
        if others < ALWAYS || self.wait() <= self.most_wait { Ok(()) } else { Err(Problem::waits_too_long()) }
    }

    /// One thread has been busy for so long with so many rows of one batch.
    fn measured(&self, rows: u64, took: Duration) {
        let before = self.cost.load(Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(1_000);
        let Some(cost) = took.checked_div(rows) else { return };
        let cost = cost.min(before.saturating_mul(MOST_TIMES));
        // Of two at once one may be lost; the next one counts again.
        self.cost.store((before - before / INERTIA + cost / INERTIA).max(1), Ordering::Relaxed);
    }
}

/// A batch's place among them: none yet, or one for so many rows, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    backlog: Arc<Backlog>,
    /// None before it has been let in.
    rows: Option<u64>,
    /// Its rows do not count while it is not there itself.
    aside: bool,
    worked: Duration,
}

impl Place {
    pub(crate) fn new(backlog: Arc<Backlog>) -> Self {
        Self { backlog, rows: None, aside: false, worked: Duration::ZERO }
    }

    /// Lets it in with about so many rows, or 503; if it is in already, this is what they have turned out to be.
    pub(crate) fn take(&mut self, rows: usize) -> Result<(), Problem> {
        if self.rows.is_none() {
            self.backlog.check()?;
        }
        self.take_anyway(rows);
        Ok(())
    }

    /// Whatever the wait.
    pub(crate) fn take_anyway(&mut self, rows: usize) {
        self.leave();
        self.rows = Some(rows as u64);
        self.enter();
    }

    fn enter(&mut self) {
        let Some(rows) = self.rows else { return };
        self.backlog.rows.fetch_add(rows, Ordering::Relaxed);
        self.backlog.batches.fetch_add(1, Ordering::Relaxed);
        self.aside = false;
    }

    /// Does not count until it is taken again.
    pub(crate) fn leave(&mut self) {
        let Some(rows) = self.rows.filter(|_| !self.aside) else { return };
        self.backlog.rows.fetch_sub(rows, Ordering::Relaxed);
        self.backlog.batches.fetch_sub(1, Ordering::Relaxed);
        self.aside = true;
    }

    /// Waits for what its client still has to send. One that takes longer than a batch may wait, or than bodies take that
    /// are prompt, stands aside meanwhile, so that clients with slow connections keep out nobody; what else it holds that
    /// others need is given back then.
    pub(crate) async fn until<T>(&mut self, sent: impl Future<Output = T>, give_back: impl FnOnce()) -> T {
        let mut sent = std::pin::pin!(sent);
        if let Ok(sent) = tokio::time::timeout(self.backlog.most_wait.min(PROMPT), sent.as_mut()).await {
            return sent;
        }
        self.leave();
        give_back();
        let sent = sent.await;
        self.enter();
        sent
    }

    /// Adds the time of one of its jobs.
    pub(crate) fn worked(&mut self, took: Duration) {
        self.worked += took;
    }

    /// All of its rows have been scored, by its jobs: what they took is what later ones are expected to take.
    pub(crate) fn scored(self) {
        if let Some(rows) = self.rows {
            self.scored_rows(rows);
        }
    }

    /// So many rows have been scored by its jobs.
    pub(crate) fn scored_rows(self, rows: u64) {
        self.backlog.measured(rows, self.worked);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A job that tells how long it took.
pub(crate) fn timed<T>(job: impl FnOnce() -> T) -> impl FnOnce() -> (T, Duration) {
    move || {
        let began = Instant::now();
        let done = job();
        (done, began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::ready;

    use super::*;

    /// 20 ms are 20,000 rows of two threads that need 2 µs for each.
    fn backlog() -> Arc<Backlog> {
        let backlog = Backlog::new(Duration::from_millis(20), 2);
        backlog.cost.store(2_000_000, Ordering::Relaxed);
        Arc::new(backlog)
    }

    fn place(backlog: &Arc<Backlog>, rows: usize) -> Result<Place, Problem> {
        let mut place = Place::new(Arc::clone(backlog));
        place.take(rows).map(|()| place)
    }

    fn places(backlog: &Arc<Backlog>, count: usize, rows: usize) -> Vec<Place> {
        (0..count).map(|_| place(backlog, rows).unwrap()).collect()
    }

    #[test]
    fn a_batch_is_let_in_as_long_as_the_work_ahead_of_it_is_short_enough() {
        let backlog = backlog();
        let mut before = places(&backlog, 20, 1_000);
        assert_eq!(backlog.wait(), Duration::from_millis(20));
        before.push(place(&backlog, 1_000).unwrap());
        assert!(place(&backlog, 1).is_err());
        before.truncate(20);
        assert!(place(&backlog, 1_000).is_ok());
        drop(before);
        assert_eq!(backlog.wait(), Duration::ZERO);
    }

    #[test]
    fn eight_are_let_in_however_long_they_take() {
        let backlog = backlog();
        let mut large = places(&backlog, 8, 1_000_000);
        assert!(place(&backlog, 1).is_err());
        large.pop();
        assert!(place(&backlog, 1).is_ok());
    }

    #[test]
    fn who_has_been_let_in_stays_when_there_turn_out_to_be_more_rows() {
        let backlog = backlog();
        let mut all = places(&backlog, 8, 1_000);
        all[0].take(100_000).unwrap();
        assert!(place(&backlog, 1).is_err());
        all[1].take(2_000).unwrap();
        all[0].take(1_000).unwrap();
        assert_eq!(backlog.wait(), Duration::from_millis(9));
    }

    #[test]
    fn the_cost_of_a_row_follows_what_is_measured() {
        let backlog = backlog();
        for _ in 0..100 {
            let mut one = place(&backlog, 1_000).unwrap();
            // Read and scored: 10 µs a row.
            one.worked(Duration::from_millis(4));
            one.worked(Duration::from_millis(6));
            one.scored();
        }
        let _held = places(&backlog, 2, 1_000);
        let wait = backlog.wait();
        assert!(Duration::from_micros(9_990) <= wait && wait <= Duration::from_millis(10), "{wait:?}");
    }

    #[test]
    fn one_batch_that_was_held_up_changes_little() {
        let backlog = backlog();
        let mut one = place(&backlog, 1_000).unwrap();
        one.worked(Duration::from_secs(10));
        one.scored();
        assert_eq!(backlog.cost.load(Ordering::Relaxed), 2_750_000);
    }

    #[test]
    fn what_was_not_scored_is_no_measurement() {
        let backlog = backlog();
        let mut refused = place(&backlog, 1_000).unwrap();
        refused.worked(Duration::from_secs(1));
        drop(refused);
        let mut empty = place(&backlog, 0).unwrap();
        empty.worked(Duration::from_secs(1));
        empty.scored();
        assert_eq!(backlog.cost.load(Ordering::Relaxed), 2_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_slowly_stands_aside_and_comes_back() {
        let backlog = backlog();
        let mut prompt = place(&backlog, 1_000).unwrap();
        assert_eq!(prompt.until(ready(7), || panic!("it was prompt")).await, 7);
        let mut slow = place(&backlog, 5_000).unwrap();
        let (sender, sent) = tokio::sync::oneshot::channel();
        let given_back = Cell::new(false);
        let (waiting, ()) = tokio::join!(slow.until(sent, || given_back.set(true)), async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!((backlog.wait(), given_back.get()), (Duration::from_millis(6), false));
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!((backlog.wait(), given_back.get()), (Duration::from_millis(1), true));
            sender.send(8).unwrap();
        });
        assert_eq!(waiting, Ok(8));
        assert_eq!(backlog.wait(), Duration::from_millis(6));
        drop((prompt, slow));
        assert_eq!((backlog.wait(), backlog.batches.load(Ordering::Relaxed)), (Duration::ZERO, 0));
    }
}
