use super::*;

fn spec(source: &str, ingress: &str) -> AnomalyModelSpec {
    let yaml = format!(
        "{{features: [{{name: a}}], detector: {{isolationForest: {{}}}}, training: {{source: {source}}}{ingress}}}"
    );
    serde_yaml::from_str(&yaml).unwrap()
}

fn data(name: &str) -> Reference {
    Reference { kind: ReferenceKind::ConfigMap, namespace: "demo".into(), name: name.into() }
}

fn class(name: &str) -> Reference {
    Reference { kind: ReferenceKind::IngressClass, namespace: String::new(), name: name.into() }
}

fn model() -> ModelRef {
    ModelRef::new("demo", "x")
}

#[test]
fn a_model_refers_to_its_data_its_password_its_certificate_and_every_ingress_class() {
    let all = of(
        "demo",
        &spec(
            "{configMap: {name: d, key: k}}",
            ", ingress: {host: h, basicAuth: {secretName: s}}, serving: {tls: {secretName: c}}",
        ),
    );
    let names: Vec<_> = all.iter().map(|r| (r.kind, r.namespace.as_str(), r.name.as_str())).collect();
    assert_eq!(
        names,
        [
            (ReferenceKind::ConfigMap, "demo", "d"),
            (ReferenceKind::Secret, "demo", "c"),
            (ReferenceKind::Secret, "demo", "s"),
            (ReferenceKind::IngressClass, "", "*"),
        ]
    );
    assert_eq!(of("demo", &spec("{inline: {csv: a}}", "")), [].into());
}

#[test]
fn a_change_triggers_the_models_that_name_it_and_no_others() {
    let references = References::default();
    references.uses(&model(), [data("d")].into());
    assert_eq!(references.put(data("d"), "1".into()), [model()].into());
    assert_eq!(references.put(data("d"), "1".into()), [].into(), "a version that is known");
    assert_eq!(references.put(data("other"), "2".into()), [].into());
    assert_eq!(references.remove(&data("d")), [model()].into());
    references.uses(&model(), [data("other")].into());
    assert_eq!(references.put(data("d"), "3".into()), [].into(), "no longer named");
}

#[test]
fn any_ingress_class_concerns_every_exposed_model() {
    let references = References::default();
    references.uses(&model(), of("demo", &spec("{inline: {csv: a}}", ", ingress: {host: h}")));
    assert_eq!(references.put(class("nginx"), "1".into()), [model()].into());
}

#[test]
fn absence_is_known_only_after_a_complete_list() {
    let references = References::default();
    references.uses(&model(), [data("d")].into());
    assert_eq!(references.known(&data("d")), Known::Nothing);
    let changed = references.replace(ReferenceKind::ConfigMap, &None, BTreeMap::new());
    assert_eq!(changed, [model()].into(), "now it is known that it does not exist");
    assert_eq!(references.known(&data("d")), Known::Absent);
    let listed: BTreeMap<_, _> = [(data("d"), "5".to_owned())].into();
    assert_eq!(references.replace(ReferenceKind::ConfigMap, &None, listed.clone()), [model()].into());
    assert_eq!(references.known(&data("d")), Known::Version("5".into()));
    assert_eq!(references.replace(ReferenceKind::ConfigMap, &None, listed), [].into(), "the same list again");
}
