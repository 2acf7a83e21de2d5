//! Why a row scores as it does: one contribution for each column.
//!
//! A detector compares a row's *value* with a *baseline*, what rows have on average, and says how much of the
//! difference each column makes: contributions sum to it. Positive ones make the row more anomalous, negative ones less.
//!
//! A forest's value is the mean path length of the row over the trees, its baseline that of the training rows, and
//! contributions sum to baseline − value: an anomalous row's path is short. Nothing is rescaled into the score.
//!
//! Contributions say which columns the detector looked at and how far each led it, nothing about causes.

/// An explanation of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The value of an average training row.
    pub baseline: f64,
    /// The value of this row.
    pub value: f64,
    /// How much each column adds, in the order of the features; positive makes the row more anomalous.
    pub contributions: Vec<f64>,
    /// Each column's part of all that makes the row more anomalous: positive contributions, divided by their sum.
    /// All 0 if there are none.
    pub shares: Vec<f64>,
}

/// Where an explanation starts from and where it leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The value of an average training row.
    pub baseline: f64,
    /// The value of the row explained.
    pub value: f64,
}

impl Explanation {
    pub(crate) fn new(Level { baseline, value }: Level, contributions: Vec<f64>) -> Self {
        let shares = shares(&contributions);
        Self { baseline, value, contributions, shares }
    }
}

fn shares(contributions: &[f64]) -> Vec<f64> {
    let positive = |contribution: &f64| contribution.max(0.0);
    let all: f64 = contributions.iter().map(positive).sum();
    let share = |contribution| if all > 0.0 { positive(contribution) / all } else { 0.0 };
    contributions.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_makes_a_row_anomalous() {
        assert_eq!(shares(&[3.0, -5.0, 1.0, 0.0]), [0.75, 0.0, 0.25, 0.0]);
        assert_eq!(shares(&[-1.0, 0.0]), [0.0, 0.0]);
    }
}
