//! The list of detectors, and the only place that names them all.
//!
//! A new detector is an entry here, a file in each of `config`, `model_file` and this folder with its `mod` and `use`,
//! and the members of its first release in the training key (`api`).

/// Calls `$then!` with an entry for each detector but the ensemble: what it is (the CRD's description), its member in
/// [`DetectorConfig`](crate::DetectorConfig), its name in the resource, the tag of its section in the model file, its
/// type, its configuration, its checked parameters, and the range of its scores
/// ([`ScoreRange`](crate::config::ScoreRange)).
macro_rules! single_detectors {
    ($then:ident $($more:tt)*) => {
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

            /// Robust covariance: rows far from the center of the bulk of the data, measured by its covariance, are
            /// anomalous. Finds unusual combinations of values; at most 512 features.
            robust_covariance "robustCovariance" "mcov"
                RobustCovariance RobustCovarianceConfig RobustCovarianceParameters BelowZero;

            /// Nearest neighbours: rows far from the training rows nearest to them are anomalous. Follows data of any
            /// shape; the model contains up to 1024 of the training rows.
            nearest_neighbors "nearestNeighbors" "knns"
                NearestNeighbors NearestNeighborsConfig NeighborsParameters BelowZero;

            /// Local outlier factor: rows in a sparser place than their neighbours are anomalous, however dense the
            /// data are elsewhere. The model contains up to 1024 of the training rows.
            local_outlier_factor "localOutlierFactor" "lofs"
                LocalOutlierFactor LocalOutlierFactorConfig NeighborsParameters BelowZero;

            /// The largest robust z-score: a row is anomalous if one of its values is far from the median of its column,
            /// measured by the median deviation. Simple, fast and easy to explain; blind to combinations of values.
            robust_z_score "robustZScore" "robz"
                RobustZScore RobustZScoreConfig RobustZScoreParameters BelowZero;

            /// HBOS: a row is anomalous if its values are rare in the histograms of their columns.
            /// Fast, for many columns that have little to do with each other, and for discrete ones.
            hbos "hbos" "hbos"
                Hbos HbosConfig HbosParameters BelowZero;

            /// ECOD: a row is anomalous if its values are far out in the distributions of their columns.
            /// No parameters, any units; for many columns with smooth distributions.
            ecod "ecod" "ecod"
                Ecod EcodConfig EcodParameters BelowZero;

            /// COPOD: a row is anomalous if it is far out to one side in its columns taken together.
            /// No parameters, any units; for many columns that go wrong in one direction.
            copod "copod" "copd"
                Copod CopodConfig CopodParameters BelowZero;

            $($more)*
        }
    };
}

/// Calls `$then!` with an entry for each detector, as [`single_detectors`] does; the ensemble, which no ensemble has as a
/// member, comes last.
macro_rules! every_detector {
    ($then:ident) => {
        $crate::every::single_detectors! { $then
            /// An ensemble: several detectors at once, by default isolationForest, robustCovariance and
            /// nearestNeighbors. A row is anomalous if it is rare for most of them or very rare for one.
            ensemble "ensemble" "ensb" Ensemble EnsembleConfig EnsembleParameters BelowZero;
        }
    };
}

pub(crate) use {every_detector, single_detectors};
