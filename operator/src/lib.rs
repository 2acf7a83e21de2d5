//! The controller of AnomalyModels.

pub mod check;
pub mod client;
pub mod config;
pub mod fence;
pub mod http;
pub mod leader;
pub mod settings;
pub mod telemetry;
