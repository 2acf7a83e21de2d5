//! Health checks over gRPC: asked once, and watched.

use std::sync::Arc;

use tonic::{Code, Streaming};

use super::super::fixture::{empty, loaded, trained};
use super::grpc::Asked;
use crate::app;
use crate::health::{Health, MOST_WATCHERS};
use crate::model::Loaded;
use crate::oip::grpc::health::health_check_response::ServingStatus;
use crate::oip::grpc::health::health_client::HealthClient;
use crate::oip::grpc::health::{HealthCheckRequest, HealthCheckResponse};
use crate::state::App;

const NAME: &str = "inference.GRPCInferenceService";

pub(super) fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn watch(app: &Arc<App>, service: &str) -> Streaming<HealthCheckResponse> {
    HealthClient::new(Asked(app::grpc(app))).watch(of(service)).await.unwrap().into_inner()
}

/// What is told next; none at the end.
pub(super) async fn next(told: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    told.message().await.unwrap().map(|told| told.status())
}

#[tokio::test]
async fn a_check_tells_whether_the_server_is_ready_and_knows_one_service() {
    for (app, expected) in [(empty(None), ServingStatus::NotServing), (loaded(None), ServingStatus::Serving)]
    {
        let mut client = HealthClient::new(Asked(app::grpc(&app)));
        for service in ["", NAME] {
            let told = client.check(of(service)).await.unwrap().into_inner();
            assert_eq!(told.status(), expected);
        }
        assert_eq!(client.check(of("other")).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn who_watches_is_told_what_is_the_case_then_each_change_once_and_the_end() {
    let app = empty(None);
    let mut told = watch(&app, NAME).await;
    assert_eq!(next(&mut told).await, Some(ServingStatus::NotServing));
    let (bytes, description) = trained();
    app.serve(Loaded::check(&bytes, description).unwrap());
    app.tell_health();
    assert_eq!(next(&mut told).await, Some(ServingStatus::Serving));
    app.tell_health();
    let mut late = watch(&app, "").await;
    assert_eq!(next(&mut late).await, Some(ServingStatus::Serving));

    app.health.tell(Health::Closing);
    app.tell_health();
    for mut told in [told, late] {
        assert_eq!(next(&mut told).await, Some(ServingStatus::NotServing));
        assert_eq!(next(&mut told).await, None);
    }
}

#[tokio::test]
async fn who_watches_a_service_that_is_not_known_is_told_so_once() {
    let app = empty(None);
    let mut told = watch(&app, "other").await;
    assert_eq!(next(&mut told).await, Some(ServingStatus::ServiceUnknown));
    app.health.tell(Health::Ready);
    app.health.tell(Health::Closing);
    assert_eq!(next(&mut told).await, None);
}

#[tokio::test]
async fn there_is_room_for_so_many_who_watch_and_again_when_one_ends() {
    let app = empty(None);
    let mut watching = Vec::new();
    for _ in 0..MOST_WATCHERS {
        watching.push(watch(&app, NAME).await);
    }
    let mut client = HealthClient::new(Asked(app::grpc(&app)));
    let refused = client.watch(of(NAME)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    watching.pop();
    assert!(client.watch(of(NAME)).await.is_ok());
}
