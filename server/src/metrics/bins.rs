//! Rows per bin of the training, beside the share that is expected in each: what drift is computed from.

use detectors::{Bins, ColumnReference};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, Opts, Registry};

use super::add;
use super::ladder::{Above, Ladder};

/// The bin of rows without a value; the others are numbered.
const MISSING: &str = "missing";

/// Values of a block: what is compared with the edges of one column after the other stays in the first cache.
const BLOCK_VALUES: usize = 2_048;

/// The two families of one kind of bins.
#[derive(Clone, Debug)]
pub(crate) struct BinFamilies {
    rows: IntCounterVec,
    expected: GaugeVec,
}

impl BinFamilies {
    /// `labels` are those before `bin`.
    pub(crate) fn register(
        registry: &Registry,
        rows: Opts,
        expected: Opts,
        labels: &[&str],
    ) -> prometheus::Result<Self> {
        let labels = [labels, &["bin"]].concat();
        Ok(Self {
            rows: add(registry, IntCounterVec::new(rows, &labels)?)?,
            expected: add(registry, GaugeVec::new(expected, &labels)?)?,
        })
    }

    /// Says what is expected, and gives the counters of these labels.
    pub(crate) fn counters(&self, bins: &Bins, with_missing: bool, labels: &[&str]) -> BinCounters {
        let with_missing = with_missing || bins.missing() > 0;
        let mut names: Vec<String> = (0..bins.counts().len()).map(|bin| bin.to_string()).collect();
        if with_missing {
            names.push(MISSING.to_owned());
        }
        let mut counters: Vec<IntCounter> = Vec::with_capacity(names.len());
        for (name, share) in names.iter().zip(bins.expected_shares(with_missing)) {
            let labels = [labels, &[name]].concat();
            self.expected.with_label_values(&labels).set(share);
            counters.push(self.rows.with_label_values(&labels));
        }
        let missing = with_missing.then(|| counters.pop()).flatten();
        BinCounters { ladder: Ladder::new(&tolerant(bins.edges())), rows: counters, missing }
    }
}

/// Edges that a value of the training still does not exceed when it comes as an FP32 tensor: 0.1 in 32 bits is above
/// 0.1. Where 32 bits are too coarse for the bins, the edge stays.
fn tolerant(edges: &[f64]) -> Vec<f64> {
    let gap = |at: usize| {
        let next = edges.get(at + 1).map(|next| next - edges[at]);
        next.or_else(|| Some(edges[at] - edges[at.checked_sub(1)?])).unwrap_or(f64::INFINITY)
    };
    let raised = |at: usize| {
        let raised = f64::from(edges[at] as f32);
        if raised > edges[at] && raised - edges[at] <= gap(at) / 1_000.0 { raised } else { edges[at] }
    };
    (0..edges.len()).map(raised).collect()
}

/// The counters of one set of bins.
#[derive(Debug)]
pub(crate) struct BinCounters {
    ladder: Ladder,
    rows: Vec<IntCounter>,
    /// Only where values can be missing.
    missing: Option<IntCounter>,
}

impl BinCounters {
    /// Counts one value.
    pub(crate) fn count(&self, value: f64) {
        match &self.missing {
            Some(missing) if value.is_nan() => missing.inc(),
            _ => self.rows[self.ladder.bin(value)].inc(),
        }
    }

    /// Counts many.
    pub(crate) fn count_all(&self, values: impl ExactSizeIterator<Item = f64> + Clone) {
        let mut above = self.ladder.zeros();
        self.ladder.add(values.clone(), &mut above);
        self.add(&above, values.len() as u64, values);
    }

