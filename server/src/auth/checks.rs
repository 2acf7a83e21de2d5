//! Bounds the work that passwords can cause, and shares it out so that a flood of wrong ones locks nobody out.
//!
//! Two checks run at a time. Who has to wait, waits in a lane: one for headers that were right before, one for each
//! name that there is, one for all names that there are not. A header that was right before is next, whoever else
//! waits: nobody can make one without the password. The other lanes take turns, each holds a few and refuses the
//! rest, and names that there are not never take both places. So a flood delays and refuses those of its own lane
//! only: whoever logs in for the first time under a name that is being guessed at has the chance of every other
//! attempt, and is told to try again.
//!
//! A check runs to its end even if its client goes away, and holds its place until then: going away makes no room.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Checks that run at the same time.
const RUNNING: usize = 2;
/// Those of them that may be for names that there are not.
const RUNNING_UNKNOWN: usize = RUNNING - 1;
/// Checks that wait in one lane.
const QUEUED: usize = 8;

/// Too many checks already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// Where a check waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// The very same header was right before.
    Proven,
    /// A name that there is, by the number of its line.
    Known(usize),
    /// Any other name.
    Unknown,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Checks(Arc<Mutex<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    running: usize,
    running_unknown: usize,
    lanes: HashMap<Lane, VecDeque<oneshot::Sender<Turn>>>,
    /// Lanes in which somebody waits, each once, the next one first.
    order: VecDeque<Lane>,
}

/// A place among the running; dropped, it goes to the next.
#[derive(Debug)]
struct Turn {
    checks: Option<Checks>,
    lane: Lane,
}

