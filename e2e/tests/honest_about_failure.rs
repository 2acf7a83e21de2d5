//! What a user sees when something is wrong, and that it heals.

use anyhow::Result;
use e2e::kubectl::{apply, get, kubectl, text, try_kubectl};
use e2e::model::{Namespace, condition, csv, manifest, revision};

#[tokio::test]
async fn a_bad_spec_is_refused_by_the_api_server_with_a_message() -> Result<()> {
    let ns = Namespace::new("bad-spec").await?;
    let good = manifest(&ns.name, "m", "");
    for (from, to, message) in [
        (
            "detector: {isolationForest: {trees: 50, sampleSize: 64, seed: 7}}",
            "detector: {hbos: {}, ecod: {}}",
            "at most one",
        ),
        ("trees: 50", "trees: 0", "trees"),
        ("trees: 50", "trees: 1001", "trees"),
        ("trees: 50", "trees: many", "trees"),
        ("sampleSize: 64", "sampleSize: 1", "sampleSize"),
        ("trees: 50, sampleSize: 64", "trees: 1000, sampleSize: 65536", "2000000"),
        ("seed: 7", "seed: -1", "seed"),
        ("seed: 7", "maxFeatures: 0", "maxFeatures"),
        ("[{name: p}, {name: q}]", "[]", "features"),
        ("[{name: p}, {name: q}]", "[{name: p}, {name: p}]", "unique"),
        ("{configMap: {name: data, key: train.csv}}", "{}", "exactly one source"),
        (
            "{configMap: {name: data, key: train.csv}}",
            "{configMap: {name: data, key: k}, inline: {csv: x}}",
            "exactly one source",
        ),
        ("  training:", "  threshold: {contamination: 0.9}\n  training:", "contamination"),
        ("  training:", "  threshold: {contamination: 0.1, score: -0.5}\n  training:", "at most one"),
        ("  training:", "  threshold: {score: 0.5}\n  training:", "score"),
        ("  training:", "  serving: {replicas: -1}\n  training:", "replicas"),
        ("  training:", "  ingress: {host: 'UPPER CASE'}\n  training:", "host"),
        ("  training:", "  ingress: {}\n  training:", "host"),
        ("  training:", "  colour: red\n  training:", "colour"),
        ("name: m,", "name: 1m,", "40 characters"),
        ("name: m,", "name: a-name-that-is-much-longer-than-forty-characters,", "40 characters"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} stands in the manifest");
        let said = try_kubectl(&["apply", "--dry-run=server", "-f", "-"], Some(&bad)).await?;
        assert!(!said.ok && said.err.contains(message), "{to}: no {message:?} in: {}{}", said.out, said.err);
    }
    let said = try_kubectl(&["apply", "--dry-run=server", "-f", "-"], Some(&good)).await?;
    assert!(said.ok, "{}", said.err);
    ns.done().await
}

/// What nobody wrote is not stored, so that a merge leaves no second detector behind.
#[tokio::test]
async fn a_detector_can_be_named_later() -> Result<()> {
    let ns = Namespace::new("named-later").await?;
    let named = manifest(&ns.name, "m", "  suspend: true\n");
    let detector = "  detector: {isolationForest: {trees: 50, sampleSize: 64, seed: 7}}\n";
    let unnamed = named.replacen(detector, "", 1);
    assert_ne!(unnamed, named);
    for way in [&["apply", "-f", "-"][..], &["apply", "--server-side", "-f", "-"]] {
        for text in [&unnamed, &named] {
            let said = try_kubectl(way, Some(text)).await?;
            assert!(said.ok, "{way:?}: {}", said.err);
        }
        let stored = ns.get("m").await?["spec"]["detector"].clone();
        assert!(stored["isolationForest"].is_object(), "{stored}");
        assert_eq!(stored.as_object().map(serde_json::Map::len), Some(1), "{stored}");
        kubectl(&["delete", "anm", "m", "-n", &ns.name]).await?;
    }
    ns.done().await
}

