//! The training Job's work: CSV → checked rows → model → revision.
//!
//! [`data`] and [`train`](train()) know no Kubernetes and do no I/O, so that `anomaly run` trains with the same code;
//! [`outcome`] says how a training ended in the words and exit codes that the operator reads. Only [`publish`]
//! (feature `publish`) talks to the API server, with a single request.

pub mod data;
pub mod outcome;
#[cfg(feature = "publish")]
pub mod publish;
#[cfg(feature = "publish")]
pub mod revision;
mod train;

pub use train::{MOST_BYTES, Trained, TrainerError, train, train_to_publish};
