//! The program as people start it: from a manifest to a scored request, and its refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn anomaly(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anomaly"));
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

fn refused(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = anomaly(arguments).output().unwrap();
    assert_eq!((status.code(), stdout.len()), (Some(1), 0));
    String::from_utf8(stderr).unwrap()
}

/// A running `anomaly`, ended with the test whatever happens.
struct Running {
    child: Child,
    printed: String,
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = anomaly(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !printed.contains("curl") && stdout.read_line(&mut printed).unwrap() > 0 {}
        let address =
            printed.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
        Self { child, printed, address }
    }

    /// Sends a request; gives the status line's code and the body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Presses Ctrl-C; gives the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_quick_start_runs_without_a_cluster() {
    let running = Running::start(&["run", "-f", "examples/quickstart.yaml", "--port", "0"]);
    let expected = "trained    on 979 rows of mean, sd from ConfigMap demo/machine-temperature key train.csv";
    assert!(running.printed.contains(expected), "{}", running.printed);

    let (status, body) = running.ask("POST", "/prediction?score=true", "[26.9716, 0.5116]");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["is_inlier"]), (200, &serde_json::Value::Bool(false)));
    assert!(body["anomaly_score"].as_f64().unwrap() < 0.0);
    assert_eq!(running.ask("GET", "/model_information", "").0, 200);
    assert_eq!(running.ask("POST", "/prediction", "[1, 2, 3]").0, 422);

    assert_eq!(running.interrupt(), Some(0));
}

#[test]
fn the_printed_request_is_one_that_works() {
    let running = Running::start(&["run", "--file", "examples/inline.yaml", "--port", "0"]);
    let vector = running.printed.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert_eq!(vector, "[99.4416,0.7252]");
    assert_eq!(running.ask("POST", "/prediction?score=true", vector).0, 200);
}

#[test]
fn a_trained_directory_is_what_the_server_loads() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trained-{}", std::process::id()));
    let arguments = ["train", "-f", "examples/inline.yaml", "--out", directory.to_str().unwrap()];
    let Output { status, stdout, .. } = anomaly(&arguments).output().unwrap();
    assert!(status.success());
    assert!(String::from_utf8(stdout).unwrap().contains("written"));

    let description = std::fs::read(directory.join(server::DESCRIPTION_FILE)).unwrap();
    let description: detectors::Description = serde_json::from_slice(&description).unwrap();
    let model = std::fs::read(directory.join(server::MODEL_FILE)).unwrap();
    assert_eq!(description.model_bytes, model.len() as u64);
    assert_eq!(detectors::Model::decode(&model).unwrap().features(), description.features);
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn refusals_are_one_message_and_exit_code_one() {
    assert!(refused(&["run", "-f", "no/such.yaml"]).starts_with("error: cannot read no/such.yaml: "));
    let said = refused(&["run", "-f", "examples/data/machine-temperature/hourly.csv"]);
    assert!(
        said.starts_with("error: examples/data/machine-temperature/hourly.csv is not a usable manifest:\n"),
        "{said}"
    );
    let said = refused(&["run", "-f", "examples/quickstart.yaml", "--model", "other"]);
    let expected = "error: cannot run examples/quickstart.yaml: there is no AnomalyModel other in the file, but \
                    demo/machine-temperature\n";
    assert_eq!(said, expected);
}

#[test]
fn help_and_version_name_what_there_is() {
    let help = String::from_utf8(anomaly(&["run", "--help"]).output().unwrap().stdout).unwrap();
    for word in ["--file", "--port", "--model", "examples/quickstart.yaml"] {
        assert!(help.contains(word), "{word} in\n{help}");
    }
    let version = String::from_utf8(anomaly(&["--version"]).output().unwrap().stdout).unwrap();
    assert_eq!(version, format!("anomaly {}\n", env!("CARGO_PKG_VERSION")));
}
