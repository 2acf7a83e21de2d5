"""Whether the server keeps to its own /openapi.json: Schemathesis makes requests from it, good and bad ones, and compares.

With a seed, so that a change is judged by what it changes. `make schemathesis` looks for longer, each time elsewhere.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

SETTINGS = Path(__file__).resolve().parents[1] / "schemathesis"
EXAMPLES, SEED = os.environ.get("SCHEMATHESIS_EXAMPLES", "10"), os.environ.get("SCHEMATHESIS_SEED", "1")


def schemathesis(url, directory, *arguments):
    """Schemathesis' own report, and whether it found anything."""
    schemathesis = Path(sys.executable).with_name("schemathesis")
    seed = [] if SEED == "random" else ["--seed", SEED]
    command = [schemathesis, "--config-file", SETTINGS / "schemathesis.toml", "run", f"{url}/openapi.json"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(SETTINGS)}
    options = ["--max-examples", EXAMPLES, *seed, "--phases", "examples,coverage,fuzzing", "--warnings", "off", "--no-color"]
    return subprocess.run(
        [*command, *options, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=1800
    )


@pytest.mark.parametrize("port", ["http", "public"])
def test_nothing_is_found(server, port, tmp_path):
    url, arguments = server.http, []
    if port == "public":
        url, arguments = server.public, ["--auth", ":".join(server.auth)]
    done = schemathesis(url, tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    # (a server that has fallen answers nothing, and nothing is what should not be found)
    assert httpx.get(server.http + "/readyz").status_code == 200


def test_the_description_on_public_needs_the_password(server):
    assert httpx.get(server.public + "/openapi.json").status_code == 401
    document = httpx.get(server.public + "/openapi.json", auth=server.auth).json()
    assert document["servers"][0]["url"] == server.base_path + "/"
    assert document["security"] == [{"basic": []}]
