//! What stands between a client and a model: passwords that change under load, and TLS between ingress and pods.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::eventually;
use e2e::forward::Forward;
use e2e::http;
use e2e::kubectl::{apply, get, run, text, tool};
use e2e::load::Load;
use e2e::model::{Namespace, csv, score};
use serde_json::json;

const ORDINARY: &str = "[0.0, 0.0]";

/// Users whose password is their name, one of each kind of line.
const USERS: [(&str, &str); 3] = [
    ("first", "{SHA}4JlqN8E9RMOwYHSTnUP6N1m9MsE="),
    ("second", "$apr1$e2esalt1$0dxES6WDK7LNIaOCZC6Yx0"),
    ("third", "$2y$05$abcdefghijklmnopqrstuuR1YuGOa3D06CoGsQYQp3H6mmBDK55Nu"),
];

async fn users(ns: &Namespace, users: &[(&str, &str)]) -> Result<()> {
    let lines: String = users.iter().map(|(user, hash)| format!("{user}:{hash}\n")).collect();
    secret(ns, "users", "Opaque", &[("auth", &lines)]).await
}

async fn secret(ns: &Namespace, name: &str, type_: &str, data: &[(&str, &str)]) -> Result<()> {
    let data: BTreeMap<_, _> = data.iter().map(|(key, text)| (key, STANDARD.encode(text))).collect();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns.name},
        "type": type_, "data": data,
    });
    apply(&secret.to_string()).await?;
    // kubelet looks after a mounted Secret once a minute, and when something of the pod changes.
    let version = format!("e2e/looked={}", another_time());
    let mut annotate = tool("kubectl");
    annotate.args(["annotate", "pods", "--all", "--overwrite", "--namespace", &ns.name, &version]);
    // (there may be none yet)
    run(&mut annotate, None).await?;
    Ok(())
}

/// Another number every time.
fn another_time() -> u128 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()
}

