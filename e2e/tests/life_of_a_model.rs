//! What a user does with a model, from `kubectl apply` to `kubectl delete`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};
use e2e::kubectl::{get, kubectl, text, tool, try_kubectl};
use e2e::model::{Namespace, csv, is_ready, revision, score};
use e2e::{eventually, http};
use serde_json::Value;

const ORDINARY: &str = "[0.0, 0.0]";
const FAR_AWAY: &str = "[50.0, -50.0]";

fn exposed(host: &str) -> String {
    format!("  ingress: {{host: {host}}}\n")
}

#[tokio::test]
async fn a_model_is_trained_served_and_exposed_behind_a_password() -> Result<()> {
    let (ns, host) = (Namespace::new("life").await?, "life.localhost");
    ns.data("data", &csv(300)).await?;
    ns.model("m", &(exposed(host) + "  serving: {replicas: 2}\n")).await?;
    let model = ns.until_ready("m").await?;
    assert_eq!(text(&model, "/status/serving"), "2/2");
    assert_eq!(model["status"]["revision"]["rows"], 300);
    assert!(!revision(&model).is_empty());

    let (user, password) = ns.credentials("m").await?;
    eventually("the ingress to know the host", async || {
        let (status, body) = score(host, None, ORDINARY).await?;
        Ok(if status == 404 { Err(body) } else { Ok(()) })
    })
    .await?;
    assert_eq!(score(host, None, ORDINARY).await?.0, 401);
    assert_eq!(score(host, Some((&user, "wrong")), ORDINARY).await?.0, 401);
    for (row, inlier) in [(ORDINARY, true), (FAR_AWAY, false)] {
        let (status, body) = score(host, Some((&user, &password)), row).await?;
        let verdict: Value = serde_json::from_str(&body)?;
        assert_eq!((status, &verdict["is_inlier"]), (200, &Value::Bool(inlier)), "{row}: {body}");
        assert!(verdict["anomaly_score"].is_f64(), "{body}");
    }

    // Only scoring and documentation are routed: the rest exists inside the cluster only.
    for path in ["/metrics", "/healthz", "/readyz"] {
        let request = http::get(&http::client()?, host, path).basic_auth(&user, Some(&password));
        assert_eq!(http::answer(request).await?.0, 404, "{path}");
    }

    let events = kubectl(&["get", "events", "-n", &ns.name, "-o", "wide"]).await?;
    for word in ["Trained", "anomalymodel/m"] {
        assert!(events.contains(word), "no {word} in\n{events}");
    }
    let table = kubectl(&["get", "anm", "-A"]).await?;
    for word in ["isolationForest", &revision(&model), "2/2"] {
        assert!(table.contains(word), "no {word} in\n{table}");
    }
    ns.done().await
}

