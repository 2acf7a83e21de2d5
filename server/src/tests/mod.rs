//! The promises of the server, each as one test: in-process against the routers where that is enough, over real
//! sockets where time-outs, closing or draining matter.

#[path = "../../../detectors/tests/support/sklearn.rs"]
#[allow(unreachable_pub, reason = "shared with the tests of another crate")]
mod sklearn;

mod auth;
mod batches;
mod drain;
mod drift;
mod every_detector;
mod explain;
pub(crate) mod fixture;
mod forms;
mod fuzz;
mod information;
mod metrics;
mod oip;
mod overload;
mod page;
mod prediction;
mod probes;
mod sockets;
mod streams;
mod tls;
mod traces;
mod unfinished;
mod unusual;
mod wire;
