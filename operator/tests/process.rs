//! The program as a process: what it says and how it ends. No API server is needed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The program with an environment of its own.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anomaly-operator"));
    command.env_clear().env("HOME", "/nonexistent").args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const RUN: [&str; 6] =
    ["--trainer-image", "trainer:1", "--server-image", "server:1", "--address", "127.0.0.1:0"];

#[test]
fn without_a_cluster_it_ends_with_an_error_that_says_what_to_set() {
    let output = output(&RUN);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("found no cluster; set KUBECONFIG"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn without_images_it_ends_with_the_name_of_the_flag_and_the_variable() {
    let output = output(&["run", "--server-image", "server:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "anomaly-operator: --trainer-image is missing: name the image, or set TRAINER_IMAGE\n"
    );
}

#[test]
fn crd_prints_the_definition_as_yaml() {
    let output = output(&["crd"]);
    assert!(output.status.success());
    let printed: serde_json::Value = serde_yaml::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, api::crd::crd());
}

#[test]
fn a_failed_check_ends_with_1_and_its_reason() {
    let output = output(&["check", "https://localhost/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("https is not supported"));
}

#[test]
fn sigterm_ends_it_with_success_even_while_the_api_server_cannot_be_reached() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kubeconfig = unreachable_cluster();
    let mut process = program(&RUN[..4])
        .args(["--address", &free.to_string()])
        .env("KUBECONFIG", &kubeconfig)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let url = |path: &str| format!("http://{free}{path}");
    let healthy = output(&["check", &url("/healthz"), "--retries", "30"]);
    let unready = output(&["check", &url("/readyz"), "--status", "503"]);
    let killed = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    let ended = process.wait().unwrap();
    std::fs::remove_file(kubeconfig).unwrap();
    assert!(healthy.status.success(), "{}", text(&healthy.stdout));
    assert!(unready.status.success(), "{}", text(&unready.stdout));
    assert!(killed.success());
    assert_eq!(ended.code(), Some(0));
}

/// A kubeconfig whose API server is a port that nobody listens on.
fn unreachable_cluster() -> PathBuf {
    let path = std::env::temp_dir().join(format!("anomaly-operator-{}.kubeconfig", std::process::id()));
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "namespace": "anomaly-system"}}],
        "current-context": "x",
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path
}
