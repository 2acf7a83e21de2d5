//! TLS on all ports, with a certificate that is replaced while the server runs.
//!
//! Without a usable pair of certificate and key every connection is closed unanswered: nothing is ever served in plain
//! text on a port that was asked to speak TLS. A pair that turns out bad later changes nothing but the log and a
//! counter: the one before stays.

mod pair;
mod reload;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use self::pair::Pair;
use crate::refusals::TlsMetrics;

pub(crate) use self::reload::{read_once, watch};
pub(crate) use self::stream::Stream;

/// What is enciphered ahead of a client that does not read, in bytes; the library's own limit is four times as much.
const SENT_AHEAD: usize = 16 << 10;

/// What is spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// ALPN `http/1.1`.
    Http1,
    /// ALPN `h2`, for gRPC.
    Http2,
}

/// The pair in use.
#[derive(Debug)]
pub(crate) struct Tls {
    pair: ArcSwapOption<Pair>,
    /// Why there is none.
    missing: ArcSwap<String>,
    metrics: TlsMetrics,
}

impl Tls {
    /// Refuses everything until a pair is given.
    pub(crate) fn new(metrics: TlsMetrics) -> Self {
        let missing = ArcSwap::from_pointee("the certificate has not been read".to_owned());
        Self { pair: ArcSwapOption::empty(), missing, metrics }
    }

    /// Whether a connection can be served.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.pair.load().is_some() { Ok(()) } else { Err(self.missing.load().as_ref().clone()) }
    }

    /// The connection after its handshake, or none: there is no pair, it took too long, or the client did not agree.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        protocol: Protocol,
        within: Duration,
    ) -> Option<Stream> {
        let pair = self.pair.load_full()?;
        let acceptor = TlsAcceptor::from(pair.config(protocol));
        let shaking = acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(SENT_AHEAD)));
        let shaken = timeout(within, shaking).await;
        match shaken {
            Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => self.failed(&error),
            Err(late) => self.failed(&late),
        }
    }

    /// Anybody can make a handshake fail, so it is counted, not logged.
    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Option<Stream> {
        self.metrics.handshakes_failed.inc();
        debug!(error, "a TLS handshake failed");
        None
    }

    /// From now on this pair; without a usable one that before stays.
    fn replace(&self, pair: Result<Pair, String>) {
        match pair {
            Ok(pair) => {
                self.metrics.loaded.inc();
                self.pair.store(Some(Arc::new(pair)));
            }
            Err(reason) => {
                self.metrics.refused.inc();
                self.missing.store(Arc::new(reason));
            }
        }
    }
}