    /// Adds what was compared, `all` values.
    fn add(&self, above: &[Above], all: u64, values: impl Iterator<Item = f64>) {
        let mut missing = 0;
        if let Some(counter) = &self.missing {
            missing = values.filter(|value| value.is_nan()).count() as u64;
            counter.inc_by(missing);
        }
        // What is missing is above no edge, so it is among those of the first bin.
        for (counter, count) in self.rows.iter().zip(self.ladder.counts(above, all)) {
            let count = count - std::mem::take(&mut missing);
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

/// The bins of the columns that are watched.
#[derive(Debug, Default)]
pub(crate) struct ColumnCounters(Vec<(usize, BinCounters)>);

impl ColumnCounters {
    /// Those of the columns at these positions that have bins.
    pub(crate) fn new(
        families: &BinFamilies,
        columns: &[ColumnReference],
        features: &[String],
        watched: &[usize],
        with_missing: bool,
    ) -> Self {
        let counters = |&at: &usize| {
            let bins = &columns.get(at)?.bins;
            Some((at, families.counters(bins, with_missing, &[&features[at]])))
        };
        Self(watched.iter().filter_map(counters).collect())
    }

    /// Counts rows of this width.
    pub(crate) fn count_rows(&self, values: &[f64], width: usize) {
        if values.len() == width {
            self.0.iter().for_each(|(column, counters)| counters.count(values[*column]));
            return;
        }
        let mut above = vec![Above::default(); self.0.len()];
        for block in values.chunks(width * (BLOCK_VALUES / width).max(1)) {
            for ((column, counters), above) in self.0.iter().zip(&mut above) {
                counters.ladder.add(of_column(block, *column, width), std::slice::from_mut(above));
            }
        }
        let all = (values.len() / width) as u64;
        for ((column, counters), above) in self.0.iter().zip(&above) {
            counters.add(std::slice::from_ref(above), all, of_column(values, *column, width));
        }
    }
}

fn of_column(values: &[f64], column: usize, width: usize) -> impl Iterator<Item = f64> + Clone {
    values.chunks_exact(width).map(move |row| row[column])
}

#[cfg(test)]
mod tests {
    use detectors::{CheckedMatrix, DetectorConfig, Model};

    use super::*;

    /// The last column is missing in every fifth row.
    #[test]
    fn a_chunk_counts_as_its_rows_do_one_by_one_and_missing_values_apart() {
        let rows: Vec<f64> = (0..3_000).map(|at| f64::from((at * 7_919) % 1_009)).collect();
        let features = ["a", "b", "c"].map(str::to_owned);
        let detector = DetectorConfig::from(detectors::IsolationForestConfig::default());
        let trained = CheckedMatrix::from_vec(rows.clone(), 3).unwrap();
        let model = Model::train(&features, &detector, &Default::default(), &trained).unwrap();
        let reference = model.reference().unwrap();
        let mut rows = rows;
        rows.chunks_mut(3).step_by(5).for_each(|row| row[2] = f64::NAN);

        let counted = |count: &dyn Fn(&ColumnCounters)| {
            let registry = Registry::new();
            let (rows, expected) = (Opts::new("rows", "rows"), Opts::new("expected", "expected"));
            let families = BinFamilies::register(&registry, rows, expected, &["feature"]).unwrap();
            count(&ColumnCounters::new(&families, reference.columns(), &features, &[0, 2], true));
            prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
        };
        let together = counted(&|counters| counters.count_rows(&rows, 3));
        assert_eq!(together, counted(&|counters| rows.chunks(3).for_each(|row| counters.count_rows(row, 3))));
        assert!(together.contains("rows{bin=\"missing\",feature=\"c\"} 200\n"), "{together}");
        assert!(together.contains("rows{bin=\"missing\",feature=\"a\"} 0\n"), "{together}");
        let of_c =
            together.lines().filter(|line| line.starts_with("rows{") && line.contains("feature=\"c\""));
        let sum: u64 = of_c.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(sum, 1_000);
        assert!(!together.contains("feature=\"b\""));
    }

    #[test]
    fn an_edge_lets_the_same_number_in_32_bits_pass_where_that_is_no_difference() {
        let edges = [0.1, 0.2, 0.3];
        let raised = tolerant(&edges);
        for (edge, raised) in edges.iter().zip(&raised) {
            assert!(f64::from(*edge as f32) <= *raised && raised - edge < 1e-7);
        }
        // Seconds of Unix time, a minute apart: 32 bits know every 128th.
        let minutes = [1.75e9 + 33.0, 1.75e9 + 93.0];
        assert_eq!(tolerant(&minutes), minutes);
        assert_eq!(tolerant(&[]), [0.0; 0]);
    }
}
