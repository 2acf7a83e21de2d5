//! Automation in Rust: what is generated from the types in `api` and from server/proto/, and the checks that it is fresh.
//!
//! Reads and writes files of the repository; it never talks to a cluster and never runs another program.

use std::path::{Path, PathBuf};

pub mod chart_crd;
pub mod generated;
pub mod grpc;
pub mod reasons;
pub mod reference;
pub mod yaml;

/// The repository's root: the parent of this crate's folder.
pub fn repository_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}
