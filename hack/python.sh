#!/usr/bin/env bash
# python.sh [PYTEST ARGUMENTS…]: tests of the Python package in python/, which exports models of scikit-learn, and of the notebook,
# in a virtual environment of its own.
# python.sh notebook: opens the notebook.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cd "$ROOT/python"

interpreter=$(REQUIREMENTS=$PWD/requirements.txt "$here/clients/venv.sh")
# (the programs that the notebook starts; the same command line as the unit tests' gives the same build)
cargo test --workspace --locked --quiet --no-run --test logs --test run
if [ "${1:-}" = notebook ]; then
  # (`make up` needs root, so people may be root here, too; it listens on the loopback, and asks for its token)
  as_root=()
  [ "$(id -u)" != 0 ] || as_root=(--allow-root)
  exec "$interpreter" -m notebook "${as_root[@]}" "$ROOT/notebooks/anomaly_training.ipynb"
fi
PYTHONDONTWRITEBYTECODE=1 exec "$interpreter" -m pytest "$@"
