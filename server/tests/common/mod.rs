//! A small model, and the server as a process of its own.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]
#![allow(dead_code, reason = "every test uses some of it")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use detectors::{CheckedMatrix, Description, DetectorConfig, Model, ThresholdConfig};
use ndarray::Array2;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Its bytes and its description.
pub(crate) fn model() -> (Vec<u8>, Description) {
    let (features, detector) =
        (vec!["mean".to_owned()], DetectorConfig::from(detectors::IsolationForestConfig::default()));
    let rows = CheckedMatrix::new(Array2::from_shape_fn((64, 1), |(row, _)| row as f64)).unwrap();
    let trained = Model::train(&features, &detector, &ThresholdConfig::default(), &rows).unwrap();
    let model = trained.encode();
    let hex: String = Sha256::digest(&model).iter().map(|byte| format!("{byte:02x}")).collect();
    let description = Description {
        format_version: 1,
        revision: "machine-r-0-1".to_owned(),
        key: "0".repeat(64),
        detector,
        features,
        rows: trained.training_rows(),
        threshold: trained.threshold(),
        threshold_config: ThresholdConfig::default(),
        flagged_training_share: trained.flagged_training_share(),
        data_digest: String::new(),
        model_digest: format!("sha256:{hex}"),
        model_bytes: model.len() as u64,
        warnings: Vec::new(),
    };
    (model, description)
}

/// A fresh directory of this test's own.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The binary on a free port; it ends with the test.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: SocketAddr,
}

impl Process {
    /// With the small model, these arguments and these variables; it listens when this returns.
    pub(crate) fn start(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = directory(name);
        let (model, description) = model();
        std::fs::write(directory.join(server::MODEL_FILE), model).unwrap();
        let description = serde_json::to_vec(&description).unwrap();
        std::fs::write(directory.join(server::DESCRIPTION_FILE), description).unwrap();
        // Another build of it can be named, an optimised one above all.
        let built = || env!("CARGO_BIN_EXE_anomaly-server").into();
        let mut child = Command::new(std::env::var_os("ANOMALY_SERVER").unwrap_or_else(built))
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--model-dir"])
            .arg(&directory)
            .args(arguments)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let http = log
            .by_ref()
            .find_map(|line| {
                let line: Value = serde_json::from_str(&line.unwrap()).ok()?;
                let is_http = line["message"] == "listening" && line["port"] == "http";
                is_http.then(|| line["address"].as_str().unwrap().parse().unwrap())
            })
            .expect("it ended without listening");
        // A pipe that nobody reads would stop it in the end.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, http }
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Asks it to end, as the kubelet does, and waits.
    pub(crate) fn terminate(mut self) {
        let signal = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(signal.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds that another process brings about.
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it has not come true for a minute");
}
