use api::conditions::{READY, TRAINED};
use http::Request;
use kube::Client;
use kube::client::Body;
use tower::{BoxError, service_fn};

use super::*;
use crate::fixtures::World;
use crate::kinds::Kind;
use crate::memory::Memory;
use crate::settings::Namespaces;
use crate::telemetry::Metrics;
use crate::watch::Target;

/// An operator that reaches nobody.
fn alone(world: &World) -> Context {
    let nobody =
        service_fn(|_: Request<Body>| async { Err::<http::Response<Body>, BoxError>("nobody".into()) });
    let (metrics, client) = (Arc::new(Metrics::new().unwrap()), Client::new(nobody, "demo"));
    Context::new(
        client,
        world.settings.clone(),
        Namespaces::All,
        Memory::new().0,
        metrics,
        "operator-0".into(),
    )
}

#[tokio::test]
async fn while_a_watch_fails_ready_is_unknown_and_names_verb_and_resource() {
    let world = World::ready();
    let (context, model) = (alone(&world), world.observed.model.clone());
    let stored = Stored::read(serde_json::from_value(serde_json::to_value(&*model).unwrap()).unwrap());
    let told = || doubted(&stored, &context, &model, world.status(), world.observed.now);
    assert_eq!(told(), world.status());

    let fails = |resource| {
        let target = Target { resource, scope: None, selector: None, metadata_only: false, page_size: 500 };
        context.memory.health.has_failed_for_long(&target);
    };
    fails(ReferenceKind::IngressClass.resource());
    assert_eq!(told(), world.status(), "of no concern to a model that is not exposed");
    fails(Kind::Service.resource());
    let status = told();
    let of = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).unwrap();
    let ready = of(READY);
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("Unknown", reason::WATCH_FAILING));
    assert!(ready.message.starts_with("cannot watch services: "), "{}", ready.message);
    assert_eq!(of(TRAINED).status.as_str(), "True", "what was seen stays");
}
