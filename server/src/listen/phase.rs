//! The three phases of a server's life, known to every connection.

use tokio::sync::watch;

/// Where the server is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// As usual.
    Serving,
    /// Still accepting and answering, but every answer says `Connection: close`.
    LameDuck,
    /// No longer accepting; idle connections close, the others finish.
    Closing,
}

/// A connection's view of it.
#[derive(Clone, Debug)]
pub(crate) struct Phases(watch::Receiver<Phase>);

impl Phases {
    /// The side that moves on, and the side that looks on.
    pub(crate) fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (sender, Self(receiver))
    }

    /// Whether answers must say that the connection ends.
    pub(super) fn ends_connections(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Whether no more connections are accepted.
    pub(super) fn are_closing(&self) -> bool {
        *self.0.borrow() == Phase::Closing
    }

    /// Whether there has been another phase since this view was made.
    pub(super) fn have_moved(&self) -> bool {
        // Without a sender nothing will move any more: whoever waits has to be told.
        self.0.has_changed().unwrap_or(true)
    }

    /// Waits until no more connections are to be accepted; so does a sender that is gone.
    pub(crate) async fn closing(&self) {
        let _ = self.0.clone().wait_for(|phase| *phase == Phase::Closing).await;
    }
}
