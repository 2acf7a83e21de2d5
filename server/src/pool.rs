//! Where batches are parsed and scored, and how many requests and rows may be in flight.
//!
//! Single rows never come here: they are scored by the threads that serve connections, which large batches never
//! hold for longer than 256 rows take. A job is at most one chunk, and whoever has more to do queues again behind the
//! others. The queue is no longer than the number of batches that [`Backlog`] and [`RowsInFlight`] let in, one job each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::backlog::{Backlog, Place, timed};
use crate::config::Limits;
use crate::metrics::PortName;
use crate::problem::Problem;
use crate::route::Route;

/// Rows that are scored where they were parsed.
pub(crate) const INLINE_ROWS: usize = 256;
/// Bytes that are parsed where they were read.
pub(crate) const INLINE_BYTES: usize = 64 << 10;
/// Rows of one job.
pub(crate) const CHUNK_ROWS: usize = 4_096;
/// A row that is explained costs about as much as so many that are scored.
pub(crate) const EXPLAINED: usize = 32;

/// About how many rows of this width a body of this length has.
pub(crate) fn estimate(bytes: usize, width: usize) -> usize {
    const BYTES_A_VALUE: usize = 8;
    bytes / (BYTES_A_VALUE * width)
}

/// What the threads of the pool are nicer by: threads that serve connections get nine tenths of a CPU that both want. Who
/// is refused, and a single row, wait for no batch then.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Makes this thread nicer than those that serve connections, once. It is one of those on which tokio runs what may block:
/// jobs of the pool, password checks, files that are read. (Elsewhere than on Linux it would be the whole process.)
#[cfg(target_os = "linux")]
fn give_way() {
    thread_local!(static GIVES_WAY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if !GIVES_WAY.replace(true) {
        // Where that is forbidden, all are alike.
        let _ = rustix::process::nice(NICER);
    }
}

/// As many threads as the cgroup has CPUs.
#[derive(Debug)]
pub(crate) struct Pool {
    turns: Arc<Semaphore>,
    backlog: Arc<Backlog>,
}

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self::with(available_parallelism().map_or(1, usize::from), limits)
    }

    fn with(threads: usize, limits: &Limits) -> Self {
        let backlog = Arc::new(Backlog::new(limits.max_batch_wait, threads));
        Self { turns: Arc::new(Semaphore::new(threads)), backlog }
    }

    /// For a batch that is still to be let in.
    pub(crate) fn place(&self) -> Place {
        Place::new(Arc::clone(&self.backlog))
    }

    /// Whether something may come whose jobs are not one batch, or 503.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        self.backlog.check()
    }

    /// A job that is no part of a batch, about as much work as so many rows. Waits for its turn, in the order of asking,
    /// then runs to its end, whether or not anybody still waits.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        rows: usize,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let mut place = self.place();
        place.take_anyway(rows);
        self.turn(job).await
    }

    /// [`Pool::run`] for about so many rows; the job tells how many it has really scored.
    pub(crate) async fn run_rows<T: Send + 'static>(
        &self,
        rows: usize,
        job: impl FnOnce() -> (T, u64) + Send + 'static,
    ) -> Result<T, Problem> {
        let mut place = self.place();
        place.take_anyway(rows);
        let (done, scored) = self.run_for(&mut place, job).await?;
        place.scored_rows(scored);
        Ok(done)
    }

    /// One of a batch's jobs, likewise.
    pub(crate) async fn run_for<T: Send + 'static>(
        &self,
        place: &mut Place,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (done, took) = self.turn(timed(job)).await?;
        place.worked(took);
        Ok(done)
    }

    async fn turn<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        // Never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Problem::internal())?;
        let job = move || {
            #[cfg(target_os = "linux")]
            give_way();
            let done = job();
            drop(turn);
            done
        };
        // It failed if it panicked; the panic hook has logged where.
        tokio::task::spawn_blocking(job).await.map_err(|_| Problem::internal())
    }
}

/// The requests from their heads to their answers, each port's apart: who is slow on one shuts nobody out of another.
/// Probes and metrics have a budget of their own, so that they are answered however many others there are.
#[derive(Debug)]
pub(crate) struct RequestsInFlight {
    ports: [Room; PortName::ALL.len()],
    probes: Room,
}

/// Places that nobody waits for: counting them costs less than a semaphore.
#[derive(Debug)]
struct Room {
    taken: AtomicUsize,
    most: usize,
}

/// A request's place.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a Room);

impl Room {
    fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most }
    }

    fn enter(&self) -> Option<InFlight<'_>> {
        let place = InFlight(self);
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.most).then_some(place)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestsInFlight {
    const PROBES: usize = 64;

    pub(crate) fn new(limits: &Limits) -> Self {
        let room = |_| Room::new(limits.max_concurrent_requests);
        Self { ports: PortName::ALL.map(room), probes: Room::new(Self::PROBES) }
    }

    /// Room for one more, or 503.
    pub(crate) fn admit(&self, port: PortName, route: Route) -> Result<InFlight<'_>, Problem> {
        let room = if route.is_probe() { &self.probes } else { &self.ports[port as usize] };
        room.enter().ok_or_else(Problem::too_many_requests_in_flight)
    }
}

