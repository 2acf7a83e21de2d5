//! What every detector can do, and the detectors there are.
//!
//! A detector turns a row into a *measure*, the number that verdicts are taken on, and a measure into a score.
//! For a forest the measure is the sum of path lengths, which is exact where the score is rounded; for all others the two
//! are the same. Both are higher for ordinary rows; outlyingness is the negated score.

use ndarray::ArrayView2;

use crate::config::Parameters;
use crate::description::Warning;
use crate::every::every_detector;
use crate::explanation::Level;
use crate::matrix::{CheckedMatrix, in_range};

/// No outlyingness is beyond: sums and squares of such numbers stay finite in the calibration.
pub const MAX_OUTLYINGNESS: f64 = 1e100;

/// An algorithm that learns what is ordinary from rows and measures how ordinary other rows are.
pub trait Detector: Sized {
    /// Checked parameters: nothing else can be fitted.
    type Parameters;

    /// Learns from rows of shape (n, d) with d features' names; also returns what the user should know about the outcome.
    ///
    /// # Errors
    /// The rows exceed a bound of the algorithm.
    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError>;

    /// The seed in these parameters; 0 for a detector that draws nothing.
    fn seed(_parameters: &Self::Parameters) -> u64 {
        0
    }

    /// What the user should know about these rows that fitting need not find out: it may take longer than the fit.
    fn inspect(&self, _rows: &CheckedMatrix, _features: &[String]) -> Option<Warning> {
        None
    }

    /// d, the length of the rows that can be measured.
    fn columns(&self) -> usize;

    /// Whether rows with this value can be measured: by default finite values within ±`f32::MAX`.
    fn accepts(&self, value: f64) -> bool {
        in_range(value)
    }

    /// The measure of one row of d values, all accepted; higher is more ordinary. Finite for every such row, within
    /// ±[`MAX_OUTLYINGNESS`].
    fn measure_row(&self, row: &[f64]) -> f64;

    /// The measures of a matrix of shape (n, d), into a slice of length n: the same bits as row by row.
    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]);

    /// The measures of rows that the detector was fitted on, for threshold and calibration; `at[i]` is the place of row i
    /// in the table that was fitted. A detector for which a row would be its own neighbour leaves it out, by its place
    /// and not by its distance. Called on a detector that has just been fitted, never on one read from a file.
    fn measure_training(&self, rows: ArrayView2<'_, f64>, _at: &[u32], measures: &mut [f64]) {
        self.measure(rows, measures);
    }

    /// The measures of a matrix by everything in this program that could compute them on this machine, each with its
    /// name: all must be equal, to the bit. Rows may be repeated in their order, to fill what takes several at once:
    /// measure i is that of row i mod n.
    fn measure_every_way(&self, rows: ArrayView2<'_, f64>) -> Vec<(&'static str, Vec<f64>)> {
        let mut measures = vec![0.0; rows.nrows()];
        self.measure(rows, &mut measures);
        let one_by_one = rows.rows().into_iter().map(|row| self.measure_row(&row.to_vec())).collect();
        vec![(self.kernel(), measures), (self.kernel(), one_by_one)]
    }

    /// The name of what measures rows on this machine.
    fn kernel(&self) -> &'static str {
        "portable"
    }

    /// The score of a measure: never decreasing. By default the measure itself, minus the outlyingness.
    fn score(&self, measure: f64) -> f64 {
        measure
    }

    /// How much each column of one row of d values, all accepted, adds to its being anomalous, into a slice of
    /// length d; and what these numbers lead from and to: they sum to baseline − value, unless the detector says that
    /// they do not. Does not allocate.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level;

    /// A row close to `row` where the detector's answer changes abruptly, if it has such places; `which` chooses
    /// among them. Such rows show first when a machine computes differently.
    fn edge(&self, _row: &[f64], _which: usize) -> Option<Vec<f64>> {
        None
    }
}

