//! The controller of AnomalyModels.
