//! The list of detectors, and the only place that names them all.
//!
//! A new detector is an entry here, a file in each of `config`, `model_file` and this folder with its `mod` and `use`,
//! and the members of its first release in the training key (`api`).

/// Calls `$then!` with an entry for each detector: what it is (the CRD's description), its member in
/// [`DetectorConfig`](crate::DetectorConfig), its name in the resource, the tag of its section in the model file, its
/// type, its configuration, its checked parameters, and the range of its scores
/// ([`ScoreRange`](crate::config::ScoreRange)).
macro_rules! every_detector {
    ($then:ident) => {
        $then! {
            /// An isolation forest: rows that few random splits separate from the others are anomalous.
            /// Works on any number of columns, in any units, without scaling.
            isolation_forest "isolationForest" "frst"
                IsolationForest IsolationForestConfig IsolationForestParameters MinusOneToZero;

            /// An extended isolation forest: one whose splits are hyperplanes of any slope, over standardised columns.
            /// For columns that belong together, where splits of single columns leave bands along the axes.
            extended_isolation_forest "extendedIsolationForest" "eifr"
                ExtendedIsolationForest ExtendedIsolationForestConfig ExtendedIsolationForestParameters MinusOneToZero;

            /// Principal components: rows far out along the directions in which the training rows vary, or beside the
            /// subspace that these span, are anomalous. For columns that depend on each other; at most 512 of them.
            principal_components "principalComponents" "pcas"
                PrincipalComponents PrincipalComponentsConfig PrincipalComponentsParameters BelowZero;

            /// The largest robust z-score: a row is anomalous if one of its values is far from the median of its column,
            /// measured by the median deviation. Simple, fast and easy to explain; blind to combinations of values.
            robust_z_score "robustZScore" "robz"
                RobustZScore RobustZScoreConfig RobustZScoreParameters BelowZero;
        }
    };
}

pub(crate) use every_detector;
