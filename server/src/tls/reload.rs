//! Reads certificate and key again and again, so that a changed Secret needs no restart.
//!
//! As with the password file there is no event to rely on. The kubelet swaps both files at once; whoever writes them
//! one after the other is seen with a pair that does not fit for a moment, and keeps the one before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info};

use super::Tls;
use super::pair::Pair;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Both files' bytes, or why there are none.
type Content = Result<(Vec<u8>, Vec<u8>), String>;

/// Reads the files for the first time. The content is what [`watch`] compares with.
pub(crate) fn read_once(tls: &Tls, directory: &Path) -> Content {
    let content = read(directory);
    apply(tls, directory, &content);
    content
}

/// Reads the files every so often, and takes them into use when they differ.
pub(crate) async fn watch(tls: Arc<Tls>, directory: PathBuf, every: Duration, mut known: Content) {
    loop {
        tokio::time::sleep(every).await;
        let from = directory.clone();
        let Ok(content) = tokio::task::spawn_blocking(move || read(&from)).await else { continue };
        if content != known {
            apply(&tls, &directory, &content);
            known = content;
        }
    }
}

fn read(directory: &Path) -> Content {
    let file = |name: &str| {
        std::fs::read(directory.join(name)).map_err(|error| format!("{name} cannot be read: {error}"))
    };
    Ok((file(CERTIFICATE)?, file(KEY)?))
}

fn apply(tls: &Tls, directory: &Path, content: &Content) {
    let directory = directory.display();
    let pair = match content {
        Ok((certificate, key)) => Pair::parse(certificate, key).map_err(|error| error.to_string()),
        Err(reason) => Err(reason.clone()),
    };
    match &pair {
        Ok(_) => info!(%directory, "a TLS certificate has been taken into use"),
        Err(reason) if tls.ready().is_ok() => {
            error!(%directory, reason, "the new TLS certificate cannot be used; the one before stays");
        }
        Err(reason) => {
            error!(%directory, reason, "there is no usable TLS certificate; every connection is closed");
        }
    }
    tls.replace(pair);
}
