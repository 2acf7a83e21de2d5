//! `GET /model_information`.

use std::time::Duration;

use detectors::config::Missing;
use detectors::{Description, DetectorConfig, IsolationForestConfig, ThresholdConfig, Warning};
use http::StatusCode;
use serde_json::Value;

use super::fixture::{get, http};
use crate::config::About;
use crate::information::{Scoring, render};

const SCORING: Scoring = Scoring { kernel: "portable", calibrated: true, missing: Missing::Refuse };

fn description() -> Description {
    Description {
        format_version: 1,
        revision: "machine-r-0a1b2c3d-4".to_owned(),
        key: "0a1b2c3d".repeat(8),
        detector: DetectorConfig::from(IsolationForestConfig::default()),
        features: vec!["mean".to_owned(), "sd".to_owned()],
        rows: 4_032,
        threshold: -0.6125,
        threshold_config: ThresholdConfig { contamination: Some(0.01), ..ThresholdConfig::default() },
        flagged_training_share: Some(0.0101),
        data_digest: format!("sha256:{}", "d".repeat(64)),
        model_digest: format!("sha256:{}", "e".repeat(64)),
        model_bytes: 30_000,
        warnings: vec![Warning { reason: "TiedScores".to_owned(), message: "3 scores are tied".to_owned() }],
    }
}

#[test]
fn the_body_is_a_contract() {
    let mut body: Value =
        serde_json::from_slice(&render("machine", "demo", &description(), &about(), 1, SCORING)).unwrap();
    assert_eq!(body["server_version"].take(), env!("CARGO_PKG_VERSION"));
    insta::assert_yaml_snapshot!(body);
}

#[test]
fn a_threshold_that_was_left_out_is_told_as_what_it_means() {
    let description = Description { threshold_config: ThresholdConfig::default(), ..description() };
    let body: Value =
        serde_json::from_slice(&render("machine", "demo", &description, &about(), 1, SCORING)).unwrap();
    assert_eq!(body["threshold_config"], serde_json::json!({"contamination": 0.01}));
}

#[test]
fn no_member_is_camel_case() {
    let body: Value =
        serde_json::from_slice(&render("machine", "demo", &description(), &about(), 1, SCORING)).unwrap();
    assert_eq!(camel_case_members(&body), Vec::<String>::new());
}

fn camel_case_members(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                let own = name.contains(|c: char| c.is_ascii_uppercase()).then(|| name.clone());
                own.into_iter().chain(camel_case_members(value))
            })
            .collect(),
        Value::Array(elements) => elements.iter().flat_map(camel_case_members).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn it_tells_of_the_model_that_is_served() {
    let answer = get(&http(), "/model_information").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["name"], "machine");
    assert_eq!(body["training"]["rows"], 400);
    assert_eq!(body["detector"]["parameters"]["trees"], 25);
}

/// When and how long it was trained comes from outside of the revision.
fn about() -> About {
    About {
        trained_at: Some(1_795_378_200),
        training_duration: Some(Duration::from_millis(1_250)),
        ..About::default()
    }
}