#[tokio::test]
async fn bad_requests_get_clear_errors_and_nothing_crashes() -> Result<()> {
    let (ns, host) = (Namespace::new("requests").await?, "requests.localhost");
    ns.data("data", &csv(100)).await?;
    ns.model("m", &exposed(host)).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    let login = Some((user.as_str(), password.as_str()));
    eventually("an answer", async || {
        let (status, body) = score(host, login, ORDINARY).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    for (row, status, word) in [
        ("[1]", 422, "2"),
        ("[1, 2, 3]", 422, "2"),
        ("[1, null]", 422, "q"),
        ("[1, \"a\"]", 422, "q"),
        ("[1, 1e999]", 422, "q"),
        ("[1, 1e300]", 422, "q"),
        ("[1, ", 400, "JSON"),
        ("{}", 422, "array"),
    ] {
        let (got, body) = score(host, login, row).await?;
        assert_eq!(got, status, "{row}: {body}");
        assert!(body.contains(word), "{row}: no {word:?} in {body}");
    }
    let huge = format!("[{}]", "1,".repeat(5_000_000));
    assert_eq!(score(host, login, &huge).await?.0, 413);
    let restarts = kubectl(&[
        "get",
        "pods",
        "-n",
        &ns.name,
        "-l",
        "app.kubernetes.io/component=server",
        "-o",
        "jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    ])
    .await?;
    assert_eq!(restarts.trim(), "0");
    ns.done().await
}

#[tokio::test]
async fn the_minimal_manifest_comes_back_with_its_defaults_and_nothing_else() -> Result<()> {
    let manifest = e2e::model::manifest("default", "minimal", "");
    let args = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let said = try_kubectl(&args, Some(&manifest)).await?;
    assert!(said.ok, "{}", said.err);
    let stored: Value = serde_json::from_str(&said.out)?;
    // What the API server adds is what the types add; (1 and 1.0 are one number).
    let manifest: Value = serde_yaml::from_str(&manifest)?;
    let spec: api::AnomalyModelSpec = serde_json::from_value(manifest["spec"].clone())?;
    let mut expected = serde_json::to_value(&spec)?;
    expected["detector"]["isolationForest"]["maxFeatures"] = 1.into();
    assert_eq!(stored["spec"], expected);
    Ok(())
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_when_it_is_applied() -> Result<()> {
    for (extra, words) in [
        ("  serving: {limits: {maxBatchRows: 200000}}", "maxConcurrentRows must be at least maxBatchRows"),
        ("  serving: {limits: {maxBodyBytes: 1}}", "spec.serving.limits.maxBodyBytes"),
        ("  serving: {page: {recentValues: true}}", "recentValues needs recentVerdicts"),
        ("  serving: {accessLog: everything}", "spec.serving.accessLog"),
        ("  monitoring: {driftFeatures: [p, z]}", "monitoring.driftFeatures may only name features"),
        ("  monitoring: {serviceMonitor: {interval: often}}", "spec.monitoring.serviceMonitor.interval"),
        ("  monitoring: {serviceMonitor: {interval: 5m}}", "serviceMonitor.interval may be at most 2m"),
    ] {
        let manifest = e2e::model::manifest("default", "refused", extra);
        let said = try_kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&manifest)).await?;
        assert!(!said.ok && said.err.contains(words), "{extra}: {}{}", said.out, said.err);
    }
    Ok(())
}

#[tokio::test]
async fn limits_are_those_of_the_spec() -> Result<()> {
    let (ns, host) = (Namespace::new("limits").await?, "limits.localhost");
    ns.data("data", &csv(100)).await?;
    ns.model("m", &(exposed(host) + "  serving: {limits: {maxBatchRows: 2, maxBodyBytes: 1024}}\n")).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    let ask = async |body: String| {
        let request = http::post(&http::client()?, host, "/predictions", body);
        http::answer(request.basic_auth(&user, Some(&password))).await
    };
    eventually("an answer", async || {
        let (status, body) = ask("[[0, 0], [0, 0]]".into()).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    assert_eq!(ask("[[0, 0], [0, 0], [0, 0]]".into()).await?.0, 413);
    assert_eq!(ask(format!("[[0, 0{}]]", " ".repeat(2_000))).await?.0, 413);
    ns.done().await
}

#[tokio::test]
async fn batches_are_scored_through_the_ingress_in_every_format() -> Result<()> {
    let (ns, host) = (Namespace::new("batch").await?, "batch.localhost");
    ns.data("data", &csv(100)).await?;
    ns.model("m", &exposed(host)).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    let ask = async |type_: &str, body: String, login: bool| {
        let request = http::client()?
            .post(format!("http://127.0.0.1:{}/predictions", http::port()))
            .header("host", host)
            .header("content-type", type_)
            .body(body);
        http::answer(if login { request.basic_auth(&user, Some(&password)) } else { request }).await
    };
    eventually("the ingress to know the host", async || {
        let (status, body) = ask("application/json", "[[0, 0]]".into(), true).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    assert_eq!(ask("application/json", "[[0, 0]]".into(), false).await?.0, 401);
    let rows = 5_000;
    let json = format!("[{}]", vec!["[0, 0]"; rows].join(","));
    let (status, body) = ask("application/json", json, true).await?;
    let answer: Value = serde_json::from_str(&body)?;
    assert_eq!((status, answer["predictions"].as_array().map(Vec::len)), (200, Some(rows)));
    let (status, body) = ask("application/x-ndjson", "[0, 0]\n[50, -50]\n".repeat(rows), true).await?;
    assert_eq!((status, body.lines().count()), (200, 2 * rows));
    assert!(body.lines().nth(1).is_some_and(|l| l.contains("false")), "{:?}", body.lines().nth(1));
    let (status, body) = ask("text/csv", format!("q,p\n{}", "0,0\n".repeat(rows)), true).await?;
    assert_eq!((status, body.lines().count()), (200, rows + 1));
    // The same by the Open Inference Protocol, which answers in tensors.
    let tensor =
        r#"{"inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "data": [0, 0, 50, -50]}]}"#;
    let infer = http::post(&http::client()?, host, "/v2/models/m/infer", tensor);
    let (status, body) = http::answer(infer.basic_auth(&user, Some(&password))).await?;
    let answer: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &answer["outputs"][0]["data"]), (200, &serde_json::json!([1, -1])), "{body}");
    ns.done().await
}

#[tokio::test]
async fn a_port_forward_reaches_the_model_without_a_password() -> Result<()> {
    let ns = Namespace::new("forward").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    ns.until_ready("m").await?;
    let mut forward = tool("kubectl")
        .args(["port-forward", "-n", &ns.name, "service/m", "18765:8000"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let client = http::client()?;
    let body = eventually("the forwarded port to answer", async || {
        let request = client
            .post("http://127.0.0.1:18765/prediction?score=true")
            .header("content-type", "application/json")
            .body(FAR_AWAY);
        Ok(match http::answer(request).await {
            Ok((200, body)) => Ok(body),
            other => Err(format!("{other:?}")),
        })
    })
    .await?;
    assert_eq!(serde_json::from_str::<Value>(&body)?["is_inlier"], false);
    let (status, information) = http::answer(client.get("http://127.0.0.1:18765/model_information")).await?;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&information)?["features"], serde_json::json!(["p", "q"]));
    forward.kill().await?;
    ns.done().await
}

#[tokio::test]
async fn a_changed_spec_rolls_and_the_old_one_comes_back_without_a_failed_request() -> Result<()> {
    let (ns, host) = (Namespace::new("roll").await?, "roll.localhost");
    ns.data("data", &csv(300)).await?;
    ns.model("m", &(exposed(host) + "  serving: {replicas: 2}\n")).await?;
    let first = revision(&ns.until_ready("m").await?);
    let (user, password) = ns.credentials("m").await?;
    eventually("an answer", async || {
        let (status, body) = score(host, Some((&user, &password)), ORDINARY).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;

    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answered, login) = (stop.clone(), answered.clone(), (user.clone(), password.clone()));
            tokio::spawn(async move {
                let client = http::client()?;
                let mut failed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let request = http::post(&client, host, "/prediction", ORDINARY)
                        .basic_auth(&login.0, Some(&login.1));
                    match http::answer(request).await {
                        Ok((200, _)) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        other => failed.push(format!("{other:?}")),
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                anyhow::Ok(failed)
            })
        })
        .collect();

    ns.patch("m", r#"{"spec":{"detector":{"isolationForest":{"trees":60}}}}"#).await?;
    let second = revision(&ns.until_ready("m").await?);
    assert_ne!(second, first);
    let before = jobs(&ns, "m").await?;
    ns.patch("m", r#"{"spec":{"detector":{"isolationForest":{"trees":50}}}}"#).await?;
    assert_eq!(revision(&ns.until_ready("m").await?), first, "the old spec has its revision still");
    assert_eq!(jobs(&ns, "m").await?, before, "and is not trained again");

    stop.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for worker in workers {
        failed.extend(worker.await??);
    }
    assert_eq!(failed, Vec::<String>::new(), "of {} requests", answered.load(Ordering::Relaxed));
    assert!(answered.load(Ordering::Relaxed) > 100);
    ns.done().await
}

#[tokio::test]
async fn changed_data_trains_a_new_revision_and_history_is_kept_to_its_limit() -> Result<()> {
    let ns = Namespace::new("data").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    ns.patch("m", r#"{"spec":{"training":{"revisionHistoryLimit":1}}}"#).await?;
    let mut last = revision(&ns.until_ready("m").await?);
    for rows in [150, 200] {
        ns.data("data", &csv(rows)).await?;
        let model = ns
            .until("m", "the new data to be served", |m| {
                is_ready(m) && m["status"]["revision"]["rows"] == rows
            })
            .await?;
        assert_ne!(revision(&model), last);
        last = revision(&model);
    }
    eventually("the oldest revision to be pruned", async || {
        let kept = ns.children("m", "configmaps").await?;
        let kept: Vec<_> = kept.iter().filter(|c| text(c, "/metadata/name").starts_with("m-r-")).collect();
        Ok(if kept.len() == 2 { Ok(()) } else { Err(format!("{} revisions", kept.len())) })
    })
    .await?;
    ns.done().await
}

#[tokio::test]
async fn a_new_value_of_the_retrain_annotation_trains_again_once() -> Result<()> {
    let ns = Namespace::new("retrain").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    let first = ns.until_ready("m").await?;
    kubectl(&["annotate", "anm", "m", "-n", &ns.name, "anomaly-operator.io/retrain=please"]).await?;
    let second = ns
        .until("m", "the retraining to be served", |m| is_ready(m) && revision(m) != revision(&first))
        .await?;
    assert_eq!(
        second["status"]["revision"]["digest"], first["status"]["revision"]["digest"],
        "the same bytes"
    );
    assert_eq!(jobs(&ns, "m").await?.len(), 2);
    ns.done().await
}

#[tokio::test]
async fn scaling_to_zero_and_back_keeps_the_model() -> Result<()> {
    let ns = Namespace::new("scale").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    let first = revision(&ns.until_ready("m").await?);
    kubectl(&["scale", "anm/m", "-n", &ns.name, "--replicas=0"]).await?;
    ns.until_condition("m", "Ready", "True", "ScaledToZero").await?;
    ns.until_condition("m", "Serving", "False", "ScaledToZero").await?;
    kubectl(&["scale", "anm/m", "-n", &ns.name, "--replicas=1"]).await?;
    let model = ns.until("m", "one pod", |m| is_ready(m) && text(m, "/status/serving") == "1/1").await?;
    assert_eq!(revision(&model), first);
    ns.done().await
}

#[tokio::test]
async fn a_deleted_child_comes_back_and_the_password_stays() -> Result<()> {
    let ns = Namespace::new("heal").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", &exposed("heal.localhost")).await?;
    ns.until_ready("m").await?;
    let password = ns.credentials("m").await?;
    let children = [
        "deployment/m",
        "service/m",
        "networkpolicy/m",
        "ingress/m",
        "secret/m-htpasswd",
        "middleware/m-basic-auth",
        "serviceaccount/m-trainer",
        "role/m-trainer",
        "rolebinding/m-trainer",
    ];
    // What is trained is trained: a Job is never made again for it.
    kubectl(&["delete", "jobs", "-n", &ns.name, "--all"]).await?;
    let mut before = Vec::new();
    for child in children {
        let live = get(&ns.name, child).await?;
        before.push(text(&live.unwrap_or_default(), "/metadata/uid").to_owned());
        kubectl(&["delete", "-n", &ns.name, child, "--wait=false"]).await?;
    }
    for (child, old) in children.iter().zip(&before) {
        assert!(!old.is_empty(), "{child} was not there");
        eventually(&format!("{child} to come back"), async || {
            let live = get(&ns.name, child).await?.unwrap_or_default();
            let uid = text(&live, "/metadata/uid");
            Ok(if uid.is_empty() || uid == old { Err(format!("uid {uid}")) } else { Ok(()) })
        })
        .await?;
    }
    ns.until_ready("m").await?;
    assert_eq!(jobs(&ns, "m").await?, Vec::<String>::new());
    assert_eq!(ns.credentials("m").await?, password);
    ns.done().await
}

#[tokio::test]
async fn deleting_the_model_removes_every_child() -> Result<()> {
    const KINDS: &str = "jobs,pods,configmaps,secrets,deployments,replicasets,services,serviceaccounts,roles,\
                         rolebindings,networkpolicies,ingresses,middlewares.traefik.io";
    let ns = Namespace::new("delete").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", &exposed("delete.localhost")).await?;
    ns.until_ready("m").await?;
    assert!(ns.children("m", KINDS).await?.len() >= 12);
    kubectl(&["delete", "anm", "m", "-n", &ns.name]).await?;
    eventually("every child to go", async || {
        let left = ns.children("m", KINDS).await?;
        let left: Vec<_> = left.iter().map(|c| format!("{}/{}", c["kind"], c["metadata"]["name"])).collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(left.join(" ")) })
    })
    .await?;
    assert!(get(&ns.name, "configmap/data").await?.is_some(), "the user's own data stays");
    ns.done().await
}

#[tokio::test]
async fn the_trainer_may_publish_one_configmap_and_nothing_else() -> Result<()> {
    let ns = Namespace::new("rbac").await?;
    ns.data("data", &csv(100)).await?;
    ns.model("m", "").await?;
    let revision = revision(&ns.until_ready("m").await?);
    let who = format!("--as=system:serviceaccount:{}:m-trainer", ns.name);
    let config_map = |name: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {}}}}}", ns.name)
    };
    let own = try_kubectl(
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--field-manager=probe",
            "-f",
            "-",
            &who,
        ],
        Some(&config_map(&revision)),
    )
    .await?;
    assert!(own.ok, "the revision itself is allowed: {}", own.err);
    for (what, args, manifest) in [
        ("another name", &["apply", "--server-side", "-f", "-"][..], config_map("other")),
        ("a POST", &["create", "-f", "-"], config_map(&format!("{revision}9"))),
    ] {
        let said = try_kubectl(&[args, &[who.as_str()]].concat(), Some(&manifest)).await?;
        assert!(!said.ok && said.err.contains("orbidden"), "{what}: {}{}", said.out, said.err);
    }
    for args in [
        &["get", "secrets"][..],
        &["get", "configmaps"],
        &["delete", "configmap", &revision],
        &["get", "anm"],
        &["create", "token", "m-trainer"],
    ] {
        let said = try_kubectl(&[args, &["-n", &ns.name, who.as_str()]].concat(), None).await?;
        assert!(!said.ok && said.err.contains("orbidden"), "{args:?}: {}{}", said.out, said.err);
    }
    ns.done().await
}

