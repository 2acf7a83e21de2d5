//! The pipeline against an API server in memory: what it sends, in which order, and that it sends nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod failures;
mod monitoring;
mod one_model;
mod several_models;
mod support;
