//! `/healthz`, `/readyz` and a model directory that is not as it should be.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::fixture::{directory, empty, get, loaded, post, public, trained};
use crate::app;
use crate::edge::Edge;
use crate::model::{DESCRIPTION_FILE, LoadError, Loaded, MODEL_FILE, load_until_served};

#[tokio::test]
async fn without_a_model_the_process_lives_and_says_why_it_is_not_ready() {
    let app = empty(None);
    app.not_loaded("cannot read /model/model.afm");
    let router = app::http(&app);
    assert_eq!(get(&router, "/healthz").await.status, StatusCode::OK);
    for answer in [
        get(&router, "/readyz").await,
        get(&router, "/model_information").await,
        post(&router, "/prediction", "[0.1, 0.1]").await,
    ] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.is_problem());
        assert_eq!(answer.header("retry-after"), "2");
        assert_eq!(answer.json()["detail"], "cannot read /model/model.afm");
    }
    assert_eq!(get(&router, "/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn with_a_checked_model_it_is_ready() {
    let router = app::http(&loaded(None));
    assert_eq!(get(&router, "/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn where_passwords_are_asked_for_it_is_not_ready_without_them() {
    let (app, _) = public(Path::new("/nowhere/auth"), "/");
    let answer = get(&app::http(&app), "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.json()["detail"].to_string().contains("/nowhere/auth"));
}

#[test]
fn a_model_that_is_not_what_its_description_says_is_refused() {
    let (bytes, description) = trained();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    assert!(matches!(Loaded::check(&flipped, description.clone()), Err(LoadError::Digest { .. })));

    let mut damaged = description.clone();
    damaged.model_digest = super::fixture::sha256(b"not a model");
    assert!(matches!(Loaded::check(b"not a model", damaged), Err(LoadError::Decode(_))));

    let mut renamed = description;
    renamed.features.reverse();
    assert!(matches!(Loaded::check(&bytes, renamed), Err(LoadError::Features { .. })));
}

#[test]
fn a_model_whose_golden_row_comes_out_otherwise_by_a_bit_is_refused() {
    let (bytes, mut description) = trained();
    let other = fuzz::model_file::with_another_golden_measure(&bytes);
    description.model_digest = super::fixture::sha256(&other);
    let refused = Loaded::check(&other, description).unwrap_err();
    assert!(matches!(refused, LoadError::Golden(_)), "{refused}");
    assert!(refused.to_string().contains("golden row 0 has measure "), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_appears_later_is_loaded_without_a_restart() {
    let model = directory("appears");
    let app = empty(None);
    let router = app::http(&app);
    let loading = tokio::spawn(load_until_served(Arc::clone(&app), model.clone()));
    wait_for_detail(&router, DESCRIPTION_FILE).await;

    let (bytes, description) = trained();
    std::fs::write(model.join(MODEL_FILE), b"half").unwrap();
    std::fs::write(model.join(DESCRIPTION_FILE), serde_json::to_vec(&description).unwrap()).unwrap();
    wait_for_detail(&router, "digest").await;

    std::fs::write(model.join(MODEL_FILE), bytes).unwrap();
    loading.await.unwrap();
    assert_eq!(get(&router, "/readyz").await.status, StatusCode::OK);
}

async fn wait_for_detail(router: &Arc<Edge>, part: &str) {
    let mut answer = get(router, "/readyz").await;
    for _ in 0..1_000 {
        if answer.status != StatusCode::OK && answer.json()["detail"].to_string().contains(part) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = get(router, "/readyz").await;
    }
    panic!("still {answer:?}");
}
