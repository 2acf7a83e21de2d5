//! The probes. `/healthz` says that the process answers and depends on nothing else; `/readyz` says whether it may
//! get traffic. Neither knows of draining: a terminating pod leaves the endpoints by itself.
//!
//! Who watches by gRPC instead of asking is told of changes, and at the end that there will be none.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::sync::watch;

use crate::listen::Phases;
use crate::problem::Problem;
use crate::state::App;

/// How often is looked whether the server is ready, for those who watch.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many may watch at once.
pub(crate) const MOST_WATCHERS: usize = 256;

/// What those who watch are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Ready,
    NotReady,
    /// The server closes: nothing follows.
    Closing,
}

/// Where they are told: one task looks, however many watch.
#[derive(Debug)]
pub(crate) struct Told(watch::Sender<Health>);

impl Told {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Health::NotReady))
    }

    /// What is told from now on, beginning with what is the case. `None` if there is no room for one more: who watches
    /// holds memory for as long as it likes.
    pub(crate) fn watch(&self) -> Option<watch::Receiver<Health>> {
        if self.0.receiver_count() >= MOST_WATCHERS {
            return None;
        }
        let mut receiver = self.0.subscribe();
        receiver.mark_changed();
        Some(receiver)
    }

    /// What comes after [`Health::Closing`] is not told.
    pub(crate) fn tell(&self, health: Health) {
        self.0.send_if_modified(|told| {
            let changes = *told != Health::Closing && *told != health;
            if changes {
                *told = health;
            }
            changes
        });
    }
}

/// Tells those who watch, until the server closes.
pub(crate) async fn tell(app: Arc<App>, phases: Phases) {
    let mut closing = pin!(phases.closing());
    loop {
        app.tell_health();
        tokio::select! {
            () = &mut closing => return app.health.tell(Health::Closing),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Liveness.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Readiness, or 503 with the reason.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.ready().map(|()| "ok\n").map_err(Problem::not_ready)
}
