//! `spec.serving.limits` and `spec.serving.page` as the server takes them. Pure.

use std::time::Duration;

use api::spec::{Limits, Page};
use server::Keep;

/// The server's limits, with its own defaults for what a manifest does not say.
pub(crate) fn limits(asked: &Limits) -> server::Limits {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let seconds = |n: u32| Duration::from_secs(u64::from(n));
    server::Limits {
        max_body_bytes: count(asked.max_body_bytes),
        max_batch_rows: count(asked.max_batch_rows),
        max_concurrent_rows: count(asked.max_concurrent_rows),
        max_batch_wait: Duration::from_millis(u64::from(asked.max_batch_wait_milliseconds)),
        max_concurrent_requests: count(asked.max_concurrent_requests),
        max_connections: count(asked.max_connections),
        request_timeout: seconds(asked.request_timeout_seconds),
        header_timeout: seconds(asked.header_timeout_seconds),
        stall_timeout: seconds(asked.stall_timeout_seconds),
        idle_timeout: seconds(asked.idle_timeout_seconds),
        ..server::Limits::default()
    }
}

/// What the page keeps of the latest anomalies.
pub(crate) fn kept(page: &Page) -> Option<Keep> {
    let keep = if page.recent_values { Keep::Values } else { Keep::Causes };
    page.recent_verdicts.then_some(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_are_kept_only_when_the_manifest_says_so() {
        let page = |recent_verdicts, recent_values| Page { recent_verdicts, recent_values };
        let kept = [page(false, false), page(false, true), page(true, false), page(true, true)]
            .map(|page| kept(&page));
        assert_eq!(kept, [None, None, Some(Keep::Causes), Some(Keep::Values)]);
    }

    /// The operator passes to a pod only what differs from the resource's defaults.
    #[test]
    fn the_defaults_of_the_resource_are_those_of_the_server() {
        let (of_resource, of_server) = (limits(&Limits::default()), server::Limits::default());
        assert_eq!(format!("{of_resource:?}"), format!("{of_server:?}"));
    }
}
