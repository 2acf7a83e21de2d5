//! c(n), leaf values and the score: the formulas of the paper with the association that scikit-learn uses, so that
//! sums agree to the bit. `libm` and not the platform's functions, which differ in the last digit from each other; and
//! from `libm`, in c(n) for one n in a hundred: forests fitted elsewhere bring their own c(n).

use std::collections::BTreeMap;

use super::tree::ForestError;

/// Euler's constant γ as f64.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// c(n): the mean path length of an unsuccessful search in a binary search tree of n keys.
/// c(0) = c(1) = 0, c(2) = 1, c(n) = 2 (ln(n − 1) + γ) − 2 (n − 1)/n (Liu, Ting & Zhou 2008, equation 1).
pub fn average_path_length(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(n);
            2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// How far a given c(n) may be from the formula: two correct logarithms differ by far less.
const TOLERANCE: f64 = 1e-9;

/// Where c(n) comes from.
#[derive(Clone, Debug)]
pub(super) enum PathLengths {
    /// The formula, [`average_path_length`].
    Formula,
    /// A table written where the forest was fitted: no logarithm computed here enters a sum.
    Given(BTreeMap<u32, f64>),
}

impl PathLengths {
    /// Checks a table against the formula.
    pub(super) fn given(table: BTreeMap<u32, f64>) -> Result<Self, ForestError> {
        let wrong = |&(&samples, &given): &(&u32, &f64)| {
            let difference = (given - average_path_length(samples)).abs();
            difference.is_nan() || difference > TOLERANCE
        };
        match table.iter().find(wrong) {
            Some((&samples, _)) => Err(ForestError::PathLength { samples }),
            None => Ok(Self::Given(table)),
        }
    }

    /// c(n), if the table has it.
    pub(super) fn of(&self, samples: u32) -> Option<f64> {
        match self {
            Self::Formula => Some(average_path_length(samples)),
            Self::Given(table) => table.get(&samples).copied(),
        }
    }
}

/// What a leaf at this depth (root: 0) whose rows have this mean path length adds to the sum.
pub(super) fn leaf_value(depth: u32, mean_path_length: f64) -> f64 {
    // Not simplified: this association is scikit-learn's.
    (f64::from(depth + 1) + mean_path_length) - 1.0
}

/// −2^(−sum / denominator); −0.5 if the denominator is 0, as for forests of one row.
pub(crate) fn score(sum: f64, denominator: f64) -> f64 {
    if denominator == 0.0 {
        return -0.5;
    }
    -libm::exp2(-(sum / denominator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_path_length_is_the_published_one() {
        assert_eq!([0, 1, 2].map(average_path_length), [0.0, 0.0, 1.0]);
        // 2 H(n − 1) − 2 (n − 1)/n with the harmonic number itself, which ln + γ approximates to 1/(2 n).
        let harmonic: f64 = (1..256).map(|i| 1.0 / f64::from(i)).sum();
        let exact = 2.0 * harmonic - 2.0 * 255.0 / 256.0;
        assert!((average_path_length(256) - exact).abs() < 1.0 / 255.0);
        assert_eq!(average_path_length(256), 10.244770920119917);
    }

    #[test]
    fn a_path_of_average_length_scores_one_half() {
        let c = average_path_length(256);
        assert_eq!(score(100.0 * c, 100.0 * c), -0.5);
        assert_eq!(score(0.0, 0.0), -0.5);
        assert_eq!(score(0.0, c), -1.0);
    }

    #[test]
    fn a_given_table_is_used_as_it_is_and_refused_if_it_is_wrong() {
        let rounded = average_path_length(100).next_up();
        let table = PathLengths::given([(100, rounded)].into()).unwrap();
        assert_eq!((table.of(100), table.of(99)), (Some(rounded), None));
        for wrong in [f64::NAN, 8.0] {
            let error = PathLengths::given([(1, 0.0), (100, wrong)].into()).unwrap_err();
            assert_eq!(error, ForestError::PathLength { samples: 100 });
        }
    }
}