#[tokio::test]
async fn the_smallest_manifest_gets_every_default() -> Result<()> {
    let ns = Namespace::new("defaults").await?;
    apply(&format!(
        "{{apiVersion: anomaly-operator.io/v1alpha1, kind: AnomalyModel, metadata: {{name: m, namespace: {}}}, spec: {{\
         suspend: true, features: [{{name: x}}], detector: {{isolationForest: {{}}}}, training: {{source: {{inline: {{csv: x}}}}}}}}}}",
        ns.name
    ))
    .await?;
    let model = ns.get("m").await?;
    let expected = serde_json::json!({
        "suspend": true,
        "features": [{"name": "x"}],
        "detector": {"isolationForest": {"trees": 100, "sampleSize": 256, "maxFeatures": 1, "bootstrap": false, "seed": 0}},
        "training": {"source": {"inline": {"csv": "x"}}, "minRows": 32, "revisionHistoryLimit": 2},
        "serving": {
            "replicas": 1,
            "accessLog": "errors",
            "page": {"recentVerdicts": false, "recentValues": false},
            "limits": {
                "maxBodyBytes": 1_048_576, "maxBatchRows": 10_000, "maxConcurrentRows": 131_072,
                "maxBatchWaitMilliseconds": 15, "maxConcurrentRequests": 1_024, "maxConnections": 1_024,
                "requestTimeoutSeconds": 10, "headerTimeoutSeconds": 5, "stallTimeoutSeconds": 30, "idleTimeoutSeconds": 120,
            },
        },
    });
    assert_eq!(model["spec"], expected);
    ns.done().await
}

#[tokio::test]
async fn a_missing_configmap_shows_in_the_status_and_heals() -> Result<()> {
    let ns = Namespace::new("missing").await?;
    ns.model("m", "").await?;
    let message = ns.until_condition("m", "Trained", "False", "SourceNotFound").await?;
    assert!(message.contains("data"), "{message}");
    apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: data, namespace: {}}}, data: {{other.csv: x}}}}", ns.name)).await?;
    let message = ns.until_condition("m", "Trained", "False", "SourceKeyNotFound").await?;
    assert!(message.contains("train.csv") && message.contains("other.csv"), "{message}");
    ns.data("data", &csv(100)).await?;
    ns.until_ready("m").await?;
    ns.done().await
}

#[tokio::test]
async fn bad_data_is_named_and_good_data_heals() -> Result<()> {
    let ns = Namespace::new("bad-data").await?;
    let cases = [
        ("ragged", "p,q\n1,2\n3\n".to_owned(), "line 3"),
        ("words", "p,q\n1,2\n3,four\n".to_owned(), "four"),
        ("empty", String::new(), "empty"),
        ("nan", csv(40) + "NaN,1\n", "NaN"),
        ("infinite", csv(40) + "1,inf\n", "inf"),
        ("columns", csv(40).replace("p,q", "p,z"), "q"),
        ("one-row", "p,q\n1,2\n".to_owned(), "1 of at least 32"),
    ];
    for (name, data, _) in &cases {
        ns.data(name, data).await?;
        apply(&manifest(&ns.name, name, "").replace("name: data", &format!("name: {name}"))).await?;
    }
    for (name, _, word) in &cases {
        let what = format!("{name} to fail");
        let model = ns
            .until(name, &what, |m| {
                let trained = condition(m, "Trained");
                text(&trained, "/status") == "False" && text(&trained, "/reason") != "Training"
            })
            .await?;
        let message = text(&condition(&model, "Trained"), "/message").to_owned();
        assert!(message.contains(word), "{name}: no {word:?} in {message:?}");
        assert_eq!(text(&condition(&model, "Ready"), "/status"), "False", "{name}");
    }
    for (name, _, _) in &cases {
        ns.data(name, &csv(100)).await?;
    }
    for (name, _, _) in &cases {
        ns.until_ready(name).await?;
    }
    ns.done().await
}

#[tokio::test]
async fn a_failed_retraining_leaves_the_old_revision_serving() -> Result<()> {
    let ns = Namespace::new("keeps").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    let first = revision(&ns.until_ready("m").await?);
    ns.data("data", "p,q\n1,two\n").await?;
    ns.until("m", "the training to fail", |m| text(&condition(m, "Trained"), "/status") == "False").await?;
    let model = ns.get("m").await?;
    assert_eq!(text(&condition(&model, "Serving"), "/status"), "True");
    assert_eq!(revision(&model), first);
    ns.done().await
}

#[tokio::test]
async fn an_unknown_ingress_class_is_a_condition_and_heals() -> Result<()> {
    let ns = Namespace::new("class").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "  ingress: {host: class.localhost, className: absent}\n").await?;
    let message = ns.until_condition("m", "Exposed", "False", "IngressClassNotFound").await?;
    assert!(message.contains("absent") && message.contains("traefik"), "{message}");
    ns.until_condition("m", "Serving", "True", "PodsReady").await?;
    assert!(get(&ns.name, "ingress/m").await?.is_none());
    ns.patch("m", r#"{"spec":{"ingress":{"className":"traefik"}}}"#).await?;
    ns.until_ready("m").await?;
    ns.done().await
}

