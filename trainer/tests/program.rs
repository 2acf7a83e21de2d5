//! `anomaly-trainer` as the Job runs it: exit codes and termination message, without an API server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![cfg(feature = "publish")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use api::job::{TERMINATION_LOG_BYTES, TrainingInput, TrainingResult};
use api::training_key::digest;
use serde_json::json;

/// A directory of one test, with the files of a Job's volumes.
struct Volumes {
    directory: PathBuf,
}

impl Volumes {
    fn new(test: &str, csv: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let volumes = Self { directory };
        fs::write(volumes.path("data.csv"), csv).unwrap();
        let input: TrainingInput = serde_json::from_value(json!({
            "version": 1,
            "revision": {"namespace": "demo", "name": "m-r-k-1", "labels": {}, "annotations": {}, "owner": null},
            "key": "k",
            "features": ["x"],
            "detector": {"isolationForest": {"trees": 10}},
            "threshold": {},
            "minRows": 32,
            "data": {
                "path": volumes.path("data.csv"), "origin": "ConfigMap demo/x key train.csv",
                "digest": digest(csv.as_bytes()),
            },
        }))
        .unwrap();
        fs::write(volumes.path("input.json"), serde_json::to_vec(&input).unwrap()).unwrap();
        volumes
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anomaly-trainer"));
        command.arg("--input").arg(self.path("input.json"));
        command.arg("--termination-log").arg(self.path("termination-log"));
        command.args(["--log-format", "json"]).env_remove("KUBERNETES_SERVICE_HOST").env_remove("RUST_LOG");
        command
    }

    /// Runs to the end; gives the exit code, the termination message and the log's last line.
    fn run(&self) -> (Option<i32>, TrainingResult, serde_json::Value) {
        let output = self.program().output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let last = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        (output.status.code(), self.termination_message(), last)
    }

    fn termination_message(&self) -> TrainingResult {
        let json = fs::read(self.path("termination-log")).unwrap();
        assert!(json.len() <= TERMINATION_LOG_BYTES);
        serde_json::from_slice(&json).unwrap()
    }
}

fn rows(count: usize) -> String {
    (0..count).fold("x\n".to_owned(), |csv, i| csv + &format!("{}\n", i * i % 13))
}

#[test]
fn bad_input_exits_with_two_and_says_why() {
    let (code, said, log) = Volumes::new("bad-input", "x\n1\nbad\n").run();
    assert_eq!((code, said.reason.as_str()), (Some(2), "InvalidData"));
    assert_eq!(said.message, "ConfigMap demo/x key train.csv, line 3, column \"x\": \"bad\" is not a number");
    assert_eq!(
        (log["level"].as_str(), log["message"].as_str()),
        (Some("ERROR"), Some(said.message.as_str()))
    );
}

#[test]
fn without_an_api_server_a_trained_model_exits_with_one() {
    let (code, said, _) = Volumes::new("no-server", &rows(50)).run();
    assert_eq!((code, said.reason.as_str()), (Some(1), "PublishingFailed"));
    assert!(said.message.starts_with("cannot reach the API server from here: "), "{}", said.message);
}

#[test]
fn data_that_was_replaced_exits_with_one() {
    let volumes = Volumes::new("replaced", &rows(50));
    fs::write(volumes.path("data.csv"), rows(51)).unwrap();
    let (code, said, _) = volumes.run();
    assert_eq!((code, said.reason.as_str()), (Some(1), "DataChanged"));
}

#[test]
fn an_input_that_cannot_be_read_exits_with_one() {
    let volumes = Volumes::new("no-input", &rows(50));
    fs::write(volumes.path("input.json"), "{\"version\": 1}").unwrap();
    let (code, said, _) = volumes.run();
    assert_eq!((code, said.reason.as_str()), (Some(1), "InputUnreadable"));
    fs::remove_file(volumes.path("input.json")).unwrap();
    assert_eq!(volumes.run().1.reason, "InputUnreadable");
}

#[test]
fn sigterm_ends_a_training_at_once() {
    let volumes = Volumes::new("sigterm", &rows(50));
    // A pipe that nobody writes to holds the program in its first step, after it has begun to listen to signals.
    let pipe = volumes.path("input.json");
    fs::remove_file(&pipe).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = volumes.program().spawn().unwrap();
    let writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    drop(writer);
    assert_eq!(volumes.termination_message().reason, "Interrupted");
}