/// Why a detector cannot be fitted to these rows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Too many columns.
    #[error("the rows have {columns} columns, but the detector takes at most {max}: choose fewer features")]
    TooManyColumns {
        /// The number of columns.
        columns: usize,
        /// The most there may be.
        max: usize,
    },
    /// The hyperplanes of an extended isolation forest would take too much memory.
    #[error(
        "{trees} trees with hyperplanes of {columns} columns can have {numbers} numbers, at most {max} are supported: set \
         detector.extendedIsolationForest.extensionLevel to at most {extension_level}, or lower trees"
    )]
    TooManyNumbers {
        /// The number of trees.
        trees: u32,
        /// Columns of a hyperplane.
        columns: usize,
        /// How many numbers all hyperplanes can have.
        numbers: u64,
        /// The most that are supported.
        max: u64,
        /// The extension level that is possible with as many trees.
        extension_level: u64,
    },
    /// Too many rows.
    #[error("there are {rows} rows, but at most {max} are supported: train on a sample")]
    TooManyRows {
        /// The number of rows.
        rows: usize,
        /// The most there may be.
        max: usize,
    },
    /// A member of an ensemble.
    #[error("member {member} of the ensemble: {error}")]
    Member {
        /// Its name in the resource.
        member: &'static str,
        /// Why it cannot be fitted.
        error: Box<FitError>,
    },
    /// A covariance of many columns, whose entries have 32 bits, with one that these cannot hold.
    #[error(
        "values of feature {feature} are so far apart, by its ordinary spread, that the covariance of {columns} columns cannot be \
         stored in 32 bits: leave the feature out, limit its values, or choose at most {exact} features"
    )]
    Beyond32Bits {
        /// The name of the feature.
        feature: String,
        /// Columns of the covariance.
        columns: usize,
        /// The most columns with entries of 64 bits.
        exact: usize,
    },
}

macro_rules! fitted {
    ($($(#[$about:meta])+ $member:ident $kind:literal $tag:literal $name:ident $config:ident $parameters:ident $range:ident;)+) => {
        /// A fitted detector of whichever kind. What each method does is said at [`Detector`].
        #[derive(Clone, Debug)]
        pub(crate) enum Fitted {
            $($name(Box<crate::$name>),)+
        }

        impl Fitted {
            pub(crate) fn fit(
                parameters: &Parameters,
                features: &[String],
                rows: &CheckedMatrix,
            ) -> Result<(Self, Vec<Warning>), FitError> {
                match parameters {
                    $(Parameters::$name(parameters) => {
                        let (detector, warnings) = crate::$name::fit(parameters, features, rows)?;
                        Ok((Self::$name(Box::new(detector)), warnings))
                    })+
                }
            }

            pub(crate) fn inspect(&self, rows: &CheckedMatrix, features: &[String]) -> Option<Warning> {
                match self {
                    $(Self::$name(detector) => detector.inspect(rows, features),)+
                }
            }

            /// The seed of what is drawn besides: rows for the threshold and for the reference.
            pub(crate) fn seed(parameters: &Parameters) -> u64 {
                match parameters {
                    $(Parameters::$name(parameters) => crate::$name::seed(parameters),)+
                }
            }

            /// The detector's name in the resource.
            pub(crate) fn kind(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $kind,)+
                }
            }

            pub(crate) fn columns(&self) -> usize {
                match self {
                    $(Self::$name(detector) => detector.columns(),)+
                }
            }

            pub(crate) fn accepts(&self, value: f64) -> bool {
                match self {
                    $(Self::$name(detector) => detector.accepts(value),)+
                }
            }

            pub(crate) fn measure_row(&self, row: &[f64]) -> f64 {
                match self {
                    $(Self::$name(detector) => detector.measure_row(row),)+
                }
            }

            pub(crate) fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
                match self {
                    $(Self::$name(detector) => detector.measure(rows, measures),)+
                }
            }

            pub(crate) fn measure_training(
                &self,
                rows: ArrayView2<'_, f64>,
                at: &[u32],
                measures: &mut [f64],
            ) {
                match self {
                    $(Self::$name(detector) => detector.measure_training(rows, at, measures),)+
                }
            }

            pub(crate) fn measure_every_way(&self, rows: ArrayView2<'_, f64>) -> Vec<(&'static str, Vec<f64>)> {
                match self {
                    $(Self::$name(detector) => detector.measure_every_way(rows),)+
                }
            }

            pub(crate) fn kernel(&self) -> &'static str {
                match self {
                    $(Self::$name(detector) => detector.kernel(),)+
                }
            }

            pub(crate) fn score(&self, measure: f64) -> f64 {
                match self {
                    $(Self::$name(detector) => detector.score(measure),)+
                }
            }

            pub(crate) fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
                match self {
                    $(Self::$name(detector) => detector.explain_row(row, contributions),)+
                }
            }

            pub(crate) fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
                match self {
                    $(Self::$name(detector) => detector.edge(row, which),)+
                }
            }
        }
    };
}

every_detector!(fitted);