impl Checks {
    /// Runs the check on a thread that may block.
    pub(super) async fn run(
        &self,
        lane: Lane,
        check: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, Busy> {
        let turn = self.turn(lane).await?;
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            check()
        });
        // A check that panics has let nobody in.
        Ok(checked.await.unwrap_or(false))
    }

    async fn turn(&self, lane: Lane) -> Result<Turn, Busy> {
        let waiting = {
            let mut turns = self.lock();
            if turns.may_start(lane) {
                turns.start(lane);
                return Ok(Turn { checks: Some(self.clone()), lane });
            }
            turns.enqueue(lane)?
        };
        waiting.await.map_err(|_| Busy)
    }

    /// Gives a place back, and the places that are free to those who wait.
    fn end(&self, lane: Lane) {
        let mut turns = self.lock();
        turns.stop(lane);
        while let Some((lane, waiting)) = turns.next() {
            turns.start(lane);
            let turn = Turn { checks: Some(self.clone()), lane };
            if let Err(mut unwanted) = waiting.send(turn) {
                unwanted.checks = None;
                turns.stop(lane);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(checks) = self.checks.take() {
            checks.end(self.lane);
        }
    }
}

impl Turns {
    fn may_start(&self, lane: Lane) -> bool {
        self.running < RUNNING && (lane != Lane::Unknown || self.running_unknown < RUNNING_UNKNOWN)
    }

    fn start(&mut self, lane: Lane) {
        self.running += 1;
        self.running_unknown += usize::from(lane == Lane::Unknown);
    }

    fn stop(&mut self, lane: Lane) {
        self.running -= 1;
        self.running_unknown -= usize::from(lane == Lane::Unknown);
    }

    fn enqueue(&mut self, lane: Lane) -> Result<oneshot::Receiver<Turn>, Busy> {
        let queue = self.lanes.entry(lane).or_default();
        queue.retain(|waiting| !waiting.is_closed());
        // There are no more headers in the first lane than have been right.
        if queue.len() >= QUEUED && lane != Lane::Proven {
            return Err(Busy);
        }
        let (sender, receiver) = oneshot::channel();
        queue.push_back(sender);
        if !self.order.contains(&lane) {
            match lane {
                Lane::Proven => self.order.push_front(lane),
                _ => self.order.push_back(lane),
            }
        }
        Ok(receiver)
    }

    /// Whose turn it is, if there is a place.
    fn next(&mut self) -> Option<(Lane, oneshot::Sender<Turn>)> {
        let at = self.order.iter().position(|lane| self.may_start(*lane))?;
        let lane = self.order.remove(at)?;
        let queue = self.lanes.get_mut(&lane)?;
        let waiting = queue.pop_front();
        match (queue.is_empty(), lane) {
            (true, _) => drop(self.lanes.remove(&lane)),
            (false, Lane::Proven) => self.order.push_front(lane),
            (false, _) => self.order.push_back(lane),
        }
        waiting.map(|waiting| (lane, waiting))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Checks that do not end before they are told to.
    struct Held {
        checks: Checks,
        releases: Vec<mpsc::Sender<()>>,
        order: Arc<Mutex<Vec<Lane>>>,
        tasks: Vec<tokio::task::JoinHandle<Result<bool, Busy>>>,
    }

    impl Held {
        fn new() -> Self {
            let (checks, order) = (Checks::default(), Arc::default());
            Self { checks, releases: Vec::new(), order, tasks: Vec::new() }
        }

        /// Begun or queued when it returns.
        async fn ask(&mut self, lane: Lane) {
            let (release, wait) = mpsc::channel::<()>();
            let (checks, order) = (self.checks.clone(), Arc::clone(&self.order));
            let check = move || {
                order.lock().unwrap().push(lane);
                wait.recv().is_ok()
            };
            self.tasks.push(tokio::spawn(async move { checks.run(lane, check).await }));
            self.releases.push(release);
            tokio::task::yield_now().await;
        }

        async fn is_refused(&self, lane: Lane) -> bool {
            let asked = futures::FutureExt::now_or_never(self.checks.turn(lane));
            matches!(asked, Some(Err(Busy)))
        }

        /// Ends all checks, in the order in which they were asked for; the lanes in the order in which they ran.
        async fn end(self) -> Vec<Lane> {
            self.releases.iter().for_each(|release| release.send(()).unwrap());
            for task in self.tasks {
                assert_eq!(task.await.unwrap(), Ok(true));
            }
            let turns = self.checks.lock();
            assert_eq!((turns.running, turns.running_unknown, turns.order.len()), (0, 0, 0));
            assert!(turns.lanes.is_empty());
            Arc::into_inner(self.order).unwrap().into_inner().unwrap()
        }
    }

    #[tokio::test]
    async fn two_run_eight_wait_in_each_lane_and_the_next_is_refused() {
        let mut held = Held::new();
        for _ in 0..RUNNING + QUEUED {
            held.ask(Lane::Known(0)).await;
        }
        assert!(held.is_refused(Lane::Known(0)).await);
        for _ in 0..QUEUED {
            held.ask(Lane::Known(1)).await;
        }
        assert!(held.is_refused(Lane::Known(1)).await && !held.is_refused(Lane::Unknown).await);
        assert_eq!(held.end().await.len(), RUNNING + 2 * QUEUED);
    }

    #[tokio::test]
    async fn names_that_there_are_not_never_take_both_places() {
        let mut held = Held::new();
        for _ in 0..RUNNING_UNKNOWN + QUEUED {
            held.ask(Lane::Unknown).await;
        }
        assert!(held.is_refused(Lane::Unknown).await);
        held.ask(Lane::Known(0)).await;
        {
            let turns = held.checks.lock();
            assert_eq!((turns.running, turns.running_unknown), (RUNNING, RUNNING_UNKNOWN));
        }
        held.end().await;
    }

    #[tokio::test]
    async fn lanes_take_turns_and_a_header_that_was_right_is_next() {
        let mut held = Held::new();
        for lane in [0, 0, 0, 0, 0, 1, 2].map(Lane::Known).into_iter().chain([Lane::Proven]) {
            held.ask(lane).await;
        }
        // One place, so that the order is told.
        let stuck = held.releases.remove(1);
        let ran = {
            let mut ran = held.end_but_one().await;
            ran.drain(..RUNNING);
            ran
        };
        drop(stuck);
        let expected =
            [Lane::Proven, Lane::Known(0), Lane::Known(1), Lane::Known(2), Lane::Known(0), Lane::Known(0)];
        assert_eq!(ran, expected);
    }

    impl Held {
        /// As [`Self::end`], with one check that goes on.
        async fn end_but_one(self) -> Vec<Lane> {
            self.releases.iter().for_each(|release| release.send(()).unwrap());
            while self.order.lock().unwrap().len() < self.tasks.len() {
                tokio::task::yield_now().await;
            }
            self.order.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn who_goes_away_makes_room_in_the_lane() {
        let mut held = Held::new();
        for _ in 0..RUNNING {
            held.ask(Lane::Known(0)).await;
        }
        let gone: Vec<_> = (0..QUEUED).map(|_| held.checks.lock().enqueue(Lane::Known(0))).collect();
        assert!(held.is_refused(Lane::Known(0)).await);
        drop(gone);
        assert!(!held.is_refused(Lane::Known(0)).await);
        held.ask(Lane::Known(0)).await;
        assert_eq!(held.end().await.len(), RUNNING + 1);
    }
}
