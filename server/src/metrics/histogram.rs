//! A histogram to which a whole chunk is added at once. (Those of the library take one value after the other.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::{Atomic as _, AtomicF64, Collector, Desc, Describer as _};
use prometheus::proto::{self, MetricFamily, MetricType};
use prometheus::{Opts, Registry};

use super::ladder::Ladder;

/// Shared by those who count and the registry. Every bucket, their number and the sum are read one after the other:
/// a scrape in the middle of a chunk may see some of them a chunk ahead, but `_count` is always the buckets' sum.
#[derive(Clone, Debug)]
pub(crate) struct ChunkHistogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desc: Desc,
    bounds: Vec<f64>,
    ladder: Ladder,
    buckets: Vec<AtomicU64>,
    sum: AtomicF64,
}

impl ChunkHistogram {
    /// With these upper bounds, ascending.
    pub(crate) fn register(
        registry: &Registry,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> prometheus::Result<Self> {
        let ladder = Ladder::new(bounds);
        let buckets = (0..ladder.bins()).map(|_| AtomicU64::new(0)).collect();
        let desc = Opts::new(name, help).describe()?;
        let inner = Inner { desc, bounds: bounds.to_vec(), ladder, buckets, sum: AtomicF64::new(0.0) };
        let histogram = Self(Arc::new(inner));
        registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    /// Counts one value.
    pub(crate) fn observe(&self, value: f64) {
        self.0.buckets[self.0.ladder.bin(value)].fetch_add(1, Ordering::Relaxed);
        self.0.sum.inc_by(value);
    }

    /// Counts many.
    pub(crate) fn observe_all(&self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let Inner { ladder, buckets, sum, .. } = self.0.as_ref();
        let all = values.len() as u64;
        let mut above = ladder.zeros();
        ladder.add(values.clone(), &mut above);
        for (bucket, count) in buckets.iter().zip(ladder.counts(&above, all)) {
            if count > 0 {
                bucket.fetch_add(count, Ordering::Relaxed);
            }
        }
        sum.inc_by(values.sum());
    }
}

impl Collector for ChunkHistogram {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Inner { desc, bounds, buckets, sum, .. } = self.0.as_ref();
        let mut cumulative = 0;
        let mut counts = buckets.iter().map(|bucket| {
            cumulative += bucket.load(Ordering::Relaxed);
            cumulative
        });
        let shown = bounds.iter().zip(&mut counts).map(|(&bound, count)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(shown.collect());
        histogram.set_sample_count(counts.next().unwrap_or_default());
        histogram.set_sample_sum(sum.get());
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        let mut family = MetricFamily::default();
        family.set_name(desc.fq_name.clone());
        family.set_help(desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn a_chunk_counts_as_its_values_do_one_by_one() {
        let values: Vec<f64> = (0..1_000).map(|step| f64::from(step * 37 % 101) / 8.0 - 0.75).collect();
        let text = |count: &dyn Fn(&ChunkHistogram)| {
            let registry = Registry::new();
            let bounds = [-0.5, 0.0, 1.0, 2.5, 11.0];
            count(&ChunkHistogram::register(&registry, "severity", "How severe.", &bounds).unwrap());
            TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
        };
        let together = text(&|histogram| histogram.observe_all(values.iter().copied()));
        assert_eq!(together, text(&|histogram| values.iter().for_each(|&value| histogram.observe(value))));
        assert!(together.contains("severity_bucket{le=\"+Inf\"} 1000\n"), "{together}");
        assert!(together.contains("severity_count 1000\n"), "{together}");
        let below = values.iter().filter(|&&value| value <= 1.0).count();
        assert!(together.contains(&format!("severity_bucket{{le=\"1\"}} {below}\n")), "{together}");
    }
}
