//! A future that is polled again at once when it has woken itself.
//!
//! hyper wakes a connection's task whenever its handler takes a piece of a body, to have the next one read, also when there is no next
//! one. Through the runtime's queue that second poll, which finds nothing to do, waits until all other connections have had
//! their turn. A request that has come meanwhile is answered in it, before others that have waited longer: of 40 connections some
//! waited for 57 answers, some for 17.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Polls in a row, after which the task goes to the end of the queue like any other: what a request takes whose body is one
/// chunk. So of a long body up to three pieces are read in a turn, of 32 KiB at most each.
const IN_A_ROW: usize = 3;

/// Runs the future. A wake-up during a poll is followed by another poll, up to three in a row; of any other the task is told.
pub(super) async fn polled_again<F: Future>(future: F) -> F::Output {
    let own = Arc::new(Own { state: AtomicU8::new(State::Woken as u8), task: AtomicWaker::new() });
    let waker = Waker::from(Arc::clone(&own));
    let mut future = pin!(future);
    poll_fn(|context| {
        own.task.register(context.waker());
        for _ in 0..IN_A_ROW {
            own.enter(State::Polled);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(output);
            }
            if own.rests() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// What the future's waker wakes.
struct Own {
    state: AtomicU8,
    /// The task that polls.
    task: AtomicWaker,
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum State {
    /// Between polls, and nobody has asked for the next.
    Waiting,
    /// Within a poll.
    Polled,
    /// The next poll is sure to come.
    Woken,
}

impl Own {
    fn enter(&self, state: State) -> u8 {
        self.state.swap(state as u8, Ordering::AcqRel)
    }

    /// Whether nothing was woken since the poll began; then the next wake-up is the task's.
    fn rests(&self) -> bool {
        let (polled, waiting) = (State::Polled as u8, State::Waiting as u8);
        self.state.compare_exchange(polled, waiting, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Own {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.enter(State::Woken) == State::Waiting as u8 {
            self.task.wake();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use axum::body::Body;
    use http::{Request, Response};
    use http_body_util::BodyExt as _;
    use hyper::body::Incoming;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::super::connection::builder;
    use super::*;

    /// How often a task was told.
    #[derive(Default)]
    pub(in super::super) struct Told(AtomicUsize);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once, with a task that counts.
    pub(in super::super) fn poll_once<F: Future>(
        future: std::pin::Pin<&mut F>,
        told: &Arc<Told>,
    ) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(told))))
    }

    pub(in super::super) fn times(told: &Told) -> usize {
        told.0.load(Ordering::SeqCst)
    }

    async fn read_and_answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok(Response::new(Body::from(body)))
    }

    /// Whole requests with a body.
    const REQUESTS: [&str; 2] = [
        "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n[]",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
    ];

    /// How often the first turn of a connection that has this request told its task. Polled again, the request is answered in it.
    async fn told_by(request: &str, again: bool) -> usize {
        let (mut client, served) = duplex(4_096);
        client.write_all(request.as_bytes()).await.unwrap();
        let connection = builder().serve_connection(TokioIo::new(served), service_fn(read_and_answer));
        let told = Arc::<Told>::default();
        if again {
            assert!(poll_once(pin!(polled_again(connection)), &told).is_pending());
        } else {
            assert!(poll_once(pin!(connection), &told).is_pending());
            return times(&told);
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n[]"), "{answer}");
        times(&told)
    }

    #[tokio::test]
    async fn a_request_with_a_body_puts_its_connection_into_no_queue() {
        for request in REQUESTS {
            assert_eq!(told_by(request, true).await, 0, "{request}");
            // Once this is 0 as well, hyper no longer does it, and this module can go.
            assert!(told_by(request, false).await > 0, "{request}");
        }
    }

    #[test]
    fn who_wakes_itself_is_polled_again_and_then_lets_others_come() {
        let (told, polls) = (Arc::<Told>::default(), AtomicUsize::new(0));
        let mut future = pin!(polled_again(poll_fn(|context| {
            let polls = polls.fetch_add(1, Ordering::SeqCst) + 1;
            if polls == 2 * IN_A_ROW + 1 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })));
        for round in 1..=2 {
            assert!(poll_once(future.as_mut(), &told).is_pending());
            assert_eq!((polls.load(Ordering::SeqCst), times(&told)), (round * IN_A_ROW, round));
        }
        assert!(poll_once(future, &told).is_ready());
    }

    #[test]
    fn between_polls_the_task_is_told_once_and_only_the_last_one_that_polled() {
        let (first, second) = (Arc::<Told>::default(), Arc::<Told>::default());
        let (sender, wakers) = mpsc::channel();
        let mut future = pin!(polled_again(poll_fn(|context| {
            sender.send(context.waker().clone()).unwrap();
            Poll::<()>::Pending
        })));
        assert!(poll_once(future.as_mut(), &first).is_pending());
        assert!(poll_once(future.as_mut(), &second).is_pending());
        let waker = wakers.recv().unwrap();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!((times(&first), times(&second)), (0, 1));
        assert!(poll_once(future, &first).is_pending());
        waker.wake();
        assert_eq!((times(&first), times(&second)), (1, 1));
    }

    #[test]
    fn no_wake_up_of_another_thread_is_lost() {
        const UPS: usize = 100_000;
        let (up, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let waiting = AtomicWaker::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        thread::scope(|threads| {
            threads.spawn(|| {
                for number in 1..=UPS {
                    up.store(number, Ordering::SeqCst);
                    waiting.wake();
                    // (the next only when this one was seen, so that none can stand in for it)
                    while taken.load(Ordering::SeqCst) < number {
                        thread::yield_now();
                    }
                }
            });
            let all = polled_again(poll_fn(|context| {
                waiting.register(context.waker());
                let number = up.load(Ordering::SeqCst);
                taken.store(number, Ordering::SeqCst);
                if number == UPS { Poll::Ready(()) } else { Poll::Pending }
            }));
            let seen = runtime.block_on(async { timeout(Duration::from_secs(60), all).await });
            let last = taken.swap(UPS, Ordering::SeqCst);
            assert!(seen.is_ok(), "the wake-up after {last} was lost");
        });
    }
}
