//! `spec.serving`: the bounds of its limits.

use std::ops::RangeInclusive;

use super::FieldError;
use crate::spec::Limits;

/// Numbers outside their bounds, and those that contradict each other.
pub(super) fn limits(limits: &Limits, errors: &mut Vec<FieldError>) {
    for (name, value, bounds) in bounds(limits) {
        if !bounds.contains(&value) {
            errors.push(FieldError {
                path: format!("spec.serving.limits.{name}"),
                message: format!("expected {} to {}, got {value}", bounds.start(), bounds.end()),
            });
        }
    }
    if limits.max_batch_rows > limits.max_concurrent_rows {
        errors.push(FieldError {
            path: "spec.serving.limits.maxConcurrentRows".into(),
            message: format!(
                "expected at least maxBatchRows ({}), got {}: the largest batch would never fit; raise it, or lower \
                 maxBatchRows",
                limits.max_batch_rows, limits.max_concurrent_rows
            ),
        });
    }
}

/// Every limit by its name, with its bounds: those of the schema, a test compares them.
fn bounds(limits: &Limits) -> [(&'static str, u32, RangeInclusive<u32>); 10] {
    [
        ("maxBodyBytes", limits.max_body_bytes, 1_024..=67_108_864),
        ("maxBatchRows", limits.max_batch_rows, 1..=1_000_000),
        ("maxConcurrentRows", limits.max_concurrent_rows, 1..=10_000_000),
        ("maxBatchWaitMilliseconds", limits.max_batch_wait_milliseconds, 1..=60_000),
        ("maxConcurrentRequests", limits.max_concurrent_requests, 1..=65_536),
        ("maxConnections", limits.max_connections, 1..=65_536),
        ("requestTimeoutSeconds", limits.request_timeout_seconds, 1..=300),
        ("headerTimeoutSeconds", limits.header_timeout_seconds, 1..=60),
        ("stallTimeoutSeconds", limits.stall_timeout_seconds, 1..=600),
        ("idleTimeoutSeconds", limits.idle_timeout_seconds, 1..=3_600),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        let mut errors = Vec::new();
        limits(&Limits::default(), &mut errors);
        assert_eq!(errors, []);
    }

    #[test]
    fn a_limit_out_of_bounds_and_a_batch_that_never_fits_are_told() {
        let mut errors = Vec::new();
        let bad = Limits { max_body_bytes: 1, max_concurrent_rows: 9_999, ..Limits::default() };
        limits(&bad, &mut errors);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "spec.serving.limits.maxBodyBytes: expected 1024 to 67108864, got 1",
                "spec.serving.limits.maxConcurrentRows: expected at least maxBatchRows (10000), got 9999: the largest \
                 batch would never fit; raise it, or lower maxBatchRows",
            ]
        );
    }

    #[cfg(feature = "kube")]
    #[test]
    fn the_bounds_are_those_of_the_schema() {
        let crd = crate::crd::crd();
        let members = crd
            .pointer(
                "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/serving/properties/limits/properties",
            )
            .and_then(|members| members.as_object())
            .unwrap();
        let bounds = bounds(&Limits::default());
        assert_eq!(members.len(), bounds.len());
        for (name, default, range) in bounds {
            let member = &members[name];
            assert_eq!(member["minimum"], *range.start(), "{name}");
            assert_eq!(member["maximum"], *range.end(), "{name}");
            assert_eq!(member["default"], default, "{name}");
        }
    }
}