/// Waits until every pod itself gives `user` this status; the ingress controller is not asked.
async fn until_pods_say(ns: &Namespace, user: &str, status: u16) -> Result<()> {
    for (pod, _) in ns.scoring_pods().await? {
        let forward = Forward::to(&ns.name, &format!("pod/{pod}"), 8080).await?;
        let client = http::client()?;
        eventually(&format!("{pod} to answer {user} with {status}"), async || {
            let request = client
                .post(format!("http://127.0.0.1:{}/prediction", forward.port))
                .header("content-type", "application/json")
                .body(ORDINARY)
                .basic_auth(user, Some(user));
            let (seen, body) = http::answer(request).await?;
            Ok(if seen == status { Ok(()) } else { Err(format!("{seen} {body}")) })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_rotated_under_load_without_one_failed_request() -> Result<()> {
    let (ns, host) = (Namespace::new("rotate").await?, "rotate.localhost");
    ns.data("data", &csv(100)).await?;
    users(&ns, &USERS[..1]).await?;
    let extra = format!(
        "  ingress: {{host: {host}, basicAuth: {{secretName: users}}}}\n  serving: {{replicas: 2}}\n"
    );
    ns.model("m", &extra).await?;
    ns.until_ready("m").await?;
    let login = |user: &'static str| Some((user, user));
    eventually("an answer", async || {
        let (status, body) = score(host, login("first"), ORDINARY).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    let before = ns.scoring_pods().await?;
    let load = Load::start(host, ("first", "first"), ORDINARY, 8);
    load.go_on(100).await?;
    for step in 0..USERS.len() {
        let (old, new) = (USERS[step], USERS[(step + 1) % USERS.len()]);
        assert_eq!(score(host, login(new.0), ORDINARY).await?.0, 401, "{} is not let in yet", new.0);
        // The new line beside the old one, until everybody knows it; then without the old one.
        users(&ns, &[old, new]).await?;
        until_pods_say(&ns, new.0, 200).await?;
        eventually("the ingress to know the new line", async || {
            let (status, body) = score(host, login(new.0), ORDINARY).await?;
            Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
        })
        .await?;
        load.log_in(new.0, new.0);
        load.go_on(100).await?;
        users(&ns, &[new]).await?;
        until_pods_say(&ns, old.0, 401).await?;
        eventually("the ingress to forget the old line", async || {
            let (status, body) = score(host, login(old.0), ORDINARY).await?;
            Ok(if status == 401 { Ok(()) } else { Err(format!("{status} {body}")) })
        })
        .await?;
        load.go_on(100).await?;
    }
    let report = load.stop().await?;
    eprintln!(
        "{} rotations: {} requests answered, others: {:?}",
        USERS.len(),
        report.answered,
        report.failed
    );
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(ns.scoring_pods().await?, before, "no pod was replaced for it");
    ns.done().await
}

const CERTIFICATES: [(&str, &str, &str); 2] = [
    ("first", include_str!("tls/first.crt"), include_str!("tls/first.key")),
    ("second", include_str!("tls/second.crt"), include_str!("tls/second.key")),
];
const AUTHORITY: &str = include_str!("tls/ca.crt");

async fn certificate(ns: &Namespace, number: usize, authority: &str) -> Result<()> {
    let (_, chain, key) = CERTIFICATES[number];
    let data = [("tls.crt", chain), ("tls.key", key), ("ca.crt", authority)];
    secret(ns, "certificate", "kubernetes.io/tls", &data).await
}

#[tokio::test]
async fn ingress_and_pods_speak_tls_that_is_verified_and_reloaded() -> Result<()> {
    let (ns, host) = (Namespace::new("tls").await?, "tls.localhost");
    ns.data("data", &csv(100)).await?;
    ns.model("m", &format!("  ingress: {{host: {host}}}\n  serving: {{tls: {{secretName: certificate}}}}\n"))
        .await?;
    // Without its certificate nothing is served, and the model says what to do.
    let told = ns.until_condition("m", "Ready", "False", "SecretNotFound").await?;
    assert!(told.contains("Secret e2e-tls/certificate") && told.contains("m.e2e-tls.svc"), "{told}");
    assert!(get(&ns.name, "deployment/m").await?.is_none(), "no pod waits for what is not there");

    certificate(&ns, 0, AUTHORITY).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    let until = async |what: &str, wanted: fn(u16) -> bool| {
        eventually(what, async || {
            let (status, body) = score(host, Some((&user, &password)), ORDINARY).await?;
            Ok(if wanted(status) { Ok(()) } else { Err(format!("{status} {body}")) })
        })
        .await
    };
    until("an answer through Traefik", |status| status == 200).await?;
    assert_eq!(score(host, None, ORDINARY).await?.0, 401);
    let service = get(&ns.name, "service/m").await?.unwrap_or_default();
    assert_eq!(text(&service, "/spec/ports/0/appProtocol"), "https");

    // A pod shows the certificate to whoever asks, and another one after the Secret has changed, without a restart.
    let pods = ns.scoring_pods().await?;
    let [(pod, _)] = pods.as_slice() else { panic!("{pods:?}") };
    for (number, (name, _, _)) in CERTIFICATES.iter().enumerate() {
        certificate(&ns, number, AUTHORITY).await?;
        let forward = Forward::to(&ns.name, &format!("pod/{pod}"), 8000).await?;
        let at = format!("m.e2e-tls.svc:{}:127.0.0.1", forward.port);
        let url = format!("https://m.e2e-tls.svc:{}/model_information", forward.port);
        eventually(&format!("the {name} certificate"), async || {
            let mut curl = tool("curl");
            let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.crt");
            let said = run(curl.args(["-sv", "--cacert", authority, "--resolve", &at, &url]), None).await?;
            let shown =
                said.ok && said.err.contains(&format!("CN={name}")) && said.out.contains("\"features\"");
            Ok(if shown { Ok(()) } else { Err(said.err) })
        })
        .await?;
    }
    until("an answer with the second certificate", |status| status == 200).await?;
    assert_eq!(ns.scoring_pods().await?, pods, "no pod was replaced for it");

    // Traefik verifies: by another authority the pods are nobody it knows.
    certificate(&ns, 1, CERTIFICATES[0].1).await?;
    until("Traefik to refuse pods that it cannot verify", |status| status >= 500).await?;
    certificate(&ns, 1, AUTHORITY).await?;
    until("an answer again", |status| status == 200).await?;
    ns.done().await
}
