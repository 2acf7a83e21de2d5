//! `Exposed` in all its shades.

use super::*;
use crate::htpasswd::Lines;

fn seen(change: impl FnOnce(&mut World)) -> (String, String) {
    let mut world = exposed();
    change(&mut world);
    let world = world.reconciled().rolled_out().reconciled();
    let status = world.status();
    let exposed = status.conditions.iter().find(|c| c.type_ == "Exposed").unwrap();
    assert_eq!(status.url.is_some(), exposed.status == api::conditions::Status::True);
    // Whatever is missing for the way in is missing for `Ready`.
    if exposed.status != api::conditions::Status::True {
        assert_eq!(status.conditions[0].reason, exposed.reason);
    }
    (format!("{} {}", exposed.status.as_str(), exposed.reason), exposed.message.clone())
}

fn class(controller: &str) -> Option<IngressClass> {
    Some(IngressClass::Found { name: "web".into(), controller: controller.into() })
}

#[test]
fn the_class_decides() {
    let present = || vec!["nginx".to_owned(), "traefik".to_owned()];
    let (verdict, message) = seen(|world| {
        world.observed.ingress_class =
            Some(IngressClass::NotFound { name: "web".into(), present: present() });
    });
    assert_eq!(verdict, "False IngressClassNotFound");
    assert!(
        message.contains("IngressClass web does not exist (the cluster has nginx, traefik)"),
        "{message}"
    );
    let none =
        seen(|world| world.observed.ingress_class = Some(IngressClass::NoDefault { present: Vec::new() }));
    assert_eq!(none.0, "False NoDefaultIngressClass");
    let nginx = seen(|world| world.observed.ingress_class = class("k8s.io/ingress-nginx"));
    assert_eq!(nginx.0, "True AuthenticatedByIngress");
    let other = seen(|world| world.observed.ingress_class = class("example.com/gateway"));
    assert_eq!(other.0, "True AuthenticatedByServer");
    let bare = seen(|world| world.observed.middleware_installed = false);
    assert_eq!(bare.0, "True AuthenticatedByServer");
    assert!(bare.1.contains("CRDNotInstalled: middlewares.traefik.io"), "{}", bare.1);
}

#[test]
fn the_secret_decides() {
    for (auth, expected) in [
        (Auth::NamedNotFound, "False SecretNotFound"),
        (Auth::NamedInvalid("it has two keys".into()), "False SecretInvalid"),
        (Auth::Required, "False SecretRequired"),
        (Auth::Named(Lines::default()), "True AuthenticatedByIngress"),
    ] {
        assert_eq!(seen(|world| world.observed.auth = auth).0, expected);
    }
}

#[test]
fn lines_that_let_nobody_in_are_named_and_the_others_do() {
    const GOOD: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let named = |content: String| Auth::Named(Lines::check(content.as_bytes()).unwrap());
    let (verdict, message) = seen(|world| world.observed.auth = named(format!("{GOOD}\nbob:hunter2\n")));
    assert_eq!(verdict, "True AuthenticatedByIngress");
    assert!(message.contains("; in the Secret line 2 is left out: its hash is neither"), "{message}");
    assert!(!message.contains("bob") && !message.contains("hunter2"), "{message}");
    // Traefik would take the whole route away.
    let (verdict, message) = seen(|world| world.observed.auth = named(format!("# people\n{GOOD}\n")));
    assert_eq!(verdict, "True AuthenticatedByServer");
    assert!(message.contains("because Traefik refuses all lines of the Secret for line 1"), "{message}");
    let (verdict, _) = seen(|world| {
        world.observed.auth = named(format!("# people\n{GOOD}\n"));
        world.observed.ingress_class = class("k8s.io/ingress-nginx");
    });
    assert_eq!(verdict, "True AuthenticatedByIngress");
}

#[test]
fn connections_that_pods_close_before_the_ingress_controller_does_are_warned_of() {
    let idle = |seconds: u32| {
        let set = |world: &mut World| {
            let model = Arc::make_mut(&mut world.observed.model);
            model.spec.serving.limits.idle_timeout_seconds = seconds;
        };
        seen(set).1
    };
    assert!(!idle(91).contains("idleTimeoutSeconds"));
    assert!(
        idle(90).contains("silent for 90 s") && idle(1).contains("spec.serving.limits.idleTimeoutSeconds")
    );
}

#[test]
fn an_older_model_keeps_its_host() {
    let (verdict, message) = seen(|world| world.observed.host_conflict = Some("demo/older".into()));
    assert_eq!(verdict, "False HostConflict");
    assert_eq!(
        message,
        "host machine.localhost path / belongs to the older AnomalyModel demo/older: choose another host or path"
    );
}

#[test]
fn without_tls_it_is_said_that_passwords_travel_readable() {
    let (verdict, message) = seen(|world| {
        Arc::make_mut(&mut world.observed.model).spec.ingress.as_mut().unwrap().tls = None;
    });
    assert_eq!(verdict, "True ExposedWithoutTLS");
    assert!(message.starts_with("http://machine.localhost/ through IngressClass web"), "{message}");
    assert!(message.contains("in Secret demo/machine-credentials"), "{message}");
}

#[test]
fn an_ingress_that_could_not_be_written_exposes_nothing() {
    let problem = || vec![Problem { object: "Ingress demo/machine".into(), message: "why".into() }];
    let mut world = exposed();
    world.applied.conflicts = problem();
    assert!(table(&world.reconciled().status()).contains("Exposed False NameConflict"));
    let mut world = exposed();
    world.applied.failures = problem();
    assert!(table(&world.reconciled().status()).contains("Exposed False ApplyFailed"));
}
