//! The controller of AnomalyModels.

pub mod check;
pub mod client;
pub mod config;
pub mod desired;
pub mod fence;
pub mod http;
pub mod leader;
pub mod observed;
pub mod outcome;
pub mod resources;
pub mod settings;
pub mod status;
pub mod telemetry;
pub mod training;
pub mod transitions;
pub mod validate;