#[tokio::test]
async fn a_missing_password_secret_exposes_nothing_and_heals() -> Result<()> {
    let ns = Namespace::new("secret").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "  ingress: {host: secret.localhost, basicAuth: {secretName: mine}}\n").await?;
    ns.until_condition("m", "Exposed", "False", "SecretNotFound").await?;
    assert!(get(&ns.name, "ingress/m").await?.is_none());
    // htpasswd -nbB user secret (cost 5)
    kubectl(&["create", "secret", "generic", "mine", "-n", &ns.name, "--from-literal=wrong=x"]).await?;
    ns.until_condition("m", "Exposed", "False", "SecretInvalid").await?;
    kubectl(&["delete", "secret", "mine", "-n", &ns.name]).await?;
    // {SHA} of "secret"; and lines that are none, for the first of which Traefik would refuse all.
    kubectl(&[
        "create",
        "secret",
        "generic",
        "mine",
        "-n",
        &ns.name,
        "--from-literal=auth=# people\nuser:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nother:hunter2\n",
    ])
    .await?;
    ns.until_ready("m").await?;
    let message = ns.until_condition("m", "Exposed", "True", "AuthenticatedByServer").await?;
    assert!(message.contains("line 3 is left out") && !message.contains("hunter2"), "{message}");
    e2e::eventually("the named password to be asked for", async || {
        let (with, _) = e2e::model::score("secret.localhost", Some(("user", "secret")), "[0, 0]").await?;
        let (without, _) = e2e::model::score("secret.localhost", None, "[0, 0]").await?;
        Ok(if (with, without) == (200, 401) { Ok(()) } else { Err(format!("{with} {without}")) })
    })
    .await?;
    ns.done().await
}

#[tokio::test]
async fn an_object_of_somebody_else_is_never_touched() -> Result<()> {
    let ns = Namespace::new("conflict").await?;
    ns.data("data", &csv(100)).await?;
    kubectl(&["create", "service", "clusterip", "m", "-n", &ns.name, "--tcp=80"]).await?;
    let before = get(&ns.name, "service/m").await?;
    ns.model("m", "").await?;
    let message = ns.until_condition("m", "Ready", "False", "NameConflict").await?;
    assert!(message.contains("Service"), "{message}");
    assert_eq!(get(&ns.name, "service/m").await?, before);
    kubectl(&["delete", "service", "m", "-n", &ns.name]).await?;
    ns.until_ready("m").await?;
    ns.done().await
}

#[tokio::test]
async fn a_second_model_on_the_same_host_and_path_waits_for_the_first_to_go() -> Result<()> {
    let ns = Namespace::new("host").await?;
    ns.data("data", &csv(100)).await?;
    let ingress = "  ingress: {host: host.localhost}\n";
    ns.model("older", ingress).await?;
    ns.until_ready("older").await?;
    ns.model("younger", ingress).await?;
    let message = ns.until_condition("younger", "Exposed", "False", "HostConflict").await?;
    assert!(message.contains("older"), "{message}");
    kubectl(&["delete", "anm", "older", "-n", &ns.name]).await?;
    ns.until_ready("younger").await?;
    ns.done().await
}

#[tokio::test]
async fn a_suspended_or_paused_model_does_not_train() -> Result<()> {
    let ns = Namespace::new("pause").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("suspended", "  suspend: true\n").await?;
    ns.until_condition("suspended", "Trained", "Unknown", "Suspended").await?;
    apply(&manifest(&ns.name, "paused", "").replace(
        "metadata: {name: paused,",
        "metadata: {name: paused, annotations: {anomaly-operator.io/paused: 'true'},",
    ))
    .await?;
    ns.until_condition("paused", "Ready", "False", "Paused").await?;
    for name in ["suspended", "paused"] {
        assert_eq!(ns.children(name, "jobs").await?.len(), 0, "{name}");
    }
    ns.patch("suspended", r#"{"spec":{"suspend":false}}"#).await?;
    kubectl(&["annotate", "anm", "paused", "-n", &ns.name, "anomaly-operator.io/paused-"]).await?;
    ns.until_ready("suspended").await?;
    ns.until_ready("paused").await?;
    ns.done().await
}

#[tokio::test]
async fn a_quota_that_refuses_the_training_pod_shows_in_the_status() -> Result<()> {
    let ns = Namespace::new("quota").await?;
    ns.data("data", &csv(100)).await?;
    kubectl(&["create", "quota", "none", "-n", &ns.name, "--hard=pods=0"]).await?;
    ns.model("m", "").await?;
    let model = ns
        .until("m", "the quota to be named", |m| {
            ["Trained", "Progressing"].iter().any(|c| text(&condition(m, c), "/message").contains("quota"))
        })
        .await?;
    assert_eq!(text(&condition(&model, "Ready"), "/status"), "False");
    kubectl(&["delete", "quota", "none", "-n", &ns.name]).await?;
    ns.until_ready("m").await?;
    ns.done().await
}
