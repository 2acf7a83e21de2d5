//! Services as child processes on a core of their own, and what they use of it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Clock ticks a second in /proc: 100 on every Linux that people run.
const TICKS: f64 = 100.0;

/// A running service, ended with the value.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to the first answer of `/readyz` or the like.
    pub(crate) ready_after: Duration,
}

impl Service {
    /// Starts `program` on the given core and waits until `path` is answered with 200.
    pub(crate) fn start(
        core: &str,
        program: &str,
        arguments: &[String],
        address: SocketAddr,
        path: &str,
    ) -> Result<Self> {
        anyhow::ensure!(
            TcpStream::connect(address).is_err(),
            "something else answers at {address}, where {program} should: end it first"
        );
        let began = Instant::now();
        let child = Command::new("taskset")
            .args(["-c", core, program])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut service = Self { child, address, ready_after: Duration::ZERO };
        while !ready(address, path) {
            if let Some(status) = service.child.try_wait()? {
                bail!("{program} ended with {status} before it was ready");
            }
            if began.elapsed() > Duration::from_secs(120) {
                bail!("{program} is not ready after two minutes");
            }
            thread::sleep(Duration::from_millis(1));
        }
        service.ready_after = began.elapsed();
        Ok(service)
    }

    /// CPU seconds of it and of the children that it has waited for.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu_of(&format!("/proc/{}/stat", self.child.id()))
    }

    /// Resident memory in megabytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(address: SocketAddr, path: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let asked = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b"200"))
    };
    asked().unwrap_or(false)
}

/// CPU seconds of this process so far.
pub(crate) fn cpu_of_this_process() -> Result<f64> {
    cpu_of("/proc/self/stat")
}

fn cpu_of(path: &str) -> Result<f64> {
    let stat = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    // The program's name, in brackets, may hold anything.
    let behind = stat.rsplit(')').next().context("no stat")?;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let ticks = |index: usize| -> Result<f64> { Ok(fields.get(index).context("too few fields")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}
