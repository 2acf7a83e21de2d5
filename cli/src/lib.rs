//! What `anomaly` does, as a library: [`manifest`] reads files of resources as strictly as `kubectl` does,
//! [`plan`] picks the model and finds its data, [`run`] trains and serves it in this process, [`train`] trains it into a directory,
//! [`import`] takes one over from scikit-learn; [`score`] and [`replay`]
//! take the rows of a [`table`] to a model, here or behind a URL.
//!
//! No cluster is asked for anything, ever.

pub mod import;
mod limits;
pub mod manifest;
pub mod plan;
pub mod replay;
pub mod run;
pub mod score;
pub mod table;
pub mod train;
