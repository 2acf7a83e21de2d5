//! Counting values between edges, many at a time: what histograms and drift have in common.
//!
//! No branch depends on a value. Each is compared with every edge of a group at once, which compiles to vector
//! instructions, and what lies above each edge is counted; the difference of two neighbours is what lies between them.

/// Edges that are compared at once. All deciles fit one group.
const GROUP: usize = 10;

/// Ascending edges. Bin 0 is for values up to the first, the last bin for values above all.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    edges: usize,
    /// Filled up with infinity, which nothing is above.
    groups: Vec<[f64; GROUP]>,
}

/// Values above each edge; zero to begin with.
pub(crate) type Above = [u64; GROUP];

impl Ladder {
    pub(crate) fn new(edges: &[f64]) -> Self {
        let filled = |group: &[f64]| {
            let mut filled = [f64::INFINITY; GROUP];
            filled[..group.len()].copy_from_slice(group);
            filled
        };
        Self { edges: edges.len(), groups: edges.chunks(GROUP).map(filled).collect() }
    }

    /// The number of bins.
    pub(crate) fn bins(&self) -> usize {
        self.edges + 1
    }

    /// The bin of one value; NaN is in bin 0.
    pub(crate) fn bin(&self, value: f64) -> usize {
        self.groups.as_flattened().partition_point(|&edge| edge < value)
    }

    /// Zeros for [`Ladder::add`].
    pub(crate) fn zeros(&self) -> Vec<Above> {
        vec![[0; GROUP]; self.groups.len()]
    }

    /// Compares some values.
    pub(crate) fn add(&self, values: impl Iterator<Item = f64> + Clone, above: &mut [Above]) {
        for (edges, above) in self.groups.iter().zip(above) {
            let mut counts = *above;
            for value in values.clone() {
                for (count, &edge) in counts.iter_mut().zip(edges) {
                    *count += u64::from(value > edge);
                }
            }
            *above = counts;
        }
    }

    /// How many of `all` values are in each bin.
    pub(crate) fn counts(&self, above: &[Above], all: u64) -> impl Iterator<Item = u64> {
        let above = above.iter().flatten().copied().take(self.edges);
        std::iter::once(all).chain(above.clone()).zip(above.chain([0])).map(|(from, to)| from - to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edges of every number up to three groups, and values on, between and beyond them.
    #[test]
    fn many_values_are_counted_where_each_of_them_belongs() {
        for edges in 0..30 {
            let edges: Vec<f64> = (0..edges).map(|edge| f64::from(edge) * 1.5 - 7.0).collect();
            let ladder = Ladder::new(&edges);
            let mut values: Vec<f64> = (0..500).map(|step| f64::from(step) * 0.25 - 60.0).collect();
            values.extend([f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0]);
            let mut expected = vec![0; ladder.bins()];
            for &value in &values {
                let bin = edges.iter().filter(|&&edge| edge < value).count();
                assert_eq!(ladder.bin(value), bin);
                expected[bin] += 1;
            }
            let mut above = ladder.zeros();
            for part in values.chunks(100) {
                ladder.add(part.iter().copied(), &mut above);
            }
            assert_eq!(ladder.counts(&above, values.len() as u64).collect::<Vec<_>>(), expected);
        }
    }
}
