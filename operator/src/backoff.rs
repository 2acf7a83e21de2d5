//! Exponential back-off with jitter: for watches, and for models whose reconcile failed. No I/O here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;

use crate::store::ModelRef;

/// From which delay to which, doubling.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

/// Of a watch.
pub const WATCH: Backoff = Backoff { first: Duration::from_millis(800), most: Duration::from_secs(30) };
/// Of a model.
pub const MODEL: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_secs(300) };

impl Backoff {
    /// The delay after this many failures in a row, of which up to a half is left to chance: many that failed at once
    /// do not come back at once.
    pub fn delay(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
        doubled.min(self.most).mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// How often each model failed in a row.
#[derive(Default)]
pub struct Failures(Mutex<BTreeMap<ModelRef, u32>>);

impl Failures {
    /// One more; returns how many there are now.
    pub fn failed(&self, model: &ModelRef) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(model.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// How many there are.
    pub fn count(&self, model: &ModelRef) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied().unwrap_or_default()
    }

    /// Forgets models that are gone.
    pub fn retain(&self, alive: impl Fn(&ModelRef) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|model, _| alive(model));
    }

    /// It succeeded, or is gone.
    pub fn clear(&self, model: &ModelRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(model);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_differ() {
        for (failures, most) in [(1, 500), (2, 1_000), (5, 8_000), (40, 300_000), (u32::MAX, 300_000)] {
            for _ in 0..50 {
                let delay = MODEL.delay(failures).as_millis();
                assert!((most / 2..=most).contains(&delay), "{failures}: {delay}");
            }
        }
        let delays: std::collections::BTreeSet<_> = (0..50).map(|_| MODEL.delay(9)).collect();
        assert!(delays.len() > 1);
    }

    #[test]
    fn a_success_starts_over() {
        let (failures, model) = (Failures::default(), ModelRef::new("demo", "x"));
        assert_eq!((failures.failed(&model), failures.failed(&model)), (1, 2));
        failures.clear(&model);
        assert_eq!(failures.count(&model), 0);
    }
}
