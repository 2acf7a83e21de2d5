//! SIGTERM (the kubelet) drains, SIGINT (a person) stops now, and any second signal stops now.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::server::Stop;

/// From now on signals no longer end the process but are sent on.
pub(crate) fn listen() -> io::Result<mpsc::Receiver<Stop>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            let stop = tokio::select! {
                _ = terminate.recv() => Stop::Drain,
                _ = interrupt.recv() => Stop::Now,
            };
            if sender.send(stop).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
