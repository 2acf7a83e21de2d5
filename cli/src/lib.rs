//! What `anomaly` does, as a library: [`manifest`] reads files of resources as strictly as `kubectl` does,
//! [`plan`] picks the model and finds its data, [`run`] trains and serves it in this process, [`train`] trains it into a directory.
//!
//! No cluster is asked for anything, ever.

pub mod manifest;
pub mod plan;
pub mod run;
pub mod train;
