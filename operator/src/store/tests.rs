use super::*;
use crate::facts::{Facts, Owner};

fn child(name: &str, version: &str) -> Child {
    Child {
        kind: Kind::Service,
        namespace: "demo".into(),
        name: name.into(),
        model: "x".into(),
        uid: format!("uid-of-{name}"),
        version: version.into(),
        owner: Some(Owner { kind: "AnomalyModel".into(), name: "x".into(), uid: "1".into() }),
        deleting: false,
        digest: None,
        facts: Facts::None,
    }
}

fn model() -> ModelRef {
    ModelRef::new("demo", "x")
}

fn wrote(store: &Store, name: &str, expected: Expected) {
    let written = Written {
        kind: Kind::Service,
        namespace: "demo".into(),
        name: name.into(),
        expected,
        at: Instant::now(),
    };
    store.wrote(&model(), written);
}

fn waits(store: &Store) -> bool {
    store.unseen_write(&model(), Instant::now()).is_some()
}

#[test]
fn a_change_concerns_the_labelled_model_and_the_owner_before_and_after() {
    let store = Store::default();
    assert_eq!(store.put(&None, child("a", "1")), [model()].into());
    assert_eq!(store.put(&None, child("a", "1")), [].into(), "nothing changed");
    let taken = Child { model: "y".into(), ..child("a", "2") };
    assert_eq!(store.put(&None, taken.clone()), [model(), ModelRef::new("demo", "y")].into());
    assert_eq!(store.remove(&None, &taken), [model(), ModelRef::new("demo", "y")].into());
}

#[test]
fn a_complete_list_removes_what_is_not_in_it_but_only_in_its_own_scope() {
    let store = Store::default();
    let scope = Some("demo".to_owned());
    store.put(&scope, child("old", "1"));
    store.put(&Some("other".into()), Child { namespace: "other".into(), ..child("far", "1") });
    assert!(!store.is_complete(Kind::Service, "demo"));
    let (first, changed) = store.replace(Kind::Service, &scope, vec![child("new", "2")]);
    assert!(first && changed.contains(&model()));
    assert!(store.get(Kind::Service, "demo", "old").is_none());
    assert!(store.get(Kind::Service, "other", "far").is_some());
    assert!(store.is_complete(Kind::Service, "demo") && !store.is_complete(Kind::Service, "other"));
    assert_eq!(store.replace(Kind::Service, &scope, vec![child("new", "2")]), (false, [].into()));
}

#[test]
fn children_of_a_model_are_those_of_its_namespace() {
    let store = Store::default();
    store.put(&None, child("a", "1"));
    store.put(&None, Child { namespace: "demo2".into(), ..child("b", "1") });
    store.put(&None, Child { model: "y".into(), ..child("c", "1") });
    let names: Vec<_> = store.of_model(Kind::Service, &model()).iter().map(|c| c.name.clone()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn an_own_write_is_waited_for_until_the_watch_has_passed_it() {
    let store = Store::default();
    store.put(&None, child("a", "9"));
    wrote(&store, "a", Expected::Version("10".into()));
    assert!(waits(&store));
    store.put(&None, child("a", "10"));
    assert!(!waits(&store));
    // Somebody deleted it before the watch showed it: a later version of its kind proves that the watch has passed it.
    wrote(&store, "gone", Expected::Version("11".into()));
    assert!(waits(&store));
    store.put(&None, child("a", "12"));
    assert!(!waits(&store));
}

#[test]
fn a_version_that_the_watch_showed_first_is_not_waited_for() {
    let store = Store::default();
    store.put(&None, child("a", "10"));
    wrote(&store, "a", Expected::Version("10".into()));
    assert!(!waits(&store));
}

#[test]
fn an_own_delete_is_waited_for_until_the_object_is_gone_going_or_another() {
    let store = Store::default();
    for end in [
        None,
        Some(Child { deleting: true, ..child("a", "2") }),
        Some(Child { uid: "another".into(), ..child("a", "2") }),
    ] {
        store.put(&None, child("a", "1"));
        wrote(&store, "a", Expected::Gone("uid-of-a".into()));
        assert!(waits(&store), "{end:?}");
        match end {
            Some(end) => drop(store.put(&None, end)),
            None => drop(store.remove(&None, &child("a", "2"))),
        }
        assert!(!waits(&store));
    }
}

#[test]
fn an_own_write_that_never_shows_is_given_up() {
    let store = Store::default();
    wrote(&store, "a", Expected::Version("10".into()));
    assert!(store.unseen_write(&model(), Instant::now() + WRITE_SEEN_WITHIN).is_none());
}

#[test]
fn versions_compare_as_numbers_where_they_are_numbers() {
    assert!(is_at_least("10", "9") && is_at_least("10", "10") && !is_at_least("9", "10"));
    assert!(is_at_least("a", "a") && !is_at_least("b", "a"));
}
