use serde_json::json;

use super::*;

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn model() -> ModelRef {
    ModelRef::new("demo", "x")
}

fn read(live: &Value, before: Option<&Source>, now: &str) -> Source {
    source(live, &model(), "d", "k", before, now.parse().unwrap())
}

#[test]
fn data_is_digested_as_bytes_wherever_it_stands() {
    let plain = read(&json!({"data": {"k": "a,b\n"}}), None, "2026-01-01T00:00:00Z");
    let binary = read(&json!({"binaryData": {"k": encoded("a,b\n")}}), None, "2026-01-01T00:00:00Z");
    assert_eq!(plain, binary);
    let Source::Found { digest: found, origin, changed_at } = plain else { panic!("{plain:?}") };
    assert_eq!(
        (found, origin.as_str(), changed_at),
        (digest(b"a,b\n"), "ConfigMap demo/x key k".replace("/x", "/d").as_str(), None)
    );
}

#[test]
fn a_missing_key_names_those_that_are_there() {
    let live = json!({"data": {"a": ""}, "binaryData": {"b": ""}});
    let expected =
        Source::KeyNotFound { name: "d".into(), key: "k".into(), present: vec!["a".into(), "b".into()] };
    assert_eq!(read(&live, None, "2026-01-01T00:00:00Z"), expected);
}

#[test]
fn a_change_is_dated_when_other_bytes_were_seen_before() {
    let first = read(&json!({"data": {"k": "1"}}), None, "2026-01-01T00:00:00Z");
    let second = read(&json!({"data": {"k": "2"}}), Some(&first), "2026-01-01T00:01:00Z");
    let touched = read(&json!({"data": {"k": "2", "other": "x"}}), Some(&second), "2026-01-01T00:02:00Z");
    let at = |source: &Source| match source {
        Source::Found { changed_at, .. } => changed_at.map(|at| at.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(at(&first), None);
    assert_eq!(at(&second).as_deref(), Some("2026-01-01T00:01:00Z"));
    assert_eq!(at(&touched), at(&second), "the same bytes did not change");
}

#[test]
fn credentials_need_both_members() {
    let whole = json!({"data": {"username": encoded("u"), "password": encoded("p")}});
    assert_eq!(secret(&whole).credentials, Some(Credentials { username: "u".into(), password: "p".into() }));
    for broken in [
        json!({}),
        json!({"data": {"username": encoded("u")}}),
        json!({"data": {"username": encoded("u"), "password": ""}}),
    ] {
        assert_eq!(secret(&broken).credentials, None, "{broken}");
    }
}

#[test]
fn htpasswd_lines_stand_under_one_key_and_one_of_them_lets_somebody_in() {
    const GOOD: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
    assert_eq!(htpasswd(&json!({"auth": encoded(GOOD)})), Ok(Lines::default()));
    let mixed = htpasswd(&json!({"auth": encoded(&format!("secret:plain\n{GOOD}"))})).unwrap();
    assert!(mixed.left_out().unwrap().starts_with("line 1 is left out"));
    for (data, message) in [
        (json!({}), "the single key"),
        (json!({"auth": encoded(GOOD), "other": ""}), "the single key"),
        (json!({"auth": ""}), "at least one line"),
        (json!({"auth": "%%%"}), "at least one line"),
        (json!({"auth": encoded("secret:plain\n")}), "line 1"),
    ] {
        let error = htpasswd(&data).unwrap_err();
        assert!(error.contains(message) && !error.contains("secret:"), "{data}: {error}");
    }
}

#[test]
fn a_certificate_needs_both_parts_and_tells_whether_it_can_be_verified() {
    const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
        let key = encoded(&format!("-----BEGIN {kind}-----\nAA==\n-----END {kind}-----\n"));
        let whole = json!({"tls.crt": encoded(CHAIN), "tls.key": key});
        assert_eq!(certificate(&whole), Ok(false), "{kind}");
        let mut signed = whole.clone();
        signed["ca.crt"] = json!(encoded(CHAIN));
        assert_eq!(certificate(&signed), Ok(true), "{kind}");
        for (name, message) in [("tls.crt", "no key tls.crt"), ("tls.key", "no key tls.key")] {
            let mut part = signed.clone();
            part.as_object_mut().unwrap().remove(name);
            assert!(certificate(&part).unwrap_err().contains(message));
            // cert-manager makes the Secret before it has anything to put there.
            part[name] = json!("");
            assert!(certificate(&part).unwrap_err().contains(name));
        }
    }
    let swapped = json!({"tls.crt": encoded(CHAIN), "tls.key": encoded(CHAIN)});
    assert!(certificate(&swapped).unwrap_err().contains("PRIVATE KEY"));
}

#[test]
fn what_was_read_counts_for_the_version_asked_for_and_the_one_that_came() {
    let read = Read { asked: "1".into(), got: "3".into(), value: () };
    assert!(read.is_of("1") && read.is_of("3") && !read.is_of("2") && !read.is_of("4"));
}
