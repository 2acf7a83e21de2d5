//! `spec.serving.limits` as the server takes them. Pure.

use std::time::Duration;

use api::spec::Limits;

/// The server's limits, with its own defaults for what a manifest does not say.
pub(crate) fn limits(asked: &Limits) -> server::Limits {
    let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let seconds = |n: u32| Duration::from_secs(u64::from(n));
    server::Limits {
        max_body_bytes: count(asked.max_body_bytes),
        max_batch_rows: count(asked.max_batch_rows),
        max_concurrent_rows: count(asked.max_concurrent_rows),
        max_concurrent_requests: count(asked.max_concurrent_requests),
        max_connections: count(asked.max_connections),
        request_timeout: seconds(asked.request_timeout_seconds),
        header_timeout: seconds(asked.header_timeout_seconds),
        stall_timeout: seconds(asked.stall_timeout_seconds),
        idle_timeout: seconds(asked.idle_timeout_seconds),
        ..server::Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operator passes to a pod only what differs from the resource's defaults.
    #[test]
    fn the_defaults_of_the_resource_are_those_of_the_server() {
        let (of_resource, of_server) = (limits(&Limits::default()), server::Limits::default());
        assert_eq!(format!("{of_resource:?}"), format!("{of_server:?}"));
    }
}
