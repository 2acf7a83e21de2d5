//! The controller of AnomalyModels.

pub mod desired;
pub mod observed;
pub mod outcome;
pub mod resources;
pub mod settings;
pub mod status;
pub mod training;
pub mod transitions;
pub mod validate;
