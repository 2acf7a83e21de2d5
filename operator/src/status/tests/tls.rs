//! The certificate of the scoring pods is missing: what is said, and what goes on.

use super::*;
use crate::observed::Tls;

fn asked() -> World {
    exposed().with_tls()
}

fn without(mut world: World, tls: Tls) -> World {
    world.observed.tls = tls;
    world
}

#[test]
fn what_serves_goes_on_while_the_certificate_is_missing() {
    let world = without(asked(), Tls::NotFound).reconciled().reconciled();
    let expected = "Ready False SecretNotFound\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing False SecretNotFound\nExposed True AuthenticatedByIngress";
    assert_eq!(table(&world.status()), expected);
    let told = message(&world, "Ready");
    assert!(told.contains("Secret demo/certificate") && told.contains("create it"), "{told}");
}

#[test]
fn it_rolls_out_when_the_certificate_is_there() {
    let world = without(asked(), Tls::Invalid("it has no key tls.key".into())).reconciled();
    let told = table(&world.status());
    assert!(told.starts_with("Ready False SecretInvalid"), "{told}");
    let world = without(world, Tls::Named { authority: true }).reconciled();
    let told = table(&world.status());
    assert!(
        told.starts_with("Ready False Updating") && told.contains("Progressing True RollingOut"),
        "{told}"
    );
    let told = table(&world.rolled_out().reconciled().status());
    assert!(told.starts_with("Ready True AsSpecified"), "{told}");
}

#[test]
fn nothing_serves_for_the_first_time_without_its_certificate() {
    let world = without(tls(World::new().exposed(TRAEFIK)).with_tls(), Tls::NotFound);
    let world = world.reconciled().published(980).reconciled().reconciled();
    let expected = "Ready False SecretNotFound\nServing False NoReadyPods\nTrained Unknown RollingOut\n\
                    Progressing False SecretNotFound\nExposed False SecretNotFound";
    assert_eq!(table(&world.status()), expected);
    assert!(message(&world, "Serving").contains("Secret demo/certificate"));
}