/// The rows of all batches that are being read or scored. Streams have as many of their own: one stays open for as long
/// as its client likes, and must not keep a batch out.
#[derive(Debug)]
pub(crate) struct RowsInFlight {
    batches: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// A batch's or a stream's part of them.
#[derive(Debug)]
pub(crate) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// Gives all of them back, until an estimate is corrected.
    pub(crate) fn give_back(&mut self) {
        drop(self.0.split(self.0.num_permits()));
    }
}

impl RowsInFlight {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rows = limits.max_concurrent_rows.max(limits.max_batch_rows).max(CHUNK_ROWS);
        let room = || Arc::new(Semaphore::new(rows.min(Semaphore::MAX_PERMITS)));
        Self { batches: room(), streams: room() }
    }

    /// Room for so many rows of a batch, or 503.
    pub(crate) fn reserve(&self, rows: usize) -> Result<Reserved, Problem> {
        let rows = u32::try_from(rows).map_err(|_| Problem::too_many_rows_in_flight())?;
        let permit = Arc::clone(&self.batches).try_acquire_many_owned(rows);
        permit.map(Reserved).map_err(|_| Problem::too_many_rows_in_flight())
    }

    /// Room for one more stream, which counts as a chunk of rows, or 503.
    pub(crate) fn reserve_stream(&self) -> Result<Reserved, Problem> {
        let permit = Arc::clone(&self.streams).try_acquire_many_owned(CHUNK_ROWS as u32);
        permit.map(Reserved).map_err(|_| Problem::too_many_streams())
    }

    /// Corrects an estimate.
    pub(crate) fn correct(&self, reserved: &mut Reserved, rows: usize) -> Result<(), Problem> {
        let held = reserved.0.num_permits();
        if rows > held {
            reserved.0.merge(self.reserve(rows - held)?.0);
        } else {
            drop(reserved.0.split(held - rows));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(rows: usize) -> RowsInFlight {
        let room = || Arc::new(Semaphore::new(rows));
        RowsInFlight { batches: room(), streams: room() }
    }

    #[test]
    fn rows_are_given_back_and_an_estimate_can_be_corrected() {
        let rows = room(10);
        let mut first = rows.reserve(8).unwrap();
        assert!(rows.reserve(3).is_err());
        rows.correct(&mut first, 2).unwrap();
        let second = rows.reserve(8).unwrap();
        assert!(rows.correct(&mut first, 3).is_err());
        drop(second);
        rows.correct(&mut first, 10).unwrap();
        first.give_back();
        assert!(rows.reserve(10).is_ok());
        rows.correct(&mut first, 9).unwrap();
        assert!(rows.reserve(2).is_err());
        drop(first);
        assert!(rows.reserve(10).is_ok());
    }

    #[test]
    fn streams_and_batches_take_no_room_from_each_other() {
        let rows = room(2 * CHUNK_ROWS);
        let _streams = [rows.reserve_stream().unwrap(), rows.reserve_stream().unwrap()];
        assert!(rows.reserve_stream().is_err());
        let _batches = rows.reserve(2 * CHUNK_ROWS).unwrap();
    }

    #[test]
    fn no_more_requests_than_there_is_room_for_are_let_in_by_a_port() {
        let requests = RequestsInFlight::new(&Limits { max_concurrent_requests: 2, ..Limits::default() });
        let first = requests.admit(PortName::Public, Route::Prediction).unwrap();
        let _second = requests.admit(PortName::Public, Route::Predictions).unwrap();
        for _ in 0..3 {
            assert!(requests.admit(PortName::Public, Route::Prediction).is_err());
            assert!(requests.admit(PortName::Http, Route::Prediction).is_ok());
            assert!(requests.admit(PortName::Public, Route::Healthz).is_ok());
        }
        drop(first);
        assert!(requests.admit(PortName::Public, Route::Prediction).is_ok());
    }

    #[test]
    fn one_batch_of_the_largest_size_always_fits() {
        let limits = Limits { max_concurrent_rows: 1, max_batch_rows: 20_000, ..Limits::default() };
        assert!(RowsInFlight::new(&limits).reserve(20_000).is_ok());
    }

    #[tokio::test]
    async fn a_panic_in_a_job_takes_no_thread_away() {
        let pool = Pool::with(1, &Limits::default());
        for _ in 0..3 {
            assert!(pool.run(1, || -> u8 { panic!("in a job") }).await.is_err());
        }
        assert_eq!(pool.run(1, || 7).await.unwrap(), 7);
    }
}
