"""Servers for the tests: the quick start's model, trained once, served by this tree's own programs on free ports."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[3]
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
PROGRAMS = Path(os.environ.get("ANOMALY_PROGRAMS", BUILT / "debug"))
MODEL = "machine-temperature"
USER, PASSWORD = "ann", "secret"
HTPASSWD = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
# A row like those of the training, and one far from all of them.
ORDINARY, FAR_AWAY = [95.0821, 0.6199], [26.9716, 0.5116]


def train(directory: Path, manifest: Path = ROOT / "examples" / "quickstart.yaml") -> Path:
    """The quick start's model, or another one, as a directory that a server loads."""
    command = [PROGRAMS / "anomaly", "train", "-f", manifest, "--out", directory]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return directory


@dataclass
class Server:
    """A running server; its ports are there, and its model is loaded."""

    process: subprocess.Popen
    base_path: str
    addresses: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    auth = (USER, PASSWORD)
    model = MODEL

    @property
    def http(self) -> str:
        """The in-cluster port, without a password."""
        return f"{self._scheme}://{self.addresses['http']}"

    @property
    def public(self) -> str:
        """The port behind an ingress with its base path; it asks for `auth`."""
        return f"{self._scheme}://{self.addresses['public']}{self.base_path}"

    @property
    def grpc(self) -> str:
        """host:port of the gRPC service."""
        return self.addresses["grpc"]

    _scheme = "http"


@contextlib.contextmanager
def serve(model_directory: Path, scratch: Path, *flags: str, base_path: str = "/", **environment: str):
    """Starts `anomaly-server` with these flags and stops it at the end, whatever happens."""
    htpasswd = scratch / "auth"
    htpasswd.write_text(HTPASSWD)
    local = "127.0.0.1:0"
    command = [
        PROGRAMS / "anomaly-server", "--model-dir", model_directory, "--model-name", MODEL, "--model-namespace", "demo",
        "--http-address", local, "--public-address", local, "--htpasswd-file", htpasswd, "--public-base-path", base_path,
        *flags,
    ]  # fmt: skip
    environment = os.environ | {"GRPC_ADDRESS": local} | environment
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            server = Server(process, base_path.rstrip("/"))
            _await_ready(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_ready(server: Server) -> None:
    """Reads the log until the model is loaded; the ports are named before. The rest of it is read on the side."""
    for line in server.process.stderr:
        server.log.append(line)
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("message") == "listening":
            server.addresses[entry["port"]] = entry["address"]
        # (two threads write these lines: the model may be loaded before the last port is open)
        ready = any("the model is loaded" in line for line in server.log)
        if ready and {"http", "public"} <= server.addresses.keys():
            break
    else:
        raise RuntimeError("the server ended before it was ready:\n" + "".join(server.log))
    threading.Thread(target=lambda: server.log.extend(server.process.stderr), daemon=True).start()
    httpx.get(server.http + "/readyz", timeout=10).raise_for_status()
