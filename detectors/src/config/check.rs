//! From configuration to checked parameters: pure, and the only way to get parameters.

use super::{
    DEFAULT_CONTAMINATION, DetectorConfig, IsolationForestConfig, MAX_SAMPLES_IN_ALL, MAX_SEED, MAX_TREES,
    SAMPLE_SIZE, ThresholdConfig,
};

/// Parameters of the detector that is asked for, all within their ranges.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Parameters {
    /// An isolation forest's.
    IsolationForest(IsolationForestParameters),
}

/// Parameters of an isolation forest, all within their ranges. Made by [`IsolationForestConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct IsolationForestParameters {
    trees: u32,
    sample_size: u32,
    max_features: f64,
    bootstrap: bool,
    seed: u64,
}

/// A threshold as it was asked for, within its range.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Threshold {
    /// This share of the training rows is to be anomalous; in (0, 0.5].
    Contamination(f64),
    /// A row is anomalous iff its score is below; in (−1, 0).
    Score(f64),
}

/// A configuration that cannot be used, and what would be allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `detector` is empty.
    #[error("detector is empty: give exactly one detector, for example isolationForest")]
    NoDetector,
    /// A whole number is outside its range.
    #[error("{field} is {value}, but must be between {min} and {max}")]
    IntegerOutOfRange {
        /// The field's path.
        field: &'static str,
        /// What was given.
        value: u64,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A number is outside its range, or not a number.
    #[error("{field} is {value}, but must be in {range}")]
    OutOfRange {
        /// The field's path.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed, as an interval.
        range: &'static str,
    },
    /// trees × sampleSize is too large.
    #[error(
        "trees × sampleSize is {product}, a model of up to {bytes} bytes; at most {MAX_SAMPLES_IN_ALL} is allowed: \
         lower one of them"
    )]
    TooManySamples {
        /// trees × sampleSize.
        product: u64,
        /// How large the encoded model could become.
        bytes: u64,
    },
    /// Two thresholds at once.
    #[error("threshold has both contamination and score: give at most one of them")]
    TwoThresholds,
}

impl DetectorConfig {
    /// Checks that exactly one detector is given and that its parameters are within their ranges.
    pub fn check(&self) -> Result<Parameters, ConfigError> {
        let forest = self.isolation_forest.as_ref().ok_or(ConfigError::NoDetector)?;
        forest.check().map(Parameters::IsolationForest)
    }
}

impl IsolationForestConfig {
    /// Checks every parameter's range and the bound on trees × sampleSize.
    pub fn check(&self) -> Result<IsolationForestParameters, ConfigError> {
        let &Self { trees, sample_size, max_features, bootstrap, seed } = self;
        integer("detector.isolationForest.trees", trees.into(), 1, MAX_TREES.into())?;
        let (min, max) = (*SAMPLE_SIZE.start(), *SAMPLE_SIZE.end());
        integer("detector.isolationForest.sampleSize", sample_size.into(), min.into(), max.into())?;
        integer("detector.isolationForest.seed", seed, 0, MAX_SEED)?;
        if !(max_features > 0.0 && max_features <= 1.0) {
            let field = "detector.isolationForest.maxFeatures";
            return Err(ConfigError::OutOfRange { field, value: max_features, range: "(0, 1]" });
        }
        let product = u64::from(trees) * u64::from(sample_size);
        if product > MAX_SAMPLES_IN_ALL {
            return Err(ConfigError::TooManySamples { product, bytes: estimated_bytes(product) });
        }
        Ok(IsolationForestParameters { trees, sample_size, max_features, bootstrap, seed })
    }
}

impl IsolationForestParameters {
    /// The number of trees.
    pub fn trees(&self) -> u32 {
        self.trees
    }

    /// Rows per tree, before clipping to the rows there are.
    pub fn sample_size(&self) -> u32 {
        self.sample_size
    }

    /// The share of columns per tree, in (0, 1].
    pub fn max_features(&self) -> f64 {
        self.max_features
    }

    /// Whether rows are drawn with replacement.
    pub fn bootstrap(&self) -> bool {
        self.bootstrap
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// About how many bytes the encoded model of a forest fitted on that many rows will have at most, if it has few
    /// columns. Real data needs less: whoever has the rows can fit and see.
    pub fn estimated_bytes(&self, rows: u64) -> u64 {
        estimated_bytes(u64::from(self.trees) * u64::from(self.sample_size).min(rows))
    }
}

impl ThresholdConfig {
    /// Checks that at most one threshold is given and that it is in its range; none is the default contamination.
    pub fn check(&self) -> Result<Threshold, ConfigError> {
        match (self.contamination, self.score) {
            (Some(_), Some(_)) => Err(ConfigError::TwoThresholds),
            (None, None) => Ok(Threshold::Contamination(DEFAULT_CONTAMINATION)),
            (Some(value), None) if value > 0.0 && value <= 0.5 => Ok(Threshold::Contamination(value)),
            (None, Some(value)) if value > -1.0 && value < 0.0 => Ok(Threshold::Score(value)),
            (Some(value), None) => {
                Err(ConfigError::OutOfRange { field: "threshold.contamination", value, range: "(0, 0.5]" })
            }
            (None, Some(value)) => {
                Err(ConfigError::OutOfRange { field: "threshold.score", value, range: "(-1, 0)" })
            }
        }
    }
}

/// What uniform data of ten columns needs, on which trees are largest; real data needs less.
fn estimated_bytes(samples: u64) -> u64 {
    samples * 2
}

fn integer(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::IntegerOutOfRange { field, value, min, max })
}