#[tokio::test]
async fn the_annotations_of_ingress_nginx_ask_for_the_password_too() -> Result<()> {
    let (ns, host) = (Namespace::new("nginx").await?, "nginx.localhost");
    ns.data("data", &csv(100)).await?;
    ns.model("m", &format!("  ingress: {{host: {host}, path: /models/m, className: nginx}}\n")).await?;
    ns.until_ready("m").await?;
    let (user, password) = ns.credentials("m").await?;
    let ask = async |login: Option<&str>| {
        let request = http::post(&http::client()?, host, "/models/m/prediction", ORDINARY);
        http::answer(match login {
            Some(password) => request.basic_auth(&user, Some(password)),
            None => request,
        })
        .await
    };
    eventually("the ingress to know the path", async || {
        let (status, body) = ask(Some(&password)).await?;
        Ok(if status == 200 { Ok(()) } else { Err(format!("{status} {body}")) })
    })
    .await?;
    assert_eq!(ask(None).await?.0, 401);
    assert_eq!(ask(Some("wrong")).await?.0, 401);
    the_contract_is_told_under_the_path(host, "/models/m", &user, &password).await?;
    ns.done().await
}

/// The description and its page, to those who know the password, with the path in them.
async fn the_contract_is_told_under_the_path(
    host: &str,
    path: &str,
    user: &str,
    password: &str,
) -> Result<()> {
    let client = http::client()?;
    let get = async |route: &str, login: bool| {
        let request = http::get(&client, host, &format!("{path}{route}"));
        http::answer(if login { request.basic_auth(user, Some(password)) } else { request }).await
    };
    let (status, document) = get("/openapi.json", true).await?;
    let document: Value = serde_json::from_str(&document).with_context(|| format!("{status} {document}"))?;
    assert_eq!(document["servers"][0]["url"], format!("{path}/"));
    for route in ["/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"] {
        assert_eq!(get(route, true).await?.0, 200, "{route}");
        assert_eq!(get(route, false).await?.0, 401, "{route}");
    }
    Ok(())
}

async fn jobs(ns: &Namespace, model: &str) -> Result<Vec<String>> {
    let jobs = ns.children(model, "jobs").await?;
    Ok(jobs.iter().map(|j| text(j, "/metadata/uid").to_owned()).collect())
}
