//! `GET /metrics`. To render all series costs as much as hundreds of single rows, so a flood of scrapes is answered with
//! what was rendered last; however many scrape as one should, each gets the figures of its moment.
//!
//! A text stays in memory until whoever asked for it has read it. Texts do not count among the bodies, whose number is what
//! metrics are asked for to see; there is a limit of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::Semaphore;

use crate::body::until_sent;
use crate::problem::Problem;
use crate::state::App;

/// Texts that have not been read to their end; one has some 100 to 200 kB.
const TEXTS: usize = 48;
/// So many scrapes a second are rendered.
const FRESH: u32 = 16;
const SECOND: Duration = Duration::from_secs(1);

/// The texts.
#[derive(Debug)]
pub(crate) struct Scrapes {
    rendered: Mutex<Rendered>,
    unread: Arc<Semaphore>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self { rendered: Mutex::default(), unread: Arc::new(Semaphore::new(TEXTS)) }
    }
}

/// What was rendered in the current second.
#[derive(Debug, Default)]
struct Rendered {
    since: Option<Instant>,
    times: u32,
    last: Bytes,
}

impl Scrapes {
    /// The text of now, or one that is less than a second old.
    fn text<E>(&self, now: Instant, render: impl FnOnce() -> Result<Bytes, E>) -> Result<Bytes, E> {
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        if rendered.since.is_none_or(|since| now.saturating_duration_since(since) >= SECOND) {
            (rendered.since, rendered.times) = (Some(now), 0);
        }
        // Nobody renders beside another: whoever waits gets what that one has made, if it is one too many.
        if rendered.times < FRESH || rendered.last.is_empty() {
            rendered.last = render()?;
            rendered.times += 1;
        }
        Ok(rendered.last.clone())
    }
}

/// The handler.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let scrapes = &app.metrics.scrapes;
    let render = || {
        let room = Arc::clone(&scrapes.unread).try_acquire_owned().map_err(|_| Problem::too_many_bodies())?;
        let text = app.metrics.render().map_err(|error| {
            tracing::error!(%error, "the metrics cannot be rendered");
            Problem::internal()
        })?;
        Ok::<_, Problem>(until_sent(text.into_bytes(), room))
    };
    let text = scrapes.text(Instant::now(), render)?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixture::loaded;

    #[tokio::test]
    async fn texts_that_nobody_reads_to_their_end_are_only_so_many() {
        let app = loaded(None);
        let unread = Arc::clone(&app.metrics.scrapes.unread);
        let all_but_one = Arc::clone(&unread).try_acquire_many_owned(TEXTS as u32 - 1).unwrap();
        let first = show(State(Arc::clone(&app))).await.unwrap();
        assert!(show(State(Arc::clone(&app))).await.is_err());
        drop(all_but_one);
        let taken = axum::body::to_bytes(first.into_body(), usize::MAX).await.unwrap();
        let second = show(State(Arc::clone(&app))).await.unwrap();
        assert_eq!(unread.available_permits(), TEXTS - 2);
        drop((taken, second));
        assert_eq!(unread.available_permits(), TEXTS - 1, "the latest one is kept");
    }

    #[test]
    fn a_flood_of_scrapes_is_rendered_a_few_times_a_second_and_no_text_is_older_than_that() {
        let (scrapes, began) = (Scrapes::default(), Instant::now());
        let mut rendered = 0;
        for millisecond in 0..3_000 {
            let text = scrapes.text(began + Duration::from_millis(millisecond), || {
                rendered += 1;
                Ok::<_, ()>(Bytes::from(millisecond.to_string()))
            });
            let of: u64 = std::str::from_utf8(&text.unwrap()).unwrap().parse().unwrap();
            assert!(millisecond - of < 1_000);
            if millisecond % 1_000 < u64::from(FRESH) {
                assert_eq!(of, millisecond);
            }
        }
        assert_eq!(rendered, 3 * FRESH);
    }

    #[test]
    fn what_cannot_be_rendered_is_tried_again() {
        let (scrapes, now) = (Scrapes::default(), Instant::now());
        assert_eq!(scrapes.text(now, || Err("no")), Err("no"));
        assert_eq!(scrapes.text(now, || Ok::<_, &str>(Bytes::from("text"))).unwrap(), "text");
    }
}
