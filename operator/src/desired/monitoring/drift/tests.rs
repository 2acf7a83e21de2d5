//! What the drift alert promises, on simulated rows.

use super::*;

/// SplitMix64: the same numbers for ever.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn normals(&mut self, rows: usize) -> Vec<f64> {
        (0..rows).map(|_| self.normal()).collect()
    }
}

/// Bins as training makes them: ten by quantiles, and one of what is missing.
struct Bins {
    edges: Vec<f64>,
    expected: Vec<f64>,
    training: f64,
}

impl Bins {
    fn of(training: &[f64]) -> Self {
        let mut sorted = training.to_vec();
        sorted.sort_by(f64::total_cmp);
        let edges: Vec<f64> = (1..10).map(|i| sorted[i * sorted.len() / 10]).collect();
        let mut bins = Self { edges, expected: Vec::new(), training: training.len() as f64 };
        bins.expected = smoothed(&bins.rows(training));
        bins
    }

    fn rows(&self, values: &[f64]) -> Vec<f64> {
        let mut rows = vec![0.0; self.edges.len() + 2];
        for value in values {
            rows[self.edges.iter().filter(|edge| value >= edge).count()] += 1.0;
        }
        rows
    }

    fn drifted(&self, values: &[f64]) -> bool {
        drifted(&self.rows(values), &self.expected, self.training)
    }

    /// The formula without the least number of rows.
    fn beyond_chance(&self, values: &[f64]) -> bool {
        let rows = self.rows(values);
        let psi = psi(&rows, &self.expected);
        psi > LIMIT && psi > critical(rows.len(), values.len() as f64, self.training)
    }
}

/// Shares as the server exports them.
fn smoothed(rows: &[f64]) -> Vec<f64> {
    let all = rows.iter().sum::<f64>() + rows.len() as f64 / 2.0;
    rows.iter().map(|n| (n + 0.5) / all).collect()
}

fn shifted(values: Vec<f64>, by: f64) -> Vec<f64> {
    values.into_iter().map(|value| value + by).collect()
}

#[test]
fn rows_like_those_of_training_raise_nothing_in_a_thousand_windows_of_any_size() {
    let mut random = Random(16);
    let bins = Bins::of(&random.normals(5_000));
    for size in [100, 200, 500, 1_000, 2_000, 5_000, 10_000] {
        let alarms = (0..1_000).filter(|_| bins.drifted(&random.normals(size))).count();
        assert_eq!(alarms, 0, "windows of {size}");
    }
}

/// Why there is a least number of rows: the logarithm of a bin with hardly any of 100 rows has a longer tail than χ².
#[test]
fn without_a_least_number_of_rows_it_would_be_wrong_a_few_times_in_a_thousand_small_windows() {
    let mut random = Random(17);
    let bins = Bins::of(&random.normals(5_000));
    let alarms: Vec<usize> = [100, 200, 500]
        .into_iter()
        .map(|size| (0..1_000).filter(|_| bins.beyond_chance(&random.normals(size))).count())
        .collect();
    assert_eq!(alarms, [4, 0, 0]);
}

/// The formula needs no more than 500 rows to see it. The alert waits for 1,000, and by then 600 shifted ones among them
/// are enough.
#[test]
fn a_shift_of_one_standard_deviation_is_found_within_500_rows() {
    let mut random = Random(18);
    let bins = Bins::of(&random.normals(5_000));
    for _ in 0..1_000 {
        assert!(bins.beyond_chance(&shifted(random.normals(500), 1.0)));
        let mut window = random.normals(400);
        window.extend(shifted(random.normals(600), 1.0));
        assert!(bins.drifted(&window));
    }
}

#[test]
fn below_a_thousand_rows_there_is_no_drift() {
    let mut random = Random(19);
    let bins = Bins::of(&random.normals(5_000));
    assert!(!bins.drifted(&shifted(random.normals(999), 3.0)));
    assert!(bins.drifted(&shifted(random.normals(1_000), 3.0)));
}

#[test]
fn a_feature_that_goes_missing_has_drifted() {
    let mut random = Random(20);
    let bins = Bins::of(&random.normals(5_000));
    let mut rows = bins.rows(&random.normals(700));
    rows[10] += 300.0;
    assert!(drifted(&rows, &bins.expected, bins.training));
}

#[test]
fn the_quantiles_are_those_of_chi_squared() {
    for (k, quantile) in (1..).zip(CHI_SQUARED) {
        let above = upper_tail(k, quantile);
        assert!((above - 0.001).abs() < 1e-6, "{k} degrees of freedom: {above}");
    }
    assert_eq!(critical(12, 1_000.0, 1_000.0), f64::INFINITY, "there are no quantiles for twelve bins");
}

/// P(χ² > x) with `k` degrees of freedom: the recurrence Q(k + 2) = Q(k) + (x/2)^(k/2) e^(−x/2) / Γ(k/2 + 1).
fn upper_tail(k: u32, x: f64) -> f64 {
    let (mut tail, mut term, mut degrees) = if k.is_multiple_of(2) {
        ((-x / 2.0).exp(), (-x / 2.0).exp() * x / 2.0, 2)
    } else {
        // erfc(√(x/2)) by its continued fraction; then Γ(3/2) = √π / 2.
        let z = (x / 2.0).sqrt();
        let fraction = (1..200).rev().fold(z, |below, i| z + f64::from(i) / 2.0 / below);
        let root_pi = std::f64::consts::PI.sqrt();
        ((-x / 2.0).exp() / (root_pi * fraction), (-x / 2.0).exp() * z / (root_pi / 2.0), 1)
    };
    while degrees < k {
        tail += term;
        degrees += 2;
        term *= x / f64::from(degrees);
    }
    tail
}

/// The same numbers as in `operator/tests/rules/score_drift.yaml` and `input_drift.yaml`, where promtool evaluates the rules.
#[test]
fn the_figures_of_the_promtool_tests_are_those_of_the_formula() {
    let round = |x: f64| (x * 1e6).round() / 1e6;
    assert_eq!(round(psi(&[700.0, 200.0, 200.0, 100.0], &[0.25; 4])), 0.531217);
    assert_eq!(round(critical(4, 1_200.0, 980.0)), 0.030153);
}
