//! Reads the password file again and again, so that a changed Secret needs no restart.
//!
//! The Secret is mounted as a directory, in which the kubelet swaps a symbolic link: there is no event to rely on,
//! so the content is compared. A file that has become unusable locks everybody out: it fails closed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::Gate;
use super::htpasswd::Users;

/// The file's bytes, or why there are none.
type Content = Result<Vec<u8>, String>;

/// Reads the file for the first time. The content is what [`watch`] compares with.
pub(crate) fn read_once(gate: &Gate, path: &Path) -> Content {
    let content = read(path);
    apply(gate, path, &content);
    content
}

/// Reads the file every so often, and tells the gate when it differs.
pub(crate) async fn watch(gate: Arc<Gate>, path: PathBuf, every: Duration, mut known: Content) {
    loop {
        tokio::time::sleep(every).await;
        let from = path.clone();
        let Ok(content) = tokio::task::spawn_blocking(move || read(&from)).await else { continue };
        if content != known {
            apply(&gate, &path, &content);
            known = content;
        }
    }
}

fn read(path: &Path) -> Content {
    std::fs::read(path).map_err(|error| error.to_string())
}

fn apply(gate: &Gate, path: &Path, content: &Content) {
    let path = path.display();
    let parsed = match content {
        Ok(bytes) => Users::parse(bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.clone()),
    };
    match parsed {
        Ok((users, refused)) => {
            for refused in refused {
                warn!(line = refused.line, "a line of {path} is left out: {}", refused.error);
            }
            info!(lines = users.len(), "{path} is read");
            gate.replace(Ok(users));
        }
        Err(reason) => {
            let reason = format!("the password file {path} lets nobody in: {reason}");
            error!(reason, "requests on the port public are refused");
            gate.replace(Err(reason));
        }
    }
}
